//! The days that a log covers, whatever wrong clocks say.
//!
//! In: rows per day, one [`DayCounts`] an action. Out: the [`Span`] of days that the log is about. The largest time of a log is no
//! end of it: one clock that is set to the year 2100 would make every label old enough to be final, and one that starts in 1970
//! would stretch the log by decades. So a day counts by what happened on it:
//!
//! 1. A day is *supported* when some action has at least 1 % of that action's usual day on it. (By action, since conversions go on
//!    when impressions have ended.) The usual day is the one on which half of the action's rows fall on days as large or smaller.
//! 2. Supported days that follow each other are one stretch, across pauses of up to twice the usual distance between two days (that
//!    of 95 % of the steps in the middle of the log), or one empty day.
//! 3. The span goes from the first to the last stretch, without those outermost stretches and days that hold less than 1 % of
//!    the rows together. A day next to the span belongs to it: a log may end just after midnight.
//!
//! A clock that is wrong by less than a day or two is not found, and moves the end by no more than that. Pauses between stretches that
//! are too large to leave out are reported ([`Span::pauses`]): the caller decides.
//!
//! ```
//! use semrank_core::span::{DayCounts, span};
//! let mut views = DayCounts::new();
//! (20_000..20_030).for_each(|day| views.add(day, 1000));
//! views.add(47_482, 1); // the first of January 2100
//! views.add(365, 1); // 1971
//! assert_eq!(span(&[views]).unwrap().days, 20_000..=20_029);
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A supported day has one of so many parts of an action's usual day.
const SUPPORT_PARTS: u64 = 100;
/// What is left out at one end is less than one of so many parts of the rows.
const STRAY_PARTS: u64 = 100;
/// Longest distance between two days of one stretch where the middle of the log has no pause: one empty day.
const LEAST_DISTANCE: i64 = 2;

/// Rows of one action per day; days are counted from anywhere.
#[derive(Debug, Clone, Default)]
pub struct DayCounts(BTreeMap<i64, u64>);

/// The days of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// From the first to the last.
    pub days: RangeInclusive<i64>,
    /// Longer pauses than usual inside, oldest first: the last day before and the first day after each.
    pub pauses: Vec<(i64, i64)>,
}

impl DayCounts {
    /// None yet.
    pub fn new() -> DayCounts {
        DayCounts::default()
    }

    /// Adds rows of a day.
    pub fn add(&mut self, day: i64, rows: u64) {
        *self.0.entry(day).or_default() += rows;
    }

    /// Rows of the day on which the median row is, when days are sorted by size.
    fn usual(&self) -> u64 {
        let mut sizes: Vec<u64> = self.0.values().copied().collect();
        sizes.sort_unstable();
        let (half, mut before) = (sizes.iter().sum::<u64>().div_ceil(2), 0);
        let usual = sizes.into_iter().find(|size| {
            before += size;
            before >= half
        });
        usual.unwrap_or(0)
    }
}

/// The span of a log whose actions have these counts; nothing where there is no row.
pub fn span(actions: &[DayCounts]) -> Option<Span> {
    let mut rows = BTreeMap::new();
    let all = actions.iter().flat_map(|counts| &counts.0).filter(|(_, rows)| **rows > 0);
    all.for_each(|(&day, &more)| *rows.entry(day).or_insert(0u64) += more);
    let usual: Vec<u64> = actions.iter().map(DayCounts::usual).collect();
    let is_supported = |day: &i64| {
        let mut of_day = actions.iter().zip(&usual).map(|(counts, usual)| (counts.0.get(day), usual));
        of_day.any(|(rows, usual)| rows.is_some_and(|rows| rows.saturating_mul(SUPPORT_PARTS) >= *usual))
    };
    let supported: Vec<i64> = rows.keys().copied().filter(is_supported).collect();
    // Where most days are small beside a few, all of them count.
    between(&rows, &supported).or_else(|| between(&rows, &rows.keys().copied().collect::<Vec<_>>()))
}

/// The span of the rows if only `days` make stretches; nothing where too many rows would be left out.
fn between(rows: &BTreeMap<i64, u64>, days: &[i64]) -> Option<Span> {
    let stretches = stretches(days, most_distance(rows, days));
    let total: u64 = rows.values().sum();
    let is_stray = |rows: u64| rows.saturating_mul(STRAY_PARTS) < total;
    let first = stretches.iter().find(|stretch| !is_stray(rows.range(..=stretch.1).map(|(_, n)| n).sum()))?;
    let last = stretches.iter().rfind(|stretch| !is_stray(rows.range(stretch.0..).map(|(_, n)| n).sum()))?;
    let is_day = |day: i64| rows.contains_key(&day);
    let start = if is_day(first.0 - 1) { first.0 - 1 } else { first.0 };
    let end = if is_day(last.1 + 1) { last.1 + 1 } else { last.1 };
    let inside: Vec<(i64, i64)> =
        stretches.iter().filter(|stretch| first <= *stretch && *stretch <= last).copied().collect();
    let pauses = inside.windows(2).map(|pair| (pair[0].1, pair[1].0)).collect();
    let before: u64 = rows.range(..start).map(|(_, rows)| rows).sum();
    let after: u64 = rows.range(end + 1..).map(|(_, rows)| rows).sum();
    let is_whole = [before, after].into_iter().all(|rows| rows == 0 || is_stray(rows));
    is_whole.then_some(Span { days: start..=end, pauses })
}

/// Longest distance between two days of one stretch: by the steps from day to day among the middle nine tenths of the rows.
fn most_distance(rows: &BTreeMap<i64, u64>, days: &[i64]) -> i64 {
    let total: u64 = rows.values().sum();
    let mut before = 0u64;
    let mut middle = Vec::new();
    for (day, rows) in rows {
        let after = total - before - rows;
        if before.max(after).saturating_mul(20) <= total.saturating_mul(19) && days.binary_search(day).is_ok()
        {
            middle.push(*day);
        }
        before += rows;
    }
    let mut steps: Vec<i64> = middle.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let usual = steps.len().checked_sub(1).map_or(0, |last| steps[last * 19 / 20]);
    usual.saturating_mul(2).max(LEAST_DISTANCE)
}

/// First and last days of the stretches, oldest first.
fn stretches(days: &[i64], most_distance: i64) -> Vec<(i64, i64)> {
    days.chunk_by(|a, b| b - a <= most_distance).map(|days| (days[0], days[days.len() - 1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365;

    /// A log of 60 days, 1000 rows each, and `more` rows (day, rows).
    fn found(more: &[(i64, u64)]) -> Span {
        let mut counts = DayCounts::new();
        (100..160).for_each(|day| counts.add(day, 1000));
        more.iter().for_each(|&(day, rows)| counts.add(day, rows));
        span(&[counts]).unwrap()
    }

    #[track_caller]
    fn check(more: &[(i64, u64)], days: RangeInclusive<i64>) {
        assert_eq!(found(more), Span { days, pauses: Vec::new() }, "{more:?}");
    }

    #[test]
    fn wrong_clocks_are_left_out_on_both_sides() {
        check(&[], 100..=159);
        check(&[(160, 3)], 100..=160); // a log that ends just after midnight, or clocks a few hours ahead
        check(&[(161, 1), (163, 9)], 100..=159); // days ahead, and few
        check(&[(160 + 74 * YEAR, 1)], 100..=159);
        check(&[(100 - 55 * YEAR, 1)], 100..=159);
        check(&[(100 - 55 * YEAR, 1), (160 + 74 * YEAR, 1), (90, 5)], 100..=159);
        check(&[(160 + 74 * YEAR, 599)], 100..=159); // a burst of just under 1 %
        let scattered: Vec<(i64, u64)> = (0..500).map(|at| (170 + at * 7, 1)).collect();
        check(&scattered, 100..=159);
    }

    #[test]
    fn what_is_too_much_to_leave_out_is_told_as_a_pause() {
        let burst = found(&[(200, 5000)]);
        assert_eq!(burst, Span { days: 100..=200, pauses: vec![(159, 200)] });
        let mut small = DayCounts::new();
        [10, 11, 30_000].iter().for_each(|&day| small.add(day, 2));
        assert_eq!(span(&[small]).unwrap().pauses, [(11, 30_000)]);
        assert_eq!(span(&[DayCounts::new()]), None);
    }

    #[test]
    fn actions_go_on_when_others_have_ended() {
        let (mut views, mut buys) = (DayCounts::new(), DayCounts::new());
        (0..30).for_each(|day| views.add(day, 100_000));
        (0..45).for_each(|day| buys.add(day, 50));
        views.add(47, 90); // clocks three days ahead
        assert_eq!(span(&[views, buys]).unwrap().days, 0..=44);
    }

    #[test]
    fn usual_pauses_and_small_days_are_part_of_the_log() {
        let mut weekly = DayCounts::new();
        (0..50).for_each(|week| weekly.add(week * 7, 10));
        weekly.add(49 * 7 + 14, 1);
        assert_eq!(span(&[weekly.clone()]).unwrap().days, 0..=49 * 7 + 14);
        // One day with most rows: the others are not strays.
        weekly.add(100, 1_000_000);
        (101..200).for_each(|day| weekly.add(day, 500));
        assert_eq!(span(&[weekly]).unwrap().days.end(), &199);
    }
}
