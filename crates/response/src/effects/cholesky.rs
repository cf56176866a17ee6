//! Small symmetric positive definite systems: a matrix in, its Cholesky factor out (Golub & Van Loan, "Matrix Computations",
//! section 4.2).

use semrank_nn::kernel::dot;

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
        for (i, row) in out.chunks_exact_mut(self.n).enumerate() {
            row[i] = 1.0;
            self.solve(row);
        }
        out
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
}
