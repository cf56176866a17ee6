//! Promises of the journal about altered files: an error that says where, or the records as they were; never fewer without a word.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;

use disk::Disk;
use proptest::prelude::*;
use semrank_store::Error;
use semrank_store::journal::{Journal, Options};
use std::collections::BTreeMap;

type Files = BTreeMap<String, Vec<u8>>;
type Records = Vec<(u64, Vec<u8>)>;

const OPTIONS: Options = Options { segment_bytes: 4096 + 400 };

fn read(disk: &Disk) -> Result<(Journal, Records), Error> {
    let journal = Journal::open_in(disk.shared(), OPTIONS)?;
    let mut records = Vec::new();
    journal.for_each(journal.recovered().first, |sequence, bytes| {
        records.push((sequence, bytes.to_vec()));
        Ok::<(), Error>(())
    })?;
    Ok((journal, records))
}

/// The files of a small journal of three segments, and its records.
fn small() -> (Files, Records) {
    let disk = Disk::default();
    let journal = Journal::open_in(disk.shared(), OPTIONS).unwrap();
    for round in 0..12 {
        journal.append_batch(&[vec![round; 20], vec![7; round as usize * 3], Vec::new()]).unwrap();
        journal.commit_all().unwrap();
    }
    assert_eq!(journal.segments().len(), 2);
    drop(journal);
    (disk.files(), read(&disk).unwrap().1)
}

/// Damage is an error that names the file and says what to do; otherwise every record is there.
fn check(files: &Files, records: &Records, name: &str, what: &str) {
    match read(&Disk::with_files(files)) {
        Ok((_, found)) => assert_eq!(&found, records, "{what}"),
        Err(error @ Error::Journal { .. }) => {
            assert!(error.to_string().contains(name) && error.help().is_some(), "{what}: {error}");
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

#[test]
fn a_bit_flipped_anywhere_loses_nothing_silently() {
    let (files, records) = small();
    for (name, bytes) in &files {
        for at in 0..bytes.len() {
            for bit in [0, 7] {
                let mut altered = files.clone();
                altered.get_mut(name).unwrap()[at] ^= 1 << bit;
                check(&altered, &records, name, &format!("{name} byte {at} bit {bit}"));
            }
        }
    }
}

#[test]
fn a_file_cut_anywhere_loses_nothing_silently() {
    let (files, records) = small();
    for (name, bytes) in &files {
        for len in 0..bytes.len() {
            let mut altered = files.clone();
            altered.get_mut(name).unwrap().truncate(len);
            check(&altered, &records, name, &format!("{name} cut to {len}"));
        }
    }
}

#[test]
fn a_missing_file_is_noticed() {
    let (files, records) = small();
    let names: Vec<&String> = files.keys().collect();
    let without = |name: &String| {
        let mut left = files.clone();
        left.remove(name);
        Disk::with_files(&left)
    };
    assert!(matches!(read(&without(names[1])), Err(Error::Journal { .. })), "a gap");
    // The first: as if removed after a snapshot. The last: as if never written; who knows better asks for later records.
    for name in [names[0], names[2]] {
        let (journal, left) = read(&without(name)).unwrap();
        assert!(left.iter().all(|record| records.contains(record)));
        let asked = if name == names[0] { 0 } else { records.len() as u64 };
        let error = journal.for_each(asked, |_, _| Ok::<(), Error>(())).unwrap_err();
        assert!(matches!(error, Error::JournalRange { .. }) && error.help().is_some());
    }
}

#[test]
fn a_torn_end_is_cut_off_reported_once_and_written_over() {
    let (mut files, records) = small();
    let last = files.keys().next_back().unwrap().clone();
    let end = files[&last].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    files.get_mut(&last).unwrap()[end + 3..end + 40].fill(0xAB);
    let disk = Disk::with_files(&files);
    let (journal, found) = read(&disk).unwrap();
    assert_eq!(found, records);
    let cut = journal.recovered().cut.clone().unwrap();
    assert!(cut.path.ends_with(&last) && cut.offset as usize <= end, "{cut}");
    assert_eq!(cut.offset + cut.bytes, end as u64 + 40);
    let next = journal.append(b"next").unwrap();
    journal.commit(next).unwrap();
    drop(journal);
    let (journal, found) = read(&disk).unwrap();
    assert_eq!(journal.recovered().cut, None);
    assert_eq!(found.len(), records.len() + 1);
    assert_eq!(found.last().unwrap(), &(records.len() as u64, b"next".to_vec()));
}

#[test]
fn a_payload_that_is_a_journal_is_not_taken_for_one() {
    let (files, _) = small();
    let disk = Disk::default();
    let options = Options { segment_bytes: 1 << 16 };
    let journal = Journal::open_in(disk.shared(), options).unwrap();
    // Frames are looked for at multiples of 8 bytes, and a payload begins 4 bytes beside one.
    let payload: Vec<u8> = [0; 4].into_iter().chain(files.into_values().flatten()).collect();
    journal.append(&payload).unwrap();
    disk.state().fault = disk::Fault::Write;
    assert!(journal.commit_all().is_err());
    drop(journal);
    let journal = Journal::open_in(disk.shared(), options).unwrap();
    assert_eq!(journal.recovered().next, 0);
    assert!(journal.recovered().cut.is_some());
}

#[test]
fn a_mark_is_found_wherever_blocks_of_reading_end() {
    // Behind a frame of so many bytes a mark lies across two blocks of 2^18 bytes.
    for frame_bytes in (0..32).step_by(8).map(|less| (1 << 18) - less) {
        let disk = Disk::default();
        let options = Options { segment_bytes: 1 << 20 };
        let journal = Journal::open_in(disk.shared(), options).unwrap();
        journal.append(&vec![1; frame_bytes - 28]).unwrap();
        journal.commit_all().unwrap();
        drop(journal);
        let mut files = disk.files();
        let bytes = files.values_mut().next().unwrap();
        let end = 4096 + frame_bytes;
        assert!(bytes[end - 1] == 1 && bytes[end..end + 24].iter().any(|byte| *byte != 0));
        bytes[5000] ^= 1;
        let error = Journal::open_in(Disk::with_files(&files).shared(), options).err();
        assert!(matches!(error, Some(Error::Journal { offset: 4096, .. })), "{frame_bytes}: {error:?}");
    }
}

#[test]
fn another_format_version_is_named() {
    let (mut files, _) = small();
    let first = files.values_mut().next().unwrap();
    // Version 2, with the sum of the changed header.
    first[8] = 2;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&first[..32]);
    first[32..36].copy_from_slice(&hasher.finalize().to_le_bytes());
    let error = read(&Disk::with_files(&files)).err().unwrap();
    assert!(matches!(error, Error::JournalVersion { version: 2, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn any_bytes_are_an_error_or_the_first_records(
        edits in prop::collection::vec((0usize..3, prop_oneof![0usize..40, 4090usize..4500], prop::collection::vec(any::<u8>(), 1..30)), 0..5),
        cuts in prop::collection::vec((0usize..3, 0usize..4496), 0..2),
    ) {
        let (mut files, records) = small();
        let names: Vec<String> = files.keys().cloned().collect();
        for (file, at, bytes) in edits {
            let file = files.get_mut(&names[file]).unwrap();
            let at = at.min(file.len());
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
        }
        for (file, len) in cuts {
            files.get_mut(&names[file]).unwrap().truncate(len);
        }
        if let Ok((journal, found)) = read(&Disk::with_files(&files)) {
            prop_assert_eq!(&found[..], &records[..found.len()]);
            prop_assert_eq!(journal.append(b"x").unwrap(), found.len() as u64);
            journal.commit_all().unwrap();
        }
    }

    #[test]
    fn random_files_are_no_panic_and_no_journal(
        files in prop::collection::vec((prop_oneof![0u64..20, any::<u64>()], prop::collection::vec(any::<u8>(), 0..6000)), 1..4),
        starts_well in any::<bool>(),
    ) {
        let (whole, _) = small();
        let header = &whole.values().next().unwrap()[..64];
        let named = files.into_iter().map(|(first, mut bytes)| {
            let len = header.len().min(bytes.len());
            if starts_well {
                bytes[..len].copy_from_slice(&header[..len]);
            }
            (format!("{first:020}.journal"), bytes)
        });
        let files: Files = named.collect();
        if let Ok((_, found)) = read(&Disk::with_files(&files)) {
            prop_assert!(found.is_empty());
        }
    }
}
