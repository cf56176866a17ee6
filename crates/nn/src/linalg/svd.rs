//! A sparse `[rows x cols]` matrix in, its leading right singular vectors out: `A ≈ U S Vᵀ`, truncated to `dim`.
//!
//! Randomised subspace iteration (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1): start from random directions
//! of the row space, multiply by `A Aᵀ` a few times with orthonormal columns in between, and solve the small problem
//! left inside that subspace. Nothing of size `[rows x cols]` is ever dense; the largest buffer is
//! `[cols x (dim + oversample)]`.
//!
//! ```
//! use semrank_nn::linalg::{SparseMatrix, Svd, SvdOptions};
//! let mut matrix = SparseMatrix::empty(3);
//! matrix.push_row([(0, 3.0)]);
//! matrix.push_row([(1, 4.0)]);
//! let svd = Svd::fit(&matrix, SvdOptions { dim: 1, oversample: 2, iterations: 2, seed: 0 });
//! assert!((svd.singular()[0] - 4.0).abs() < 1e-5); // the longer direction survives
//! ```

use super::dense::{apply, gram, orthonormalise, singular};
use super::sparse::SparseMatrix;
use rayon::prelude::*;
use semrank_core::Rng;

/// How to compute a truncated SVD.
#[derive(Debug, Clone, Copy)]
pub struct SvdOptions {
    /// Singular vectors wanted.
    pub dim: usize,
    /// Further random directions that are dropped at the end; they make the wanted ones exact sooner.
    pub oversample: usize,
    /// Multiplications by `A Aᵀ` after the first.
    pub iterations: usize,
    /// Seed of the random directions.
    pub seed: u64,
}

/// The leading right singular vectors of a matrix.
#[derive(Debug, Clone)]
pub struct Svd {
    cols: usize,
    dim: usize,
    /// `V`, `[cols x dim]`.
    vectors: Vec<f32>,
    /// `dim` singular values, falling; zero beyond the rank.
    singular: Vec<f32>,
}

impl Svd {
    /// Factorises `matrix`. The same seed gives the same bytes on any number of threads.
    pub fn fit(matrix: &SparseMatrix, options: SvdOptions) -> Self {
        if matrix.rows == 0 || matrix.cols == 0 {
            return Self::empty(matrix.cols, options.dim);
        }
        let width = options.dim + options.oversample;
        let transposed = matrix.transpose();
        // z = Aᵀ q, [cols x width]; q, [rows x width], ends as an orthonormal basis of the leading row space.
        let mut z = vec![0.0; matrix.cols * width];
        let mut q = random_directions(matrix.rows, width, options.seed);
        transposed.multiply(&q, width, &mut z);
        for round in 0..=options.iterations {
            matrix.multiply(&z, width, &mut q);
            orthonormalise(&mut q, width);
            if round == options.iterations {
                orthonormalise(&mut q, width); // the span is enough before, but not for what follows
            }
            transposed.multiply(&q, width, &mut z);
        }
        drop(q);
        // A ≈ q zᵀ, so the right singular vectors of zᵀ are A's: z (w / s), for w of the small problem zᵀ z.
        let (values, w) = singular(&gram(&z, width), width);
        apply(&mut z, width, &scaled_columns(&w, &values, width));
        keep_columns(&mut z, width, options.dim);
        Self {
            cols: matrix.cols,
            dim: options.dim,
            vectors: z,
            singular: values[..options.dim].iter().map(|&value| value as f32).collect(),
        }
    }

    /// Of nothing: finding that out by the small problem would take the third power of the width.
    fn empty(cols: usize, dim: usize) -> Self {
        Self { cols, dim, vectors: vec![0.0; cols * dim], singular: vec![0.0; dim] }
    }

    /// The singular values, falling; zero beyond the rank.
    pub fn singular(&self) -> &[f32] {
        &self.singular
    }

    /// The right singular vectors `V`, `[cols x dim]`: vector `k` in column `k`.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// Every row's coordinates `row · V`, `[rows x dim]`: `U S` for the fitted rows, the same map for any other.
    ///
    /// `power` rescales direction `k` to `U S^power`: 1 keeps the plain projection, 0 gives all directions one weight.
    ///
    /// # Panics
    /// When `matrix` has other columns than the fitted one.
    pub fn project(&self, matrix: &SparseMatrix, power: f32) -> Vec<f32> {
        assert_eq!(matrix.cols, self.cols, "the columns of the fitted matrix");
        let mut out = vec![0.0; matrix.rows * self.dim];
        matrix.multiply(&self.vectors, self.dim, &mut out);
        if power != 1.0 {
            let scale = |&s: &f32| if s > 0.0 { s.powf(power - 1.0) } else { 0.0 };
            let scales: Vec<f32> = self.singular.iter().map(scale).collect();
            out.par_chunks_mut(self.dim)
                .for_each(|row| row.iter_mut().zip(&scales).for_each(|(value, scale)| *value *= scale));
        }
        out
    }
}

/// Independent normal numbers, one stream per row.
fn random_directions(rows: usize, width: usize, seed: u64) -> Vec<f32> {
    let streams = Rng::new(seed, "svd directions");
    let mut out = vec![0.0; rows * width];
    out.par_chunks_mut(width).enumerate().for_each(|(row, out)| {
        let mut rng = streams.fork(row as u64);
        out.iter_mut().for_each(|value| *value = rng.normal() as f32);
    });
    out
}

/// `[width x width]` with `w_k / s_k` in column `k` (zero where `s_k` vanishes), from the vectors as rows.
fn scaled_columns(w: &[f64], values: &[f64], width: usize) -> Vec<f64> {
    let mut out = vec![0.0; width * width];
    for (k, vector) in w.chunks(width).enumerate().filter(|&(k, _)| values[k] > 0.0) {
        vector.iter().enumerate().for_each(|(i, value)| out[i * width + k] = value / values[k]);
    }
    out
}

/// Keeps the first `dim` of every `width` values, in place.
fn keep_columns(z: &mut Vec<f32>, width: usize, dim: usize) {
    let rows = z.len() / width;
    (0..rows).for_each(|row| z.copy_within(row * width..row * width + dim, row * dim));
    z.truncate(rows * dim);
    z.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    // The matrix and numpy's answer: numpy.linalg.svd(A) with numpy 2, A written out densely.
    const ROWS: [&[(u32, f32)]; 6] = [
        &[(0, 1.0), (3, 2.0)],
        &[(1, 1.0)],
        &[(0, 2.0), (2, 1.0)],
        &[(3, 1.0), (4, 0.5)],
        &[(2, 3.0), (4, 1.0)],
        &[(0, 1.0), (1, 1.0), (5, 0.5)],
    ];
    const SINGULAR: [f32; 6] = [3.420_978, 2.661_230_5, 1.930_399_1, 1.325_762_4, 0.397_043_16, 0.270_244_4];
    /// The best approximation of rank 3.
    const RANK_3: [[f32; 6]; 6] = [
        [1.031514, -0.030259, -0.048314, 1.972189, 0.137935, 0.008124],
        [0.286355, 0.136179, -0.03408, -0.158307, -0.082421, 0.051186],
        [1.7918, 0.53863, 1.019551, 0.111457, 0.075904, 0.211692],
        [0.030347, -0.199517, 0.088715, 1.005405, 0.187042, -0.067113],
        [0.072573, -0.18466, 2.989413, -0.03979, 0.985955, -0.067442],
        [1.208773, 0.448127, 0.01873, -0.101728, -0.201998, 0.172878],
    ];

    /// Found by a damaged encoder name: it took longer than a minute.
    #[test]
    fn nothing_is_factorised_at_once_however_wide() {
        let options = SvdOptions { dim: 16_384, oversample: 16, iterations: 5, seed: 1 };
        let svd = Svd::fit(&SparseMatrix::empty(0), options);
        assert_eq!((svd.singular().len(), svd.vectors.len()), (16_384, 0));
    }

    fn golden() -> SparseMatrix {
        let mut matrix = SparseMatrix::empty(6);
        ROWS.iter().for_each(|row| matrix.push_row(row.iter().copied()));
        matrix
    }

    fn options(dim: usize) -> SvdOptions {
        SvdOptions { dim, oversample: 4, iterations: 6, seed: 7 }
    }

    #[test]
    fn agrees_with_numpy() {
        let svd = Svd::fit(&golden(), options(3));
        for (got, want) in svd.singular().iter().zip(SINGULAR) {
            assert!((got - want).abs() < 1e-5, "{:?}", svd.singular());
        }
        let u_s = svd.project(&golden(), 1.0);
        for (row, expected) in RANK_3.iter().enumerate() {
            for (col, &want) in expected.iter().enumerate() {
                let rebuilt: f32 = (0..3).map(|k| u_s[row * 3 + k] * svd.vectors[col * 3 + k]).sum();
                assert!((rebuilt - want).abs() < 2e-5, "[{row}, {col}] is {rebuilt}, not {want}");
            }
        }
    }

    #[test]
    fn all_directions_rebuild_the_matrix_and_more_than_all_are_zero() {
        let svd = Svd::fit(&golden(), options(8));
        let u_s = svd.project(&golden(), 1.0);
        assert!(svd.singular()[6..].iter().all(|&s| s < 1e-5), "{:?}", svd.singular());
        for (row, entries) in ROWS.iter().enumerate() {
            for col in 0..6 {
                let rebuilt: f32 = (0..8).map(|k| u_s[row * 8 + k] * svd.vectors[col * 8 + k]).sum();
                let exact = entries.iter().find(|entry| entry.0 == col as u32).map_or(0.0, |entry| entry.1);
                assert!((rebuilt - exact).abs() < 2e-5, "[{row}, {col}] is {rebuilt}, not {exact}");
            }
        }
    }

    #[test]
    fn power_zero_gives_all_directions_one_weight() {
        let u = Svd::fit(&golden(), options(3)).project(&golden(), 0.0);
        for k in 0..3 {
            let length: f32 = (0..6).map(|row| u[row * 3 + k] * u[row * 3 + k]).sum();
            assert!((length - 1.0).abs() < 1e-4, "direction {k} has squared length {length}");
        }
    }

    #[test]
    fn nothing_is_not_an_error() {
        let empty = SparseMatrix::empty(0);
        assert!(Svd::fit(&empty, options(2)).project(&empty, 1.0).is_empty());
    }
}
