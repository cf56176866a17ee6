//! Small symmetric positive definite systems: a matrix in, its Cholesky factor out (Golub & Van Loan, "Matrix Computations",
//! section 4.2).

use semrank_nn::kernel;

/// Right sides that are solved side by side.
const LANES: usize = 8;
/// Values from which on an inner product is worth a call; the sum of fewer is the same to the bit.
const LONG: usize = 32;

/// `L` with `L Lᵀ = A`.
#[derive(Debug, Clone)]
pub(super) struct Cholesky {
    n: usize,
    /// Row by row; what is above the diagonal is not read.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Of `[n x n]`, of which only the lower triangle is read; none if it is not positive definite.
    pub(super) fn new(mut matrix: Vec<f64>, n: usize) -> Option<Self> {
        for i in 0..n {
            let (above, row) = matrix.split_at_mut(i * n);
            for j in 0..i {
                let other = &above[j * n..][..=j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let pivot = row[i] - dot(&row[..i], &row[..i]);
            if pivot.is_nan() || pivot <= 0.0 {
                return None;
            }
            row[i] = pivot.sqrt();
        }
        Some(Self { n, lower: matrix })
    }

    /// `A⁻¹ right`, in place.
    pub(super) fn solve(&self, right: &mut [f64]) {
        let n = self.n;
        for i in 0..n {
            let row = &self.lower[i * n..][..=i];
            right[i] = (right[i] - dot(&row[..i], &right[..i])) / row[i];
        }
        for i in (0..n).rev() {
            let row = &self.lower[i * n..][..=i];
            right[i] /= row[i];
            let value = right[i];
            right[..i].iter_mut().zip(&row[..i]).for_each(|(right, l)| *right -= l * value);
        }
    }

    /// `A⁻¹`.
    pub(super) fn inverse(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.n * self.n];
        inverse(self.n, &self.lower, &mut vec![0.0; self.n * LANES], &mut out);
        out
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() >= LONG { kernel::dot(a, b) } else { a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b) }
}

kernel! {
    /// Solves for the columns of the identity, some at a time, and writes the solutions as rows; each value is made as by
    /// [`Cholesky::solve`] (to the bit below `LONG`, where that adds in the same order). `x` is room for `[n x LANES]`.
    fn inverse<T: Scalar>(n: usize, lower: &[T], x: &mut [T], out: &mut [T]) {
        for first in (0..n).step_by(LANES) {
            let (x, _) = x.as_chunks_mut::<LANES>();
            for i in first..n {
                let row = &lower[i * n..][..=i];
                let mut sums = [T::ZERO; LANES];
                for (&l, x) in row[first..i].iter().zip(&x[first..i]) {
                    for (sum, &x) in sums.iter_mut().zip(x) {
                        *sum += l * x;
                    }
                }
                for (lane, (x, &sum)) in x[i].iter_mut().zip(&sums).enumerate() {
                    let unit = if first + lane == i { T::ONE } else { T::ZERO };
                    *x = (unit - sum) / row[i];
                }
            }
            for x in &mut x[..first] {
                *x = [T::ZERO; LANES];
            }
            for i in (0..n).rev() {
                let row = &lower[i * n..][..=i];
                let (before, rest) = x.split_at_mut(i);
                for x in &mut rest[0] {
                    *x = *x / row[i];
                }
                for (before, &l) in before.iter_mut().zip(row) {
                    for (before, &x) in before.iter_mut().zip(&rest[0]) {
                        *before -= l * x;
                    }
                }
            }
            for (lane, out) in out[first * n..].chunks_exact_mut(n).take(LANES).enumerate() {
                for (out, x) in out.iter_mut().zip(x.iter()) {
                    *out = x[lane];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_by_hand() {
        let factor = Cholesky::new(vec![4.0, f64::NAN, 2.0, 5.0], 2).expect("positive definite");
        let mut x = [8.0, 12.0];
        factor.solve(&mut x);
        assert_eq!(x, [1.0, 2.0]);
        assert_eq!(factor.inverse(), [0.3125, -0.125, -0.125, 0.25]);
        assert!(Cholesky::new(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
    }

    #[test]
    fn an_inverse_is_the_solution_for_each_unit_vector_to_the_bit() {
        let mut rng = semrank_core::Rng::new(1, "matrices");
        for n in [1, 7, 8, 9, 17, 31] {
            let root: Vec<f64> = (0..n * n).map(|_| rng.normal()).collect();
            let product = |i: usize, j: usize| (0..n).map(|k| root[i * n + k] * root[j * n + k]).sum::<f64>();
            let matrix = (0..n * n).map(|at| product(at / n, at % n) + f64::from(u8::from(at % n == at / n)));
            let factor = Cholesky::new(matrix.collect(), n).expect("positive definite");
            for (i, row) in factor.inverse().chunks(n).enumerate() {
                let mut unit = vec![0.0; n];
                unit[i] = 1.0;
                factor.solve(&mut unit);
                assert_eq!(row, unit, "row {i} of {n}");
            }
        }
    }
}
