//! Which impressions are for training, validation and test: two cuts in time, the same for all users.
//!
//! By share, a cut is the time of the first impression with that share of all impressions before it, so impressions of one
//! moment are never divided. By days, cuts are counted back from the end of the log.

use crate::PrepSettings;
use crate::settings::DAY_MS;
use semrank_data::Part;

/// Decides for one impression after the other, in time order.
#[derive(Debug)]
pub(crate) struct Parts {
    cuts: Cuts,
    row: u64,
    /// Time of the last impression, and the number of those strictly before it.
    last: Option<(i64, u64)>,
}

#[derive(Debug)]
enum Cuts {
    Rows([u64; 2]),
    Times([i64; 2]),
}

impl Parts {
    pub(crate) fn new(settings: &PrepSettings, impressions: u64, log_end_ms: i64) -> Parts {
        let cuts = if settings.valid_days + settings.test_days > 0 {
            let test = log_end_ms - settings.test_days * DAY_MS;
            Cuts::Times([test - settings.valid_days * DAY_MS, test])
        } else {
            let rows = |share: f64| (impressions as f64 * (1.0 - share)).round() as u64;
            Cuts::Rows([rows(settings.valid_share + settings.test_share), rows(settings.test_share)])
        };
        Parts { cuts, row: 0, last: None }
    }

    /// The part of the next impression.
    pub(crate) fn next(&mut self, time_ms: i64) -> Part {
        let before = match self.last {
            Some((last_ms, before)) if last_ms == time_ms => before,
            _ => self.row,
        };
        self.last = Some((time_ms, before));
        self.row += 1;
        let passed = match self.cuts {
            Cuts::Rows(rows) => rows.map(|rows| before >= rows),
            Cuts::Times(times) => times.map(|cut_ms| time_ms >= cut_ms),
        };
        match passed {
            [_, true] => Part::Test,
            [true, _] => Part::Valid,
            _ => Part::Train,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` for training, `v` for validation, `t` for the test.
    fn parts(settings: &PrepSettings, times: &[i64]) -> String {
        let mut parts = Parts::new(settings, times.len() as u64, 10 * DAY_MS);
        let letter = |part| match part {
            Part::Train => '.',
            Part::Valid => 'v',
            Part::Test => 't',
        };
        times.iter().map(|&time| letter(parts.next(time))).collect()
    }

    #[test]
    fn shares_cut_between_moments() {
        let settings = PrepSettings::default();
        assert_eq!(parts(&settings, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), "........vt");
        assert_eq!(parts(&settings, &[1, 2, 3, 4, 5, 6, 7, 8, 8, 8]), "..........");
        assert_eq!(parts(&settings, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 9]), "........vv");
    }

    #[test]
    fn days_count_from_the_end() {
        let settings = PrepSettings { valid_days: 2, test_days: 3, ..PrepSettings::default() };
        let times = [4 * DAY_MS, 5 * DAY_MS, 7 * DAY_MS - 1, 7 * DAY_MS];
        assert_eq!(parts(&settings, &times), ".vvt");
    }
}
