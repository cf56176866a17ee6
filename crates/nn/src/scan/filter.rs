//! Selects the rows that can still have one of the largest scores, given approximate scores with an error bound, and scores them exactly.
//!
//! With `off = error · |row| + length · |row - its integers| + rest` for a query's (error, length), a row whose score plus `off` is
//! below a score that enough other rows reach is out.

use crate::kernel;
use crate::kernel::dot_inline;

/// Below this a product may lose digits to underflow.
pub(super) const TINY: f32 = 1e-30;
/// Rows of a cheap test; few of their groups have a row that passes.
const GROUP: usize = 32;

kernel! {
    /// Turns scores into the most they can be; returns the least that the largest can be. `rest` is what any score may be off.
    pub(super) fn upper_bounds<T: Scalar>(
        error: T, length: T, rest: T, lengths: &[T], errors: &[T], scores: &mut [T],
    ) -> T {
        const LANES: usize = 32;
        let mut lanes = [T::NEG_INFINITY; LANES];
        let step = |score: &mut T, row_length: T, row_error: T| {
            let off = error * row_length + length * row_error + rest;
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
        for (group, values) in values.chunks(GROUP).enumerate() {
            // The test of a whole group vectorises; few groups pass it.
            if values.iter().fold(false, |any, &value| any | (value >= least)) {
                for (i, &value) in values.iter().enumerate() {
                    if value >= least {
                        out.push((group * GROUP + i) as u32);
                    }
                }
            }
        }
    }
}

kernel! {
    /// Exact scores of rows that lie one after the other.
    pub(super) fn scores_of_all<T: Scalar>(query: &[T], values: &[T], bias: &[T], out: &mut [T]) {
        for ((row, &bias), out) in values.chunks_exact(query.len()).zip(bias).zip(out) {
            *out = dot_inline(query, row) + bias;
        }
    }
}
