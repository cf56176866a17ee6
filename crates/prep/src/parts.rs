//! Which impressions are for training, validation and test: two cuts in time, the same for all users.
//!
//! By days, cuts are counted back from the end of the log. By share, a part holds its share of the impressions, and leaves room for
//! labels to become known: the newest impressions of the log, whose click and attribution windows are still open, belong to the
//! test beside its share, as they can be measured by clicks at most; likewise for validation, whose labels must be known before the
//! test begins if they are to choose an epoch and calibrate. Where a log is too short for that, the parts have their shares
//! only, and a warning says what cannot be done.

use crate::PrepSettings;
use crate::settings::DAY_MS;
use semrank_data::Part;
use serde::Serialize;
use std::collections::BTreeMap;

/// Rooms are left as long as this share of the impressions remains for training.
const LEAST_TRAINING: f64 = 1.0 / 3.0;

/// Bins that the time of a log is counted in; a cut is the beginning of one.
const BINS: i64 = 1 << 16;

/// The moments (ms UTC) from which on impressions are for validation and for the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Cuts {
    /// The first moment of validation.
    pub valid_from_ms: i64,
    /// The first moment of the test.
    pub test_from_ms: i64,
    /// Whether labels of validation rows become known before the test begins.
    pub valid_matures: bool,
    /// Whether labels of test rows become known before the log ends.
    pub test_matures: bool,
}

impl Cuts {
    /// The part of an impression.
    pub(crate) fn part(&self, time_ms: i64) -> Part {
        match time_ms {
            time_ms if time_ms >= self.test_from_ms => Part::Test,
            time_ms if time_ms >= self.valid_from_ms => Part::Valid,
            _ => Part::Train,
        }
    }

    /// By days where `settings` has them, else by share. `shown` has the impressions per bin of time, by the bin's first moment;
    /// a label can change for `window_ms`.
    pub(crate) fn find(
        settings: &PrepSettings,
        shown: &BTreeMap<i64, u64>,
        log_end_ms: i64,
        window_ms: i64,
    ) -> Cuts {
        let over_ms = log_end_ms + 1;
        let (valid_from_ms, test_from_ms) = if settings.valid_days + settings.test_days > 0 {
            let test = log_end_ms - settings.test_days * DAY_MS;
            (test - settings.valid_days * DAY_MS, test)
        } else {
            let shown = Shown(shown);
            let test = shown.part(settings.test_share, over_ms, window_ms, settings.valid_share);
            (shown.part(settings.valid_share, test, window_ms, 0.0), test)
        };
        let has_known =
            |from: i64, until: i64| shown.range(from..).next().is_some_and(|(&at, _)| at + window_ms < until);
        Cuts {
            valid_from_ms,
            test_from_ms,
            valid_matures: has_known(valid_from_ms, test_from_ms),
            test_matures: has_known(test_from_ms, over_ms),
        }
    }
}

/// Width of a bin for a log of this length.
pub(crate) fn bin_ms(log_ms: i64) -> i64 {
    (log_ms / BINS).max(1)
}

/// Impressions per bin of time.
struct Shown<'a>(&'a BTreeMap<i64, u64>);

impl Shown<'_> {
    fn before(&self, time_ms: i64) -> u64 {
        self.0.range(..time_ms).map(|(_, &shown)| shown).sum()
    }

    /// The first bin before which there are so many impressions; after all of them, if there are not.
    fn after(&self, impressions: u64) -> i64 {
        let mut before = 0;
        for (&bin, &shown) in self.0 {
            if before >= impressions {
                return bin;
            }
            before += shown;
        }
        self.0.last_key_value().map_or(0, |(&bin, _)| bin + 1)
    }

    /// Where a part begins that ends at `end_ms` and holds this share of all impressions, those of the last `window_ms` not counted
    /// unless too few would be left before it, `reserved` of them for another part.
    fn part(&self, share: f64, end_ms: i64, window_ms: i64, reserved: f64) -> i64 {
        let (all, most) = (self.before(i64::MAX) as f64, self.before(end_ms));
        let rows = |share: f64| (all * share).round() as u64;
        if share == 0.0 {
            return end_ms;
        }
        let known = self.before(end_ms.saturating_sub(window_ms));
        let least = rows(LEAST_TRAINING + reserved).max(1);
        let end = if known >= rows(share) + least { known } else { most };
        self.after(end.saturating_sub(rows(share)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` for training, `v` for validation, `t` for the test.
    fn parts(settings: &PrepSettings, times: &[i64], window_ms: i64) -> String {
        let mut shown = BTreeMap::new();
        times.iter().for_each(|&time| *shown.entry(time).or_insert(0) += 1);
        let end_ms = if settings.test_days > 0 { 10 * DAY_MS } else { times[times.len() - 1] };
        let cuts = Cuts::find(settings, &shown, end_ms, window_ms);
        let letter = |part| match part {
            Part::Train => '.',
            Part::Valid => 'v',
            Part::Test => 't',
        };
        times.iter().map(|&time| letter(cuts.part(time))).collect()
    }

    #[test]
    fn shares_cut_between_moments() {
        let settings = PrepSettings::default();
        assert_eq!(parts(&settings, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0), "........vt");
        assert_eq!(parts(&settings, &[1, 2, 3, 4, 5, 6, 7, 8, 8, 8], 0), "..........");
        assert_eq!(parts(&settings, &[1, 2, 3, 4, 5, 6, 7, 7, 9, 10], 0), "........vt");
    }

    #[test]
    fn windows_are_free_before_the_log_ends_and_before_the_test_begins() {
        let settings = PrepSettings::default();
        let times: Vec<i64> = (1..=20).collect();
        // Impressions up to 16 are known at 20: 2 of them are the test's share. Those up to 10 are known at 15.
        assert_eq!(parts(&settings, &times, 4), "........vvvvvvtttttt");
        // Not even the test's labels become known.
        assert_eq!(parts(&settings, &times, 18), "................vvtt");
    }

    #[test]
    fn days_count_from_the_end() {
        let settings = PrepSettings { valid_days: 2, test_days: 3, ..PrepSettings::default() };
        let times = [4 * DAY_MS, 5 * DAY_MS, 7 * DAY_MS - 1, 7 * DAY_MS];
        assert_eq!(parts(&settings, &times, DAY_MS), ".vvt");
    }
}
