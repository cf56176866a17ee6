//! A disk in memory that can lose power: what was not synced is kept apart, and of it a crash leaves all, nothing or a part, in any
//! order. It can also fail, fill up, hold a sync back, or lie.
#![allow(dead_code)] // each test uses a part

use semrank_store::journal::{Storage, StoredFile};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Draws that a seed fixes.
#[derive(Debug, Clone)]
pub(crate) struct Draws(pub u64);

impl Draws {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Reserve(usize),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What programs see.
    cached: Vec<u8>,
    /// What is on the disk for certain.
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

/// What a disk does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fault {
    #[default]
    None,
    /// The next sync of a file fails; what was to be written stays in the cache and never reaches the disk unless written again.
    Sync,
    /// The next write fails half-way.
    Write,
    /// The next sync of the folder fails.
    FolderSync,
    /// Says that writes were synced, and did nothing.
    LiesOnData,
    /// Says that names were synced, and did nothing.
    LiesOnNames,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    inodes: Vec<Inode>,
    cached_names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    pub(crate) fault: Fault,
    /// Steps so far: writes, syncs, changes of names.
    pub(crate) steps: usize,
    /// The step during which the power goes.
    pub(crate) stop_at: Option<usize>,
    /// Syncs of files.
    pub(crate) syncs: usize,
    /// Bytes that all files together may have.
    pub(crate) room: Option<usize>,
    /// Syncs that come wait while this is set.
    pub(crate) holds_syncs: bool,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    state: Arc<Mutex<State>>,
    released: Arc<Condvar>,
}

impl Disk {
    /// A disk with these files, all durable.
    pub(crate) fn with_files(files: &BTreeMap<String, Vec<u8>>) -> Disk {
        let disk = Disk::default();
        let mut state = disk.state();
        for (name, bytes) in files {
            let id = state.inodes.len();
            let inode = Inode { cached: bytes.clone(), durable: bytes.clone(), pending: Vec::new() };
            state.inodes.push(inode);
            state.cached_names.insert(name.clone(), id);
            state.durable_names.insert(name.clone(), id);
        }
        drop(state);
        disk
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn shared(&self) -> Arc<dyn Storage> {
        Arc::new(self.clone())
    }

    /// All files as programs see them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        state.cached_names.iter().map(|(name, &id)| (name.clone(), state.inodes[id].cached.clone())).collect()
    }

    /// Whether the power is gone.
    pub(crate) fn is_off(&self) -> bool {
        let state = self.state();
        state.stop_at.is_some_and(|stop| state.steps > stop)
    }

    pub(crate) fn release_syncs(&self) {
        self.state().holds_syncs = false;
        self.released.notify_all();
    }

    /// What is found after the power was gone.
    pub(crate) fn after_crash(&self, seed: u64) -> Disk {
        let (mut state, mut draws) = (self.state(), Draws(seed));
        let mut names = state.durable_names.clone();
        for change in std::mem::take(&mut state.pending_names) {
            if draws.below(2) == 0 {
                apply_name(&mut names, &change);
            }
        }
        // Some crashes keep nothing that was not synced, some everything but a little.
        let keeps = draws.below(4);
        let mut files = BTreeMap::new();
        for (name, id) in names {
            let inode = &state.inodes[id];
            let mut bytes = inode.durable.clone();
            for change in &inode.pending {
                if draws.below(3) < keeps {
                    tear(&mut bytes, change, &mut draws);
                }
            }
            files.insert(name, bytes);
        }
        let room = state.room;
        drop(state);
        let disk = Disk::with_files(&files);
        disk.state().room = room;
        disk
    }
}

impl State {
    /// Begins a step; an error when the power is gone. The step during which it goes has an effect, but is not confirmed.
    fn step(&mut self) -> io::Result<bool> {
        self.steps += 1;
        match self.stop_at {
            Some(stop) if self.steps > stop + 1 => Err(io::Error::other("the power is gone")),
            Some(stop) if self.steps > stop => Ok(false),
            _ => Ok(true),
        }
    }

    fn takes(&mut self, fault: Fault) -> bool {
        let is = self.fault == fault;
        if is {
            self.fault = Fault::None;
        }
        is
    }
}

fn confirmed(is_on: bool) -> io::Result<()> {
    if is_on { Ok(()) } else { Err(io::Error::other("the power went")) }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(at, new) => {
            bytes.resize(bytes.len().max(at + new.len()), 0);
            bytes[*at..at + new.len()].copy_from_slice(new);
        }
        Change::Reserve(len) => bytes.resize(bytes.len().max(*len), 0),
    }
}

/// Applies all of a change, or some pieces of it.
fn tear(bytes: &mut Vec<u8>, change: &Change, draws: &mut Draws) {
    let Change::Write(at, new) = change else { return apply(bytes, change) };
    if draws.below(2) == 0 {
        return apply(bytes, change);
    }
    let piece = [1, 8, 16, 64, 512][draws.below(5) as usize];
    for (i, piece_bytes) in new.chunks(piece).enumerate() {
        if draws.below(2) == 0 {
            apply(bytes, &Change::Write(at + i * piece, piece_bytes.to_vec()));
        }
    }
}

fn apply_name(names: &mut BTreeMap<String, usize>, change: &NameChange) {
    match change {
        NameChange::Set(name, id) => _ = names.insert(name.clone(), *id),
        NameChange::Rename(from, to, id) => {
            names.remove(from);
            names.insert(to.clone(), *id);
        }
        NameChange::Remove(name) => _ = names.remove(name),
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk {
    fn change_name(&self, change: impl FnOnce(&State) -> io::Result<NameChange>) -> io::Result<()> {
        let mut state = self.state();
        let is_on = state.step()?;
        let change = change(&state)?;
        apply_name(&mut state.cached_names, &change);
        state.pending_names.push(change);
        confirmed(is_on)
    }
}

impl Storage for Disk {
    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("/disk").join(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().cached_names.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let id = *self.state().cached_names.get(name).ok_or_else(missing)?;
        Ok(Box::new(OpenFile { disk: self.clone(), id }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let id = self.state().inodes.len();
        self.state().inodes.push(Inode::default());
        self.change_name(|state| match state.cached_names.contains_key(name) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => Ok(NameChange::Set(name.into(), id)),
        })?;
        Ok(Box::new(OpenFile { disk: self.clone(), id }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change_name(|state| {
            let id = *state.cached_names.get(from).ok_or_else(missing)?;
            Ok(NameChange::Rename(from.into(), to.into(), id))
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change_name(|state| {
            state.cached_names.get(name).ok_or_else(missing)?;
            Ok(NameChange::Remove(name.into()))
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        confirmed(state.step()?)?;
        if state.fault == Fault::LiesOnNames {
            return Ok(());
        }
        if state.takes(Fault::FolderSync) {
            return Err(io::Error::other("the folder cannot be synced"));
        }
        state.pending_names.clear();
        state.durable_names = state.cached_names.clone();
        Ok(())
    }
}

struct OpenFile {
    disk: Disk,
    id: usize,
}

impl OpenFile {
    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.disk.state();
        let is_on = state.step()?;
        let old = state.inodes[self.id].cached.len();
        let (end, fails) = match &change {
            Change::Write(at, bytes) => (at + bytes.len(), state.takes(Fault::Write)),
            Change::Reserve(len) => (*len, false),
        };
        let used: usize = state.cached_names.values().map(|&id| state.inodes[id].cached.len()).sum();
        let is_full = state.room.is_some_and(|room| used + end.saturating_sub(old) > room);
        let change = match change {
            Change::Write(at, bytes) if fails || is_full => {
                Change::Write(at, bytes[..bytes.len() / 2].to_vec())
            }
            Change::Reserve(_) if is_full => return Err(io::ErrorKind::StorageFull.into()),
            change => change,
        };
        let inode = &mut state.inodes[self.id];
        apply(&mut inode.cached, &change);
        inode.pending.push(change);
        if is_full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        confirmed(is_on && !fails)
    }
}

impl StoredFile for OpenFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.id].cached.len() as u64)
    }

    fn read_at(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let from = state.inodes[self.id].cached.get(at as usize..at as usize + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.change(Change::Write(at as usize, bytes.to_vec()))
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        self.change(Change::Reserve(bytes as usize))
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.syncs += 1;
        while state.holds_syncs {
            state = self.disk.released.wait(state).unwrap();
        }
        confirmed(state.step()?)?;
        if state.fault == Fault::LiesOnData {
            return Ok(());
        }
        let fails = state.takes(Fault::Sync);
        let mut draws = Draws(state.steps as u64);
        let inode = &mut state.inodes[self.id];
        for change in std::mem::take(&mut inode.pending) {
            match fails {
                false => apply(&mut inode.durable, &change),
                true if draws.below(2) == 0 => tear(&mut inode.durable, &change, &mut draws),
                true => {}
            }
        }
        if fails { Err(io::Error::other("the disk failed")) } else { Ok(()) }
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
