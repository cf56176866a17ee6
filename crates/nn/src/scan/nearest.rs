//! The best row of each of many queries, such as the nearest code of every vector: queries share the pass over the rows.

use super::filter::{collect, upper_bounds};
use super::{Arena, LONGEST, ROUNDING, Scan};
use crate::kernel::dot;
use crate::{Bound, Mat, matmul};

/// Queries that are scored at once: their scores stay in the second-level cache.
const QUERIES: usize = 128;
/// Scores that are held at most.
const SCORES: usize = 1 << 21;

impl Scan {
    /// Writes for each query of `[Q x D]` the row of the largest score, of equal ones the lowest; row 0 where a query or all scores
    /// are NaN. No row may be deleted.
    ///
    /// # Panics
    /// When there are no rows or lengths do not fit.
    pub fn best_rows(&self, queries: &[f32], arena: &mut Arena, out: &mut [u32]) {
        assert_eq!(queries.len(), out.len() * self.dim, "{} queries of {}", out.len(), self.dim);
        assert!(!self.is_empty() && self.alive.count() == self.len(), "rows, and none deleted");
        let block = (SCORES / self.len()).clamp(1, QUERIES);
        for (queries, out) in queries.chunks(block * self.dim).zip(out.chunks_mut(block)) {
            let bounds = self.approximate(queries, arena);
            let Arena { scores, pending, .. } = arena;
            let rows = queries.chunks_exact(self.dim).zip(scores.chunks_exact_mut(self.len()));
            for (((query, scores), bound), out) in rows.zip(bounds).zip(out) {
                pending.clear();
                if bound.length + bound.error < LONGEST {
                    let (error, rest) = self.slack(bound);
                    self.unbounded.iter().for_each(|&row| scores[row as usize] = f32::NEG_INFINITY);
                    let least = upper_bounds(error, bound.length, rest, &self.lengths, &self.errors, scores);
                    collect(least, scores, pending);
                    pending.extend(&self.unbounded);
                } else {
                    pending.extend(0..self.len() as u32);
                }
                *out = self.best_of(query, pending);
            }
        }
    }

    fn best_of(&self, query: &[f32], rows: &[u32]) -> u32 {
        let [first, rest @ ..] = rows else { return 0 };
        let mut best = *first;
        if !rest.is_empty() {
            let mut top = self.score(query, best);
            for &row in rest {
                let score = self.score(query, row);
                // Rows without a bound come last and may be lower ones.
                if score > top || score == top && row < best || top.is_nan() && !score.is_nan() {
                    (best, top) = (row, score);
                }
            }
        }
        best
    }

    /// Fills `arena.scores` with about the scores of queries, and says how far they may be off.
    fn approximate(&self, queries: &[f32], arena: &mut Arena) -> Vec<Bound> {
        let (count, rows) = (queries.len() / self.dim, self.len());
        arena.scores.resize(count * rows, 0.0);
        if let Some(quant) = &self.quant {
            arena.rows.quantize(self.dim, queries);
            quant.forward(&arena.rows, None, &mut arena.scores);
            return arena.rows.bounds(queries);
        }
        arena.scores.chunks_exact_mut(rows).for_each(|scores| scores.copy_from_slice(&self.bias));
        let values = Mat::new(&self.values, rows, self.dim);
        matmul(&mut arena.scores, 1.0, Mat::new(queries, count, self.dim), values.t(), 1.0);
        let terms = (self.dim + 8) as f32;
        let bound = |query: &[f32]| {
            let length = 1.001 * dot(query, query).sqrt();
            // Twice the bound of a sum in any order (Higham 2002, section 3.1), and all of it in `error`.
            Bound { length: 0.0, error: 2.0 * terms * ROUNDING * length }
        };
        queries.chunks_exact(self.dim).map(bound).collect()
    }
}
