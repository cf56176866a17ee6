//! Training, validation and test cases of a data set, without a leak.
//!
//! *Leave-one-out*: a user's last target event is the test target, the second last the validation target, all
//! earlier ones are training. *Time*: cuts at the 80 % and 90 % quantiles of the target events' times; a user's first
//! target event in between is the validation target, the first at or after the second cut the test target. A history
//! is everything before its target in log order, events of other actions included; a target without an earlier target
//! event is not a case and is counted separately (so that a user who only returned things does not count as a known buyer).
//!
//! Nothing that a trainer may see depends on which item a test target is; `tests/splits.rs` checks it.
//!
//! ```no_run
//! use semrank_data::{Dataset, Split, SplitKind};
//! # fn main() -> Result<(), semrank_data::Error> {
//! let dataset = Dataset::open("beauty".as_ref())?;
//! let split = Split::new(&dataset, SplitKind::LeaveOneOut)?;
//! for case in &split.test {
//!     let history = dataset.events.before(case.user, case.end);
//!     assert!(!history.is_empty());
//! }
//! # Ok(())
//! # }
//! ```

use crate::{Dataset, Error};
use semrank_core::{EventLog, History, ItemId, UserId, narrow};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How events are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// Each user's last two target events are held out.
    #[default]
    LeaveOneOut,
    /// Two cuts in time, the same for all users.
    Time,
}

/// One test case: `target`, from [`EventLog::before`](semrank_core::EventLog::before)`(user, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// The user.
    pub user: UserId,
    /// The target's global index in the log; the history ends before it.
    pub end: usize,
    /// The item of the target event.
    pub target: ItemId,
}

impl Case {
    /// What the user has done before the target.
    pub fn history<'a>(&self, events: &'a EventLog) -> History<'a> {
        events.before(self.user, self.end)
    }
}

/// Held-out targets that have no target event before them, counted separately from the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WithoutHistory {
    /// Validation targets without a history.
    pub validation: usize,
    /// Test targets without a history.
    pub test: usize,
}

/// A division of a data set's events.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// How it was made.
    pub kind: SplitKind,
    /// One global index per user: their events before it are for training ([`FitScope`](crate::FitScope) hands them out).
    pub(crate) train_ends: Vec<usize>,
    /// Validation cases, in user order.
    pub validation: Vec<Case>,
    /// Test cases, in user order.
    pub test: Vec<Case>,
    /// Targets that are not cases.
    pub without_history: WithoutHistory,
    /// Start of the validation time and of the test time (ms UTC, fractional), for a time split.
    pub cuts: Option<[f64; 2]>,
}

/// The held-out target events of one user.
#[derive(Default)]
struct HeldOut {
    train_end: usize,
    validation: Option<usize>,
    test: Option<usize>,
}

impl Split {
    /// Divides `dataset`.
    ///
    /// # Errors
    /// [`Error::NoTime`] for a time split of a log without timestamps.
    pub fn new(dataset: &Dataset, kind: SplitKind) -> Result<Split, Error> {
        let cuts = match kind {
            SplitKind::LeaveOneOut => None,
            SplitKind::Time => Some(cuts(dataset)?),
        };
        let mut split = Split {
            kind,
            train_ends: Vec::with_capacity(dataset.events.users()),
            validation: Vec::new(),
            test: Vec::new(),
            without_history: WithoutHistory::default(),
            cuts,
        };
        for user in (0..dataset.events.users()).map(|user| UserId(narrow::index(user))) {
            let range = dataset.events.range(user);
            let held_out = match cuts {
                None => last_two(dataset, range.clone()),
                Some(cuts) => after_cuts(dataset, range.clone(), cuts),
            };
            split.push(dataset, user, range.start, held_out);
        }
        Ok(split)
    }

    fn push(&mut self, dataset: &Dataset, user: UserId, start: usize, held_out: HeldOut) {
        self.train_ends.push(held_out.train_end);
        let case = |end| Case { user, end, target: dataset.events.event(end).item };
        for (target, cases, without) in [
            (held_out.validation, &mut self.validation, &mut self.without_history.validation),
            (held_out.test, &mut self.test, &mut self.without_history.test),
        ] {
            match target {
                Some(end) if targets(dataset, start..end).next().is_some() => cases.push(case(end)),
                Some(_) => *without += 1,
                None => {}
            }
        }
    }
}

fn targets(dataset: &Dataset, range: Range<usize>) -> impl DoubleEndedIterator<Item = usize> {
    let (actions, target) = (dataset.events.actions(), dataset.target_action());
    range.filter(move |&at| target.is_none_or(|target| target == actions[at]))
}

fn last_two(dataset: &Dataset, range: Range<usize>) -> HeldOut {
    let mut last = targets(dataset, range.clone()).rev();
    let (test, validation) = (last.next(), last.next());
    // The test target is never trained on, even without a history.
    HeldOut { train_end: validation.or(test).unwrap_or(range.end), validation, test }
}

fn after_cuts(dataset: &Dataset, range: Range<usize>, cuts: [f64; 2]) -> HeldOut {
    let times = &dataset.events.times()[range.clone()];
    let [first, second] = cuts.map(|cut| range.start + times.partition_point(|&time| (time as f64) < cut));
    HeldOut {
        train_end: first,
        validation: targets(dataset, first..second).next(),
        test: targets(dataset, second..range.end).next(),
    }
}

fn cuts(dataset: &Dataset) -> Result<[f64; 2], Error> {
    if !dataset.events.timed() {
        return Err(Error::NoTime { name: dataset.meta.name.clone() });
    }
    let mut times: Vec<i64> =
        targets(dataset, 0..dataset.events.len()).map(|at| dataset.events.times()[at]).collect();
    times.sort_unstable();
    Ok([0.8, 0.9].map(|share| quantile(&times, share)))
}

/// The `share` quantile of sorted values, linear between neighbours: numpy's default, its rounding included (Hyndman &
/// Fan 1996, definition 7). Zero for no values.
fn quantile(sorted: &[i64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let at = share * last as f64;
    let below = (at.floor() as usize).min(last);
    let (low, high) = (sorted[below] as f64, sorted[(below + 1).min(last)] as f64);
    let part = at - below as f64;
    if part < 0.5 { low + (high - low) * part } else { high - (high - low) * (1.0 - part) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([0, 10, 20, 40], [.8, .9]) -> 28.000000000000007, 34.0
        assert_eq!([0.8, 0.9].map(|q| quantile(&[0, 10, 20, 40], q)), [28.000000000000007, 34.0]);
        assert_eq!(quantile(&[5], 0.8), 5.0);
        assert_eq!(quantile(&[], 0.8), 0.0);
    }
}
