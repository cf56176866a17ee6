//! The tensors of a decoder's weights files, read one after the other as rows of f32.

use super::encoding::Encoding;
use crate::Error;
use crate::place::Place;
use semrank_nn::weights::{self, Entry, Float, Rows, Safetensors, Stream, check_disjoint};

/// One tensor of a file: `[rows x cols]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorInfo {
    pub(super) name: String,
    pub(super) place: Rows,
    encoding: Encoding,
}

impl TensorInfo {
    /// Checks the sizes against file and encoding; a tensor without values is an error.
    pub(super) fn check(
        stream: &Stream,
        name: String,
        [rows, cols]: [u64; 2],
        encoding: Encoding,
        at: u64,
    ) -> Result<TensorInfo, weights::Error> {
        if rows == 0 || cols == 0 {
            return Err(stream.damaged(format!("tensor `{name}` [{rows} x {cols}] is empty")));
        }
        if !cols.is_multiple_of(encoding.block()[0] as u64) {
            return Err(stream.damaged(format!(
                "tensor `{name}` has rows of {cols} values, which are not whole {encoding:?} blocks"
            )));
        }
        let place = Rows::check(stream, &name, [rows, cols], encoding.block(), at)?;
        Ok(TensorInfo { name, place, encoding })
    }

    /// A tensor of a safetensors file: a vector or a matrix of floats.
    fn of_entry(stream: &Stream, entry: &Entry) -> Result<TensorInfo, weights::Error> {
        let Entry { name, dtype, shape, place } = entry;
        let float = Float::of(*dtype).ok_or_else(|| weights::Error::Unsupported {
            path: stream.path().to_owned(),
            what: format!("the type of tensor `{name}`"),
            got: format!("{dtype:?}"),
            supported: Float::NAMES.into(),
        })?;
        if !matches!(shape.len(), 1 | 2) {
            return Err(stream.damaged(format!("tensor `{name}` has {} dimensions", shape.len())));
        }
        let sizes = [place.rows as u64, place.cols as u64];
        Self::check(stream, name.clone(), sizes, Encoding::Float(float), place.start())
    }
}

/// A weights file and its table of tensors, in the order of their places.
#[derive(Debug)]
pub(super) struct Shard {
    place: Place,
    /// What the file should be, for messages.
    expected: &'static str,
    pub(super) tensors: Vec<TensorInfo>,
}

impl Shard {
    /// Returns an error for tensors that share bytes, so that together they are no larger than the file.
    pub(super) fn new(
        place: Place,
        expected: &'static str,
        mut tensors: Vec<TensorInfo>,
    ) -> Result<Shard, Error> {
        tensors.sort_by_key(|tensor| tensor.place.start());
        match check_disjoint(tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.place))) {
            Ok(()) => Ok(Shard { place, expected, tensors }),
            Err(reason) => Err(Error::Damaged { path: place.path(), expected, reason }),
        }
    }

    /// Reads the table of a safetensors file.
    pub(super) fn of_safetensors(place: Place) -> Result<Shard, Error> {
        let tensors = place.read(weights::EXPECTED, |stream| {
            let table = Safetensors::read(stream)?;
            let tensors = table.entries().iter().map(|entry| TensorInfo::of_entry(stream, entry));
            Ok(tensors.collect::<Result<_, _>>()?)
        })?;
        Shard::new(place, weights::EXPECTED, tensors)
    }

    /// Gives `visit` all tensors as `(tensor, first row, rows)`, a block of rows at a time, and returns the file's
    /// hash.
    pub(super) fn read(
        &self,
        mut visit: impl FnMut(&TensorInfo, usize, &[f32]),
    ) -> Result<blake3::Hash, Error> {
        self.place.read_hashed(self.expected, |stream| {
            self.tensors.iter().try_for_each(|tensor| {
                let decode = |bytes: &[u8], values: &mut [f32]| tensor.encoding.decode(bytes, values);
                tensor.place.read(stream, decode, |first, rows| {
                    self.check_finite(&tensor.name, rows)?;
                    visit(tensor, first, rows);
                    Ok(())
                })
            })
        })
    }

    fn check_finite(&self, name: &str, values: &[f32]) -> Result<(), Error> {
        if values.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        let reason = format!("tensor `{name}` holds values that are not finite");
        Err(Error::Damaged { path: self.place.path(), expected: self.expected, reason })
    }
}
