//! A file's content from front to back, in one pass without seeking: a file on disk and an entry of an archive are read alike,
//! and neither is ever in memory as a whole.

use super::Error;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Content of a known length that knows its place and never reads past the end.
pub struct Stream<'a> {
    inner: &'a mut dyn Read,
    at: u64,
    len: u64,
    path: PathBuf,
    expected: &'static str,
}

impl<'a> Stream<'a> {
    /// Reads `inner`, which holds `len` bytes; `path` and `expected` (what the file should be) are for messages.
    pub fn new(inner: &'a mut dyn Read, len: u64, path: PathBuf, expected: &'static str) -> Self {
        Self { inner, at: 0, len, path, expected }
    }

    /// Bytes read so far.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// All bytes of the file.
    pub fn end(&self) -> u64 {
        self.len
    }

    /// The file's name, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An error about the content.
    pub fn damaged(&self, reason: impl Into<String>) -> Error {
        Error::Damaged { path: self.path.clone(), expected: self.expected, reason: reason.into() }
    }

    /// Checks that `bytes` are left; `what` names them in messages.
    ///
    /// # Errors
    /// When they would reach beyond the end.
    pub fn check_left(&self, what: &str, bytes: u64) -> Result<(), Error> {
        if bytes <= self.len.saturating_sub(self.at) {
            return Ok(());
        }
        Err(self.damaged(format!(
            "{what} at byte {} would take {bytes} bytes, but the file ends after {}",
            self.at, self.len
        )))
    }

    /// Fills `out`.
    ///
    /// # Errors
    /// Content that ends early.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<(), Error> {
        self.check_left("the content", out.len() as u64)?;
        self.inner.read_exact(out).map_err(|error| self.damaged(format!("at byte {}: {error}", self.at)))?;
        self.at += out.len() as u64;
        Ok(())
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut out = [0; N];
        self.fill(&mut out)?;
        Ok(out)
    }

    /// The next `len` bytes; `what` names them in messages.
    ///
    /// # Errors
    /// As [`Stream::fill`].
    pub fn bytes(&mut self, what: &str, len: u64) -> Result<Vec<u8>, Error> {
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
    ///
    /// # Errors
    /// As [`Stream::fill`].
    pub fn skip_to(&mut self, to: u64) -> Result<(), Error> {
        self.check_left("the content", to.saturating_sub(self.at))?;
        let mut buffer = [0; 1 << 14];
        while self.at < to {
            let step = (to - self.at).min(buffer.len() as u64) as usize;
            self.fill(&mut buffer[..step])?;
        }
        Ok(())
    }

    /// Reads to the end, where an archive checks its sum.
    ///
    /// # Errors
    /// Content that ends early or goes on after the announced length.
    pub fn finish(&mut self) -> Result<(), Error> {
        self.skip_to(self.len)?;
        match self.inner.read(&mut [0; 1]) {
            Ok(0) => Ok(()),
            Ok(_) => {
                Err(self.damaged(format!("it goes on after the {} bytes that were announced", self.len)))
            }
            Err(error) => Err(self.damaged(error.to_string())),
        }
    }
}
