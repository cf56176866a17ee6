//! Named rows of numbers from a safetensors file, as [`Tensors`] wrote them.

use semrank_nn::checkpoint::Checkpoint;
pub(crate) use semrank_tower::artefact::Tensors;
use semrank_tower::artefact::{Error, same};
use std::path::{Path, PathBuf};

/// Rows of a file. What is read has the length that the file has; nothing is allocated for a claim.
#[derive(Debug)]
pub(crate) struct Rows {
    path: PathBuf,
    file: Checkpoint,
}

impl Rows {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { path: path.to_owned(), file: Checkpoint::open(path)? })
    }

    pub(crate) fn f32s(&self, name: &str) -> Result<Vec<f32>, Error> {
        Ok(self.file.f32s(name, [1, self.file.len_of(name)?])?)
    }

    pub(crate) fn f64s(&self, name: &str) -> Result<Vec<f64>, Error> {
        Ok(self.file.read_f64(name, self.file.len_of(name)?)?)
    }

    pub(crate) fn u32s(&self, name: &str) -> Result<Vec<u32>, Error> {
        Ok(self.file.read_u32(name, self.file.len_of(name)?)?)
    }

    pub(crate) fn u64s(&self, name: &str) -> Result<Vec<u64>, Error> {
        Ok(self.file.read_u64(name, self.file.len_of(name)?)?)
    }

    /// A row of so many f32.
    pub(crate) fn f32s_of(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        Ok(self.file.f32s(name, [1, len])?)
    }

    /// A row of so many f64.
    pub(crate) fn f64s_of(&self, name: &str, len: usize) -> Result<Vec<f64>, Error> {
        Ok(self.file.read_f64(name, len)?)
    }

    /// A row of so many u32.
    pub(crate) fn u32s_of(&self, name: &str, len: usize) -> Result<Vec<u32>, Error> {
        Ok(self.file.read_u32(name, len)?)
    }

    /// Checks a length that follows from another.
    ///
    /// # Errors
    /// [`Error::Foreign`] where it differs.
    pub(crate) fn check(&self, what: &'static str, got: usize, expected: usize) -> Result<(), Error> {
        same(&self.path, what, got, expected)
    }
}

/// Cuts a row into pieces of these lengths, which add up to its own.
pub(crate) fn pieces<'v, T>(mut values: &'v [T], lengths: &'v [u32]) -> impl Iterator<Item = &'v [T]> {
    lengths.iter().map(move |&length| {
        let (piece, rest) = values.split_at(length as usize);
        values = rest;
        piece
    })
}

/// The sum of lengths.
pub(crate) fn total(lengths: &[u32]) -> usize {
    lengths.iter().map(|&length| length as usize).sum()
}
