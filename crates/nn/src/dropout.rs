//! Inverted dropout whose mask is a pure function of (key, index): nothing is stored, the backward pass computes it again.
//!
//! The mask bits are a 32-bit integer hash (the "lowbias32" finaliser) of the index, which vectorises. The key is mixed first,
//! and one half of it enters before the hash, the other between its rounds. So keys may differ in a bit only, as those of the
//! parts of a batch do. (Added to the index alone, two keys would give the same mask in another order.)

use crate::{Scalar, kernel};
use semrank_core::Rng;

/// One dropout site of one training step.
#[derive(Debug, Clone, Copy)]
pub struct Dropout {
    keys: [u32; 2],
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
        let mixed = Rng::new(key, "dropout").next_u64();
        Self {
            keys: [mixed as u32, (mixed >> 32) as u32],
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
        let [before, between] = self.keys;
        let mut x = (index as u32) ^ before;
        x = (x ^ (x >> 16)).wrapping_mul(0x21f0_aaad) ^ between;
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

    /// Keys that differ in a bit, and those that layers and shards are known to make of one.
    fn alike() -> Vec<u64> {
        let key = 0x0123_4567_89ab_cdef_u64;
        let bits = (0..64).map(|bit| key ^ 1 << bit);
        let shards = (1..=4u64).map(|shard| key.wrapping_add(shard << 40));
        let turned = [17, 31, 32].map(|by| key.rotate_left(by));
        let small = 0..4;
        let mut keys: Vec<u64> = bits.chain(shards).chain(turned).chain(small).chain([key]).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    #[test]
    fn masks_of_keys_that_differ_in_few_bits_agree_by_chance_only_in_any_order() {
        const PLACES: usize = 1 << 13;
        for rate in [0.1, 0.5] {
            let mask = |key| {
                let dropout = Dropout::new(rate, key);
                (0..PLACES).map(|at| dropout.factor::<f32>(at) == 0.0).collect::<Vec<_>>()
            };
            let masks: Vec<(u64, Vec<bool>)> = alike().into_iter().map(|key| (key, mask(key))).collect();
            let expected = rate * rate + (1.0 - rate) * (1.0 - rate);
            let deviation = (expected * (1.0 - expected) / PLACES as f64).sqrt();
            for (at, (key, mask)) in masks.iter().enumerate() {
                let dropped = mask.iter().filter(|&&dropped| dropped).count() as f64 / PLACES as f64;
                assert!((dropped - rate).abs() < 0.025, "{dropped} of {key:x} dropped, {rate} expected");
                for (other_key, other) in &masks[..at] {
                    for moved in [0].into_iter().chain((0..13).map(|bit| 1 << bit)) {
                        let same = (0..PLACES).filter(|&at| mask[at] == other[at ^ moved]).count();
                        let agreement = same as f64 / PLACES as f64;
                        assert!(
                            (agreement - expected).abs() < 6.0 * deviation,
                            "{key:x} and {other_key:x} agree in {agreement}, {expected} expected, moved by {moved}"
                        );
                    }
                }
            }
        }
    }
}
