//! GELU in its tanh form (Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2).
//!
//! `gelu(u) = u · s`, `s = sigmoid(2 c (u + 0.044715 u³))`, `c = sqrt(2 / pi)`: the tanh form written with one
//! exponential.

use crate::{Scalar, kernel};

const TWO_C: f64 = 1.595_769_121_605_730_7;
const CUBIC: f64 = 0.044_715;

kernel! {
    /// `y = gelu(u)`.
    pub fn gelu<T: Scalar>(u: &[T], y: &mut [T]) {
        for (y, &u) in y.iter_mut().zip(u) {
            *y = u * sigmoid(u);
        }
    }
}

kernel! {
    /// Turns `dy` into `du` in place.
    pub fn gelu_backward<T: Scalar>(u: &[T], dy: &mut [T]) {
        let (two_c, cubic) = (T::from_f64(TWO_C), T::from_f64(3.0 * CUBIC));
        for (dy, &u) in dy.iter_mut().zip(u) {
            let s = sigmoid(u);
            *dy *= s + u * s * (T::ONE - s) * two_c * (T::ONE + cubic * u * u);
        }
    }
}

#[inline(always)]
fn sigmoid<T: Scalar>(u: T) -> T {
    let z = T::from_f64(TWO_C) * (u + T::from_f64(CUBIC) * u * u * u);
    T::ONE / (T::ONE + (-z).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, gradient_check::check};

    #[test]
    fn golden_values() {
        // torch 2.x: torch.nn.functional.gelu(x, approximate="tanh")
        let mut y = [0.0f64; 4];
        gelu(&[-1.0, 0.0, 0.5, 2.0], &mut y);
        for (got, want) in y.iter().zip([-0.158_808_009, 0.0, 0.345_714_010, 1.954_597_694]) {
            assert!((got - want).abs() < 1e-8, "{got} {want}");
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        check(
            &Layout::new(),
            40,
            40,
            |_, u, y| gelu(u, y),
            |_, u, dy, _, du| {
                du.copy_from_slice(dy);
                gelu_backward(u, du);
            },
        );
    }
}
