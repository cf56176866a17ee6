//! Work in multiply-adds, so that what chooses a model stays below a share of what trained it.
//!
//! A validation of 3,000 cases among 300,000 items is as much work as the epoch before it, and a blend a hundred times that. Both
//! are made on fewer cases where they would take longer than the training. Work is counted, not measured: the same seed gives
//! the same bytes on any machine.

use semrank_data::Case;

/// Of the multiply-adds of a training, those that its validations may add, and those that the choice of the blend may: a quarter
/// each. Of 300,000 items, with half of them both took 1.4 times as long as the training.
pub(crate) const SHARE: f64 = 0.25;

/// `count` of the cases, spread evenly over all; all where there are not as many.
pub(crate) fn spread(cases: &[Case], count: usize) -> Vec<Case> {
    let count = count.min(cases.len());
    (0..count).map(|at| cases[at * cases.len() / count]).collect()
}

/// How many cases of `each` multiply-adds are within `budget`, after `before` others; from `fewest` to all.
pub(crate) fn affordable(budget: f64, before: f64, each: f64, [fewest, all]: [usize; 2]) -> usize {
    let affordable = ((budget - before).max(0.0) / each.max(1.0)) as usize;
    affordable.max(fewest).min(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ItemId, UserId};

    #[test]
    fn cases_are_spread_over_all() {
        let cases: Vec<Case> =
            (0..10).map(|at| Case { user: UserId(at), end: at as usize, target: ItemId(0) }).collect();
        let users = |count| spread(&cases, count).iter().map(|case| case.user.0).collect::<Vec<u32>>();
        assert_eq!(users(4), [0, 2, 5, 7]);
        assert_eq!(users(99).len(), 10);
        assert!(users(0).is_empty());
    }

    #[test]
    fn a_budget_is_kept_between_the_fewest_and_all() {
        assert_eq!(affordable(1000.0, 100.0, 9.0, [10, 500]), 100);
        assert_eq!(affordable(1000.0, 2000.0, 9.0, [10, 500]), 10);
        assert_eq!(affordable(1e9, 0.0, 9.0, [10, 500]), 500);
        assert_eq!(affordable(0.0, 0.0, 9.0, [10, 5]), 5);
    }
}
