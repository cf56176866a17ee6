//! The inner loop of an evaluation over one row of scores: counting what ranks above a score.

use semrank_nn::kernel;

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
