//! Named rows of numbers, to and from one safetensors file.

use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_tower::artefact::{Error, same};
use std::path::{Path, PathBuf};

/// Numbers of one type.
#[derive(Debug)]
enum Numbers {
    F32(Vec<f32>),
    F64(Vec<f64>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl Numbers {
    /// As one row.
    fn tensor<'a>(&'a self, name: &'a str) -> Tensor<'a> {
        let (values, len) = match self {
            Numbers::F32(values) => (Values::F32(values), values.len()),
            Numbers::F64(values) => (Values::F64(values), values.len()),
            Numbers::U32(values) => (Values::U32(values), values.len()),
            Numbers::U64(values) => (Values::U64(values), values.len()),
        };
        Tensor { name, shape: [1, len], values }
    }
}

/// Rows to write, in their order.
#[derive(Debug, Default)]
pub(crate) struct Tensors {
    rows: Vec<(String, Numbers)>,
}

impl Tensors {
    pub(crate) fn f32s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f32>) {
        self.rows.push((name.into(), Numbers::F32(values.into_iter().collect())));
    }

    pub(crate) fn f64s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) {
        self.rows.push((name.into(), Numbers::F64(values.into_iter().collect())));
    }

    pub(crate) fn u32s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = u32>) {
        self.rows.push((name.into(), Numbers::U32(values.into_iter().collect())));
    }

    pub(crate) fn u64s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = u64>) {
        self.rows.push((name.into(), Numbers::U64(values.into_iter().collect())));
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        let tensors: Vec<Tensor> = self.rows.iter().map(|(name, numbers)| numbers.tensor(name)).collect();
        Ok(checkpoint::save(path, &tensors)?)
    }
}

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
