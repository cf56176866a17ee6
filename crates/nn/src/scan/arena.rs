//! The best rows found so far: a reservoir whose threshold rises.

use super::sieve::{Most, Query};
use std::cmp::Ordering;

/// Rows that are gathered between two looks at the threshold: a batch begins by waiting for memory.
pub(super) const GATHERED: usize = 1024;

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
    pub(super) scores: Vec<f32>,
    /// Rows that the sieve lets through.
    pub(super) reaching: Vec<u32>,
    /// Rows to score exactly.
    pub(super) pending: Vec<u32>,
    pub(super) query: Query,
    pub(super) most: Most,
    pub(super) masks: Vec<u64>,
    pub(super) exact: Vec<f32>,
    pub(super) best: Vec<Hit>,
    pub(super) k: usize,
    slack: Option<f32>,
    /// Rows that were left when the worse ones were last dropped.
    kept: usize,
    /// Scores below this are out.
    pub(super) least: f32,
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
    pub(super) fn keep_if_many(&mut self) {
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
