//! The best rows of one query: a plan by how many rows may be returned, and a reservoir whose threshold rises.

use super::bitmap::ones;
use super::filter::{collect_within, exact_scores};
use super::{Bitmap, LONGEST, Scan};
use crate::QuantRows;
use crate::packed::PANEL;
use std::cmp::Ordering;

/// Panels that are scored in integers at once: their scores stay in the first-level cache.
const PANELS: usize = 32;
/// Rows that a step of the scan passes, a multiple of 64.
const STEP: usize = PANELS * PANEL;
/// A row is gathered instead of scanned where fewer than one of so many may be returned: it reads four times the bytes, and not
/// one after the other.
const ROWS_PER_GATHERED: usize = 6;
/// Rows that are gathered between two looks at the threshold.
const GATHERED: usize = 256;

/// A row and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// `<query, row> + bias`.
    pub score: f32,
    /// The row's number.
    pub row: u32,
}

/// Buffers of searches; reuse it.
#[derive(Debug, Clone, Default)]
pub struct Arena {
    pub(super) rows: QuantRows,
    pub(super) scores: Vec<f32>,
    pub(super) pending: Vec<u32>,
    masks: Vec<u32>,
    exact: Vec<f32>,
    best: Vec<Hit>,
}

impl Hit {
    /// The better one first; a total order, as no score is NaN.
    fn order(&self, other: &Self) -> Ordering {
        other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal).then(self.row.cmp(&other.row))
    }
}

/// The query of a search, and the rows that it may return.
struct Search<'a> {
    scan: &'a Scan,
    query: &'a [f32],
    k: usize,
    eligible: Option<&'a Bitmap>,
    /// Scores below this are out.
    least: f32,
}

impl Scan {
    /// The `k` best of the rows that are not deleted and, where given, in `eligible`; fewer where there are not so many. The
    /// best is first, of equal scores the lower row.
    ///
    /// # Panics
    /// When the query has another width than the rows.
    pub fn search<'a>(
        &self,
        query: &[f32],
        k: usize,
        eligible: Option<&Bitmap>,
        arena: &'a mut Arena,
    ) -> &'a [Hit] {
        assert_eq!(query.len(), self.dim, "the width of a query");
        arena.best.clear();
        if k > 0 {
            let mut search = Search { scan: self, query, k, eligible, least: f32::NEG_INFINITY };
            let eligible = eligible.map_or(self.len(), Bitmap::count).min(self.alive.count());
            let length = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            let is_scanned = self.quant.is_some()
                && length < f64::from(LONGEST)
                && eligible * ROWS_PER_GATHERED >= self.len();
            if is_scanned { search.scan(arena) } else { search.gather(arena) }
        }
        arena.best.sort_unstable_by(Hit::order);
        &arena.best
    }
}

impl Search<'_> {
    /// Rows of a word of the bitmaps that may be returned.
    fn word(&self, index: usize) -> u64 {
        self.scan.alive.word(index) & self.eligible.map_or(u64::MAX, |eligible| eligible.word(index))
    }

    /// Scores every row that may be returned exactly.
    fn gather(&mut self, arena: &mut Arena) {
        arena.pending.clear();
        for index in 0..self.scan.len().div_ceil(64) {
            arena.pending.extend(ones(index, self.word(index)));
            if arena.pending.len() >= GATHERED {
                self.settle(arena);
            }
        }
        self.settle(arena);
    }

    /// Scores all rows in integers, and those exactly that can be among the best.
    fn scan(&mut self, arena: &mut Arena) {
        let scan = self.scan;
        let Some(quant) = &scan.quant else { return };
        arena.rows.quantize(scan.dim, self.query);
        let bound = arena.rows.bounds(self.query)[0];
        let (error, rest) = scan.slack(bound);
        arena.pending.clear();
        arena.pending.extend(
            scan.unbounded.iter().filter(|&&row| self.word(row as usize / 64) >> (row % 64) & 1 == 1),
        );
        self.settle(arena);
        for first in (0..scan.len()).step_by(STEP) {
            let rows = first..scan.len().min(first + STEP);
            let words = (first / 64..rows.end.div_ceil(64)).map(|index| self.word(index));
            arena.masks.clear();
            arena.masks.extend(words.flat_map(|word| [word as u32, (word >> 32) as u32]));
            // Rows without a bound are scored already.
            let unbounded = &scan.unbounded[scan.unbounded.partition_point(|&row| (row as usize) < first)..];
            for at in unbounded.iter().map(|&row| row as usize).take_while(|&row| row < rows.end) {
                arena.masks[(at - first) / 32] &= !(1 << ((at - first) % 32));
            }
            if arena.masks.iter().all(|&mask| mask == 0) {
                continue;
            }
            arena.scores.resize(rows.len(), 0.0);
            quant.forward_panels(
                &arena.rows,
                first / PANEL..rows.end.div_ceil(PANEL),
                None,
                &mut arena.scores,
            );
            let (lengths, errors) = (&scan.lengths[rows.clone()], &scan.errors[rows]);
            let Arena { masks, scores, pending, .. } = &mut *arena;
            collect_within(
                first,
                self.least,
                error,
                bound.length,
                rest,
                lengths,
                errors,
                masks,
                scores,
                pending,
            );
            if arena.pending.len() >= self.k.max(GATHERED) {
                self.settle(arena);
            }
        }
        self.settle(arena);
    }

    /// Scores the pending rows exactly and keeps the `k` best so far.
    fn settle(&mut self, arena: &mut Arena) {
        let Arena { pending, exact, best, .. } = arena;
        exact_scores(self.query, &self.scan.values, &self.scan.bias, pending, exact);
        for (&row, &score) in pending.iter().zip(&*exact) {
            // False for NaN.
            if score >= self.least {
                best.push(Hit { score, row });
            }
        }
        pending.clear();
        if best.len() > self.k {
            best.select_nth_unstable_by(self.k - 1, Hit::order);
            best.truncate(self.k);
        }
        if best.len() == self.k {
            self.least = best.iter().fold(f32::INFINITY, |least, hit| least.min(hit.score));
        }
    }
}
