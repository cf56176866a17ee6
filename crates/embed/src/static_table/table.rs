//! `model.safetensors` of a static table in, the mean vector of any tokens out.

use crate::Error;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use semrank_nn::kernel::{axpy, scale};
use std::path::Path;

/// One vector a token, in f32.
pub(super) struct Table {
    width: usize,
    /// `[rows x width]`.
    values: Vec<f32>,
    /// One a token id.
    tokens: Vec<Token>,
}

/// Where a token's vector is, and what it is multiplied with.
#[derive(Clone, Copy)]
struct Token {
    row: usize,
    weight: f32,
}

impl Table {
    /// Reads `bytes`; `path` is for messages.
    ///
    /// # Errors
    /// A damaged file, a missing tensor, or shapes and types that do not go together.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Table, Error> {
        let file = File { path, tensors: SafeTensors::deserialize(bytes).map_err(|e| damaged(path, &e))? };
        let embeddings = file.required("embeddings")?;
        let (rows, width) = match embeddings.shape() {
            &[rows, width] if rows > 0 && width > 0 => (rows, width),
            shape => return Err(file.mismatch("the shape of `embeddings`", shape, "[rows x width]")),
        };
        let mapping = match file.optional("mapping") {
            Some(mapping) => file.mapping(&mapping, rows)?,
            None => (0..rows).collect(),
        };
        let weights = match file.optional("weights") {
            Some(weights) => file.weights(&weights, mapping.len())?,
            None => vec![1.0; mapping.len()],
        };
        let tokens = mapping.into_iter().zip(weights).map(|(row, weight)| Token { row, weight }).collect();
        Ok(Table { width, values: file.floats("embeddings", &embeddings)?, tokens })
    }

    /// Values of a vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Token ids there are vectors for.
    pub(super) fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Adds the mean of the tokens' vectors to `out`, `[width]`; nothing where there is no token.
    ///
    /// # Panics
    /// At an id that has no vector.
    pub(super) fn mean(&self, ids: impl Iterator<Item = u32>, out: &mut [f32]) {
        let mut count = 0;
        for id in ids {
            let Token { row, weight } = self.tokens[id as usize];
            axpy(weight, &self.values[row * self.width..][..self.width], out);
            count += 1;
        }
        if count > 1 {
            scale(1.0 / count as f32, out);
        }
    }
}

/// The tensors, with the path for messages.
struct File<'a> {
    path: &'a Path,
    tensors: SafeTensors<'a>,
}

impl<'a> File<'a> {
    fn optional(&self, name: &str) -> Option<TensorView<'a>> {
        self.tensors.tensor(name).ok()
    }

    fn required(&self, name: &str) -> Result<TensorView<'a>, Error> {
        self.optional(name).ok_or_else(|| {
            let mut names = self.tensors.names();
            names.sort_unstable();
            self.mismatch("the list of tensors", names, &format!("one with `{name}` [rows x width]"))
        })
    }

    /// Each token's row.
    fn mapping(&self, tensor: &TensorView, rows: usize) -> Result<Vec<usize>, Error> {
        self.check_list("mapping", tensor, None)?;
        let bytes = tensor.data();
        let indices: Vec<i64> = match tensor.dtype() {
            Dtype::I32 => values(bytes, |b| i64::from(i32::from_le_bytes(b))),
            Dtype::I64 => values(bytes, i64::from_le_bytes),
            other => return Err(self.unsupported("mapping", other, "I32, I64")),
        };
        let row = |&index: &i64| usize::try_from(index).ok().filter(|&row| row < rows);
        let bad = indices.iter().find(|index| row(index).is_none());
        match bad {
            Some(index) => Err(self.mismatch(
                "a row in `mapping`",
                index,
                &format!("0 to {}, a row of `embeddings`", rows - 1),
            )),
            None => Ok(indices.iter().filter_map(row).collect()),
        }
    }

    /// Each token's weight.
    fn weights(&self, tensor: &TensorView, tokens: usize) -> Result<Vec<f32>, Error> {
        self.check_list("weights", tensor, Some(tokens))?;
        self.floats("weights", tensor)
    }

    fn check_list(&self, name: &str, tensor: &TensorView, length: Option<usize>) -> Result<(), Error> {
        match tensor.shape() {
            &[got] if got > 0 && length.is_none_or(|length| got == length) => Ok(()),
            shape => {
                let length = length.map_or("tokens".into(), |length| length.to_string());
                Err(self.mismatch(
                    &format!("the shape of `{name}`"),
                    shape,
                    &format!("[{length}], one value a token"),
                ))
            }
        }
    }

    fn floats(&self, name: &str, tensor: &TensorView) -> Result<Vec<f32>, Error> {
        let bytes = tensor.data();
        Ok(match tensor.dtype() {
            Dtype::F32 => values(bytes, f32::from_le_bytes),
            Dtype::F16 => values(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => values(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            Dtype::F64 => values(bytes, |b| f64::from_le_bytes(b) as f32),
            Dtype::I8 => values(bytes, |b| f32::from(i8::from_le_bytes(b))),
            other => return Err(self.unsupported(name, other, "F32, F16, BF16, F64, I8")),
        })
    }

    fn mismatch(&self, what: &str, got: impl std::fmt::Debug, expected: &str) -> Error {
        let got = format!("{got:?}");
        Error::Mismatch {
            path: self.path.to_owned(),
            what: what.to_owned(),
            got,
            expected: expected.to_owned(),
        }
    }

    fn unsupported(&self, name: &str, got: Dtype, supported: &str) -> Error {
        Error::Unsupported {
            path: self.path.to_owned(),
            what: format!("the type of `{name}`"),
            got: format!("{got:?}"),
            supported: supported.to_owned(),
        }
    }
}

fn damaged(path: &Path, error: &safetensors::SafeTensorError) -> Error {
    let reason = error.to_string();
    Error::Damaged { path: path.to_owned(), expected: "a safetensors file", reason }
}

/// The little-endian numbers of `N` bytes each.
fn values<const N: usize, T>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|&chunk| read(chunk)).collect()
}
