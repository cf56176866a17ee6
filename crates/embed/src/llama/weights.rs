//! The tensors of weights files, read one after the other as rows of f32.

use super::encoding::Encoding;
use super::source::{Place, Stream};
use crate::Error;

/// Weights decoded at a time: small beside the model, large beside a row.
const BLOCK_VALUES: usize = 1 << 16;

/// One tensor of a file: `[rows x cols]`, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TensorInfo {
    pub(super) name: String,
    pub(super) rows: usize,
    pub(super) cols: usize,
    encoding: Encoding,
    /// First byte in the file.
    at: u64,
    row_bytes: usize,
}

impl TensorInfo {
    /// Refuses sizes that do not fit the file or the encoding.
    pub(super) fn check(
        stream: &Stream,
        name: String,
        [rows, cols]: [u64; 2],
        encoding: Encoding,
        at: u64,
    ) -> Result<TensorInfo, Error> {
        let beyond =
            || stream.damaged(format!("tensor `{name}` [{rows} x {cols}] reaches beyond the file's end"));
        let (rows, cols) =
            (usize::try_from(rows).map_err(|_| beyond())?, usize::try_from(cols).map_err(|_| beyond())?);
        if rows == 0 || cols == 0 {
            return Err(stream.damaged(format!("tensor `{name}` [{rows} x {cols}] is empty")));
        }
        let (weights, bytes) = encoding.block();
        if !cols.is_multiple_of(weights) {
            return Err(stream.damaged(format!(
                "tensor `{name}` has rows of {cols} values, which are not whole {encoding:?} blocks"
            )));
        }
        let row_bytes = (cols / weights).checked_mul(bytes).ok_or_else(beyond)?;
        let end = (row_bytes as u64).checked_mul(rows as u64).and_then(|bytes| bytes.checked_add(at));
        match end {
            Some(end) if end <= stream.len() => Ok(TensorInfo { name, rows, cols, encoding, at, row_bytes }),
            _ => Err(beyond()),
        }
    }
}

impl TensorInfo {
    /// The byte after its last one.
    fn end(&self) -> u64 {
        // Checked: it is not beyond the file's end.
        self.at + self.row_bytes as u64 * self.rows as u64
    }
}

/// A weights file and its table of tensors, in the order of their places.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) place: Place,
    /// What the file should be, for messages.
    pub(super) expected: &'static str,
    pub(super) tensors: Vec<TensorInfo>,
}

impl Shard {
    /// Refuses tensors that share bytes: together they then are no larger than the file.
    pub(super) fn new(
        place: Place,
        expected: &'static str,
        mut tensors: Vec<TensorInfo>,
    ) -> Result<Shard, Error> {
        tensors.sort_by_key(|tensor| tensor.at);
        match tensors.windows(2).find(|pair| pair[1].at < pair[0].end()) {
            None => Ok(Shard { place, expected, tensors }),
            Some(pair) => Err(Error::Damaged {
                path: place.path(),
                expected,
                reason: format!("tensor `{}` overlaps `{}`", pair[1].name, pair[0].name),
            }),
        }
    }

    /// Gives `visit` all tensors as `(tensor, first row, rows)`, a block of rows at a time, and returns the file's
    /// hash.
    pub(super) fn read(
        &self,
        mut visit: impl FnMut(&TensorInfo, usize, &[f32]),
    ) -> Result<blake3::Hash, Error> {
        self.place.read(self.expected, |stream| {
            for tensor in &self.tensors {
                stream.skip_to(tensor.at)?;
                read_rows(stream, tensor, &mut visit)?;
            }
            stream.finish()
        })
    }
}

fn read_rows(
    stream: &mut Stream,
    tensor: &TensorInfo,
    visit: &mut impl FnMut(&TensorInfo, usize, &[f32]),
) -> Result<(), Error> {
    let step = (BLOCK_VALUES / tensor.cols.max(1)).clamp(1, tensor.rows.max(1));
    let (mut bytes, mut values) = (vec![0; step * tensor.row_bytes], vec![0.0; step * tensor.cols]);
    for first in (0..tensor.rows).step_by(step) {
        let rows = step.min(tensor.rows - first);
        let (bytes, values) = (&mut bytes[..rows * tensor.row_bytes], &mut values[..rows * tensor.cols]);
        stream.fill(bytes)?;
        tensor.encoding.decode(bytes, values);
        if !values.iter().all(|value| value.is_finite()) {
            return Err(stream.damaged(format!("tensor `{}` holds values that are not finite", tensor.name)));
        }
        visit(tensor, first, values);
    }
    Ok(())
}
