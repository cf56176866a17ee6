//! An embedding table with a row-sparse optimiser: a step costs the rows of the batch, however large the table.
//!
//! Moments of a row move only when the row is in a batch (as in `torch.optim.SparseAdam`); bias correction counts all
//! steps.
//!
//! ```
//! use semrank_core::Rng;
//! use semrank_nn::{Adam, Table};
//! let mut table = Table::<f32>::new(1000, 2, 0.0, &Rng::new(1, "table"));
//! table.update(&Adam { rate: 0.1, ..Adam::default() }, 1, 1.0, &[7], &[1.0, -1.0]);
//! assert!((table.row(7)[0] + 0.1).abs() < 1e-6 && (table.row(7)[1] - 0.1).abs() < 1e-6);
//! assert_eq!(table.row(8), [0.0, 0.0]);
//! ```

use crate::{Adam, Scalar, adam};
use rayon::prelude::*;
use semrank_core::Rng;

const ROWS_PER_STREAM: usize = 4096;
const ROWS_PER_TASK: usize = 256;

/// `[rows x dim]` values with their Adam moments.
#[derive(Debug, Clone)]
pub struct Table<T> {
    dim: usize,
    /// Values, row-major.
    pub values: Vec<T>,
    /// First moments.
    pub first: Vec<T>,
    /// Second moments.
    pub second: Vec<T>,
}

/// The three columns of a range of rows.
struct Part<'a, T> {
    first_row: usize,
    values: &'a mut [T],
    first: &'a mut [T],
    second: &'a mut [T],
}

impl<T: Scalar> Table<T> {
    /// Normal values with mean 0; the same bytes for any number of threads.
    pub fn new(rows: usize, dim: usize, deviation: f64, rng: &Rng) -> Self {
        let mut values = vec![T::ZERO; rows * dim];
        if deviation > 0.0 {
            values.par_chunks_mut((ROWS_PER_STREAM * dim).max(1)).enumerate().for_each(|(stream, chunk)| {
                let mut rng = rng.fork(stream as u64);
                chunk.iter_mut().for_each(|value| *value = T::from_f64(deviation * rng.normal()));
            });
        }
        // Written, not only reserved: else steps over a large table would wait for the system to clear pages (1.5 times
        // the step's time at 1,000,000 rows).
        let zeros = || {
            let mut zeros = Vec::with_capacity(rows * dim);
            zeros.resize(rows * dim, T::ZERO);
            zeros
        };
        Self { dim, values, first: zeros(), second: zeros() }
    }

    /// Zeros to read values into, without moments: a table that is not trained on.
    pub fn blank(rows: usize, dim: usize) -> Self {
        Self { dim, values: vec![T::ZERO; rows * dim], first: Vec::new(), second: Vec::new() }
    }

    /// Width of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// One row.
    pub fn row(&self, row: u32) -> &[T] {
        &self.values[row as usize * self.dim..(row as usize + 1) * self.dim]
    }

    /// Updates the given rows; see [`Adam`]. `rows` ascend strictly, `grads` is `[rows.len() x dim]`.
    ///
    /// # Panics
    /// When a row is not in the table, or rows do not ascend; for step 0, as [`AdamState::update`](crate::AdamState::update).
    pub fn update(&mut self, adam: &Adam, step: u64, factor: T, rows: &[u32], grads: &[T]) {
        assert!(step > 0, "steps are counted from 1");
        assert!(rows.is_sorted_by(|a, b| a < b), "rows ascend strictly");
        assert_eq!(grads.len(), rows.len() * self.dim);
        let part =
            Part { first_row: 0, values: &mut self.values, first: &mut self.first, second: &mut self.second };
        part.update(self.dim, rows, grads, &|grads, first, second, values| {
            adam::update(adam, step, factor, grads, first, second, values);
        });
    }
}

type UpdateRow<'f, T> = &'f (dyn Fn(&[T], &mut [T], &mut [T], &mut [T]) + Sync);

impl<T: Scalar> Part<'_, T> {
    /// Halves the rows until a task is small; halves touch disjoint parts of the table.
    fn update(self, dim: usize, rows: &[u32], grads: &[T], update_row: UpdateRow<T>) {
        if rows.len() <= ROWS_PER_TASK {
            for (&row, grads) in rows.iter().zip(grads.chunks_exact(dim)) {
                let at = (row as usize - self.first_row) * dim;
                let at = at..at + dim;
                let (first, second) = (&mut self.first[at.clone()], &mut self.second[at.clone()]);
                update_row(grads, first, second, &mut self.values[at]);
            }
            return;
        }
        let middle = rows.len() / 2;
        let cut_row = rows[middle] as usize;
        let cut = (cut_row - self.first_row) * dim;
        let (values, upper_values) = self.values.split_at_mut(cut);
        let (first, upper_first) = self.first.split_at_mut(cut);
        let (second, upper_second) = self.second.split_at_mut(cut);
        let lower = Part { first_row: self.first_row, values, first, second };
        let upper =
            Part { first_row: cut_row, values: upper_values, first: upper_first, second: upper_second };
        let (lower_grads, upper_grads) = grads.split_at(middle * dim);
        rayon::join(
            || lower.update(dim, &rows[..middle], lower_grads, update_row),
            || upper.update(dim, &rows[middle..], upper_grads, update_row),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AdamState;

    #[test]
    fn sparse_steps_equal_dense_steps_on_the_touched_rows() {
        let (rows, dim) = (2000, 4);
        let adam = Adam::default();
        let mut table = Table::<f64>::new(rows, dim, 0.02, &Rng::new(1, "t"));
        let touched: Vec<u32> = (0..rows as u32).filter(|row| row % 3 != 1).collect();
        let mut dense: Vec<f64> = touched.iter().flat_map(|&row| table.row(row).to_vec()).collect();
        let untouched = table.row(1).to_vec();
        let mut state = AdamState::new(dense.len());
        let mut rng = Rng::new(2, "t");
        for step in 1..4 {
            let grads: Vec<f64> = (0..dense.len()).map(|_| rng.normal()).collect();
            table.update(&adam, step, 0.5, &touched, &grads);
            state.update(&adam, step, 0.5, &grads, &mut dense);
        }
        let sparse: Vec<f64> = touched.iter().flat_map(|&row| table.row(row).to_vec()).collect();
        assert_eq!(sparse, dense);
        assert_eq!(table.row(1), untouched);
    }
}
