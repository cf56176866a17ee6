//! Inverted dropout whose mask is a pure function of (key, index): nothing is stored, the backward pass asks again.
//!
//! The mask bits are a 32-bit integer hash (the "lowbias32" finaliser) of the index, which vectorises.

use crate::{Scalar, kernel};

/// One dropout site of one training step.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    key: u32,
    threshold: u32,
    keep_scale: f64,
}

impl Dropout {
    /// Drops with probability `rate`, a mask per `key`.
    ///
    /// # Panics
    /// When `rate` is not in `[0, 1)`.
    pub fn new(rate: f64, key: u64) -> Self {
        assert!((0.0..1.0).contains(&rate), "a dropout rate lies in [0, 1), got {rate}");
        Self {
            key: (key ^ (key >> 32)) as u32,
            threshold: (rate * 4_294_967_296.0) as u32,
            keep_scale: 1.0 / (1.0 - rate),
        }
    }

    /// Keeps everything: evaluation.
    pub fn off() -> Self {
        Self::new(0.0, 0)
    }

    /// Whether nothing is ever dropped.
    pub fn is_off(&self) -> bool {
        self.threshold == 0
    }

    /// Factor of element `index`: 0 or 1 / (1 - rate).
    #[inline(always)]
    pub fn factor<T: Scalar>(&self, index: usize) -> T {
        let mut x = (index as u32) ^ self.key;
        x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad);
        x = (x ^ (x >> 15)).wrapping_mul(0xd35a_2d97);
        x ^= x >> 15;
        if x < self.threshold { T::ZERO } else { T::from_f64(self.keep_scale) }
    }

    /// Applies the mask to `x`, whose first element has index `first`; also the backward pass.
    pub fn apply<T: Scalar>(&self, first: usize, x: &mut [T]) {
        if !self.is_off() {
            apply(*self, first, x);
        }
    }
}

kernel! {
    fn apply<T: Scalar>(dropout: Dropout, first: usize, x: &mut [T]) {
        for (i, x) in x.iter_mut().enumerate() {
            *x *= dropout.factor(first.wrapping_add(i));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_mean_and_depends_only_on_the_index() {
        let dropout = Dropout::new(0.3, 99);
        let mut x = vec![1.0f32; 100_000];
        dropout.apply(0, &mut x);
        let mean = x.iter().sum::<f32>() / 1e5;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        let mut part = vec![1.0f32; 100];
        dropout.apply(500, &mut part);
        assert_eq!(part, x[500..600]);
        let mut other = vec![1.0f32; 100];
        Dropout::new(0.3, 98).apply(500, &mut other);
        assert_ne!(other, part, "another key, another mask");
    }

    #[test]
    fn different_keys_give_uncorrelated_masks() {
        let (a, b) = (Dropout::new(0.5, 1), Dropout::new(0.5, 2));
        let both = (0..40_000).filter(|&i| a.factor::<f32>(i) > 0.0 && b.factor::<f32>(i) > 0.0).count();
        assert!((9_500..10_500).contains(&both), "{both} of 40000 kept by both, 10000 expected");
    }
}
