//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864, section 3.2): a position turns every query and key by
//! angles that grow with it, so that a score depends only on the distance of two positions.
//!
//! Of a head of width W the values `i` and `i + W/2` are the two coordinates that turn together (the "half-split"
//! order of Hugging Face models, where both halves are vectors), by the angle `position / factor · theta^(-2i / W)`.
//! The first position of each sequence is 0.
//!
//! ```
//! use semrank_nn::{Rotary, RotaryConfig};
//! let rotary = Rotary::<f64>::new(RotaryConfig { width: 2, theta: 1e4, factor: 1.0 }, 2);
//! let mut x = [1.0, 0.0, 1.0, 0.0]; // one head, positions 0 and 1
//! rotary.rotate(&[0, 2], 1, 2, &mut x);
//! assert_eq!(x, [1.0, 0.0, 1f64.cos(), 1f64.sin()]);
//! ```

use crate::{Scalar, kernel};

/// How fast positions turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RotaryConfig {
    /// W, the width of a head; even.
    pub width: usize,
    /// Base of the frequencies.
    pub theta: f64,
    /// Positions are divided by this: 1, or the factor of linear scaling (Chen et al. 2023, arXiv 2306.15595).
    pub factor: f64,
}

/// Cosines and sines of the first positions, `[positions x W/2]` each.
#[derive(Debug, Clone)]
pub struct Rotary<T> {
    half: usize,
    cosines: Vec<T>,
    sines: Vec<T>,
}

impl<T: Scalar> Rotary<T> {
    /// The table for sequences of at most `positions`.
    ///
    /// # Panics
    /// When the width is odd or 0.
    pub fn new(config: RotaryConfig, positions: usize) -> Self {
        assert!(config.width > 0 && config.width.is_multiple_of(2), "a head of {} values", config.width);
        let half = config.width / 2;
        let angle = |at: usize| {
            let frequency = config.theta.powf(-((at % half) as f64) / half as f64);
            (at / half) as f64 / config.factor * frequency
        };
        let values = 0..positions * half;
        Self {
            half,
            cosines: values.clone().map(|at| T::from_f64(angle(at).cos())).collect(),
            sines: values.map(|at| T::from_f64(angle(at).sin())).collect(),
        }
    }

    /// Positions of the longest sequence.
    pub fn positions(&self) -> usize {
        self.cosines.len() / self.half
    }

    /// Turns the first `heads` heads of every row of `x`, `[T x stride]`.
    ///
    /// # Panics
    /// When a sequence is longer than the table.
    pub fn rotate(&self, offsets: &[usize], heads: usize, stride: usize, x: &mut [T]) {
        self.turn(T::ONE, std::iter::repeat(0), offsets, heads, stride, x);
    }

    /// As [`Rotary::rotate`] for sequences that begin at the positions `starts`.
    ///
    /// # Panics
    /// When a sequence ends beyond the table, or there is not one start per sequence.
    pub fn rotate_after(
        &self,
        starts: &[usize],
        offsets: &[usize],
        heads: usize,
        stride: usize,
        x: &mut [T],
    ) {
        assert_eq!(starts.len() + 1, offsets.len(), "a start per sequence");
        self.turn(T::ONE, starts.iter().copied(), offsets, heads, stride, x);
    }

    /// Turns back: the backward pass, in place on the gradient.
    ///
    /// # Panics
    /// As [`Rotary::rotate`].
    pub fn rotate_back(&self, offsets: &[usize], heads: usize, stride: usize, dx: &mut [T]) {
        self.turn(-T::ONE, std::iter::repeat(0), offsets, heads, stride, dx);
    }

    fn turn(
        &self,
        direction: T,
        starts: impl Iterator<Item = usize>,
        offsets: &[usize],
        heads: usize,
        stride: usize,
        x: &mut [T],
    ) {
        for (w, start) in offsets.windows(2).zip(starts) {
            let end = start + w[1] - w[0];
            assert!(end <= self.positions(), "{end} positions, a table for {}", self.positions());
            let angles = start * self.half..end * self.half;
            let (cosines, sines) = (&self.cosines[angles.clone()], &self.sines[angles]);
            let x = &mut x[w[0] * stride..w[1] * stride];
            turn_rows(direction, heads, self.half, stride, cosines, sines, x);
        }
    }
}

kernel! {
    fn turn_rows<T: Scalar>(
        direction: T, heads: usize, half: usize, stride: usize, cosines: &[T], sines: &[T], x: &mut [T],
    ) {
        let tables = cosines.chunks_exact(half).zip(sines.chunks_exact(half));
        for (row, (cosines, sines)) in x.chunks_exact_mut(stride).zip(tables) {
            for head in row.chunks_exact_mut(2 * half).take(heads) {
                let (first, second) = head.split_at_mut(half);
                let values = first.iter_mut().zip(second).zip(cosines.iter().zip(sines));
                for ((a, b), (&cosine, &sine)) in values {
                    let sine = direction * sine;
                    (*a, *b) = (*a * cosine - *b * sine, *b * cosine + *a * sine);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, gradient_check::check};

    const CONFIG: RotaryConfig = RotaryConfig { width: 6, theta: 100.0, factor: 2.0 };

    #[test]
    fn gradients_agree_with_finite_differences_and_the_last_head_stays() {
        let rotary = Rotary::new(CONFIG, 4);
        let (offsets, stride) = ([0, 4, 4, 7], 3 * 6);
        check(
            &Layout::new(),
            7 * stride,
            7 * stride,
            |_, x, y| {
                y.copy_from_slice(x);
                rotary.rotate(&offsets, 2, stride, y);
                assert!((0..7).all(|t| y[t * stride + 12..][..6] == x[t * stride + 12..][..6]));
            },
            |_, _, dy, _, dx| {
                dx.copy_from_slice(dy);
                rotary.rotate_back(&offsets, 2, stride, dx);
            },
        );
    }

    #[test]
    fn a_sequence_may_begin_at_any_position() {
        let rotary = Rotary::<f64>::new(CONFIG, 9);
        let mut whole: Vec<f64> = (0..9 * 6).map(|i| f64::from(i % 7) - 3.0).collect();
        let mut parts = [&whole[4 * 6..], &whole[..4 * 6]].concat();
        rotary.rotate(&[0, 9], 1, 6, &mut whole);
        rotary.rotate_after(&[4, 0], &[0, 5, 9], 1, 6, &mut parts);
        assert_eq!(parts, [&whole[4 * 6..], &whole[..4 * 6]].concat());
    }

    #[test]
    fn scores_depend_on_the_distance_only() {
        let rotary = Rotary::<f64>::new(CONFIG, 9);
        let turned = |position: usize, seed: usize| {
            let mut x: Vec<f64> = (0..9 * 6).map(|i| ((i % 6 * 7 + seed) % 11) as f64 - 5.0).collect();
            rotary.rotate(&[0, 9], 1, 6, &mut x);
            x[position * 6..][..6].to_vec()
        };
        let score =
            |q: usize, k: usize| turned(q, 1).iter().zip(turned(k, 4)).map(|(a, b)| a * b).sum::<f64>();
        assert!((score(5, 2) - score(8, 5)).abs() < 1e-12);
        assert!((score(5, 2) - score(8, 2)).abs() > 1e-3);
    }
}
