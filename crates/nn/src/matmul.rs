//! Matrix products over row-major slices, by the `gemm` crate on the calling thread.
//!
//! ```
//! use semrank_nn::{Mat, matmul};
//! let a = [1.0, 2.0, 3.0, 4.0]; // [2 x 2]
//! let b = [1.0, 1.0]; // [2 x 1]
//! let mut c = [10.0, 10.0];
//! matmul(&mut c, 1.0, Mat::new(&a, 2, 2), Mat::new(&b, 2, 1), 1.0);
//! assert_eq!(c, [13.0, 17.0]); // 1 · c + 1 · a b
//! matmul(&mut c, 0.0, Mat::new(&a, 2, 2).t(), Mat::new(&b, 2, 1), 1.0);
//! assert_eq!(c, [4.0, 6.0]); // aᵀ b
//! ```

use crate::Scalar;

/// A view of a row-major matrix, possibly transposed.
#[derive(Debug, Clone, Copy)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// `data` as `[rows x cols]`.
    ///
    /// # Panics
    /// When `data` does not hold exactly that many values.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a [{rows} x {cols}] matrix");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed view.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = keep · out + scale · a b`, `out` row-major `[a.rows x b.cols]`; `keep = 0` overwrites, NaN included.
///
/// # Panics
/// When the inner sizes or the length of `out` do not fit.
pub fn matmul<T: Scalar>(out: &mut [T], keep: T, a: Mat<T>, b: Mat<T>, scale: T) {
    assert_eq!(a.cols, b.rows, "[{} x {}] times [{} x {}]", a.rows, a.cols, b.rows, b.cols);
    assert_eq!(out.len(), a.rows * b.cols, "the product is [{} x {}]", a.rows, b.cols);
    if out.is_empty() {
        return;
    }
    // SAFETY: `Mat::new` and `t` keep every (row, column) inside `data`; `out` holds rows x columns values by the
    // assertion above and cannot overlap the shared borrows. f32 and f64 are the types `gemm` accepts.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out.as_mut_ptr(),
            1,
            b.cols as isize,
            keep != T::ZERO,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            keep,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The portable twin.
    fn naive(a: Mat<f32>, b: Mat<f32>) -> Vec<f64> {
        let at = |m: &Mat<f32>, r: usize, c: usize| f64::from(m.data[r * m.row_stride + c * m.col_stride]);
        (0..a.rows * b.cols)
            .map(|i| (0..a.cols).map(|k| at(&a, i / b.cols, k) * at(&b, k, i % b.cols)).sum())
            .collect()
    }

    #[test]
    fn agrees_with_the_textbook_loop_for_all_transpositions() {
        let value = |i: usize| ((i * 31) % 17) as f32 / 8.0 - 1.0;
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (17, 33, 9), (64, 128, 50), (1, 128, 300)] {
            let a: Vec<f32> = (0..m * k).map(value).collect();
            let b: Vec<f32> = (0..k * n).map(value).collect();
            for (a, b) in [
                (Mat::new(&a, m, k), Mat::new(&b, k, n)),
                (Mat::new(&a, k, m).t(), Mat::new(&b, k, n)),
                (Mat::new(&a, m, k), Mat::new(&b, n, k).t()),
            ] {
                let mut out = vec![f32::NAN; m * n];
                matmul(&mut out, 0.0, a, b, 1.0);
                for (got, want) in out.iter().zip(naive(a, b)) {
                    assert!((f64::from(*got) - want).abs() < 1e-4, "{got} {want} at {m}x{k}x{n}");
                }
            }
        }
    }
}
