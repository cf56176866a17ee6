//! GELU (Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2), in its tanh form and exactly.
//!
//! The tanh form is `gelu(u) = u · s`, `s = sigmoid(2 c (u + 0.044715 u³))`, `c = sqrt(2 / pi)`, written with
//! one exponential. The exact one, which models of the BERT family use, is `u · Φ(u)`, `Φ(u) = (1 + erf(u / sqrt 2)) / 2`.

use crate::{Scalar, kernel};

const TWO_C: f64 = 1.595_769_121_605_730_7;
const CUBIC: f64 = 0.044_715;
/// 1 / sqrt(2 pi).
const NORMAL_DENSITY_AT_0: f64 = 0.398_942_280_401_432_7;

/// Which GELU a model was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// [`gelu_erf`].
    Exact,
    /// [`gelu`].
    Tanh,
}

impl Gelu {
    /// Writes `y`.
    pub fn forward<T: Scalar>(self, u: &[T], y: &mut [T]) {
        match self {
            Gelu::Exact => gelu_erf(u, y),
            Gelu::Tanh => gelu(u, y),
        }
    }

    /// Turns `dy` into `du` in place.
    pub fn backward<T: Scalar>(self, u: &[T], dy: &mut [T]) {
        match self {
            Gelu::Exact => gelu_erf_backward(u, dy),
            Gelu::Tanh => gelu_backward(u, dy),
        }
    }
}

kernel! {
    /// `y = gelu(u)`.
    pub fn gelu<T: Scalar>(u: &[T], y: &mut [T]) {
        for (y, &u) in y.iter_mut().zip(u) {
            *y = gelu_inline(u);
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

kernel! {
    /// `y = u · Φ(u)`.
    pub fn gelu_erf<T: Scalar>(u: &[T], y: &mut [T]) {
        for (y, &u) in y.iter_mut().zip(u) {
            *y = u * normal_cdf(u);
        }
    }
}

kernel! {
    /// Turns `dy` into `du` in place, for [`gelu_erf`]: `du = dy · (Φ(u) + u · φ(u))`.
    pub fn gelu_erf_backward<T: Scalar>(u: &[T], dy: &mut [T]) {
        let (half, density) = (T::from_f64(0.5), T::from_f64(NORMAL_DENSITY_AT_0));
        for (dy, &u) in dy.iter_mut().zip(u) {
            *dy *= normal_cdf(u) + u * density * (-half * u * u).exp();
        }
    }
}

#[inline(always)]
fn normal_cdf<T: Scalar>(u: T) -> T {
    let half = T::from_f64(0.5);
    half + half * (u * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf()
}

/// The body of [`gelu`], for use inside other kernels.
#[inline(always)]
pub(crate) fn gelu_inline<T: Scalar>(u: T) -> T {
    u * sigmoid(u)
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
    fn golden_values_of_the_exact_form() {
        // torch 2.x: torch.nn.functional.gelu(x)
        let mut y = [0.0f64; 4];
        gelu_erf(&[-1.0, 0.0, 0.5, 2.0], &mut y);
        for (got, want) in y.iter().zip([-0.158_655_254, 0.0, 0.345_731_231, 1.954_499_736]) {
            assert!((got - want).abs() < 1e-8, "{got} {want}");
        }
    }

    #[test]
    fn gradients_of_the_exact_form_agree_with_finite_differences() {
        check(
            &Layout::new(),
            40,
            40,
            |_, u, y| gelu_erf(u, y),
            |_, u, dy, _, du| {
                du.copy_from_slice(dy);
                gelu_erf_backward(u, du);
            },
        );
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
