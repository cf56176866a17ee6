//! Named rows and matrices of numbers, to one safetensors file.

use super::Error;
use semrank_nn::checkpoint::{self, Tensor, Values};
use std::borrow::Cow;
use std::path::Path;

/// Numbers of one type.
#[derive(Debug)]
enum Numbers<'a> {
    F32(Cow<'a, [f32]>),
    F64(Vec<f64>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

impl Numbers<'_> {
    fn values(&self) -> Values<'_> {
        match self {
            Numbers::F32(values) => Values::F32(values),
            Numbers::F64(values) => Values::F64(values),
            Numbers::U32(values) => Values::U32(values),
            Numbers::U64(values) => Values::U64(values),
        }
    }
}

/// Tensors to write, in their order.
#[derive(Debug, Default)]
pub struct Tensors<'a> {
    all: Vec<(String, [usize; 2], Numbers<'a>)>,
}

impl<'a> Tensors<'a> {
    /// A matrix.
    pub fn matrix(&mut self, name: impl Into<String>, shape: [usize; 2], values: &'a [f32]) {
        self.all.push((name.into(), shape, Numbers::F32(values.into())));
    }

    /// A row that is not copied.
    pub fn row(&mut self, name: impl Into<String>, values: &'a [f32]) {
        self.matrix(name, [1, values.len()], values);
    }

    /// A row.
    pub fn f32s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f32>) {
        let values: Vec<f32> = values.into_iter().collect();
        self.all.push((name.into(), [1, values.len()], Numbers::F32(values.into())));
    }

    /// A row.
    pub fn f64s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = f64>) {
        let values: Vec<f64> = values.into_iter().collect();
        self.all.push((name.into(), [1, values.len()], Numbers::F64(values)));
    }

    /// A row.
    pub fn u32s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = u32>) {
        let values: Vec<u32> = values.into_iter().collect();
        self.all.push((name.into(), [1, values.len()], Numbers::U32(values)));
    }

    /// A row.
    pub fn u64s(&mut self, name: impl Into<String>, values: impl IntoIterator<Item = u64>) {
        let values: Vec<u64> = values.into_iter().collect();
        self.all.push((name.into(), [1, values.len()], Numbers::U64(values)));
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let all = self.all.iter();
        let all = all.map(|(name, shape, numbers)| Tensor { name, shape: *shape, values: numbers.values() });
        Ok(checkpoint::save(path, &all.collect::<Vec<_>>())?)
    }
}
