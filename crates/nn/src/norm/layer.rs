//! Layer normalisation (Ba et al. 2016, arXiv 1607.06450) and rows of unit length (for cosine scores).

use crate::{Init, Layout, Scalar, Slot, kernel, kernel::dot_inline};

const EPSILON: f64 = 1e-5;

/// `y = (x - mean) / sqrt(variance + epsilon) · gain + bias` over each row.
///
/// # Shapes
/// x, y `[T x D]`; gain, bias `[D]`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm {
    /// Starts at 1.
    pub gain: Slot,
    /// Starts at 0.
    pub bias: Slot,
    /// Added to the variance; 1e-5 unless told otherwise.
    pub epsilon: f64,
}

/// State for the backward pass: mean and 1 / standard deviation of each row.
#[derive(Debug, Clone, Default)]
pub struct NormSaved<T> {
    stats: Vec<[T; 2]>,
}

impl LayerNorm {
    /// Adds `NAME.gain` and `NAME.bias`.
    pub fn new(layout: &mut Layout, name: &str, dim: usize) -> Self {
        Self {
            gain: layout.tensor(&format!("{name}.gain"), 1, dim, Init::Constant(1.0)),
            bias: layout.tensor(&format!("{name}.bias"), 1, dim, Init::Constant(0.0)),
            epsilon: EPSILON,
        }
    }

    /// Another epsilon, for a model that was trained with it.
    pub fn with_epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// Writes `y`.
    pub fn forward<T: Scalar>(&self, params: &[T], x: &[T], saved: &mut NormSaved<T>, y: &mut [T]) {
        saved.stats.clear();
        saved.stats.resize(x.len() / self.gain.cols, [T::ZERO; 2]);
        let epsilon = T::from_f64(self.epsilon);
        norm_forward(x, self.gain.of(params), self.bias.of(params), epsilon, &mut saved.stats, y);
    }

    /// Adds the gradients of gain and bias, and adds `dx` to what `dx` holds (a residual branch).
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        x: &[T],
        saved: &NormSaved<T>,
        dy: &[T],
        grads: &mut [T],
        dx: &mut [T],
    ) {
        norm_backward_gain(x, &saved.stats, dy, self.gain.of_mut(grads));
        let bias = self.bias.of_mut(grads);
        dy.chunks_exact(self.gain.cols).for_each(|row| kernel::add(row, bias));
        norm_backward_input(x, self.gain.of(params), &saved.stats, dy, dx);
    }
}

kernel! {
    fn norm_forward<T: Scalar>(x: &[T], gain: &[T], bias: &[T], epsilon: T, stats: &mut [[T; 2]], y: &mut [T]) {
        let dim = gain.len();
        let count = T::from_f64(dim as f64);
        for ((x, y), stat) in x.chunks_exact(dim).zip(y.chunks_exact_mut(dim)).zip(stats) {
            let mean = sum_inline(x) / count;
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x - mean;
            }
            let inverse = T::ONE / (dot_inline(y, y) / count + epsilon).sqrt();
            for ((y, &gain), &bias) in y.iter_mut().zip(gain).zip(bias) {
                *y = *y * inverse * gain + bias;
            }
            *stat = [mean, inverse];
        }
    }
}

kernel! {
    /// `x = norm(x + branch)` over rows of `gain.len()` values, for inference; see [`LayerNorm`].
    pub fn residual_norm<T: Scalar>(branch: &[T], gain: &[T], bias: &[T], epsilon: f64, x: &mut [T]) {
        let dim = gain.len();
        let (count, epsilon) = (T::from_f64(dim as f64), T::from_f64(epsilon));
        for (x, branch) in x.chunks_exact_mut(dim).zip(branch.chunks_exact(dim)) {
            for (x, &branch) in x.iter_mut().zip(branch) {
                *x += branch;
            }
            let mean = sum_inline(x) / count;
            for x in x.iter_mut() {
                *x -= mean;
            }
            let inverse = T::ONE / (dot_inline(x, x) / count + epsilon).sqrt();
            for ((x, &gain), &bias) in x.iter_mut().zip(gain).zip(bias) {
                *x = *x * inverse * gain + bias;
            }
        }
    }
}

kernel! {
    fn norm_backward_gain<T: Scalar>(x: &[T], stats: &[[T; 2]], dy: &[T], dgain: &mut [T]) {
        let dim = dgain.len();
        for ((x, dy), &[mean, inverse]) in x.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(stats) {
            for ((dgain, &x), &dy) in dgain.iter_mut().zip(x).zip(dy) {
                *dgain += dy * (x - mean) * inverse;
            }
        }
    }
}

kernel! {
    fn norm_backward_input<T: Scalar>(x: &[T], gain: &[T], stats: &[[T; 2]], dy: &[T], dx: &mut [T]) {
        let dim = gain.len();
        let count = T::from_f64(dim as f64);
        let rows = x.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(dx.chunks_exact_mut(dim)).zip(stats);
        for (((x, dy), dx), &[mean, inverse]) in rows {
            let (mut lanes, mut lanes_hat) = ([T::ZERO; kernel::LANES], [T::ZERO; kernel::LANES]);
            let whole = dim - dim % kernel::LANES;
            for at in (0..whole).step_by(kernel::LANES) {
                let (x, dy, gain) = (&x[at..][..kernel::LANES], &dy[at..][..kernel::LANES], &gain[at..][..kernel::LANES]);
                for i in 0..kernel::LANES {
                    let g = dy[i] * gain[i];
                    lanes[i] += g;
                    lanes_hat[i] += g * (x[i] - mean);
                }
            }
            for i in whole..dim {
                let g = dy[i] * gain[i];
                lanes[i - whole] += g;
                lanes_hat[i - whole] += g * (x[i] - mean);
            }
            let mean_g = kernel::fold(lanes) / count;
            let mean_hat = kernel::fold(lanes_hat) * inverse * inverse / count;
            for (((dx, &x), &dy), &gain) in dx.iter_mut().zip(x).zip(dy).zip(gain) {
                *dx += inverse * (dy * gain - mean_g - (x - mean) * mean_hat);
            }
        }
    }
}

#[inline(always)]
fn sum_inline<T: Scalar>(x: &[T]) -> T {
    let mut lanes = [T::ZERO; kernel::LANES];
    let chunks = x.chunks_exact(kernel::LANES);
    let rest = chunks.remainder().iter().copied().sum::<T>();
    for x in chunks {
        for i in 0..kernel::LANES {
            lanes[i] += x[i];
        }
    }
    kernel::fold(lanes) + rest
}

kernel! {
    /// Scales every row of `x` `[rows x dim]` to length 1 into `y`, and saves 1 / length; a zero row stays zero, saves 0 and
    /// so gets no gradient.
    pub fn unit_rows<T: Scalar>(dim: usize, x: &[T], inverse_lengths: &mut [T], y: &mut [T]) {
        let rows = x.chunks_exact(dim).zip(y.chunks_exact_mut(dim)).zip(inverse_lengths);
        for ((x, y), inverse) in rows {
            let length = dot_inline(x, x).sqrt();
            *inverse = if length > T::from_f64(1e-12) { T::ONE / length } else { T::ZERO };
            for (y, &x) in y.iter_mut().zip(x) {
                *y = x * *inverse;
            }
        }
    }
}

kernel! {
    /// Turns `dy` into `dx` in place: `dx = (dy - y <y, dy>) / length`.
    pub fn unit_rows_backward<T: Scalar>(dim: usize, y: &[T], inverse_lengths: &[T], dy: &mut [T]) {
        for ((y, dy), &inverse) in y.chunks_exact(dim).zip(dy.chunks_exact_mut(dim)).zip(inverse_lengths) {
            let along = dot_inline(y, dy);
            for (dy, &y) in dy.iter_mut().zip(y) {
                *dy = (*dy - y * along) * inverse;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_check::check;

    #[test]
    fn a_row_by_hand() {
        let mut layout = Layout::new();
        let norm = LayerNorm::new(&mut layout, "n", 4);
        let params: Vec<f64> = layout.init(&semrank_core::Rng::new(0, "init"));
        let mut y = [0.0; 4];
        norm.forward(&params, &[1.0, 3.0, 1.0, 3.0], &mut NormSaved::default(), &mut y);
        assert!((y[0] + 1.0).abs() < 1e-5 && (y[1] - 1.0).abs() < 1e-5, "mean 2, deviation 1: {y:?}");
    }

    #[test]
    fn layer_norm_gradients_agree_with_finite_differences() {
        let mut layout = Layout::new();
        let norm = LayerNorm::new(&mut layout, "n", 40);
        check(
            &layout,
            3 * 40,
            3 * 40,
            |params, x, y| norm.forward(params, x, &mut NormSaved::default(), y),
            |params, x, dy, grads, dx| {
                let mut saved = NormSaved::default();
                norm.forward(params, x, &mut saved, &mut vec![0.0; x.len()]);
                norm.backward(params, x, &saved, dy, grads, dx);
            },
        );
    }

    #[test]
    fn the_residual_norm_gives_the_bytes_of_the_sum_and_the_norm() {
        let mut layout = Layout::new();
        let norm = LayerNorm::new(&mut layout, "n", 70).with_epsilon(1e-3);
        let mut rng = semrank_core::Rng::new(1, "norm");
        let mut values = |len: usize| (0..len).map(|_| rng.normal() as f32).collect::<Vec<_>>();
        let (params, branch, mut x) = (values(140), values(210), values(210));
        let sum: Vec<f32> = x.iter().zip(&branch).map(|(x, branch)| x + branch).collect();
        let mut want = vec![0.0; 210];
        norm.forward(&params, &sum, &mut NormSaved::default(), &mut want);
        residual_norm(&branch, norm.gain.of(&params), norm.bias.of(&params), norm.epsilon, &mut x);
        assert_eq!(x, want);
    }

    #[test]
    fn unit_row_gradients_agree_with_finite_differences() {
        check(
            &Layout::new(),
            4 * 7,
            4 * 7,
            |_, x, y| unit_rows(7, x, &mut [0.0; 4], y),
            |_, x, dy, _, dx| {
                let (mut inverse, mut y) = ([0.0; 4], vec![0.0; x.len()]);
                unit_rows(7, x, &mut inverse, &mut y);
                dx.copy_from_slice(dy);
                unit_rows_backward(7, &y, &inverse, dx);
            },
        );
    }
}
