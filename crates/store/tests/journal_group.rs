//! Promises of the journal to threads: commits share syncs, and a failure reaches everybody who waits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;

use disk::{Disk, Fault};
use semrank_store::Error;
use semrank_store::journal::{Folder, Journal, LARGEST_BATCH_BYTES, Options, sealed_segments};
use std::sync::Arc;

/// One thread's commit is held in its sync; meanwhile seven more append and wait.
fn eight_commits(disk: &Disk, fault: Fault) -> Vec<Result<(), Error>> {
    let journal = Journal::open_in(disk.shared(), Options::default()).unwrap();
    disk.state().holds_syncs = true;
    let syncs = disk.state().syncs;
    let results = std::thread::scope(|scope| {
        let commit = |byte: u8| {
            let sequence = journal.append(&[byte])?;
            journal.commit(sequence)
        };
        let leader = scope.spawn(move || commit(0));
        while disk.state().syncs == syncs {
            std::thread::yield_now();
        }
        let others: Vec<_> = (1..8).map(|byte| scope.spawn(move || commit(byte))).collect();
        while journal.next_sequence() < 8 {
            std::thread::yield_now();
        }
        disk.state().fault = fault;
        disk.release_syncs();
        let all = std::iter::once(leader).chain(others);
        all.map(|thread| thread.join().unwrap()).collect()
    });
    if fault == Fault::None {
        assert_eq!(disk.state().syncs - syncs, 2, "one sync for the first, one for seven");
        assert_eq!(journal.durable_end(), 8);
    }
    results
}

#[test]
fn threads_that_wait_share_one_sync() {
    assert!(eight_commits(&Disk::default(), Fault::None).iter().all(Result::is_ok));
}

#[test]
fn a_failure_reaches_everybody_who_waits() {
    for fault in [Fault::Sync, Fault::Write] {
        let disk = Disk::default();
        let results = eight_commits(&disk, fault);
        let failed = results.iter().filter(|result| matches!(result, Err(Error::JournalStopped { .. })));
        // The sync that was held fails, and nobody tries another; or it succeeds, and the write of the seven, or of the mark, fails.
        assert!(failed.count() >= 7, "{fault:?} {results:?}");
        let journal = Journal::open_in(disk.shared(), Options::default()).unwrap();
        let sequence = journal.append(b"again").unwrap();
        journal.commit(sequence).unwrap();
    }
}

#[test]
fn many_threads_get_a_number_each_and_all_records_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 10_000 };
    let journal = Journal::open(dir.path(), options).unwrap();
    let mut expected: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let journal = &journal;
                scope.spawn(move || {
                    let append = |i: usize| {
                        let text = format!("thread {thread} record {i} {}", "x".repeat(i));
                        let sequence = journal.append(text.as_bytes()).unwrap();
                        if i.is_multiple_of(4) {
                            journal.commit(sequence).unwrap();
                        }
                        (sequence, text)
                    };
                    (0..60).map(append).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    journal.commit_all().unwrap();
    expected.sort();
    let read = |journal: &Journal, from: u64| {
        let mut out = Vec::new();
        let visit = |sequence, bytes: &[u8]| {
            out.push((sequence, String::from_utf8(bytes.to_vec()).unwrap()));
            Ok::<(), Error>(())
        };
        journal.for_each(from, visit).unwrap();
        out
    };
    assert_eq!(read(&journal, 0), expected);
    assert_eq!(read(&journal, 100), expected[100..]);

    // Another program reads what is sealed while the journal is open.
    let sealed = sealed_segments(dir.path()).unwrap();
    assert!(sealed.len() > 1);
    let mut seen = Vec::new();
    for segment in &sealed {
        let visit = |sequence, _: &[u8]| {
            seen.push(sequence);
            Ok::<(), Error>(())
        };
        segment.for_each(0, visit).unwrap();
    }
    assert_eq!(seen, (0..sealed.last().unwrap().sequences().end).collect::<Vec<_>>());
    assert!(matches!(Journal::open(dir.path(), options), Err(Error::Locked { .. })));

    let keep = sealed[1].sequences().start + 1;
    journal.remove_before(keep).unwrap();
    assert_eq!(journal.segments().len(), sealed.len() - 1);
    let first = sealed[1].sequences().start;
    assert_eq!(read(&journal, first), expected[first as usize..]);
    let gone = journal.for_each(first - 1, |_, _| Ok::<(), Error>(()));
    assert!(matches!(gone, Err(Error::JournalRange { .. })), "{gone:?}");
    drop(journal);
    let journal = Journal::open(dir.path(), options).unwrap();
    assert_eq!(journal.recovered().next, 480);
    assert_eq!(read(&journal, first), expected[first as usize..]);
    assert!(matches!(journal.commit(480), Err(Error::JournalRange { next: 480, .. })));
}

#[test]
fn large_batches_get_segments_of_their_own_and_too_large_ones_are_refused() {
    let disk = Disk::default();
    let options = Options { segment_bytes: 10_000 };
    let journal = Journal::open_in(disk.shared(), options).unwrap();
    let sizes = [0, 30_000, 5, LARGEST_BATCH_BYTES - 4, 7];
    for size in sizes {
        let sequence = journal.append(&vec![1; size]).unwrap();
        if size < 10 {
            journal.commit(sequence).unwrap();
        }
    }
    for size in [LARGEST_BATCH_BYTES - 3, LARGEST_BATCH_BYTES] {
        assert!(matches!(journal.append(&vec![0; size]), Err(Error::RecordTooLarge { .. })));
    }
    assert_eq!(journal.append_batch::<&[u8]>(&[]).unwrap(), 5..5);
    drop(journal);
    let journal = Journal::open_in(disk.after_crash(1).shared(), options).unwrap();
    let mut found = Vec::new();
    let visit = |_, bytes: &[u8]| {
        found.push(bytes.len());
        Ok::<(), Error>(())
    };
    journal.for_each(0, visit).unwrap();
    assert_eq!(found, sizes);
}

#[test]
fn a_folder_is_made_with_those_above_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b");
    let journal = Journal::open_in(Arc::new(Folder::lock(&folder).unwrap()), Options::default()).unwrap();
    assert_eq!(journal.recovered().next, 0);
    assert!(sealed_segments(&folder).unwrap().is_empty());
    assert!(sealed_segments(&dir.path().join("none")).is_err());
}
