//! The published ids on disk: one segment per append, never rewritten, and a head that says how much of the log counts.
//!
//! A segment is the length of its rows in bytes (u64), then one row per item: length of the item's name (u32), the name, and L
//! codes (u16), all little-endian. The head holds the number of bytes that are published and the hash chain over their
//! segments. It is replaced in one step after the segment has reached the disk, so an append is complete or absent:
//! what a killed one left behind lies beyond the published bytes, is not read, and is cut off by the next append.

use super::Table;
use crate::{Collisions, Error};
use semrank_core::narrow;
use semrank_store::{LockedFile, sealed};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const LOG: &str = "ids.log";
const HEAD: &str = "generation.json";
/// Version of the files.
const FORMAT: u32 = 1;

/// How much of the log is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    format: u32,
    pub(super) generation: u32,
    pub(super) collisions: Collisions,
    /// Hash of the codebook that all ids are of.
    pub(super) codebook_blake3: String,
    pub(super) items: usize,
    bytes: u64,
    /// blake3 of (the hash before, a segment's rows), segment after segment.
    chain: String,
}

impl Head {
    pub(super) fn new(generation: u32, collisions: Collisions, codebook_blake3: String) -> Self {
        let chain = String::new();
        Self { format: FORMAT, generation, collisions, codebook_blake3, items: 0, bytes: 0, chain }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<(), Error> {
        sealed::write(&dir.join(HEAD), self)?;
        Ok(())
    }

    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(HEAD);
        let (head, _): (Self, String) = sealed::read(&path)?;
        if head.format != FORMAT {
            let (got, expected) = (head.format.to_string(), FORMAT.to_string());
            return Err(Error::Mismatch { path, what: "the version of the format", got, expected });
        }
        Ok(head)
    }
}

/// The log opened for one append; no other program can append meanwhile.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    path: PathBuf,
    file: LockedFile,
}

/// Makes an empty log.
pub(super) fn create(dir: &Path) -> Result<(), Error> {
    let path = dir.join(LOG);
    File::create(&path).map(drop).map_err(Error::io("create", path))
}

/// Reads the published rows into `table`.
pub(super) fn read(dir: &Path, head: &Head, table: &mut Table) -> Result<(), Error> {
    let path = dir.join(LOG);
    let file = File::open(&path).map_err(Error::io("read", &path))?;
    let mut bytes = Vec::new();
    file.take(head.bytes).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    if (bytes.len() as u64) < head.bytes {
        let reason = format!("it has {} bytes, {HEAD} says {}", bytes.len(), head.bytes);
        return Err(Error::damaged(&path, reason));
    }
    let cut = || Error::damaged(&path, "its segments are not whole".into());
    let (mut rest, mut chain) = (&bytes[..], String::new());
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<8>().ok_or_else(cut)?;
        let len = usize::try_from(u64::from_le_bytes(*len)).map_err(|_| cut())?;
        let (rows, after) = after.split_at_checked(len).ok_or_else(cut)?;
        chain = link(&chain, rows);
        read_rows(rows, table).ok_or_else(cut)?;
        rest = after;
    }
    if chain != head.chain || table.len() != head.items {
        let reason = format!(
            "the hash of its items, {} in number, is {chain:?}, {HEAD} says {:?}",
            table.len(),
            head.chain
        );
        return Err(Error::damaged(&path, reason));
    }
    Ok(())
}

fn read_rows(mut rest: &[u8], table: &mut Table) -> Option<()> {
    let mut codes = vec![0; table.levels()];
    while !rest.is_empty() {
        let (len, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let (values, after) = after.split_at_checked(2 * codes.len())?;
        codes.iter_mut().zip(values.as_chunks::<2>().0).for_each(|(code, &b)| *code = u16::from_le_bytes(b));
        table.insert(std::str::from_utf8(name).ok()?, &codes)?;
        rest = after;
    }
    Some(())
}

impl Writer {
    /// Locks the log.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(LOG);
        let file = OpenOptions::new().write(true).open(&path).map_err(Error::io("append to", &path))?;
        match LockedFile::try_lock(file) {
            Ok(file) => Ok(Self { dir: dir.to_owned(), path, file }),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path }),
            Err(TryLockError::Error(source)) => Err(Error::io("lock", path)(source)),
        }
    }

    /// Publishes a segment behind the published bytes; returns the new head.
    pub(super) fn append(mut self, head: &Head, rows: &[(&str, &[u16])]) -> Result<Head, Error> {
        let mut segment = vec![0; 8];
        for (name, codes) in rows {
            segment.extend_from_slice(&narrow::count(name.len()).to_le_bytes());
            segment.extend_from_slice(name.as_bytes());
            codes.iter().for_each(|code| segment.extend_from_slice(&code.to_le_bytes()));
        }
        let len = segment.len() - 8;
        segment[..8].copy_from_slice(&(len as u64).to_le_bytes());
        self.write(head.bytes, &segment).map_err(Error::io("append to", &self.path))?;
        let head = Head {
            items: head.items + rows.len(),
            bytes: head.bytes + segment.len() as u64,
            chain: link(&head.chain, &segment[8..]),
            ..head.clone()
        };
        head.write(&self.dir)?;
        Ok(head)
    }

    fn write(&mut self, at: u64, segment: &[u8]) -> std::io::Result<()> {
        self.file.set_len(at)?;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(segment)?;
        self.file.sync_all()
    }
}

fn link(chain: &str, rows: &[u8]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(chain.as_bytes()).update(rows);
    hasher.finalize().to_hex().to_string()
}
