//! What every log promises while all goes well.

use super::place::{Place, open};
use semrank_store::Error;
use semrank_store::log::DurableLog;
use std::ops::ControlFlow;

/// A record whose bytes follow from its number.
pub(crate) fn payload(sequence: u64) -> Vec<u8> {
    format!("record {sequence} ").bytes().cycle().take((sequence as usize * 37) % 900).collect()
}

/// All records from a number on.
pub(crate) fn all(log: &dyn DurableLog, from: u64) -> Vec<(u64, Vec<u8>)> {
    let mut out = Vec::new();
    let visit = |sequence, bytes: &[u8]| {
        out.push((sequence, bytes.to_vec()));
        Ok::<(), Error>(())
    };
    log.for_each(from, visit).unwrap();
    out
}

pub(crate) fn records_read_back(place: &Place) {
    let records: Vec<Vec<u8>> =
        vec![b"a".to_vec(), vec![], b"\0\r\n\xff*1\r\n".to_vec(), vec![0xA5; 1 << 20], b"last".to_vec()];
    let expected: Vec<(u64, Vec<u8>)> = (0..).zip(records.clone()).collect();
    let log = place.open();
    assert_eq!((log.first_sequence(), log.next_sequence(), log.durable_end()), (0, 0, 0));
    assert!(all(&*log, 0).is_empty());
    for (sequence, record) in (0..).zip(&records) {
        assert_eq!(log.append(record).unwrap(), sequence);
    }
    log.commit(4).unwrap();
    assert_eq!((log.next_sequence(), log.durable_end()), (5, 5));
    assert_eq!(all(&*log, 0), expected);
    assert_eq!(all(&*log, 3), expected[3..]);
    assert!(all(&*log, 5).is_empty());
    let mut seen = 0;
    log.read(1, &mut |_, _| {
        seen += 1;
        if seen == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, 2, "a reading ends when it is told to");
    for asked in [6, 1 << 40] {
        let error = log.read(asked, &mut |_, _| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(error, Error::JournalRange { next: 5, .. }), "{error}");
        assert!(matches!(log.commit(asked), Err(Error::JournalRange { .. })));
    }
    drop(log);
    let log = place.open();
    assert_eq!((log.first_sequence(), log.next_sequence(), log.durable_end()), (0, 5, 5));
    assert_eq!(all(&*log, 0), expected);
    assert_eq!(log.append(b"after").unwrap(), 5);
    log.commit_all().unwrap();
    assert_eq!(all(&*log, 4), [(4, b"last".to_vec()), (5, b"after".to_vec())]);
}

pub(crate) fn batches_of_any_size_read_back(place: &Place) {
    let (mut log, mut next) = (place.open(), 0);
    // Small and large ones, some beyond what is sent at once; and a writer that comes back.
    for (round, size) in [1u64, 0, 700, 3, 5000, 2, 1, 900].into_iter().enumerate() {
        let batch: Vec<Vec<u8>> = (next..next + size).map(payload).collect();
        assert_eq!(log.append_batch(&batch).unwrap(), next..next + size);
        next += size;
        if round % 2 == 0 {
            log.commit_all().unwrap();
        }
        if round % 3 == 2 {
            log.commit_all().unwrap();
            drop(log);
            log = place.open();
        }
    }
    let large = vec![vec![7u8; 3 << 20]; 5];
    assert_eq!(log.append_batch(&large).unwrap(), next..next + 5);
    let too_large = vec![vec![0u8; 6 << 20]; 3];
    assert!(matches!(log.append_batch(&too_large), Err(Error::RecordTooLarge { .. })));
    assert_eq!(log.append(b"end").unwrap(), next + 5);
    log.commit_all().unwrap();
    drop(log);
    let log = place.open();
    let found = all(&*log, 0);
    assert_eq!(found.len() as u64, next + 6);
    for (expected, (sequence, bytes)) in (0..).zip(&found) {
        assert_eq!(*sequence, expected);
        if expected < next {
            assert_eq!(*bytes, payload(expected), "record {expected}");
        }
    }
    assert!(found[next as usize..][..5].iter().all(|(_, bytes)| *bytes == large[0]));
    // From anywhere.
    for from in [1, 699, 701, 4000, next - 1, next, next + 3] {
        assert_eq!(all(&*log, from).first().map(|(sequence, _)| *sequence), Some(from));
    }
}

pub(crate) fn there_is_one_writer(place: &Place) {
    let url = place.url_with("&timeout_ms=1500");
    let url = if url.starts_with("redis") { format!("{url}&lease_ms=800") } else { url };
    let first = open(&url).unwrap();
    first.append(b"of the first").unwrap();
    first.commit_all().unwrap();
    match open(&url) {
        Err(error) => {
            let is_named = matches!(error, Error::Locked { .. } | Error::LogTaken { .. });
            assert!(is_named && error.help().is_some(), "{error}");
            // It goes on, and gives the log to the next one.
            first.append(b"again").unwrap();
            first.commit_all().unwrap();
            drop(first);
        }
        Ok(second) => {
            second.append(b"again").unwrap();
            second.commit_all().unwrap();
            let refused = first.append(b"too late").and_then(|sequence| first.commit(sequence)).unwrap_err();
            assert!(!refused.is_temporary(), "{refused}");
            assert!(refused.to_string().contains("another program"), "{refused}");
            assert!(first.append(b"never").is_err(), "it takes nothing more");
        }
    }
    let third = open(&url).unwrap();
    let texts: Vec<Vec<u8>> = all(&*third, 0).into_iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(texts, [b"of the first".to_vec(), b"again".to_vec()]);
}

pub(crate) fn what_was_removed_is_gone(place: &Place) {
    let log = place.open();
    (0..300).for_each(|sequence| _ = log.append(&payload(sequence)).unwrap());
    let rotated = log.rotate().unwrap();
    assert_eq!((rotated, log.durable_end()), (300, 300));
    log.append(b"kept").unwrap();
    log.commit_all().unwrap();
    log.remove_before(0).unwrap();
    assert_eq!(log.first_sequence(), 0);
    log.remove_before(rotated).unwrap();
    assert_eq!(log.first_sequence(), 300);
    let error = log.read(299, &mut |_, _| ControlFlow::Continue(())).unwrap_err();
    assert!(matches!(error, Error::JournalRange { asked: 299, first: 300, next: 301, .. }), "{error}");
    assert_eq!(all(&*log, 300), [(300, b"kept".to_vec())]);
    drop(log);
    let log = place.open();
    assert_eq!((log.first_sequence(), log.next_sequence()), (300, 301));
    // Of other numbers it removes no more than it should.
    (301..400).for_each(|sequence| {
        log.append(&payload(sequence)).unwrap();
        if sequence % 7 == 0 {
            log.commit_all().unwrap();
        }
    });
    log.commit_all().unwrap();
    log.remove_before(350).unwrap();
    assert!((300..=350).contains(&log.first_sequence()));
    let rest = all(&*log, 350);
    assert_eq!(rest, (350..400).map(|sequence| (sequence, payload(sequence))).collect::<Vec<_>>());
    // All of it: the numbers go on.
    let next = log.rotate().unwrap();
    log.remove_before(next).unwrap();
    drop(log);
    let log = place.open();
    assert_eq!(log.next_sequence(), 400);
    assert_eq!(log.append(b"on").unwrap(), 400);
    log.commit_all().unwrap();
    assert_eq!(all(&*log, 400), [(400, b"on".to_vec())]);
}

pub(crate) fn threads_commit_together(place: &Place) {
    let log = place.open();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let log = &*log;
            scope.spawn(move || {
                for number in 0..50u8 {
                    let sequence = log.append(&[thread, number]).unwrap();
                    log.commit(sequence).unwrap();
                    assert!(log.durable_end() > sequence);
                }
            });
        }
    });
    let found = all(&*log, 0);
    assert_eq!(found.len(), 200);
    for thread in 0..4 {
        let of_thread = found.iter().filter(|(_, bytes)| bytes[0] == thread).map(|(_, bytes)| bytes[1]);
        assert_eq!(of_thread.collect::<Vec<u8>>(), (0..50).collect::<Vec<u8>>());
    }
}
