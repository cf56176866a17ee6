//! The settings of a simulated test and their limits.

use crate::config::Error;
use crate::impressions::AdMarketConfig;
use crate::impressions::config::DAY_MS;
use semrank_core::settings::SettingError;
use serde::{Deserialize, Serialize};

/// What is randomised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// Users; both arms spend the same budgets.
    User,
    /// Users; every campaign has half of its budget in each arm (Liu, Mao & Kang, arXiv 2012.08724).
    BudgetSplit,
    /// Campaigns: the ads of treated campaigns are scored by the treatment.
    Campaign,
    /// Blocks of time, for all users at once.
    Switchback,
}

semrank_core::settings! {
    /// How to test on an ad market. A play lasts `before_days + entry_days + window_days`.
    pub struct TrialConfig of "trial" {
        /// Draws the users and all that they do; the ads come from the market's own seed.
        seed: u64 = 1, in 0..=(u64::MAX),
        /// Days before the test, on which everybody gets control.
        before_days: usize = 0, in 0..=3650,
        /// Days on which units enter the test.
        entry_days: usize = 7, in 1..=3650,
        /// Attribution window of all actions in days, from a unit's first exposure.
        window_days: usize = 7, in 1..=3650,
        /// What is randomised.
        design: Design = Design::User,
        /// Share of the units that take part.
        share: f64 = 1.0, in 0.0..=1.0,
        /// Share of the participants that are treated.
        treated: f64 = 0.5, in 0.0..=1.0,
        /// By how many hours control's knowledge of the users' needs is late.
        lag_hours: f64 = 24.0, in 0.0..=1000.0,
        /// Share of this lag that the treatment removes; 0 makes both arms the same.
        strength: f64 = 0.5, in 0.0..=1.0,
        /// Share of the campaigns, those in most demand, whose daily budget is less than they would spend.
        limited: f64 = 0.0, in 0.0..=1.0,
        /// Budget of a limited campaign, as a share of what it would spend in control.
        budget: f64 = 0.5, in 0.01..=1.0,
        /// Length of a switchback's blocks in minutes.
        block_minutes: i64 = 120, in 1..=1_000_000,
        /// Beginning of every block that does not count, in minutes.
        burn_in_minutes: i64 = 0, in 0..=1_000_000,
        /// Bots, as a share of the number of users, in addition to them.
        bots: f64 = 0.0, in 0.0..=1.0,
        /// Share of the logged rows that occur twice.
        duplicates: f64 = 0.0, in 0.0..=1.0,
        /// Whether organic views are reported too.
        organic: bool = false,
    }
}

/// Milliseconds of a minute.
pub(crate) const MINUTE_MS: i64 = 60_000;

impl TrialConfig {
    /// Checks every setting against its limits, and that the market lasts as long as a play.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first setting outside its limits.
    pub fn check(&self, market: &AdMarketConfig) -> Result<(), Error> {
        self.check_ranges()?;
        let wrong = |key, got: String, expected: String| Err(SettingError { key, got, expected }.into());
        if self.days() > market.days {
            let expected = format!("at least {}: before_days, entry_days and window_days", self.days());
            return wrong("ads.days", market.days.to_string(), expected);
        }
        if self.burn_in_minutes >= self.block_minutes {
            let expected = format!("less than trial.block_minutes, {}", self.block_minutes);
            return wrong("trial.burn_in_minutes", self.burn_in_minutes.to_string(), expected);
        }
        Ok(())
    }

    /// Length of a play in days.
    pub fn days(&self) -> usize {
        self.before_days + self.entry_days + self.window_days
    }

    /// Begin of the test (ms UTC).
    pub(crate) fn start_ms(&self, market: &AdMarketConfig) -> i64 {
        market.start_ms + self.before_days as i64 * DAY_MS
    }

    /// End of a play (ms UTC), excluded.
    pub(crate) fn end_ms(&self, market: &AdMarketConfig) -> i64 {
        market.start_ms + self.days() as i64 * DAY_MS
    }

    /// By how much an arm's knowledge of needs is late.
    pub(crate) fn lag_ms(&self, arm: usize) -> i64 {
        let rest = if arm == 0 { 1.0 } else { 1.0 - self.strength };
        (self.lag_hours * rest * 3_600_000.0) as i64
    }

    /// Blocks since the start of the test, and whether the time lies in a burn-in.
    pub(crate) fn block(&self, since_start_ms: i64) -> (i64, bool) {
        let length = self.block_minutes * MINUTE_MS;
        let burn_in = since_start_ms.rem_euclid(length) < self.burn_in_minutes * MINUTE_MS;
        (since_start_ms.div_euclid(length), burn_in)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_nonsense_is_named() {
        let market = AdMarketConfig { days: 14, ..AdMarketConfig::default() };
        TrialConfig::default().check(&market).unwrap();
        let long = TrialConfig { before_days: 1, ..TrialConfig::default() };
        assert!(
            long.check(&market).unwrap_err().to_string().starts_with("ads.days is 14, expected at least 15")
        );
        let burn_in = TrialConfig { burn_in_minutes: 120, ..TrialConfig::default() };
        let said = burn_in.check(&market).unwrap_err().to_string();
        assert_eq!(said, "trial.burn_in_minutes is 120, expected less than trial.block_minutes, 120");
    }

    #[test]
    fn a_block_begins_with_its_burn_in() {
        let config = TrialConfig { block_minutes: 60, burn_in_minutes: 10, ..TrialConfig::default() };
        let at = |minutes: i64| config.block(minutes * MINUTE_MS);
        assert_eq!(
            [at(0), at(10), at(59), at(60), at(-1)],
            [(0, true), (0, false), (0, false), (1, true), (-1, false)]
        );
    }
}
