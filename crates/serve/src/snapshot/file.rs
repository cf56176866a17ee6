//! A snapshot's file: parts in, the same parts out, or an error. It is a redb database of bytes and numbers, `snapshot-HASH.redb`, whose
//! name has the hash of its bytes, so that a file that was cut short or altered is known before anything reads it.

use super::SnapshotError;
use redb::{Builder, ReadOnlyDatabase, ReadableDatabase, TableDefinition};
use semrank_store::{Error as StoreError, hash_file};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Of what is in the tables.
const FORMAT: u32 = 1;
/// One entry, the JSON of [`About`].
const ABOUT: TableDefinition<u64, &[u8]> = TableDefinition::new("about");
/// Bytes of part `key >> 32`, in chunks.
const CHUNKS: TableDefinition<u64, &[u8]> = TableDefinition::new("chunks");
/// redb keeps an entry in a power of two of pages; this leaves room for its own bytes.
const CHUNK_BYTES: usize = (64 << 10) - 256;
/// Pages that redb holds in memory.
const CACHE_BYTES: usize = 16 << 20;
const PARTIAL: &str = "snapshot.partial";

/// What a snapshot says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    format: u32,
    /// Hash of the run's data set.
    pub(super) data: String,
    /// Number of the first record that any part may lack.
    pub(super) as_of: u64,
    /// Hash of the record before, by which the log is known.
    pub(super) record: String,
    /// How many ids of events are remembered at most.
    pub(super) remembered_ids: usize,
    pub(super) parts: Vec<Part>,
}

/// What a snapshot says of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    /// Number of the first record that it lacks.
    pub(super) as_of: u64,
    bytes: u64,
}

/// A snapshot that was opened.
pub(super) struct Snapshot {
    database: ReadOnlyDatabase,
    pub(super) about: About,
}

impl About {
    pub(super) fn new(data: &str, (as_of, record): (u64, String), remembered_ids: usize) -> Self {
        Self { format: FORMAT, data: data.to_owned(), as_of, record, remembered_ids, parts: Vec::new() }
    }
}

/// Writes a snapshot that appears whole or not at all, in place of all others. `is_wanted` is asked before it appears.
pub(super) fn write(
    folder: &Path,
    mut about: About,
    parts: impl Iterator<Item = Result<(String, u64, Vec<u8>), SnapshotError>>,
    is_wanted: impl Fn() -> bool,
) -> Result<(), SnapshotError> {
    let partial = Partial::new(folder)?;
    let database = Builder::new().set_cache_size(CACHE_BYTES).create(&partial.0)?;
    let transaction = database.begin_write()?;
    {
        let mut chunks = transaction.open_table(CHUNKS)?;
        for (at, part) in (0u64..).zip(parts) {
            let (name, as_of, bytes) = part?;
            for (chunk, bytes) in (0u64..).zip(bytes.chunks(CHUNK_BYTES)) {
                chunks.insert(at << 32 | chunk, bytes)?;
            }
            about.parts.push(Part { name, as_of, bytes: bytes.len() as u64 });
        }
        let about = serde_json::to_vec(&about).map_err(|error| SnapshotError::Unusable(error.to_string()))?;
        transaction.open_table(ABOUT)?.insert(0u64, about.as_slice())?;
    }
    transaction.commit()?;
    database.close()?;
    let io = |action, error| StoreError::io(action, &partial.0)(error);
    File::open(&partial.0).and_then(|file| file.sync_all()).map_err(|error| io("sync", error))?;
    let path = folder.join(format!("snapshot-{}.redb", hash_file(&partial.0)?));
    if !is_wanted() {
        return Err(SnapshotError::Outdated);
    }
    let older = all(folder)?;
    fs::rename(&partial.0, &path).map_err(|error| io("rename", error))?;
    sync(folder)?;
    remove(folder, older.iter().filter(|older| **older != path))
}

/// Opens a snapshot whose bytes are those that were written.
pub(super) fn open(path: &Path) -> Result<Snapshot, SnapshotError> {
    let unusable = |reason: &str| SnapshotError::Unusable(reason.to_owned());
    let hash = hash_file(path)?;
    if !path.file_stem().is_some_and(|name| name.to_string_lossy().ends_with(&hash)) {
        return Err(unusable("it is cut short or altered"));
    }
    let database = Builder::new().set_cache_size(CACHE_BYTES).open_read_only(path)?;
    let about = {
        let table = database.begin_read()?.open_table(ABOUT)?;
        let entry = table.get(0u64)?.ok_or_else(|| unusable("it says nothing of itself"))?;
        serde_json::from_slice::<About>(entry.value()).map_err(|error| unusable(&error.to_string()))?
    };
    if about.format != FORMAT {
        return Err(unusable("it is of another version of semrank"));
    }
    Ok(Snapshot { database, about })
}

impl Snapshot {
    /// The bytes of part `at`.
    pub(super) fn part(&self, at: usize) -> Result<Vec<u8>, SnapshotError> {
        let table = self.database.begin_read()?.open_table(CHUNKS)?;
        let (first, mut out) = ((at as u64) << 32, Vec::new());
        for entry in table.range(first..first + (1 << 32))? {
            out.extend_from_slice(entry?.1.value());
        }
        let expected = self.about.parts.get(at).map(|part| part.bytes);
        match expected == Some(out.len() as u64) {
            true => Ok(out),
            false => {
                Err(SnapshotError::Unusable(format!("part {at} has {} bytes, not {expected:?}", out.len())))
            }
        }
    }
}

/// Snapshots in a folder.
pub(super) fn all(folder: &Path) -> Result<Vec<PathBuf>, SnapshotError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(StoreError::io("list", folder))?,
    };
    let is_snapshot = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("snapshot-") && name.ends_with(".redb")
    };
    Ok(entries.flatten().map(|entry| entry.path()).filter(is_snapshot).collect())
}

/// Removes every snapshot, and what a killed program left of one; they are gone for good when this returns.
pub(super) fn remove_all(folder: &Path) -> Result<(), SnapshotError> {
    remove_partial(folder)?;
    remove(folder, all(folder)?.iter())
}

/// Removes what a killed program left of a snapshot.
pub(super) fn remove_partial(folder: &Path) -> Result<(), SnapshotError> {
    let path = folder.join(PARTIAL);
    if path.exists() { remove(folder, std::iter::once(&path)) } else { Ok(()) }
}

fn remove<'p>(folder: &Path, mut paths: impl Iterator<Item = &'p PathBuf>) -> Result<(), SnapshotError> {
    paths.try_for_each(|path| fs::remove_file(path).map_err(StoreError::io("remove", path)))?;
    sync(folder)
}

fn sync(folder: &Path) -> Result<(), SnapshotError> {
    if cfg!(unix) && folder.exists() {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::io("sync", folder))?;
    }
    Ok(())
}

/// A file in the making; it goes when it does not become a snapshot.
struct Partial(PathBuf);

impl Partial {
    fn new(folder: &Path) -> Result<Self, SnapshotError> {
        fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        remove_partial(folder)?;
        Ok(Self(folder.join(PARTIAL)))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
