//! Which codes can have the largest score, given scores that are off by at most a bound.
//!
//! With `off = error · |c| + length · |c - ĉ|` for a vector's (error, length), a code whose score plus `off` is below the largest
//! score less its `off` is out.

use semrank_nn::kernel;

/// Below this a product may lose digits to underflow.
const TINY: f64 = 1e-30;

kernel! {
    /// Turns scores into the most they can be; returns the least that the largest can be.
    pub(super) fn upper_bounds<T: Scalar>(error: T, length: T, lengths: &[T], errors: &[T], scores: &mut [T]) -> T {
        const LANES: usize = 32;
        let tiny = T::from_f64(TINY);
        let mut lanes = [T::NEG_INFINITY; LANES];
        let step = |score: &mut T, code_length: T, code_error: T| {
            let off = error * code_length + length * code_error + tiny;
            let least = *score - off;
            *score += off;
            least
        };
        let mut scores = scores.chunks_exact_mut(LANES);
        let (mut lengths, mut errors) = (lengths.chunks_exact(LANES), errors.chunks_exact(LANES));
        for ((scores, lengths), errors) in (&mut scores).zip(&mut lengths).zip(&mut errors) {
            for i in 0..LANES {
                lanes[i] = lanes[i].larger(step(&mut scores[i], lengths[i], errors[i]));
            }
        }
        let rest = scores.into_remainder().iter_mut().zip(lengths.remainder()).zip(errors.remainder());
        let rest = rest.fold(T::NEG_INFINITY, |top, ((score, &length), &error)| top.larger(step(score, length, error)));
        lanes.iter().fold(rest, |a, &b| a.larger(b))
    }
}

kernel! {
    /// The positions whose value is at least `least`.
    pub(super) fn collect<T: Scalar>(least: T, values: &[T], out: &mut Vec<u32>) {
        const LANES: usize = 32;
        for (chunk, values) in values.chunks(LANES).enumerate() {
            // The test of a whole chunk vectorises; few chunks pass it.
            if values.iter().fold(false, |any, &value| any | (value >= least)) {
                for (i, &value) in values.iter().enumerate() {
                    if value >= least {
                        out.push((chunk * LANES + i) as u32);
                    }
                }
            }
        }
    }
}
