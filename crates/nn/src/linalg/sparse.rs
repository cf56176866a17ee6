//! Sparse matrices in compressed-row form (CSR) and their product with a dense one.

use crate::kernel::axpy;
use rayon::prelude::*;
use semrank_core::narrow;

/// A sparse `[rows x cols]` matrix: row `r` holds the entries `offsets[r]..offsets[r + 1]`, columns ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseMatrix {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// `rows + 1` ends of rows; the first is 0.
    pub offsets: Vec<usize>,
    /// Column of every entry.
    pub indices: Vec<u32>,
    /// Value of every entry.
    pub values: Vec<f32>,
}

impl SparseMatrix {
    /// A matrix of no rows, to be filled by [`SparseMatrix::push_row`].
    pub fn empty(cols: usize) -> Self {
        Self { rows: 0, cols, offsets: vec![0], indices: Vec::new(), values: Vec::new() }
    }

    /// Adds a row; its columns must ascend.
    pub fn push_row(&mut self, entries: impl IntoIterator<Item = (u32, f32)>) {
        for (col, value) in entries {
            self.indices.push(col);
            self.values.push(value);
        }
        self.offsets.push(self.indices.len());
        self.rows += 1;
    }

    /// Adds all rows of `below` under this matrix.
    ///
    /// # Panics
    /// When the numbers of columns differ.
    pub fn append(&mut self, below: &SparseMatrix) {
        assert_eq!(self.cols, below.cols, "both matrices have the same columns");
        let start = self.indices.len();
        self.indices.extend_from_slice(&below.indices);
        self.values.extend_from_slice(&below.values);
        self.offsets.extend(below.offsets[1..].iter().map(|end| start + end));
        self.rows += below.rows;
    }

    /// Columns and values of a row.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        let range = self.offsets[row]..self.offsets[row + 1];
        (&self.indices[range.clone()], &self.values[range])
    }

    /// Only the rows where `keep` is true, in order.
    pub fn select(&self, keep: &[bool]) -> Self {
        let mut out = Self::empty(self.cols);
        for row in (0..self.rows).filter(|&row| keep[row]) {
            let (cols, values) = self.row(row);
            out.push_row(cols.iter().copied().zip(values.iter().copied()));
        }
        out
    }

    /// The transposed matrix: an inverted index from columns to rows.
    pub fn transpose(&self) -> Self {
        let mut offsets = vec![0usize; self.cols + 1];
        self.indices.iter().for_each(|&col| offsets[col as usize + 1] += 1);
        (0..self.cols).for_each(|col| offsets[col + 1] += offsets[col]);
        let mut next = offsets.clone();
        let mut out = Self {
            rows: self.cols,
            cols: self.rows,
            offsets,
            indices: vec![0; self.indices.len()],
            values: vec![0.0; self.values.len()],
        };
        for row in 0..self.rows {
            let (cols, values) = self.row(row);
            for (&col, &value) in cols.iter().zip(values) {
                let at = next[col as usize];
                next[col as usize] += 1;
                out.indices[at] = narrow::index(row);
                out.values[at] = value;
            }
        }
        out
    }

    /// `out = self · dense`: `[rows x cols] · [cols x width] -> [rows x width]`, one task per block of rows.
    ///
    /// Every row is summed in the order of its columns, so the result does not depend on the number of threads.
    ///
    /// # Panics
    /// When a length does not fit the shapes.
    pub fn multiply(&self, dense: &[f32], width: usize, out: &mut [f32]) {
        assert_eq!(dense.len(), self.cols * width, "the right matrix is [cols x width]");
        assert_eq!(out.len(), self.rows * width, "the product is [rows x width]");
        out.par_chunks_mut(width).with_min_len(64).enumerate().for_each(|(row, out)| {
            out.fill(0.0);
            let (cols, values) = self.row(row);
            for (&col, &value) in cols.iter().zip(values) {
                axpy(value, &dense[col as usize * width..][..width], out);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> SparseMatrix {
        let mut matrix = SparseMatrix::empty(3);
        matrix.push_row([(0, 1.0), (2, 2.0)]);
        matrix.push_row([]);
        matrix.push_row([(1, 3.0), (2, 4.0)]);
        matrix
    }

    #[test]
    fn transposing_twice_is_nothing() {
        let turned = small().transpose();
        assert_eq!(turned.row(2), (&[0u32, 2][..], &[2.0f32, 4.0][..]));
        assert_eq!(turned.transpose(), small());
    }

    #[test]
    fn product_selection_and_append() {
        let mut out = vec![9.0; 6];
        small().multiply(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2, &mut out);
        assert_eq!(out, [7.0, 70.0, 0.0, 0.0, 18.0, 180.0]);
        let mut twice = small().select(&[true, false, true]);
        twice.append(&small());
        assert_eq!((twice.rows, twice.row(1), twice.row(4)), (5, small().row(2), small().row(2)));
    }
}
