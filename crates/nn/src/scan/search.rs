//! The best rows of one query: a plan by how many rows may be returned, and a reservoir whose threshold rises.

use super::bitmap::ones;
use super::filter::{GROUP, collect_within, exact_scores, scores_of_all};
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

/// Buffers of searches, and the best rows of the one under way; reuse it.
#[derive(Debug, Clone, Default)]
pub struct Arena {
    pub(super) rows: QuantRows,
    pub(super) scores: Vec<f32>,
    pub(super) pending: Vec<u32>,
    masks: Vec<u32>,
    exact: Vec<f32>,
    best: Vec<Hit>,
    k: usize,
    slack: Option<f32>,
    /// Rows that were left when the worse ones were last dropped.
    kept: usize,
    /// Scores below this are out.
    least: f32,
}

impl Hit {
    /// The better one first; a total order, as no score is NaN.
    fn order(&self, other: &Self) -> Ordering {
        other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal).then(self.row.cmp(&other.row))
    }
}

impl Arena {
    /// Begins a search of the `k` best rows; with a `slack`, of all rows whose score is at most that much below the k-th best.
    pub fn begin(&mut self, k: usize, slack: Option<f32>) {
        (self.k, self.slack, self.kept, self.least) = (k, slack, 0, f32::NEG_INFINITY);
        self.best.clear();
    }

    /// The rows that were found, best first, of equal scores the lower row.
    pub fn finish(&mut self) -> &[Hit] {
        self.keep();
        self.best.sort_unstable_by(Hit::order);
        &self.best
    }

    /// Drops what is not among the best once there are twice as many rows as were left the last time: with a slack equal scores all stay,
    /// and looking at them again for every few rows would take the square of their number.
    fn keep_if_many(&mut self) {
        if self.best.len() >= self.kept.max(self.k).saturating_mul(2).max(GATHERED) || self.kept < self.k {
            self.keep();
        }
    }

    /// Drops what is not among the best, and raises the threshold.
    fn keep(&mut self) {
        if self.best.len() < self.k.max(1) {
            return;
        }
        if self.best.len() > self.k {
            self.best.select_nth_unstable_by(self.k - 1, Hit::order);
        }
        // The k-th best is the worst of the first k.
        let worst = self.best[..self.k].iter().fold(f32::INFINITY, |worst, hit| worst.min(hit.score));
        match self.slack {
            None => {
                self.best.truncate(self.k);
                self.least = worst;
            }
            Some(slack) => {
                self.least = worst - slack;
                self.best.retain(|hit| hit.score >= self.least);
            }
        }
        self.kept = self.best.len();
    }
}

/// The query of a search, and the rows that it may return.
struct Search<'a> {
    scan: &'a Scan,
    query: &'a [f32],
    /// Number of the scan's first row, a multiple of 64.
    first: u32,
    eligible: Option<&'a Bitmap>,
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
        arena.begin(k, None);
        self.search_into(query, 0, eligible, arena);
        arena.finish()
    }

    /// Goes on with the search that [`Arena::begin`] began. The rows are counted from `first` on, in `eligible` and in what is found.
    ///
    /// # Panics
    /// When the query has another width than the rows, or `first` is not a multiple of 64.
    pub fn search_into(&self, query: &[f32], first: u32, eligible: Option<&Bitmap>, arena: &mut Arena) {
        assert_eq!(query.len(), self.dim, "the width of a query");
        assert!(first.is_multiple_of(64), "rows are counted from a multiple of 64");
        if arena.k == 0 {
            return;
        }
        let search = Search { scan: self, query, first, eligible };
        let words = (0..self.len().div_ceil(64)).map(|index| search.word(index).count_ones() as usize);
        let allowed: usize = if eligible.is_none() { self.alive.count() } else { words.sum() };
        let is_whole = allowed * ROWS_PER_GATHERED >= self.len();
        let length = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        match &self.quant {
            Some(_) if is_whole && length < f64::from(LONGEST) => search.integers(arena),
            None if is_whole => search.pass(arena),
            _ => search.gather(arena),
        }
    }
}

impl Search<'_> {
    /// Rows of a word of the bitmaps that may be returned.
    fn word(&self, index: usize) -> u64 {
        let first = self.first as usize / 64;
        self.scan.alive.word(index) & self.eligible.map_or(u64::MAX, |eligible| eligible.word(first + index))
    }

    /// Scores every row that may be returned exactly.
    fn gather(&self, arena: &mut Arena) {
        arena.pending.clear();
        for index in 0..self.scan.len().div_ceil(64) {
            arena.pending.extend(ones(index, self.word(index)));
            if arena.pending.len() >= GATHERED {
                self.settle(arena);
            }
        }
        self.settle(arena);
    }

    /// Scores all rows exactly, one after the other.
    fn pass(&self, arena: &mut Arena) {
        arena.pending.clear();
        self.settle(arena);
        for first in (0..self.scan.len()).step_by(STEP) {
            let rows = first..self.scan.len().min(first + STEP);
            self.masks(rows.clone(), arena);
            let (Arena { scores, masks, best, least, .. }, scan) = (&mut *arena, self.scan);
            scores.resize(rows.len(), 0.0);
            let values = &scan.values[rows.start * scan.dim..rows.end * scan.dim];
            scores_of_all(self.query, values, &scan.bias[rows], scores);
            for (group, (scores, &mask)) in scores.chunks(GROUP).zip(&*masks).enumerate() {
                // The test of a whole group vectorises; few groups pass it.
                if !scores.iter().fold(false, |any, score| any | (*score >= *least)) {
                    continue;
                }
                for row in ones(0, mask.into()).filter(|&row| scores[row as usize] >= *least) {
                    let number = self.first + (first + group * GROUP) as u32 + row;
                    best.push(Hit { score: scores[row as usize], row: number });
                }
            }
            arena.keep_if_many();
        }
    }

    /// Which of some rows may be returned, 32 rows in a mask.
    fn masks(&self, rows: std::ops::Range<usize>, arena: &mut Arena) {
        let words = (rows.start / 64..rows.end.div_ceil(64)).map(|index| self.word(index));
        arena.masks.clear();
        arena.masks.extend(words.flat_map(|word| [word as u32, (word >> 32) as u32]));
    }

    /// Scores all rows in integers, and those exactly that can be among the best.
    fn integers(&self, arena: &mut Arena) {
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
            self.masks(rows.clone(), arena);
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
            let Arena { masks, scores, pending, least, .. } = &mut *arena;
            collect_within(first, *least, error, bound.length, rest, lengths, errors, masks, scores, pending);
            if arena.pending.len() >= arena.k.max(GATHERED) {
                self.settle(arena);
            }
        }
        self.settle(arena);
    }

    /// Scores the pending rows exactly and keeps the best so far.
    fn settle(&self, arena: &mut Arena) {
        let Arena { pending, exact, best, least, .. } = arena;
        exact_scores(self.query, &self.scan.values, &self.scan.bias, pending, exact);
        for (&row, &score) in pending.iter().zip(&*exact) {
            // False for NaN.
            if score >= *least {
                best.push(Hit { score, row: self.first + row });
            }
        }
        pending.clear();
        arena.keep_if_many();
    }
}
