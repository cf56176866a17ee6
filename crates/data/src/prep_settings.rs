//! Settings of the crate `prep`, which makes examples from a log. They are here so that all settings can be read and printed
//! without the SQL engine.
//!
//! ```
//! use semrank_data::PrepSettings;
//! let windows = "conversion_days = 3".parse().unwrap();
//! let settings = PrepSettings::with_windows(&windows).unwrap();
//! assert_eq!((settings.click_minutes, settings.conversion_days), (30, 3));
//! ```

use crate::Meta;
use semrank_core::settings::SettingError;
use serde::{Deserialize, Serialize};

/// Which of several clicks a conversion without a `parent_event_id` is attributed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attribution {
    /// The last one before it.
    LastTouch,
    /// The first one within the attribution window.
    FirstTouch,
}

semrank_core::settings! {
    /// How examples are made from a log.
    pub struct PrepSettings of "prep" {
        /// Longest time from an impression to its click, in minutes.
        click_minutes: i64 = 30, in 1..=(MOST_DAYS * 1440),
        /// Attribution window: longest time from a click to its conversion, in days.
        conversion_days: i64 = 7, in 1..=MOST_DAYS,
        /// Longest time from an impression without a click to its conversion, in days; 0 = such conversions do not count.
        view_through_days: i64 = 0, in 0..=MOST_DAYS,
        /// Seconds after which a ranker knows of an event that the log has received.
        logging_delay_seconds: i64 = 0, in 0..=(MOST_DAYS * 86_400),
        /// `last-touch` or `first-touch`: where a conversion names no click.
        attribution: Attribution = Attribution::LastTouch,
        /// Whether `parent_event_id` does not count: clicks and conversions are attributed by user, item and time alone.
        ignore_parents: bool = false,
        /// A timestamp further ahead of `received_at` than this is replaced by it, in seconds.
        clock_tolerance_seconds: i64 = 5, in 0..=(MOST_DAYS * 86_400),
        /// An event received later than this after its timestamp is counted as late, in seconds.
        late_seconds: i64 = 60, in 0..=(MOST_DAYS * 86_400),
        /// The slot at the top of a page in the log; examples count from 0.
        first_slot: i64 = 1, in 0..=1,
        /// Share of the impressions that are for validation, before those for the test.
        valid_share: f64 = 0.1, in 0.0..=1.0,
        /// Share of the impressions, the last ones, that are for the test.
        test_share: f64 = 0.1, in 0.0..=1.0,
        /// Days for validation instead of a share, before those for the test; 0 = by share.
        valid_days: i64 = 0, in 0..=MOST_DAYS,
        /// Last days of the log for the test instead of a share; 0 = by share.
        test_days: i64 = 0, in 0..=MOST_DAYS,
        /// Memory for sorting, in MiB; what needs more goes to disk beside the output. Repeated rows, clicks and conversions are held
        /// beside it.
        memory_mb: usize = 1024, in LEAST_MEMORY_MB..=MOST_MEMORY_MB,
        /// Threads; 0 = all cores. The output does not depend on it.
        threads: usize = 0, in 0..=4096,
    }
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Longest window in days, so that no sum of times overflows.
const MOST_DAYS: i64 = 36_500;
/// With less, a few batches of rows with long texts fill the share of a sort.
const LEAST_MEMORY_MB: usize = 64;
/// 16 TiB: no number of bytes or rows that is made of it overflows.
const MOST_MEMORY_MB: usize = 1 << 24;

impl PrepSettings {
    /// The defaults, replaced by these windows.
    ///
    /// # Errors
    /// A window that is not a whole number.
    pub fn with_windows(windows: &toml::Table) -> Result<PrepSettings, SettingError> {
        let mut settings = PrepSettings::default();
        for (key, value) in settings.windows() {
            if let Some(given) = windows.get(name(key)) {
                let whole = given.as_integer();
                *value = whole.ok_or_else(|| setting(key, given.to_string(), "a whole number"))?;
            }
        }
        Ok(settings)
    }

    /// Writes the windows into a description of the output.
    pub fn describe(&self, meta: &mut Meta) {
        for (key, value) in self.clone().windows() {
            meta.windows.insert(name(key).into(), toml::Value::Integer(*value));
        }
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// The first one outside of them.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        let held_out = self.valid_share + self.test_share;
        if held_out >= 1.0 {
            return Err(setting("prep.valid_share + test_share", held_out.to_string(), "less than 1"));
        }
        Ok(())
    }

    /// The longest time from an impression to the moment when its labels are known for good.
    pub fn label_window_ms(&self, has_conversions: bool) -> i64 {
        let click_ms = self.click_minutes * 60_000;
        let conversion_ms = (click_ms + self.conversion_days * DAY_MS).max(self.view_through_days * DAY_MS);
        self.logging_delay_seconds * 1000 + if has_conversions { conversion_ms } else { click_ms }
    }

    fn windows(&mut self) -> [(&'static str, &mut i64); 4] {
        [
            ("prep.click_minutes", &mut self.click_minutes),
            ("prep.conversion_days", &mut self.conversion_days),
            ("prep.view_through_days", &mut self.view_through_days),
            ("prep.logging_delay_seconds", &mut self.logging_delay_seconds),
        ]
    }
}

/// A key without its section, as it is in `[windows]`.
fn name(key: &'static str) -> &'static str {
    key.trim_start_matches("prep.")
}

fn setting(key: &'static str, got: String, expected: &str) -> SettingError {
    SettingError { key, got, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_come_from_the_data_set_and_go_into_the_next() {
        let mut meta = Meta::default();
        let settings = PrepSettings { click_minutes: 5, view_through_days: 1, ..PrepSettings::default() };
        settings.describe(&mut meta);
        assert_eq!(PrepSettings::with_windows(&meta.windows).unwrap(), settings);
        meta.windows.insert("conversion_days".into(), toml::Value::Float(1.5));
        let error = PrepSettings::with_windows(&meta.windows).unwrap_err();
        assert_eq!(error.to_string(), "prep.conversion_days is 1.5, expected a whole number");
    }

    #[test]
    fn every_number_has_a_range() {
        let defaults = toml::Table::try_from(PrepSettings::default()).unwrap();
        for key in PrepSettings::KEYS {
            let is_number = defaults[key.name].is_integer() || defaults[key.name].is_float();
            assert_eq!(is_number, key.range.is_some(), "{}", key.name);
        }
    }

    #[test]
    fn limits_are_checked_by_name() {
        let wrong = PrepSettings { conversion_days: 0, ..PrepSettings::default() };
        assert_eq!(wrong.check().unwrap_err().to_string(), "prep.conversion_days is 0, expected 1 to 36500");
        let wrong = PrepSettings { test_share: f64::NAN, ..PrepSettings::default() };
        assert!(wrong.check().is_err());
        for memory_mb in [63, usize::MAX] {
            let wrong = PrepSettings { memory_mb, ..PrepSettings::default() };
            assert_eq!(
                wrong.check().unwrap_err().to_string(),
                format!("prep.memory_mb is {memory_mb}, expected 64 to 16777216")
            );
        }
        assert!(PrepSettings::default().check().is_ok());
    }
}
