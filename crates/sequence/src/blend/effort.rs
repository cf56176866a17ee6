//! How much of the validation a choice of the blend looks at: as much as the training's work allows.
//!
//! In: the sizes of the task and the multiply-adds of the training. Out: which cases are compared on all items, or on a short
//! list of candidates ([`super::shortlist`]), and how many measure the gain of kept places.

use crate::work::{SHARE, affordable, spread};
use semrank_data::Case;

/// Counts (cases x items x combinations) that are made whatever the training took: about a second.
const LEAST_COUNTED: f64 = 2e9;
/// And at most.
const MOST_COUNTED: f64 = 40e9;
/// Multiply-adds in whose time one count is made.
const COUNT_WORK: f64 = 2.0;
/// Fewer cases than this are not compared on all items, but more of them on short lists.
const ENOUGH: usize = 1000;
/// Short lists are made of at least and at most so many cases: the lists of the most take 150 MB.
const LISTED: [usize; 2] = [500, 4096];
/// Multiply-adds in whose time one item is looked at for the short list of a case, beside its scores.
const LIST_WORK: usize = 40;
/// Fewest cases to measure the gain of kept places; and what it costs to put a new item in order: for each column of its
/// content, which comes from memory, and besides.
const PLACED: usize = 200;
const ORDER_WORK: [usize; 2] = [8, 200];

/// Sizes of a choice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) items: usize,
    pub(super) new_items: usize,
    /// Width of the network's vectors, and of the contents.
    pub(super) widths: [usize; 2],
    /// Combinations of the first round.
    pub(super) points: usize,
}

/// The cases that are looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effort {
    /// For the weights and the policy.
    pub(super) cases: Vec<Case>,
    /// Whether they are ranked among all items, or among those that may come first.
    pub(super) whole: bool,
    /// For the kept places.
    pub(super) places: Vec<Case>,
}

impl Effort {
    /// Of a training of `work` multiply-adds.
    pub(super) fn new(cases: &[Case], sizes: Sizes, work: f64) -> Self {
        let Sizes { items, new_items, widths: [dim, content], points } = sizes;
        let budget = SHARE * work;
        let counts = (budget / COUNT_WORK).clamp(LEAST_COUNTED, MOST_COUNTED);
        let per_case = items * points;
        let stride = (cases.len() as f64 * per_case as f64 / counts).ceil().max(1.0) as usize;
        let whole = cases.len() / stride;
        let scores = items * (dim + content);
        let per_list = (scores + items * LIST_WORK) as f64;
        let listed = affordable(budget / 2.0, 0.0, per_list, [LISTED[0], LISTED[1].min(cases.len())]);
        let [of_column, besides] = ORDER_WORK;
        let placed = (scores + new_items * (content * of_column + besides)) as f64;
        let least = LEAST_COUNTED * COUNT_WORK;
        let placed = affordable((budget / 2.0).max(least), 0.0, placed, [PLACED, cases.len()]);
        let is_whole = stride == 1 || whole >= ENOUGH || whole >= listed;
        Effort {
            cases: match is_whole {
                true => cases.iter().copied().step_by(stride).collect(),
                false => spread(cases, listed),
            },
            whole: is_whole,
            places: spread(cases, placed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ItemId, UserId};

    fn effort(cases: u32, items: usize, work: f64) -> (usize, bool, usize) {
        let cases: Vec<Case> =
            (0..cases).map(|at| Case { user: UserId(at), end: at as usize, target: ItemId(0) }).collect();
        let sizes = Sizes { items, new_items: items / 2, widths: [128, 64], points: 324 };
        let found = Effort::new(&cases, sizes, work);
        (found.cases.len(), found.whole, found.places.len())
    }

    #[test]
    fn a_small_task_is_looked_at_whole_and_a_large_one_as_its_training_allows() {
        assert_eq!(effort(600, 9_700, 1e9), (600, true, 600));
        // A long training leaves time for 40 billion counts, on every third case.
        assert_eq!(effort(22_000, 12_000, 5e12), (7334, true, 22_000));
        // 300,000 items: short lists, of as many cases as an eighth of the training's work gives.
        let (listed, whole, placed) = effort(3_000, 300_000, 8e11);
        assert!(
            !whole && (1_000..2_000).contains(&listed) && (400..1_000).contains(&placed),
            "{listed} {placed}"
        );
        assert_eq!(effort(3_000, 300_000, 1e9), (500, false, 200));
        assert_eq!(effort(100, 300_000, 1e9), (100, false, 100));
    }
}
