//! Gradients of table rows, and sums of gradients, in a fixed order.

use rayon::prelude::*;
use semrank_nn::{Scalar, kernel};

const ROWS_PER_TASK: usize = 256;
/// Values of one task.
pub(crate) const CHUNK: usize = 1 << 14;

/// Gradients of some rows of a table.
#[derive(Debug, Default)]
pub struct RowGrads<T> {
    /// Ascending.
    pub rows: Vec<u32>,
    /// `[rows x D]`.
    pub grads: Vec<T>,
}

impl<T: Scalar> RowGrads<T> {
    /// Adds the gradients of all vectors that share a row; `pairs` are (row, vector).
    pub(crate) fn sum(mut pairs: Vec<(u32, u32)>, dvectors: &[T], dim: usize) -> Self {
        pairs.sort_unstable();
        let runs: Vec<&[(u32, u32)]> = pairs.chunk_by(|a, b| a.0 == b.0).collect();
        let mut grads = vec![T::ZERO; runs.len() * dim];
        grads.par_chunks_mut(dim).zip(&runs).with_min_len(ROWS_PER_TASK).for_each(|(out, run)| {
            run.iter().for_each(|&(_, slot)| kernel::add(&dvectors[slot as usize * dim..][..dim], out));
        });
        Self { rows: runs.iter().map(|run| run[0].0).collect(), grads }
    }
}

/// Squared length: the sum of fixed parts, in order.
pub(crate) fn squared<T: Scalar>(values: &[T]) -> f64 {
    let parts: Vec<f64> = values.par_chunks(CHUNK).map(|part| kernel::dot(part, part).to_f64()).collect();
    parts.iter().sum()
}

/// Rows of a matrix `[· x width]` as another number type, `[rows x width]`; a row beyond the last is zero.
pub fn gather<S: Scalar, T: Scalar>(from: &[S], rows: &[u32], width: usize, to: &mut Vec<T>) {
    to.clear();
    for (at, &row) in rows.iter().enumerate() {
        let row = from.get(row as usize * width..).and_then(|rest| rest.get(..width)).unwrap_or(&[]);
        to.extend(row.iter().map(|value| T::from_f64(value.to_f64())));
        to.resize((at + 1) * width, T::ZERO);
    }
}
