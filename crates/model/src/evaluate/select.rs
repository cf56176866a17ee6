//! The two inner loops of an evaluation over one row of scores: counting what ranks above a score, and the best `k`.

use semrank_core::narrow;
use semrank_nn::kernel;
use std::cmp::Ordering;

/// How many scores of a row are at least a threshold, and whether any is NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Above {
    /// Scores at least the threshold.
    pub(super) count: usize,
    /// Whether a score is NaN, or the threshold is.
    pub(super) nan: bool,
}

kernel! {
    /// Scores of `row` at least `threshold`. The sums are of 32-bit lanes, so that the loop vectorises.
    #[allow(clippy::neg_cmp_op_on_partial_ord)]
    pub(super) fn count_above<T: Scalar>(row: &[T], threshold: T) -> Above {
        let (mut count, mut not_below) = (0usize, 0usize);
        for block in row.chunks(1 << 16) {
            let (mut at_least, mut not_less) = (0u32, 0u32);
            for &score in block {
                at_least += u32::from(score >= threshold);
                // True for NaN as well, where `>=` is false: the two counts differ by the number of NaNs.
                not_less += u32::from(!(score < threshold));
            }
            count += at_least as usize;
            not_below += not_less as usize;
        }
        Above { count, nan: count != not_below }
    }
}

/// Whether any score of a block is above `threshold`, without a branch a score.
fn any_above(block: &[f32], threshold: f32) -> bool {
    block.iter().fold(0u32, |any, &score| any | u32::from(score > threshold)) != 0
}

/// Finds the best items of a row in one pass; keeps its buffer between rows.
#[derive(Debug, Default)]
pub(super) struct Best {
    candidates: Vec<(f32, u32)>,
}

impl Best {
    /// Scores looked at together: a block without a candidate costs a few vector instructions. Most blocks beyond the
    /// first thousands of items hold none.
    const BLOCK: usize = 32;

    /// Calls `take` with the best `k` items for which `allowed` holds: highest score first, ties by row number.
    ///
    /// Candidates above the worst of the best `k` so far are collected, and whenever `2 k` are there the worse half is
    /// dropped. Items come in rising order, so of equal scores the first seen are the ones to keep.
    pub(super) fn of(&mut self, row: &[f32], k: usize, allowed: impl Fn(u32) -> bool, take: impl FnMut(u32)) {
        self.candidates.clear();
        let mut threshold = None;
        for (block, scores) in row.chunks(Self::BLOCK).enumerate() {
            if threshold.is_some_and(|worst| !any_above(scores, worst)) {
                continue;
            }
            let first = narrow::index(block * Self::BLOCK);
            for (item, &score) in (first..).zip(scores) {
                if threshold.is_none_or(|worst| score > worst) && allowed(item) {
                    self.candidates.push((score, item));
                    if self.candidates.len() >= 2 * k {
                        threshold = self.keep(k);
                    }
                }
            }
        }
        self.keep(k);
        self.candidates.sort_unstable_by(better_first);
        self.candidates.iter().map(|candidate| candidate.1).for_each(take);
    }

    /// Drops all but the best `k` and returns the worst score left, once there are `k`.
    fn keep(&mut self, k: usize) -> Option<f32> {
        if k == 0 || self.candidates.len() < k {
            self.candidates.truncate(k);
            return None;
        }
        let (_, worst, _) = self.candidates.select_nth_unstable_by(k - 1, better_first);
        let worst = worst.0;
        self.candidates.truncate(k);
        Some(worst)
    }
}

fn better_first(a: &(f32, u32), b: &(f32, u32)) -> Ordering {
    // No score is NaN here; -0 and 0 are a tie, which `total_cmp` would break.
    b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1))
}
