//! `model.safetensors` of a static table in, the mean vector of any tokens out.

use crate::Error;
use semrank_nn::kernel::{axpy, scale};
use semrank_nn::weights::{Dtype, Entry, Float, Safetensors};
use std::path::Path;

/// One vector per token, in f32.
pub(super) struct Table {
    width: usize,
    /// `[rows x width]`.
    values: Vec<f32>,
    /// One per token id.
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
        let file = File { path, bytes, table: Safetensors::parse(bytes, path)? };
        let embeddings = file.required("embeddings")?;
        let (rows, width) = match embeddings.shape[..] {
            [rows, width] if rows > 0 && width > 0 => (rows, width),
            _ => {
                let shape = &embeddings.shape;
                return Err(file.mismatch("the shape of `embeddings`", shape, "[rows x width]"));
            }
        };
        let mapping = match file.optional("mapping") {
            Some(mapping) => file.mapping(mapping, rows)?,
            None => (0..rows).collect(),
        };
        let weights = match file.optional("weights") {
            Some(weights) => file.weights(weights, mapping.len())?,
            None => vec![1.0; mapping.len()],
        };
        let tokens = mapping.into_iter().zip(weights).map(|(row, weight)| Token { row, weight }).collect();
        Ok(Table { width, values: file.floats("embeddings", embeddings)?, tokens })
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
    bytes: &'a [u8],
    table: Safetensors,
}

impl File<'_> {
    fn optional(&self, name: &str) -> Option<&Entry> {
        self.table.find(name)
    }

    fn required(&self, name: &str) -> Result<&Entry, Error> {
        self.optional(name).ok_or_else(|| {
            let names: Vec<&str> = self.table.names().collect();
            self.mismatch("the list of tensors", names, &format!("one with `{name}` [rows x width]"))
        })
    }

    /// Each token's row.
    fn mapping(&self, tensor: &Entry, rows: usize) -> Result<Vec<usize>, Error> {
        self.check_list("mapping", tensor, None)?;
        let is_index = matches!(tensor.dtype, Dtype::I32 | Dtype::I64);
        let indices = tensor.integers(self.bytes).filter(|_| is_index);
        let indices = indices.ok_or_else(|| self.unsupported("mapping", tensor.dtype, "I32, I64"))?;
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
    fn weights(&self, tensor: &Entry, tokens: usize) -> Result<Vec<f32>, Error> {
        self.check_list("weights", tensor, Some(tokens))?;
        self.floats("weights", tensor)
    }

    fn check_list(&self, name: &str, tensor: &Entry, length: Option<usize>) -> Result<(), Error> {
        match tensor.shape[..] {
            [got] if got > 0 && length.is_none_or(|length| got == length) => Ok(()),
            _ => {
                let length = length.map_or("tokens".into(), |length| length.to_string());
                Err(self.mismatch(
                    &format!("the shape of `{name}`"),
                    &tensor.shape,
                    &format!("[{length}], one value per token"),
                ))
            }
        }
    }

    fn floats(&self, name: &str, tensor: &Entry) -> Result<Vec<f32>, Error> {
        if tensor.dtype == Dtype::I8 {
            let values = tensor.integers(self.bytes).unwrap_or_default();
            return Ok(values.into_iter().map(|value| value as f32).collect());
        }
        let supported = format!("{}, I8", Float::NAMES);
        tensor.floats(self.bytes).ok_or_else(|| self.unsupported(name, tensor.dtype, &supported))
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
