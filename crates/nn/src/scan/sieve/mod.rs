//! A copy of the rows in 4-bit integers, an eighth of their bytes, that says for each row the most its score can be.
//!
//! A row is `w ≈ t v`, `v` in -8..=7, with its own step `t`: the largest value is 8 steps, of either sign. A query is `x ≈ s q`, `q` in
//! -127..=127. Then, with `ŵ = t v` and `x̂ = s q`, `<x, w> <= s t <q, v> + |x - x̂| |w| + |x̂| |w - ŵ|` (Cauchy and Schwarz), where `<q, v>`
//! is exact. The lengths are measured, and what f32 rounds is added ([`Query::set`]).
//!
//! With four bits more ([`Fine`]) the error is a sixteenth. They lie row by row and are read only for rows that the first four let through.
//!
//! ```text
//! group of 64 rows:  for each 8 values of a row   4 lines of 16 rows x 4 bytes: value i in the low half of byte i, i + 4 in the high one
//!                    for each row                 step, error |w - ŵ|, bias in bfloat16, the last two rounded up
//!                    once                         the largest |w|
//! ```
//!
//! The lines are in four streams, the first 8 values in the first one and so on: a core that reads four places in turn gets a quarter more
//! from memory than from one (`benches/results/2026-11-28-scan-384.txt`).
//!
//! So a row of 64 values is 38 bytes, and a pass over a million rows reads 38 MB instead of 256.

mod fine;
mod pass;
mod quantize;

pub(super) use fine::{Fine, Reaching};
pub(super) use quantize::Query;

use super::bitmap::ones;
use crate::huge;
use quantize::{Code, above};

/// Rows of a group, as many as a word of a bitmap has.
pub(super) const GROUP: usize = 64;
/// Streams of lines where the width allows it: where it is a multiple of 32.
const STREAMS: usize = 4;

/// Eight values of 16 rows: one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([[u8; 4]; 16]);

/// Eight values of all rows of a group.
type Lines = [Line; 4];

/// The numbers of the rows of a group, in bfloat16.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Numbers {
    step: [u16; GROUP],
    error: [u16; GROUP],
    bias: [u16; GROUP],
}

/// The copy.
#[derive(Debug, Clone)]
pub(super) struct Sieve {
    /// Lines of a group's rows in a stream: one for 8 values.
    eights: usize,
    /// The lines of 8 values, in turn.
    streams: Vec<Vec<Lines>>,
    numbers: Vec<Numbers>,
    /// The largest `|w|` that a row of the group had.
    longest: Vec<f32>,
}

impl Sieve {
    pub(super) fn new(dim: usize) -> Self {
        let eights = dim.div_ceil(8);
        let streams = if eights.is_multiple_of(STREAMS) { STREAMS } else { 1 };
        Self {
            eights: eights / streams,
            streams: vec![Vec::new(); streams],
            numbers: Vec::new(),
            longest: Vec::new(),
        }
    }

    /// Bytes that were allocated.
    pub(super) fn bytes(&self) -> usize {
        self.streams.iter().map(huge::bytes).sum::<usize>()
            + huge::bytes(&self.numbers)
            + huge::bytes(&self.longest)
    }

    /// Makes room for so many rows more.
    pub(super) fn reserve(&mut self, rows: usize) {
        let groups = rows.div_ceil(GROUP);
        self.streams.iter_mut().for_each(|lines| huge::reserve(lines, groups * self.eights));
        huge::reserve(&mut self.numbers, groups);
        huge::reserve(&mut self.longest, groups);
    }

    /// Puts a row of length `length` in its place, after the last one or instead of another one.
    pub(super) fn set(&mut self, row: usize, values: &[f32], length: f32, bias: f32) {
        let (group, at) = (row / GROUP, row % GROUP);
        if group == self.numbers.len() {
            self.reserve(GROUP);
            let empty = std::iter::repeat_n([Line([[0x88; 4]; 16]); 4], self.eights);
            self.streams.iter_mut().for_each(|lines| lines.extend(empty.clone()));
            self.numbers.push(Numbers { step: [0; GROUP], error: [0; GROUP], bias: [0; GROUP] });
            self.longest.push(0.0);
        }
        let code = Code::of(values);
        let streams = self.streams.len();
        for (i, values) in values.chunks(8).enumerate() {
            let lines = &mut self.streams[i % streams][group * self.eights + i / streams];
            let mut nibbles = [8; 8];
            values.iter().zip(&mut nibbles).for_each(|(&value, nibble)| *nibble = code.nibble(value));
            let [low, high] = [&nibbles[..4], &nibbles[4..]];
            lines[at / 16].0[at % 16] = std::array::from_fn(|i| low[i] | high[i] << 4);
        }
        let numbers = &mut self.numbers[group];
        numbers.step[at] = code.step_bits();
        numbers.error[at] = above(code.error);
        numbers.bias[at] = above(bias);
        self.longest[group] = self.longest[group].max(length);
    }

    /// Writes the most that the score of each row of some groups can be, negative infinity for rows that are not in `masks` (one for each
    /// group), and the largest of each group.
    pub(super) fn most(&self, query: &Query, groups: std::ops::Range<usize>, masks: &[u64], most: &mut Most) {
        most.scores.resize(groups.len() * GROUP, 0.0);
        most.tops.resize(groups.len(), 0.0);
        let part = pass::Part {
            query,
            streams: &self.streams,
            first: groups.start,
            numbers: &self.numbers[groups.clone()],
            longest: &self.longest[groups],
            masks,
        };
        part.run(most.scores.as_chunks_mut().0, &mut most.tops);
    }
}

/// The most that scores of some groups' rows can be; reuse it.
#[derive(Debug, Clone, Default)]
pub(super) struct Most {
    pub(super) scores: Vec<f32>,
    /// The largest of each group.
    pub(super) tops: Vec<f32>,
    order: Vec<(f32, u32)>,
}

impl Most {
    /// Takes out one row, the one that may have the largest score, of each of the `k` groups where that is largest; all of them can
    /// reach `least`.
    ///
    /// Their exact scores give a threshold that is near the final one: rows of the largest scores seldom share a group.
    pub(super) fn take_tops(&mut self, k: usize, least: f32, out: &mut Vec<u32>) {
        self.order.clear();
        let reaching = self.tops.iter().zip(0..).filter(|(top, _)| **top >= least);
        self.order.extend(reaching.map(|(&top, group)| (top, group)));
        if self.order.len() > k {
            self.order.select_nth_unstable_by(k, |a, b| b.0.total_cmp(&a.0));
            self.order.truncate(k);
        }
        for &(top, group) in &self.order {
            let scores = &mut self.scores[group as usize * GROUP..][..GROUP];
            if let Some(row) = scores.iter().position(|&score| score == top) {
                scores[row] = f32::NEG_INFINITY;
                out.push(group * GROUP as u32 + row as u32);
            }
        }
    }

    /// The rows, counted from the first group on, that can reach `least`.
    pub(super) fn reaching(&self, least: f32, group: usize) -> impl Iterator<Item = u32> + use<> {
        let word = if self.tops[group] >= least {
            pass::reaching(least, &self.scores[group * GROUP..][..GROUP])
        } else {
            0
        };
        ones(group, word)
    }
}

#[cfg(test)]
mod tests;
