//! Small dense linear algebra on tall row-major matrices `[rows x width]`: Gram matrices, orthonormal columns, and the
//! right singular vectors of a tall matrix. Sums over rows run in f64 over a fixed number of shards, so results do not
//! depend on the number of threads.

use crate::{Mat, kernel::dot, matmul};
use rayon::prelude::*;

/// Partial Gram matrices a product is cut into; fixed, so that they are always added in the same order.
const GRAM_SHARDS: usize = 8;
/// Rows a task holds a copy of.
const BLOCK_ROWS: usize = 256;
/// A column whose part outside the span of the earlier ones has less than this share of its squared length is noise of
/// f32 rounding (1e-7 per value) and dropped.
const DEPENDENT: f64 = 1e-10;
/// Bound on the sweeps of the Jacobi method.
const MOST_SWEEPS: usize = 40;

/// `xᵀ x` of `[rows x width]`, `[width x width]` in f64.
pub fn gram(x: &[f32], width: usize) -> Vec<f64> {
    let rows = x.len() / width;
    let shard = rows.div_ceil(GRAM_SHARDS).max(1) * width;
    let partial: Vec<Vec<f64>> = x.par_chunks(shard).map(|shard| gram_of_shard(shard, width)).collect();
    let mut sum = vec![0.0; width * width];
    for part in partial {
        sum.iter_mut().zip(part).for_each(|(sum, value)| *sum += value);
    }
    sum
}

fn gram_of_shard(shard: &[f32], width: usize) -> Vec<f64> {
    let mut out = vec![0.0; width * width];
    for block in shard.chunks(BLOCK_ROWS * width) {
        let wide: Vec<f64> = block.iter().map(|&value| f64::from(value)).collect();
        let block = Mat::new(&wide, wide.len() / width, width);
        matmul(&mut out, 1.0, block.t(), block, 1.0);
    }
    out
}

/// `x <- x · t` in place, `[rows x width] · [width x width]`.
pub(super) fn apply(x: &mut [f32], width: usize, t: &[f64]) {
    let t: Vec<f32> = t.iter().map(|&value| value as f32).collect();
    x.par_chunks_mut(BLOCK_ROWS * width).for_each(|block| {
        let source = block.to_vec();
        matmul(block, 0.0, Mat::new(&source, source.len() / width, width), Mat::new(&t, width, width), 1.0);
    });
}

/// Replaces the columns of `x` by an orthonormal basis of their span; columns that depend on earlier ones become zero.
///
/// Cholesky QR: once keeps the span, and a second time makes the columns orthogonal to f32 accuracy (Yamamoto et al.
/// 2015, CholeskyQR2).
pub fn orthonormalise(x: &mut [f32], width: usize) {
    let r = cholesky(&gram(x, width), width);
    apply(x, width, &inverse(&r, width));
}

/// The upper triangle `r` with `rᵀ r = g`; the row of a column that depends on earlier ones is zero.
fn cholesky(g: &[f64], n: usize) -> Vec<f64> {
    let mut r = vec![0.0; n * n];
    for j in 0..n {
        let mut row = g[j * n..][..n].to_vec();
        for above in r[..j * n].chunks_exact(n) {
            let factor = above[j];
            row[j..].iter_mut().zip(&above[j..]).for_each(|(value, a)| *value -= factor * a);
        }
        if row[j] > DEPENDENT * g[j * n + j] {
            let pivot = row[j].sqrt();
            r[j * n + j..][..n - j].iter_mut().zip(&row[j..]).for_each(|(out, value)| *out = value / pivot);
        }
    }
    r
}

/// The inverse of an upper triangle; rows and columns of zero pivots are zero.
fn inverse(r: &[f64], n: usize) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in (0..n).rev().filter(|&i| r[i * n + i] > 0.0) {
        let (head, tail) = out.split_at_mut((i + 1) * n);
        let row = &mut head[i * n..];
        row[i] = 1.0;
        for k in i + 1..n {
            let factor = r[i * n + k];
            row.iter_mut().zip(&tail[(k - i - 1) * n..]).for_each(|(value, x)| *value -= factor * x);
        }
        row.iter_mut().for_each(|value| *value /= r[i * n + i]);
    }
    out
}

/// Singular values (falling) and right singular vectors of `z`, given `g = zᵀ z`.
///
/// `r` of the Cholesky factor has both of `z`. Its rows are rotated until they are orthogonal (one-sided Jacobi,
/// Hestenes 1958; Demmel & Veselić 1992 for the accuracy): their lengths are the singular values, their directions the
/// vectors. Row `k` of the second result is vector `k`; vectors of vanishing singular values are zero.
pub fn singular(g: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut rows: Vec<Vec<f64>> = cholesky(g, n).chunks(n).map(<[f64]>::to_vec).collect();
    // Convergence is quadratic; 6 to 10 sweeps are usual, and the bound only ends a cycle of rounding.
    let _sweeps = (0..MOST_SWEEPS).take_while(|_| rotate_all_pairs(&mut rows)).count();
    let mut pairs: Vec<(f64, Vec<f64>)> = rows.into_iter().map(|row| (dot(&row, &row).sqrt(), row)).collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    let least = pairs.first().map_or(0.0, |first| first.0) * DEPENDENT.sqrt();
    let vectors = pairs.iter().flat_map(|(length, row)| {
        let scale = if *length > least { 1.0 / length } else { 0.0 };
        row.iter().map(move |value| value * scale)
    });
    (pairs.iter().map(|pair| pair.0).collect(), vectors.collect())
}

/// One sweep; whether any pair was still far from orthogonal.
fn rotate_all_pairs(rows: &mut [Vec<f64>]) -> bool {
    let mut rotated = false;
    for q in 1..rows.len() {
        let (before, rest) = rows.split_at_mut(q);
        let b = &mut rest[0];
        for a in before {
            let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
            if ab.abs() > 1e-9 * aa.sqrt() * bb.sqrt() {
                rotate(a, b, aa, bb, ab);
                rotated = true;
            }
        }
    }
    rotated
}

fn rotate(a: &mut [f64], b: &mut [f64], aa: f64, bb: f64, ab: f64) {
    let zeta = (bb - aa) / (2.0 * ab);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = cosine * tangent;
    for (x, y) in a.iter_mut().zip(b) {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Rng;

    fn random(rows: usize, width: usize) -> Vec<f32> {
        let mut rng = Rng::new(1, "test");
        (0..rows * width).map(|_| rng.normal() as f32).collect()
    }

    #[test]
    fn columns_become_orthonormal_and_dependent_ones_zero() {
        let (rows, width) = (700, 9);
        let mut x = random(rows, width);
        for row in x.chunks_mut(width) {
            row[4] = row[0] - 3.0 * row[2];
            row[8] = row[7] + 1e-3 * row[8]; // nearly dependent: kept
        }
        (0..2).for_each(|_| orthonormalise(&mut x, width));
        let g = gram(&x, width);
        for i in 0..width {
            for j in 0..width {
                let expected = if i == j && i != 4 { 1.0 } else { 0.0 };
                assert!((g[i * width + j] - expected).abs() < 1e-5, "[{i}, {j}] is {}", g[i * width + j]);
            }
        }
    }

    #[test]
    fn singular_vectors_diagonalise_the_gram_matrix() {
        let n = 12;
        let mut x = random(40, n);
        x.chunks_mut(n)
            .for_each(|row| row.iter_mut().enumerate().for_each(|(j, v)| *v *= 0.5f32.powi(j as i32)));
        let g = gram(&x, n);
        let (values, vectors) = singular(&g, n);
        assert!(values.is_sorted_by(|a, b| a >= b));
        for k in 0..n {
            let v = &vectors[k * n..][..n];
            assert!((dot(v, v) - 1.0).abs() < 1e-9);
            for i in 0..n {
                let gv = dot(&g[i * n..][..n], v);
                assert!((gv - values[k] * values[k] * v[i]).abs() < 1e-7 * values[0] * values[0]);
            }
        }
    }

    #[test]
    fn nothing_is_not_an_error() {
        assert_eq!(gram(&[], 2), [0.0; 4]);
        assert_eq!(singular(&[0.0; 4], 2), (vec![0.0; 2], vec![0.0; 4]));
        orthonormalise(&mut [0.0; 6], 2);
    }
}
