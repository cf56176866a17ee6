//! Promises of the journal when the power goes: every confirmed record is there, nothing is twice, nothing is invented, the numbers
//! go on. The disk keeps unsynced writes apart and loses any of them (`disk`), so a missing sync is found.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod disk;

use disk::{Disk, Fault};
use proptest::prelude::*;
use semrank_store::Error;
use semrank_store::journal::{Journal, Options};

const OPTIONS: Options = Options { segment_bytes: 4096 + 600 };

/// A journal on a disk that fails, and what it should hold.
struct World {
    disk: Disk,
    journal: Option<Journal>,
    /// Every record, by its number.
    records: Vec<Vec<u8>>,
    /// So many must be there.
    confirmed: usize,
    /// Records before this may be gone.
    removable: u64,
    /// Makes every payload another one.
    made: u64,
}

impl World {
    fn new(disk: Disk) -> World {
        World { disk, journal: None, records: Vec::new(), confirmed: 0, removable: 0, made: 0 }
    }

    fn payload(&mut self, len: usize) -> Vec<u8> {
        self.made += 1;
        format!("{}:", self.made).bytes().chain((0..len).map(|i| (i as u8) ^ self.made as u8)).collect()
    }

    /// Opens the journal and compares what it holds.
    fn open(&mut self) -> Result<(), Error> {
        let journal = Journal::open_in(self.disk.shared(), OPTIONS)?;
        let found = journal.recovered().clone();
        let next = found.next as usize;
        assert!(
            next >= self.confirmed,
            "record {} was confirmed, the journal ends before {next}",
            self.confirmed
        );
        assert!(next <= self.records.len(), "{next} records, {} were appended", self.records.len());
        assert!(found.first <= self.removable, "{} removed, {} allowed", found.first, self.removable);
        let mut expected = found.first;
        journal.for_each(found.first, |sequence, bytes| {
            assert_eq!(sequence, expected);
            assert_eq!(bytes, self.records[sequence as usize], "record {sequence}");
            expected += 1;
            Ok::<(), Error>(())
        })?;
        assert_eq!(expected, found.next);
        self.records.truncate(next);
        self.confirmed = next;
        self.journal = Some(journal);
        Ok(())
    }

    /// Opens it again and again until the power stays.
    fn open_at_last(&mut self, seed: u64) {
        for attempt in 0.. {
            if self.open().is_ok() {
                return;
            }
            assert!(self.disk.is_off() && attempt < 9, "the journal cannot be opened: {:?}", self.open());
            self.crash(seed + attempt);
        }
    }

    fn crash(&mut self, seed: u64) {
        self.journal = None;
        self.disk = self.disk.after_crash(seed);
    }

    fn append(&mut self, sizes: &[usize]) -> Result<(), Error> {
        let payloads: Vec<Vec<u8>> = sizes.iter().map(|&len| self.payload(len)).collect();
        let journal = self.journal.as_ref().expect("it is open");
        let numbers = journal.append_batch(&payloads)?;
        assert_eq!(numbers, self.records.len() as u64..(self.records.len() + sizes.len()) as u64);
        self.records.extend(payloads);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        self.journal.as_ref().expect("it is open").commit_all()?;
        self.confirmed = self.records.len();
        Ok(())
    }

    fn remove_before(&mut self, sequence: u64) -> Result<(), Error> {
        self.removable = self.removable.max(sequence);
        self.journal.as_ref().expect("it is open").remove_before(sequence)
    }

    fn run(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Append(sizes) => self.append(sizes),
            Op::Commit => self.commit(),
            Op::Remove(percent) => self.remove_before(self.confirmed as u64 * percent / 100),
            Op::Reopen => {
                self.journal = None;
                // What was appended and not committed is lost with the memory of the program.
                self.open()
            }
            Op::Crash(_) | Op::PowerIn(_) | Op::Fault(_) => Ok(()),
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Append(Vec<usize>),
    Commit,
    Remove(u64),
    Reopen,
    /// Now.
    Crash(u64),
    /// The power goes so many steps of the disk later.
    PowerIn(usize),
    Fault(Fault),
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => prop::collection::vec(prop_oneof![9 => 0usize..80, 1 => 0usize..900], 1..6).prop_map(Op::Append),
        6 => Just(Op::Commit),
        1 => (0u64..=100).prop_map(Op::Remove),
        1 => Just(Op::Reopen),
        1 => any::<u64>().prop_map(Op::Crash),
        2 => (0usize..12).prop_map(Op::PowerIn),
        1 => prop::sample::select(vec![Fault::Sync, Fault::Write, Fault::FolderSync]).prop_map(Op::Fault),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]
    #[test]
    fn what_was_confirmed_survives_any_crash(ops in prop::collection::vec(any_op(), 1..60), seed in any::<u32>()) {
        let mut world = World::new(Disk::default());
        world.open().unwrap();
        for (at, op) in (u64::from(seed)..).zip(&ops) {
            match op {
                Op::Crash(seed) => {
                    world.crash(*seed);
                    world.open_at_last(*seed);
                }
                Op::PowerIn(steps) => {
                    let mut state = world.disk.state();
                    state.stop_at = Some(state.steps + steps);
                }
                Op::Fault(fault) => world.disk.state().fault = *fault,
                _ => {}
            }
            if world.run(op).is_ok() {
                continue;
            }
            if world.disk.is_off() {
                world.crash(at);
                world.open_at_last(at);
                continue;
            }
            // Something failed. Nothing is taken until the journal is opened again, on the same machine or after a crash.
            if let Some(journal) = &world.journal {
                let refused = matches!(journal.append(b"x"), Err(Error::JournalStopped { .. }));
                prop_assert!(refused);
            }
            world.disk.state().fault = Fault::None;
            world.journal = None;
            if at.is_multiple_of(3) {
                world.crash(at);
            }
            world.open_at_last(at);
        }
    }
}

/// Every step that a journal takes: creation, commits, rotations, a batch larger than a segment, removal, opening again.
fn script(world: &mut World) -> Result<(), Error> {
    world.open()?;
    for round in 0..4 {
        world.append(&[10, 0, 100])?;
        world.append(&[50])?;
        world.commit()?;
        world.append(&[200 + round])?;
        world.commit()?;
    }
    world.append(&[2000, 1])?;
    world.commit()?;
    world.remove_before(6)?;
    world.append(&[30])?;
    world.run(&Op::Reopen)?;
    world.append(&[30])?;
    world.commit()?;
    world.remove_before(world.confirmed as u64)
}

/// Crashes at a step of the script, then at a step of what opens the journal; the journal must be usable after both.
fn crash_twice(fault: Fault, first: usize, second: Option<usize>, seed: u64) -> World {
    let disk = Disk::default();
    (disk.state().stop_at, disk.state().fault) = (Some(first), fault);
    let mut world = World::new(disk);
    let _ = script(&mut world);
    world.crash(seed);
    world.disk.state().stop_at = second;
    if world.open().is_err() {
        world.crash(seed + 1);
    }
    world.disk.state().stop_at = None;
    world.open_at_last(seed);
    world.append(&[5]).unwrap();
    world.commit().unwrap();
    world.crash(seed + 2);
    world.open_at_last(seed);
    world
}

fn steps_of_the_script() -> usize {
    let mut world = World::new(Disk::default());
    script(&mut world).unwrap();
    let segments = world.journal.as_ref().unwrap().segments().len();
    assert_eq!(segments, 0, "all but the active segment were removed");
    world.disk.state().steps
}

#[test]
fn a_crash_at_every_step_and_another_at_every_step_of_recovery() {
    let steps = steps_of_the_script();
    assert!(steps > 60, "{steps}");
    for first in 0..=steps {
        for seed in 0..8 {
            crash_twice(Fault::None, first, None, seed * 1000 + first as u64);
            for second in 0..12 {
                crash_twice(Fault::None, first, Some(second), seed * 1000 + first as u64);
            }
        }
    }
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out_by_these_tests() {
    for fault in [Fault::LiesOnData, Fault::LiesOnNames] {
        let run = |first: usize| {
            (0..8).all(|seed| std::panic::catch_unwind(|| crash_twice(fault, first, None, seed)).is_ok())
        };
        let found = (0..=steps_of_the_script()).filter(|&first| !run(first)).count();
        assert!(found > 20, "{fault:?}: {found}");
    }
}

#[test]
fn a_frame_whose_sync_failed_is_written_once_more_before_it_counts() {
    for seed in 0..200 {
        let mut world = World::new(Disk::default());
        world.open().unwrap();
        world.append(&[40]).unwrap();
        world.commit().unwrap();
        world.append(&[(seed % 90) as usize, 70]).unwrap();
        world.disk.state().fault = Fault::Sync;
        assert!(matches!(world.commit(), Err(Error::JournalStopped { .. })));
        // The system's cache still shows the frame; on the disk there may be nothing of it.
        world.journal = None;
        world.open().unwrap();
        world.append(&[60]).unwrap();
        world.commit().unwrap();
        world.crash(seed);
        world.open().unwrap();
    }
}
