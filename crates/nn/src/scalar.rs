//! The number types of a network: `f32` to train, `f64` to check gradients of the same code.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

/// `f32` or `f64`.
pub trait Scalar:
    Copy
    + Debug
    + Default
    + Display
    + PartialOrd
    + Send
    + Sync
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
    + crate::product::Multiply
    + crate::attention::Attend
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// Smaller than every finite number.
    const NEG_INFINITY: Self;
    /// The nearest value.
    fn from_f64(value: f64) -> Self;
    /// The exact value.
    fn to_f64(self) -> f64;
    /// e to the power of `self`; the `f32` version vectorises.
    fn exp(self) -> Self;
    /// Natural logarithm.
    fn ln(self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// The error function; the `f32` version vectorises.
    fn erf(self) -> Self;
    /// The larger of two numbers that are not NaN.
    fn larger(self, other: Self) -> Self;
}

impl Scalar for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f64::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn erf(self) -> Self {
        erf_f64(self)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

impl Scalar for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = f32::NEG_INFINITY;

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        exp_f32(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn erf(self) -> Self {
        erf_f32(self, |a, b, c| a * b + c)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

/// exp by 2^n · e^r with |r| <= ln 2 / 2 and a degree-5 polynomial (Cephes `expf`); relative error below 2e-7.
/// Below -87 the result is at most 1.7e-38 instead of a subnormal number, and exp(-inf) is 0.
#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    // Adding 1.5 · 2^23 leaves the nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.0, 88.0);
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_2e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let fraction = p * r * r + r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_sub(0x4b40_0000).wrapping_add(127) << 23);
    if x < -87.5 { 0.0 } else { fraction * power }
}

/// erf by the odd rational approximation of Eigen and XLA on [-4, 4], where it is ±1 to the last bit; error below 4e-7.
/// `multiply_add(a, b, c)` is `a b + c`, fused or not.
#[inline(always)]
pub(crate) fn erf_f32(x: f32, multiply_add: impl Fn(f32, f32, f32) -> f32) -> f32 {
    const P: [f32; 6] =
        [2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2];
    const Q: [f32; 4] = [-2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2];
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let p = P.iter().fold(-2.726_142_3e-10, |p, &c| multiply_add(p, s, c));
    let q = Q.iter().fold(-1.456_607_2e-5, |q, &c| multiply_add(q, s, c));
    x * p / q
}

/// erf by its Taylor series (Abramowitz & Stegun 7.1.6) and, from 3 on, the continued fraction of erfc (7.1.14).
fn erf_f64(x: f64) -> f64 {
    let (size, s) = (x.abs(), x * x);
    let gauss = (-s).exp() / std::f64::consts::PI.sqrt();
    if size < 3.0 {
        let terms = (0..100).scan(x, |term, n| {
            let kept = *term;
            *term *= 2.0 * s / f64::from(2 * n + 3);
            Some(kept)
        });
        return 2.0 * gauss * terms.sum::<f64>();
    }
    let fraction = (1..100).rev().fold(size, |below, n| size + f64::from(n) / 2.0 / below);
    (1.0 - gauss / fraction).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_agrees_with_f64() {
        for i in -8_700..8_800 {
            let x = i as f32 / 100.0;
            let (got, want) = (f64::from(exp_f32(x)), f64::from(x).exp());
            assert!((got - want).abs() <= 2e-7 * want, "exp({x}) = {got}, expected {want}");
        }
        assert_eq!(exp_f32(0.0), 1.0);
        assert_eq!(exp_f32(f32::NEG_INFINITY), 0.0);
        assert!(exp_f32(f32::NAN).is_nan());
    }

    #[test]
    fn erf_agrees_with_published_values_and_between_types() {
        // Abramowitz & Stegun, table 7.1; Python's math.erf for the last.
        let values = [(0.0, 0.0), (0.5, 0.520_499_877_813_046_5), (1.0, 0.842_700_792_949_714_9)];
        for (x, want) in
            values.into_iter().chain([(2.0, 0.995_322_265_018_952_7), (3.5, 0.999_999_256_901_627_7)])
        {
            assert!((erf_f64(x) - want).abs() < 1e-14 && (erf_f64(-x) + want).abs() < 1e-14, "erf({x})");
        }
        for i in -6_000..=6_000 {
            let x = i as f32 / 1000.0;
            let want = erf_f64(f64::from(x));
            for got in [Scalar::erf(x), erf_f32(x, f32::mul_add)] {
                assert!((f64::from(got) - want).abs() < 4e-7, "erf({x}) = {got}");
            }
        }
    }
}
