//! Low-rank adapters (Hu et al. 2021, arXiv 2106.09685): of every matrix W only a correction `s · A B` is trained, with A
//! `[rows x rank]` and B `[rank x cols]`; everything else stays.
//!
//! The corrected matrices are written out before a forward pass, so an encoder does not know about adapters: the gradient of
//! a factor follows from that of the whole matrix, `dA = s · dW B^T` and `dB = s · A^T dW`.

use super::Matrix;
use semrank_core::Rng;
use semrank_nn::{Mat, matmul};

/// Corrections of some matrices of a parameter vector.
#[derive(Debug)]
pub struct Lora {
    rank: usize,
    /// The parameters as they were.
    base: Vec<f32>,
    matrices: Vec<Matrix>,
    /// A and B of every matrix, one after another.
    pub factors: Vec<f32>,
}

/// s: as in the paper's experiments, alpha = 2 · rank.
const SCALE: f32 = 2.0;

impl Lora {
    /// A starts at N(0, 1 / rows), B at zero, so that nothing is corrected yet.
    pub fn new(rank: usize, base: &[f32], matrices: Vec<Matrix>, rng: &mut Rng) -> Self {
        let mut factors = Vec::new();
        for matrix in &matrices {
            let deviation = (matrix.rows as f64).sqrt().recip();
            factors.extend((0..matrix.rows * rank).map(|_| (rng.normal() * deviation) as f32));
            factors.resize(factors.len() + rank * matrix.cols, 0.0);
        }
        Self { rank, base: base.to_vec(), matrices, factors }
    }

    /// Writes the corrected parameters.
    pub fn write(&self, params: &mut [f32]) {
        params.copy_from_slice(&self.base);
        let mut rest = &self.factors[..];
        for &Matrix { start, rows, cols } in &self.matrices {
            let (a, b) = self.split(&mut rest, rows, cols);
            matmul(&mut params[start..start + rows * cols], 1.0, a, b, SCALE);
        }
    }

    /// The gradients of the factors, given those of the parameters.
    pub fn grads(&self, params: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.factors.len()];
        let (mut rest, mut at) = (&self.factors[..], 0);
        for &Matrix { start, rows, cols } in &self.matrices {
            let (a, b) = self.split(&mut rest, rows, cols);
            let dw = Mat::new(&params[start..start + rows * cols], rows, cols);
            let (da, db) = out[at..at + self.rank * (rows + cols)].split_at_mut(rows * self.rank);
            matmul(da, 0.0, dw, b.t(), SCALE);
            matmul(db, 0.0, a.t(), dw, SCALE);
            at += self.rank * (rows + cols);
        }
        out
    }

    fn split<'a>(&self, rest: &mut &'a [f32], rows: usize, cols: usize) -> (Mat<'a, f32>, Mat<'a, f32>) {
        let (a, after) = rest.split_at(rows * self.rank);
        let (b, after) = after.split_at(self.rank * cols);
        *rest = after;
        (Mat::new(a, rows, self.rank), Mat::new(b, self.rank, cols))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_nn::kernel;

    #[test]
    fn the_factors_get_the_gradient_of_finite_differences_and_start_without_a_correction() {
        let base: Vec<f32> = (0..20).map(|i| i as f32 / 10.0).collect();
        let matrices = vec![Matrix { start: 2, rows: 3, cols: 4 }, Matrix { start: 14, rows: 2, cols: 3 }];
        let mut lora = Lora::new(2, &base, matrices, &mut Rng::new(1, "lora"));
        let mut params = base.clone();
        lora.write(&mut params);
        assert_eq!(params, base);
        let mut rng = Rng::new(2, "lora");
        lora.factors.iter_mut().for_each(|x| *x = rng.normal() as f32);
        // A loss that is linear in the parameters, so that it is quadratic in the factors.
        let slope: Vec<f32> = (0..20).map(|_| rng.normal() as f32).collect();
        let grads = lora.grads(&slope);
        for (at, grad) in grads.iter().enumerate() {
            let mut loss_at = |change: f32| {
                lora.factors[at] += change;
                lora.write(&mut params);
                lora.factors[at] -= change;
                f64::from(kernel::dot(&params, &slope))
            };
            let expected = (loss_at(0.5) - loss_at(-0.5)) as f32;
            assert!((grad - expected).abs() < 1e-4, "{at}: {grad} {expected}");
        }
        lora.write(&mut params);
        let untouched = [0, 1].map(|at| params[at]);
        assert_eq!(untouched, [base[0], base[1]]);
    }
}
