//! Where content vectors come from: any range of rows on demand, so that a catalogue larger than memory can be fitted on and
//! encoded a block at a time.
//!
//! ```
//! use semrank_tokens::{Rows, VectorSource};
//! let rows = Rows::new(&[1.0, 2.0, 3.0, 4.0], 2);
//! assert_eq!((rows.len(), &rows.rows(1..2).unwrap()[..]), (2, &[3.0, 4.0][..]));
//! ```

use crate::Error;
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::kernel::dot;
use std::borrow::Cow;
use std::ops::Range;

/// Longest vector whose inner products are far from overflowing 32-bit floats.
pub(crate) const LONGEST: f32 = 1e15;

/// Vectors of one width, by row.
pub trait VectorSource: Sync {
    /// Number of vectors.
    fn len(&self) -> usize;

    /// Width D, at least 1.
    fn dim(&self) -> usize;

    /// The vectors `range`, row-major `[rows x D]`; borrowed where they lie in memory.
    ///
    /// # Errors
    /// When they cannot be read; [`Error::Source`] wraps any error.
    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>, Error>;

    /// Whether there are no vectors.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Vectors in memory, or in a mapped file.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    dim: usize,
}

impl<'a> Rows<'a> {
    /// `values` as `[n x dim]`.
    ///
    /// # Panics
    /// When `values` holds no whole number of rows.
    pub fn new(values: &'a [f32], dim: usize) -> Self {
        assert!(dim > 0 && values.len().is_multiple_of(dim), "{} values in rows of {dim}", values.len());
        Self { values, dim }
    }
}

impl VectorSource for Rows<'_> {
    fn len(&self) -> usize {
        self.values.len() / self.dim
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        Ok(Cow::Borrowed(&self.values[range.start * self.dim..range.end * self.dim]))
    }
}

/// Chosen rows of a source, in the order of `rows`.
pub(crate) struct Chosen<'a> {
    pub(crate) source: &'a dyn VectorSource,
    pub(crate) rows: &'a [usize],
}

impl VectorSource for Chosen<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn dim(&self) -> usize {
        self.source.dim()
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        let dim = self.dim();
        let mut out = Vec::with_capacity(range.len() * dim);
        for &row in &self.rows[range] {
            let values = self.source.rows(row..row + 1)?;
            check_finite(&values, dim, row)?;
            out.extend_from_slice(&values);
        }
        Ok(out.into())
    }
}

/// Reads all rows, in blocks of `block`, in parallel.
pub(crate) fn read_all(source: &dyn VectorSource, block: usize) -> Result<Vec<f32>, Error> {
    let mut out = vec![0.0; source.len() * source.dim()];
    let blocks = out.par_chunks_mut(block * source.dim()).enumerate();
    let read = blocks.map(|(index, out)| {
        let first = index * block;
        out.copy_from_slice(&source.rows(first..first + out.len() / source.dim())?);
        Ok(())
    });
    first_error(read.collect())?;
    Ok(out)
}

/// The first error by position, so that it is the same one on any number of threads.
pub(crate) fn first_error<T>(results: Vec<Result<T, Error>>) -> Result<Vec<T>, Error> {
    results.into_iter().collect()
}

/// `size` rows of `len`, each with the same probability, in random order.
pub(crate) fn sample(len: usize, size: usize, seed: u64) -> Vec<usize> {
    let mut rng = Rng::new(seed, "tokens/sample");
    let size = size.min(len);
    let stratum = |i: usize| (i as u128 * len as u128 / size as u128) as usize;
    // One row of each of `size` equal ranges: distinct without a list of all rows.
    let mut rows: Vec<usize> =
        (0..size).map(|i| stratum(i) + rng.below((stratum(i + 1) - stratum(i)).max(1))).collect();
    rng.shuffle(&mut rows);
    rows
}

/// Refuses NaN, infinity and vectors too long for 32-bit arithmetic; `first` is the row number of the first vector.
pub(crate) fn check_finite(values: &[f32], dim: usize, first: usize) -> Result<(), Error> {
    for (row, vector) in values.chunks_exact(dim).enumerate() {
        if dot(vector, vector) <= LONGEST * LONGEST {
            continue;
        }
        let size = |value: &f32| if value.is_nan() { f32::INFINITY } else { value.abs() };
        let worst = |a: &usize, b: &usize| size(&vector[*a]).total_cmp(&size(&vector[*b])).then(b.cmp(a));
        let column = (0..dim).max_by(worst).unwrap_or(0);
        return Err(Error::NotFinite { row: first + row, column, value: vector[column] });
    }
    Ok(())
}

/// Refuses a slice that is not a whole number of vectors of the codebook's width.
pub(crate) fn check_width(what: &'static str, got: usize, expected: usize) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::Width { what, got, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_is_not_finite_is_named_by_its_row() {
        let said = |values: &[f32]| check_finite(values, 2, 10).unwrap_err().to_string();
        assert!(
            said(&[0.0, 1.0, 2.0, f32::NAN]).starts_with("the vector of item row 11 has NaN in column 1")
        );
        assert!(
            said(&[f32::NEG_INFINITY, 1.0]).starts_with("the vector of item row 10 has -inf in column 0")
        );
        assert!(said(&[1.0, 1e20]).contains("1e15"));
        check_finite(&[1e14, 0.0], 2, 0).unwrap();
    }

    #[test]
    fn a_sample_has_distinct_rows_and_any_row_can_be_in_it() {
        for (len, size) in [(10, 10), (10, 20), (1000, 7), (1, 1)] {
            let mut rows = sample(len, size, 3);
            rows.sort_unstable();
            rows.dedup();
            assert_eq!(rows.len(), size.min(len));
            assert!(rows.iter().all(|&row| row < len));
        }
        let seen: std::collections::BTreeSet<usize> = (0..200).flat_map(|seed| sample(10, 3, seed)).collect();
        assert_eq!(seen.len(), 10);
    }
}
