//! Rows in 4 and in 8 bits and queries in 8, and how far the products may be off.

use super::fine::PART;
use crate::Bound;
use crate::scan::ROUNDING;
use crate::scan::filter::TINY;

/// Covers the rounding of sums of squares and roots.
const MARGIN: f32 = 1.001;

/// The least bfloat16 above a number.
pub(super) fn above(value: f32) -> u16 {
    let bits = value.to_bits();
    let cut = (bits >> 16) as u16;
    match (bits & 0xffff != 0, value > 0.0) {
        // Towards zero, which is up.
        (true, false) | (false, _) => cut,
        (true, true) => cut + 1,
    }
}

/// The number of a bfloat16.
#[inline(always)]
pub(super) fn of_bits(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// How a row becomes integers.
pub(super) struct Code {
    step: u16,
    inverse: f32,
    /// At least `|w - ŵ|`.
    pub(super) error: f32,
}

impl Code {
    /// Of finite values. The step is negative where the largest value is positive: so it is -8 steps, and no level is left over.
    pub(super) fn of(values: &[f32]) -> Self {
        let top = values.iter().fold(0f32, |top, &value| if value.abs() > top.abs() { value } else { top });
        let step = (((top / -8.0).to_bits() + 0x8000) >> 16) as u16;
        let inverse = 1.0 / of_bits(step);
        let inverse = if inverse.is_finite() { inverse } else { 0.0 };
        let mut out = Self { step, inverse, error: 0.0 };
        out.error = Self::error_of(out.square(values));
        out
    }

    /// At least the root of a sum of squares.
    pub(super) fn error_of(square: f64) -> f32 {
        (square.sqrt() as f32 * MARGIN).next_up()
    }

    /// The squared distance of values from their levels.
    pub(super) fn square(&self, values: &[f32]) -> f64 {
        self.square_by(values, |value| f64::from(self.nibble(value)) - 8.0)
    }

    /// The squared distance of values from their levels and the middle of the sixteenth of it.
    pub(super) fn fine_square(&self, values: &[f32]) -> f64 {
        self.square_by(values, |value| {
            f64::from(self.nibble(value)) - 8.0 + (f64::from(self.fine(value)) - 7.5) / 16.0
        })
    }

    fn square_by(&self, values: &[f32], steps: impl Fn(f32) -> f64) -> f64 {
        let rests =
            values.iter().map(|&value| f64::from(value) - f64::from(of_bits(self.step)) * steps(value));
        rests.map(|rest| rest * rest).sum()
    }

    pub(super) fn step_bits(&self) -> u16 {
        self.step
    }

    /// The level of a value and 8.
    pub(super) fn nibble(&self, value: f32) -> u8 {
        // Truncation of a positive number rounds down; values beyond the last level are cut to it.
        (value * self.inverse + 8.5).clamp(0.0, 15.0) as u8
    }

    /// In which sixteenth of the level's values a value lies.
    pub(super) fn fine(&self, value: f32) -> u8 {
        let rest = value - of_bits(self.step) * (f32::from(self.nibble(value)) - 8.0);
        (rest * self.inverse * 16.0 + 8.0).clamp(0.0, 15.0) as u8
    }
}

/// A query in 8-bit integers.
#[derive(Debug, Clone, Default)]
pub(in crate::scan) struct Query {
    /// In the order of the lines: four inputs of the low halves, four of the high ones.
    pub(super) values: Vec<[[i8; 4]; 2]>,
    /// In the order of the pieces of [`Fine`](super::fine::Fine).
    pub(super) pieces: Vec<[[i8; 32]; 2]>,
    /// `15 · sum of q` of each of its parts.
    pub(super) part_shifts: Vec<i32>,
    /// `8 · sum of q`: what the levels' 8 adds.
    pub(super) shift: i32,
    pub(super) step: f32,
    /// `|x̂|`.
    pub(super) length: f32,
    /// What a product may be off beside, for a row of length 1, and at all.
    pub(super) error: f32,
    pub(super) rest: f32,
}

impl Query {
    /// Of finite values; `largest_bias` is that of all rows.
    pub(in crate::scan) fn set(&mut self, x: &[f32], largest_bias: f32) {
        let top = x.iter().fold(0f32, |top, &value| top.max(value.abs()));
        let step = top / 127.0;
        let inverse = if top < 1e-30 { 0.0 } else { 127.0 / top };
        let (mut length, mut error) = (0f64, 0f64);
        let mut quantize = |x: f32| {
            let q = (x * inverse).round().clamp(-127.0, 127.0);
            let y = f64::from(step) * f64::from(q);
            length += y * y;
            error += (f64::from(x) - y) * (f64::from(x) - y);
            q as i8
        };
        self.values.clear();
        for x in x.chunks(8) {
            let mut values = [0; 8];
            values.iter_mut().zip(x).for_each(|(q, &x)| *q = quantize(x));
            self.values.push([0, 4].map(|first| std::array::from_fn(|i| values[first + i])));
        }
        let flat = self.values.as_flattened().as_flattened();
        self.pieces.clear();
        for values in flat.chunks(64) {
            let mut piece = [[0; 32]; 2];
            piece.as_flattened_mut()[..values.len()].copy_from_slice(values);
            self.pieces.push(piece);
        }
        self.part_shifts.clear();
        let sum = |values: &[i8]| values.iter().map(|&q| i32::from(q)).sum::<i32>();
        self.part_shifts.extend(flat.chunks(PART).map(|values| 15 * sum(values)));
        self.shift = 8 * self.values.as_flattened().as_flattened().iter().map(|&q| i32::from(q)).sum::<i32>();
        let bound = Bound { length: length.sqrt() as f32 * MARGIN, error: error.sqrt() as f32 * MARGIN };
        (self.step, self.length) = (step, bound.length);
        // The exact score rounds as `Nearest::slack` says. Here the product with the steps rounds thrice, and then three sums of numbers of
        // at most 4 |x̂| |w| and the bias: 2^-24 of 6 + 12 times the lengths, and of 4 times the bias. In `Fine` products of at most
        // 3 |x̂| |w| in all round thrice, those with the falls once, and two sums of a part are of at most 8 |x̂| |w| and the bias.
        let parts = x.len().div_ceil(PART);
        let terms = (x.len() / 32 + 112 + 16 * parts) as f32;
        self.error = bound.error + ROUNDING * terms * (bound.length + bound.error);
        self.rest = ROUNDING * (32 + 2 * parts) as f32 * largest_bias + TINY;
    }
}
