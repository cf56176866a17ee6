//! Root-mean-square normalisation (Zhang & Sennrich 2019, arXiv 1910.07467, equation 4): no mean, no bias.
//!
//! ```
//! use semrank_nn::{Layout, RmsNorm, RmsSaved};
//! let mut layout = Layout::new();
//! let norm = RmsNorm::new(&mut layout, "norm", 2, 0.0);
//! let mut y = [0.0f32; 2];
//! norm.forward(&[1.0, 10.0], &[1.0, 7.0], &mut RmsSaved::default(), &mut y);
//! assert_eq!(y, [0.2, 14.0]); // the root of (1 + 49) / 2 is 5
//! ```

use crate::{Init, Layout, Scalar, Slot, kernel, kernel::dot_inline};

/// `y = x / sqrt(mean(x²) + epsilon) · gain` over each row.
///
/// # Shapes
/// x, y `[T x D]`; gain `[D]`.
#[derive(Debug, Clone, Copy)]
pub struct RmsNorm {
    /// Starts at 1.
    pub gain: Slot,
    /// Added to the mean square.
    pub epsilon: f64,
}

/// What the backward pass needs: the factor of each row. Reuse it.
#[derive(Debug, Clone, Default)]
pub struct RmsSaved<T> {
    inverses: Vec<T>,
}

impl RmsNorm {
    /// Adds `NAME.gain`.
    pub fn new(layout: &mut Layout, name: &str, dim: usize, epsilon: f64) -> Self {
        Self { gain: layout.tensor(&format!("{name}.gain"), 1, dim, Init::Constant(1.0)), epsilon }
    }

    /// Writes `y`.
    pub fn forward<T: Scalar>(&self, params: &[T], x: &[T], saved: &mut RmsSaved<T>, y: &mut [T]) {
        saved.inverses.clear();
        saved.inverses.resize(x.len() / self.gain.cols, T::ZERO);
        rms_forward(T::from_f64(self.epsilon), x, self.gain.of(params), &mut saved.inverses, y);
    }

    /// Adds the gradient of the gain, and adds `dx` to what `dx` holds (a residual branch).
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        x: &[T],
        saved: &RmsSaved<T>,
        dy: &[T],
        grads: &mut [T],
        dx: &mut [T],
    ) {
        rms_backward_gain(x, &saved.inverses, dy, self.gain.of_mut(grads));
        rms_backward_input(x, self.gain.of(params), &saved.inverses, dy, dx);
    }
}

kernel! {
    fn rms_forward<T: Scalar>(epsilon: T, x: &[T], gain: &[T], inverses: &mut [T], y: &mut [T]) {
        let dim = gain.len();
        let count = T::from_f64(dim as f64);
        for ((x, y), inverse) in x.chunks_exact(dim).zip(y.chunks_exact_mut(dim)).zip(inverses) {
            *inverse = T::ONE / (dot_inline(x, x) / count + epsilon).sqrt();
            for ((y, &x), &gain) in y.iter_mut().zip(x).zip(gain) {
                *y = x * *inverse * gain;
            }
        }
    }
}

kernel! {
    fn rms_backward_gain<T: Scalar>(x: &[T], inverses: &[T], dy: &[T], dgain: &mut [T]) {
        let dim = dgain.len();
        for ((x, dy), &inverse) in x.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(inverses) {
            for ((dgain, &x), &dy) in dgain.iter_mut().zip(x).zip(dy) {
                *dgain += dy * x * inverse;
            }
        }
    }
}

kernel! {
    fn rms_backward_input<T: Scalar>(x: &[T], gain: &[T], inverses: &[T], dy: &[T], dx: &mut [T]) {
        let dim = gain.len();
        let count = T::from_f64(dim as f64);
        let rows = x.chunks_exact(dim).zip(dy.chunks_exact(dim)).zip(dx.chunks_exact_mut(dim)).zip(inverses);
        for (((x, dy), dx), &inverse) in rows {
            let mut lanes = [T::ZERO; kernel::LANES];
            for (at, ((&x, &dy), &gain)) in x.iter().zip(dy).zip(gain).enumerate() {
                lanes[at % kernel::LANES] += dy * gain * x;
            }
            let along = kernel::fold(lanes) * inverse * inverse / count;
            for (((dx, &x), &dy), &gain) in dx.iter_mut().zip(x).zip(dy).zip(gain) {
                *dx += inverse * (dy * gain - x * along);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_check::check;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut layout = Layout::new();
        let norm = RmsNorm::new(&mut layout, "n", 40, 1e-5);
        check(
            &layout,
            3 * 40,
            3 * 40,
            |params, x, y| norm.forward(params, x, &mut RmsSaved::default(), y),
            |params, x, dy, grads, dx| {
                let mut saved = RmsSaved::default();
                norm.forward(params, x, &mut saved, &mut vec![0.0; x.len()]);
                norm.backward(params, x, &saved, dy, grads, dx);
            },
        );
    }
}
