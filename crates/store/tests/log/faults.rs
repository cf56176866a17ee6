//! Faults of a server: what is confirmed is there and once, what is not fails in time, and the log goes on when the server is back.

use super::place::{Place, open};
use super::promises::{all, payload};
use semrank_store::Error;
use semrank_store::journal::Options;
use semrank_store::log::{DurableLog, LogUrl};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn is_whole(log: &dyn DurableLog, confirmed: u64) {
    let found = all(log, 0);
    assert!(found.len() as u64 >= confirmed, "{confirmed} were confirmed, {} are there", found.len());
    for (expected, (sequence, bytes)) in (0..).zip(&found) {
        assert_eq!((*sequence, bytes), (expected, &payload(expected)));
    }
}

pub(crate) fn a_killed_server(place: &mut Place) {
    let log = open(&place.url_with("&timeout_ms=300")).unwrap();
    let (is_over, confirmed, failures) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // The one thread that appends, so that a record's bytes follow from its number.
                let next = log.next_sequence();
                let batch: Vec<Vec<u8>> = (next..next + 1 + next % 4).map(payload).collect();
                let appended = log.append_batch(&batch).and_then(|range| log.commit(range.end - 1));
                match appended {
                    Ok(()) => confirmed.store(log.durable_end(), Ordering::Relaxed),
                    Err(error) => {
                        assert!(error.is_temporary(), "{error}");
                        failures.fetch_add(1, Ordering::Relaxed);
                        // Whoever wants to know tries again.
                        let _ = log.commit_all();
                    }
                }
            }
        });
        for round in 0..6 {
            let before = confirmed.load(Ordering::Relaxed);
            let until = Instant::now() + Duration::from_secs(20);
            while confirmed.load(Ordering::Relaxed) < before + 20 {
                assert!(Instant::now() < until, "round {round}: it does not go on");
                std::thread::sleep(Duration::from_millis(3));
            }
            place.kill();
            std::thread::sleep(Duration::from_millis(if round % 2 == 0 { 0 } else { 700 }));
            place.start();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(failures.load(Ordering::Relaxed) > 0, "nothing failed: the test tests nothing");
    let until = Instant::now() + Duration::from_secs(20);
    while let Err(error) = log.commit_all() {
        assert!(error.is_temporary() && Instant::now() < until, "{error}");
    }
    is_whole(&*log, confirmed.load(Ordering::Relaxed));
    let end = log.durable_end();
    drop(log);
    let log = place.open();
    assert_eq!(log.next_sequence(), end);
    is_whole(&*log, end);
}

pub(crate) fn a_slow_server(place: &Place) {
    let log = open(&place.url_with("&timeout_ms=600")).unwrap();
    let append = |number: u64| log.append(&payload(number));
    append(0).and_then(|sequence| log.commit(sequence)).unwrap();
    place.signal("STOP");
    append(1).unwrap();
    let begun = Instant::now();
    let error = log.commit(1).unwrap_err();
    assert!(error.is_temporary() && error.help().is_some(), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    // What waits does not grow.
    let begun = Instant::now();
    assert!(append(2).unwrap_err().is_temporary());
    assert!(begun.elapsed() < Duration::from_millis(100));
    assert_eq!((log.next_sequence(), log.durable_end()), (2, 1));
    // Tries that pile up in the server's connection write once.
    (0..2).for_each(|_| assert!(log.commit_all().unwrap_err().is_temporary()));
    place.signal("CONT");
    log.commit_all().unwrap();
    append(2).and_then(|sequence| log.commit(sequence)).unwrap();
    is_whole(&*log, 3);
    drop(log);

    // A pause within the deadline is no error.
    let log = open(&place.url_with("&timeout_ms=10000")).unwrap();
    place.signal("STOP");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(1500));
            place.signal("CONT");
        });
        let begun = Instant::now();
        log.append(&payload(3)).and_then(|sequence| log.commit(sequence)).unwrap();
        assert!(begun.elapsed() > Duration::from_secs(1));
    });
    is_whole(&*log, 4);
    drop(log);
    let log = place.open();
    assert_eq!(log.next_sequence(), 4);
    is_whole(&*log, 4);
}

pub(crate) fn no_server(place: &mut Place) {
    place.kill();
    let begun = Instant::now();
    let error = open(&place.url_with("&timeout_ms=500")).err().unwrap();
    assert!(error.is_temporary() && error.help().is_some(), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    place.start();
    assert_eq!(place.open().next_sequence(), 0);
}

pub(crate) fn readers(place: &Place) {
    let url: LogUrl = place.url().parse().unwrap();
    let read = || url.open_to_read(Options::default()).unwrap();
    assert!(read().is_none(), "there is no log yet, and none is made");
    assert!(read().is_none());
    let log = place.open();
    (0..10).for_each(|number| _ = log.append(&payload(number)).unwrap());
    log.commit_all().unwrap();
    let reader = read().unwrap();
    assert_eq!(reader.next_sequence(), 10);
    is_whole(&*reader, 10);
    let refused = reader.append(b"x").and_then(|sequence| reader.commit(sequence)).unwrap_err();
    assert!(refused.to_string().contains("opened for reading"), "{refused}");
    // The writer has not noticed.
    log.append(&payload(10)).and_then(|sequence| log.commit(sequence)).unwrap();
    is_whole(&*read().unwrap(), 11);
}

pub(crate) fn lost_files(place: &mut Place) {
    let log = open(&place.url_with("&timeout_ms=2000")).unwrap();
    (0..10).for_each(|number| _ = log.append(&payload(number)).unwrap());
    log.commit_all().unwrap();
    place.kill();
    for entry in std::fs::read_dir(place.dir.path()).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    place.start();
    let error = log.append(b"x").and_then(|sequence| log.commit(sequence)).unwrap_err();
    // Never a second log under the numbers of the first.
    assert!(matches!(error, Error::JournalStopped { .. } | Error::LogUnavailable { .. }), "{error}");
}
