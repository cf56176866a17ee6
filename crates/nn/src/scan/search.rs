//! The best rows of one query: a plan by how many rows may be returned.
//!
//! - **Gather**: few rows may be returned. Each is scored exactly, fetched from memory ahead of its turn.
//! - **Sieve**: all rows pass by in 4-bit integers ([`Sieve`](super::sieve::Sieve)), a block at a time. The most promising rows of the
//!   block are scored exactly first, which raises the threshold to nearly its last value; then those that can still reach it, with four
//!   bits more ([`Fine`](super::sieve::Fine)) where there are any.
//! - **Pass**: all rows are scored exactly, one after the other, where the machine has no instructions for small integers.

use super::arena::{Arena, GATHERED, Hit};
use super::bitmap::ones;
use super::exact::Rows;
use super::filter::scores_of_all;
use super::sieve::{GROUP, Reaching};
use super::{Bitmap, LONGEST, Scan};
use crate::kernel::{Level, level};
use std::ops::Range;

/// Groups that are sieved at once: what their scores can be is 1 MiB.
const GROUPS: usize = 4096;
/// Groups of rows that a step of the plain pass scores.
const STEP: usize = 16;
/// A row is gathered instead of sieved where fewer than one of so many may be returned: it reads seven times the bytes, and not one after
/// the other.
const ROWS_PER_GATHERED: usize = 14;

/// Rows that the sieve lets through between two looks at the threshold, where their finer bits are read before their scores.
const SIFTED: usize = 4096;

/// The query of a search, and the rows that it may return.
pub(super) struct Search<'a> {
    pub(super) scan: &'a Scan,
    pub(super) query: &'a [f32],
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
        let length = query.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if allowed * ROWS_PER_GATHERED < self.len() {
            search.gather(arena);
        } else if level() == Level::Portable || length.is_nan() || length >= f64::from(LONGEST) {
            search.pass(arena);
        } else {
            search.sieve(arena);
        }
    }
}

impl Search<'_> {
    /// Rows of a word of the bitmaps that may be returned.
    fn word(&self, index: usize) -> u64 {
        let first = self.first as usize / 64;
        self.scan.alive.word(index) & self.eligible.map_or(u64::MAX, |eligible| eligible.word(first + index))
    }

    /// Some of all groups, so many at a time.
    fn blocks(&self, groups: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let all = self.scan.len().div_ceil(GROUP);
        (0..all).step_by(groups).map(move |first| first..all.min(first + groups))
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
        let scan = self.scan;
        for groups in self.blocks(STEP) {
            let rows = groups.start * GROUP..scan.len().min(groups.end * GROUP);
            let Arena { scores, best, least, .. } = &mut *arena;
            scores.resize(rows.len(), 0.0);
            let values = &scan.values[rows.start * scan.dim..rows.end * scan.dim];
            scores_of_all(self.query, values, &scan.bias[rows], scores);
            for (group, scores) in groups.zip(scores.chunks(GROUP)) {
                // The test of a whole group vectorises; few groups pass it.
                if !scores.iter().fold(false, |any, score| any | (*score >= *least)) {
                    continue;
                }
                for row in ones(0, self.word(group)).filter(|&row| scores[row as usize] >= *least) {
                    best.push(Hit {
                        score: scores[row as usize],
                        row: self.first + (group * GROUP) as u32 + row,
                    });
                }
            }
            arena.keep_if_many();
        }
    }

    /// Scores those rows exactly that can be among the best by the sieve.
    fn sieve(&self, arena: &mut Arena) {
        let scan = self.scan;
        arena.query.set(self.query, scan.largest_bias);
        arena.pending.clear();
        let unbounded = scan.unbounded.iter();
        arena.pending.extend(unbounded.filter(|&&row| self.word(row as usize / 64) >> (row % 64) & 1 == 1));
        self.settle(arena);
        for groups in self.blocks(GROUPS) {
            arena.masks.clear();
            arena.masks.extend(groups.clone().map(|group| self.word(group)));
            let rows = (groups.start * GROUP) as u32..(groups.end * GROUP) as u32;
            // Rows without a bound are scored already.
            let unbounded = &scan.unbounded[scan.unbounded.partition_point(|&row| row < rows.start)..];
            for at in unbounded.iter().take_while(|&&row| row < rows.end).map(|row| row - rows.start) {
                arena.masks[at as usize / 64] &= !(1 << (at % 64));
            }
            let Arena { query, masks, most, pending, k, least, .. } = &mut *arena;
            scan.sieve.most(query, groups.clone(), masks, most);
            // Scores that have a bound are finite; rows that may not be returned have negative infinity.
            most.take_tops(*k, least.max(f32::MIN), pending);
            pending.iter_mut().for_each(|row| *row += rows.start);
            self.settle(arena);
            let sifted = if self.scan.fine.is_some() { SIFTED } else { GATHERED };
            for group in 0..groups.len() {
                let least = arena.least.max(f32::MIN);
                arena.reaching.extend(arena.most.reaching(least, group).map(|row| rows.start + row));
                if arena.reaching.len() >= sifted {
                    self.sift(rows.start, arena);
                }
            }
            self.sift(rows.start, arena);
            self.settle(arena);
        }
    }

    /// Scores those of the reaching rows, of a block from `first` on, that their other four bits let through too, if there are any.
    fn sift(&self, first: u32, arena: &mut Arena) {
        let Arena { query, most, reaching, pending, least, .. } = &mut *arena;
        if let Some(fine) = &self.scan.fine {
            let least = least.max(f32::MIN);
            fine.keep(query, Reaching { rows: reaching, most: &mut most.scores, first, least });
        }
        pending.append(reaching);
        if arena.pending.len() >= GATHERED {
            self.settle(arena);
        }
    }

    /// Scores the pending rows exactly and keeps the best so far.
    fn settle(&self, arena: &mut Arena) {
        let Arena { pending, exact, best, least, .. } = arena;
        let rows = Rows { query: self.query, values: &self.scan.values, bias: &self.scan.bias };
        rows.scores(pending, exact);
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
