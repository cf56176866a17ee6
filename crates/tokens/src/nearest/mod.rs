//! The nearest code of a level: vectors and codes in, the code of largest `<x, c> - |c|²/2` out, which is the one of least
//! `|x - c|²`.
//!
//! Scores in 8-bit integers, where the machine multiplies them four times as fast as floats, or else by a matrix product,
//! come with a proven bound (`semrank_nn::Bound`). Only codes whose score can still be the largest one within it are scored
//! exactly, as [`NearestCode::plain`] scores every code: the result is the same bit by bit, on every machine, whatever
//! vectors stand beside. With unit vectors of 384 numbers that is one code of 256 most of the time, and few otherwise.

mod filter;

use crate::vectors::check_width;
use filter::{collect, upper_bounds};
use semrank_nn::{Bound, Mat, QuantLinear, QuantRows, kernel::dot, matmul};

/// Rows that are scored at once: their scores stay in the second-level cache.
pub(crate) const BLOCK: usize = 128;
/// Half the distance of 1 from the next larger f32.
const ROUNDING: f32 = 1.0 / (1 << 24) as f32;

/// Codes of one level, prepared for the search.
#[derive(Debug, Clone)]
pub(crate) struct NearestCode {
    dim: usize,
    /// `[K x D]`.
    values: Vec<f32>,
    /// `-|c|²/2`.
    bias: Vec<f32>,
    /// Of [`Bound::of_column`], apart for the vectorised loop.
    lengths: Vec<f32>,
    errors: Vec<f32>,
    longest: f32,
    quant: Option<QuantLinear>,
}

/// Buffers of a search; reuse them.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    rows: QuantRows,
    scores: Vec<f32>,
    candidates: Vec<u32>,
}

impl NearestCode {
    /// Prepares `values`, `[K x D]`, all finite.
    pub(crate) fn new(dim: usize, values: Vec<f32>) -> Self {
        let bias: Vec<f32> = values.chunks_exact(dim).map(|code| -0.5 * dot(code, code)).collect();
        let bounds: Vec<Bound> = values.chunks_exact(dim).map(Bound::of_column).collect();
        let quant = QuantLinear::has_instruction().then(|| QuantLinear::from_columns(dim, &values, &bias));
        Self {
            dim,
            lengths: bounds.iter().map(|bound| bound.length).collect(),
            errors: bounds.iter().map(|bound| bound.error).collect(),
            longest: bounds.iter().fold(0.0, |top, bound| top.max(bound.length)),
            values,
            bias,
            quant,
        }
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn codes(&self) -> usize {
        self.bias.len()
    }

    /// All codes, `[K x D]`.
    pub(crate) fn values(&self) -> &[f32] {
        &self.values
    }

    /// `-|c|²/2` of each code.
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The vector of a code.
    pub(crate) fn of(&self, code: u16) -> &[f32] {
        &self.values[usize::from(code) * self.dim..][..self.dim]
    }

    /// Writes the nearest code of each row of `x`; of equally near ones the first. NaN has any code.
    pub(crate) fn find(&self, x: &[f32], scratch: &mut Scratch, out: &mut [u16]) {
        assert_eq!(x.len(), out.len() * self.dim);
        for (x, out) in x.chunks(BLOCK * self.dim).zip(out.chunks_mut(BLOCK)) {
            let bounds = self.scores(x, scratch);
            let rows = x.chunks_exact(self.dim).zip(scratch.scores.chunks_exact_mut(self.codes()));
            for (((x, scores), bound), out) in rows.zip(bounds).zip(out) {
                let error = self.with_rounding(bound);
                let least = upper_bounds(error, bound.length, &self.lengths, &self.errors, scores);
                scratch.candidates.clear();
                collect(least, scores, &mut scratch.candidates);
                *out = self.best_of(x, &scratch.candidates);
            }
        }
    }

    /// The same by scoring every code exactly: what [`find`](Self::find) is tested against.
    #[cfg(test)]
    pub(crate) fn plain(&self, x: &[f32]) -> u16 {
        let all: Vec<u32> = (0..self.codes() as u32).collect();
        self.best_of(x, &all)
    }

    /// Exact scores as far as f32 goes: products are added in one order on every machine.
    pub(crate) fn score(&self, x: &[f32], code: usize) -> f32 {
        dot(x, &self.values[code * self.dim..][..self.dim]) + self.bias[code]
    }

    /// The same codes, code `c` called `labels[c]`.
    pub(crate) fn relabelled(&self, labels: &[u16]) -> Self {
        let mut values = vec![0.0; self.values.len()];
        for (code, &label) in self.values.chunks_exact(self.dim).zip(labels) {
            values[usize::from(label) * self.dim..][..self.dim].copy_from_slice(code);
        }
        Self::new(self.dim, values)
    }

    /// Squared distances of a vector to all codes.
    pub(crate) fn distances(&self, x: &[f32]) -> Vec<f32> {
        let square = dot(x, x);
        (0..self.codes()).map(|code| (square - 2.0 * self.score(x, code)).max(0.0)).collect()
    }

    fn best_of(&self, x: &[f32], candidates: &[u32]) -> u16 {
        let [first, rest @ ..] = candidates else { return 0 };
        let mut best = *first;
        if !rest.is_empty() {
            let mut top = self.score(x, best as usize);
            for &code in rest {
                let score = self.score(x, code as usize);
                if score > top {
                    (best, top) = (code, score);
                }
            }
        }
        best as u16
    }

    /// Fills `scratch.scores` with about the scores of `x`, and says how far they may be off.
    fn scores(&self, x: &[f32], scratch: &mut Scratch) -> Vec<Bound> {
        let rows = x.len() / self.dim;
        scratch.scores.resize(rows * self.codes(), 0.0);
        if let Some(quant) = &self.quant {
            scratch.rows.quantize(self.dim, x);
            quant.forward(&scratch.rows, false, &mut scratch.scores);
            return scratch.rows.bounds(x);
        }
        let codes = Mat::new(&self.values, self.codes(), self.dim);
        scratch.scores.chunks_exact_mut(self.codes()).for_each(|row| row.copy_from_slice(&self.bias));
        matmul(&mut scratch.scores, 1.0, Mat::new(x, rows, self.dim), codes.t(), 1.0);
        let terms = (self.dim + 8) as f32;
        x.chunks_exact(self.dim)
            .map(|x| {
                let length = 1.001 * dot(x, x).sqrt();
                // Twice the bound of a sum in any order (Higham 2002, section 3.1), and all of it in `error`.
                Bound { length: 0.0, error: 2.0 * terms * ROUNDING * length }
            })
            .collect()
    }

    /// Adds what the exact scores themselves may be off, and the roundings of the bias on both sides.
    fn with_rounding(&self, bound: Bound) -> f32 {
        // A lane of `dot` adds D/32 products, then 5 levels of pairs, then up to 31 products that are left.
        let terms = (self.dim / 32 + 64) as f32;
        bound.error + ROUNDING * (terms * (bound.length + bound.error) + 16.0 * self.longest)
    }
}

/// Refuses vectors of another width than the codes'.
pub(crate) fn check_rows(values: &[f32], dim: usize) -> Result<usize, crate::Error> {
    let rest = values.len() % dim;
    check_width("the last vector", if rest == 0 { dim } else { rest }, dim)?;
    Ok(values.len() / dim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use semrank_core::Rng;
    use semrank_nn::kernel::{Level, limit};

    fn agrees(dim: usize, codes: Vec<f32>, x: &[f32]) {
        for most in [Level::Avx512, Level::Portable] {
            limit(most);
            let nearest = NearestCode::new(dim, codes.clone());
            let mut out = vec![0; x.len() / dim];
            nearest.find(x, &mut Scratch::default(), &mut out);
            limit(Level::Avx512);
            let plain: Vec<u16> = x.chunks(dim).map(|x| nearest.plain(x)).collect();
            assert_eq!(out, plain, "{}", most.name());
        }
    }

    proptest! {
        #[test]
        fn the_search_finds_the_code_of_the_plain_search(
            dim in 1usize..70, codes in 1usize..90, rows in 1usize..200, seed: u64, kind in 0u8..5
        ) {
            let mut rng = Rng::new(seed, "test");
            let mut draw = |len: usize| -> Vec<f32> {
                (0..len)
                    .map(|_| match kind {
                        0 => rng.normal() as f32,
                        // Many exact ties.
                        1 => rng.below(3) as f32 - 1.0,
                        // One column dwarfs the others.
                        2 => rng.normal() as f32 * if rng.below(dim) == 0 { 1e4 } else { 1e-3 },
                        3 => rng.normal() as f32 * 1e-25,
                        _ => 10.0 + 1e-3 * rng.normal() as f32,
                    })
                    .collect()
            };
            let (codes, x) = (draw(codes * dim), draw(rows * dim));
            agrees(dim, codes, &x);
        }
    }

    #[test]
    fn near_ties_of_wide_vectors_are_told_apart_as_the_plain_search_does() {
        let mut rng = Rng::new(1, "test");
        let centre: Vec<f32> = (0..384).map(|_| rng.normal() as f32).collect();
        let mut near = |rows: usize| -> Vec<f32> {
            (0..rows).flat_map(|_| centre.clone()).map(|value| value + 1e-4 * rng.normal() as f32).collect()
        };
        let (codes, x) = (near(256), near(300));
        agrees(384, codes, &x);
    }
}
