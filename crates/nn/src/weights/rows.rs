//! A matrix's place in a weights file, and its values, some rows at a time.

use super::{Error, Stream};

/// Values decoded at a time: small beside a model, large beside a row.
const BLOCK_VALUES: usize = 1 << 16;

/// Where `[rows x cols]` values lie in a file, row-major, every row in whole blocks of its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rows {
    /// Rows.
    pub rows: usize,
    /// Values of a row.
    pub cols: usize,
    /// First byte in the file.
    at: u64,
    row_bytes: usize,
}

impl Rows {
    /// The place of tensor `name`, which begins at byte `at`; a block of its encoding has so many values and bytes.
    ///
    /// # Errors
    /// Sizes that do not fit the file or the encoding.
    pub fn check(
        stream: &Stream,
        name: &str,
        [rows, cols]: [u64; 2],
        [values, bytes]: [usize; 2],
        at: u64,
    ) -> Result<Self, Error> {
        let beyond =
            || stream.damaged(format!("tensor `{name}` [{rows} x {cols}] reaches beyond the file's end"));
        let size = |count| usize::try_from(count).map_err(|_| beyond());
        let (rows, cols) = (size(rows)?, size(cols)?);
        if !cols.is_multiple_of(values) {
            return Err(stream.damaged(format!(
                "tensor `{name}` has rows of {cols} values, which are not whole blocks of {values}"
            )));
        }
        let row_bytes = (cols / values).checked_mul(bytes).ok_or_else(beyond)?;
        let end = (row_bytes as u64).checked_mul(rows as u64).and_then(|bytes| bytes.checked_add(at));
        match end {
            Some(end) if end <= stream.end() => Ok(Self { rows, cols, at, row_bytes }),
            _ => Err(beyond()),
        }
    }

    /// First byte in the file.
    pub fn start(&self) -> u64 {
        self.at
    }

    /// The byte after the last one.
    pub fn end(&self) -> u64 {
        // Checked: it is not beyond the file's end.
        self.at + self.row_bytes as u64 * self.rows as u64
    }

    /// Reads on to the matrix and gives `visit` all of it as `(first row, rows)`, a block of rows at a time; `decode` turns
    /// bytes into values.
    ///
    /// # Errors
    /// Content that ends early, and whatever `visit` refuses.
    pub fn read<E: From<Error>>(
        &self,
        stream: &mut Stream,
        decode: impl Fn(&[u8], &mut [f32]),
        mut visit: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        stream.skip_to(self.at)?;
        let step = (BLOCK_VALUES / self.cols.max(1)).clamp(1, self.rows.max(1));
        let (mut bytes, mut values) = (vec![0; step * self.row_bytes], vec![0.0; step * self.cols]);
        for first in (0..self.rows).step_by(step) {
            let rows = step.min(self.rows - first);
            let (bytes, values) = (&mut bytes[..rows * self.row_bytes], &mut values[..rows * self.cols]);
            stream.fill(bytes)?;
            decode(bytes, values);
            visit(first, values)?;
        }
        Ok(())
    }
}

/// Checks that no two tensors share bytes, so that together they are no larger than the file: `tensors` are names and places, in
/// the order of the places.
///
/// # Errors
/// The first two that overlap, as a text.
pub fn check_disjoint<'a>(tensors: impl Iterator<Item = (&'a str, Rows)> + Clone) -> Result<(), String> {
    let mut pairs = tensors.clone().zip(tensors.skip(1));
    match pairs.find(|((_, before), (_, after))| after.start() < before.end()) {
        None => Ok(()),
        Some(((before, _), (after, _))) => Err(format!("tensor `{after}` overlaps `{before}`")),
    }
}
