//! The best `k` of a row of scores in one pass: highest score first, ties by row number.

use crate::{ItemId, narrow};
use std::cmp::Ordering;

/// Whether any score of a block is above `threshold`, without a branch a score.
fn any_above(block: &[f32], threshold: f32) -> bool {
    block.iter().fold(0u32, |any, &score| any | u32::from(score > threshold)) != 0
}

/// Finds the best items of a row in one pass; keeps its buffer between rows.
#[derive(Debug, Default)]
pub struct Best {
    k: usize,
    /// The worst score of the best `k` so far, once there are `k`.
    worst: Option<f32>,
    candidates: Vec<(f32, u32)>,
}

impl Best {
    /// Scores looked at together: a block without a candidate costs a few vector instructions. Most blocks beyond the
    /// first thousands of items hold none.
    const BLOCK: usize = 32;

    /// Begins a row of which the best `k` are wanted.
    pub fn begin(&mut self, k: usize) {
        (self.k, self.worst) = (k, None);
        self.candidates.clear();
    }

    /// Looks at the next scores of the row, those of the items from `first` on; items for which `allowed` fails do not count.
    ///
    /// Candidates above the worst of the best `k` so far are collected, and whenever `2 k` are there the worse half is
    /// dropped. Items come in rising order, so of equal scores the first seen are the ones to keep.
    pub fn add(&mut self, first: u32, scores: &[f32], allowed: impl Fn(u32) -> bool) {
        for (block, scores) in scores.chunks(Self::BLOCK).enumerate() {
            if self.worst.is_some_and(|worst| !any_above(scores, worst)) {
                continue;
            }
            let first = first + narrow::index(block * Self::BLOCK);
            for (item, &score) in (first..).zip(scores) {
                if self.worst.is_none_or(|worst| score > worst) && allowed(item) {
                    self.candidates.push((score, item));
                    if self.candidates.len() >= self.k.saturating_mul(2) {
                        self.worst = self.keep();
                    }
                }
            }
        }
    }

    /// The best `k`, or all if there are fewer: highest score first, ties by row number.
    pub fn finish(&mut self) -> &[(f32, u32)] {
        self.keep();
        self.candidates.sort_unstable_by(better_first);
        &self.candidates
    }

    /// Calls `take` with the best `k` items of a whole row for which `allowed` holds, best first.
    pub fn of(&mut self, row: &[f32], k: usize, allowed: impl Fn(u32) -> bool, take: impl FnMut(u32)) {
        self.begin(k);
        self.add(0, row, allowed);
        self.finish().iter().map(|candidate| candidate.1).for_each(take);
    }

    /// Drops all but the best `k` and returns the worst score left, once there are `k`.
    fn keep(&mut self) -> Option<f32> {
        if self.k == 0 || self.candidates.len() < self.k {
            self.candidates.truncate(self.k);
            return None;
        }
        let (_, worst, _) = self.candidates.select_nth_unstable_by(self.k - 1, better_first);
        let worst = worst.0;
        self.candidates.truncate(self.k);
        Some(worst)
    }
}

/// The best `k` items of a row of scores for which `allowed` holds: highest score first, ties by row number. One pass.
///
/// ```
/// use semrank_core::ItemId;
/// use semrank_core::best_items;
/// let scores = [0.5, 2.0, 0.5, 2.0, 9.0];
/// assert_eq!(best_items(&scores, 3, |item| item != ItemId(4)), [ItemId(1), ItemId(3), ItemId(0)]);
/// ```
pub fn best_items(scores: &[f32], k: usize, allowed: impl Fn(ItemId) -> bool) -> Vec<ItemId> {
    let (mut best, mut out) = (Best::default(), Vec::new());
    best.of(scores, k, |item| allowed(ItemId(item)), |item| out.push(ItemId(item)));
    out
}

fn better_first(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    // Adding 0 makes -0 and 0 the tie that they are, which `total_cmp` alone would break.
    (b.0 + 0.0).total_cmp(&(a.0 + 0.0)).then(a.1.cmp(&b.1))
}
