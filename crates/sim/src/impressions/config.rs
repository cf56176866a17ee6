//! The settings of an ad market and their limits.

use crate::config::{Error, LATEST_MS, TOPICS};
use semrank_core::settings::SettingError;
use serde::{Deserialize, Serialize};

/// The family of the time from a click to its conversion; every advertiser has its own member of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DelayFamily {
    /// Log-normal with the advertiser's median and spread.
    LogNormal,
    /// Some convert within hours, the others after days: two log-normals.
    Mixture,
    /// Weibull with a shape from 0.6 to 1.1 (1 is the exponential).
    Weibull,
}

/// Most rows of any table: events are numbered in 32 bits.
const MOST: usize = u32::MAX as usize / 4;

semrank_core::settings! {
    /// What kind of ad market to simulate. The defaults are those of [`AdMarketConfig::sized`] for 100,000
    /// impressions.
    pub struct AdMarketConfig of "ads" {
        /// The same seed and settings give the same market.
        seed: u64 = 7, in 0..=(u64::MAX),
        /// Expected number of impressions; the log's own number is within a few per cent of it.
        impressions: usize = 100_000, in 100..=MOST,
        /// Length of the log in days; events after its end are not logged.
        days: usize = 37, in 1..=3650,
        /// First moment of the log (ms UTC), a midnight.
        start_ms: i64 = 1_767_225_600_000, in 0..=LATEST_MS,
        /// Number of users; a fifth of them join after the log has begun.
        users: usize = 250, in 1..=MOST,
        /// Number of ads over the whole log.
        ads: usize = 300, in 1..=MOST,
        /// Number of organic items over the whole log.
        posts: usize = 600, in 1..=MOST,
        /// Number of advertisers; each sells in one topic under one brand.
        advertisers: usize = 60, in 1..=MOST,
        /// Number of topics, each a sequence of five needs.
        topics: usize = 12, in 1..=TOPICS,
        /// Share of the ads and organic items that become active after the log has begun.
        late_share: f64 = 0.5, in 0.0..=0.9,
        /// Organic views as a share of organic views and impressions.
        organic_share: f64 = 0.35, in 0.0..=0.95,
        /// Expected clicks per impression; the click model's intercept follows from it.
        click_rate: f64 = 0.03, in 1e-4..=0.4,
        /// Expected conversions per click, however late; the conversion model's intercept follows from it.
        conversion_rate: f64 = 0.08, in 1e-4..=0.9,
        /// Family of the conversion delays.
        delays: DelayFamily = DelayFamily::LogNormal,
        /// Median conversion delay of the middle advertiser, in days.
        delay_days: f64 = 2.0, in 1e-3..=365.0,
        /// Needs that come up in a user per week.
        needs_per_week: f64 = 3.0, in 0.0..=50.0,
        /// Half-life of a need in days.
        need_days: f64 = 1.5, in 0.01..=365.0,
        /// Standard deviation of the daily step of a user's log-interest in each topic.
        drift: f64 = 0.08, in 0.0..=10.0,
        /// How sharply the logging policy follows its score; 0 shows ads uniformly at random.
        policy: f64 = 1.0, in 0.0..=5.0,
        /// Whether ads pause when their daily budget is spent.
        budgets: bool = true,
        /// Fault: share of the rows that occur twice.
        duplicates: f64 = 0.0, in 0.0..=1.0,
        /// Fault: share of the rows that arrive late and are written after their time.
        disordered: f64 = 0.0, in 0.0..=1.0,
        /// Fault: share of the users whose clock is wrong by minutes.
        skewed: f64 = 0.0, in 0.0..=1.0,
        /// Click window for `dataset.toml`, in minutes.
        click_minutes: i64 = 30, in 1..=(MOST_DAYS * 1440),
        /// Attribution window for `dataset.toml`, in days.
        conversion_days: i64 = 7, in 1..=MOST_DAYS,
    }
}

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

impl AdMarketConfig {
    /// A market with users, ads and advertisers in proportion to its impressions: about 400 impressions per user
    /// and 1,500 per ad for large ones.
    pub fn sized(impressions: usize) -> Self {
        Self {
            impressions,
            users: (impressions / 400).max(50),
            ads: (impressions / 1_500).max(300),
            posts: (impressions / 1_000).max(600),
            advertisers: (impressions / 30_000).clamp(60, 600),
            ..Self::default()
        }
    }

    /// First moment after the log (ms UTC).
    pub fn end_ms(&self) -> i64 {
        self.start_ms + self.days as i64 * DAY_MS
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first setting outside its limits.
    pub fn check(&self) -> Result<(), Error> {
        self.check_ranges()?;
        // Every need has an ad and an organic item from the start.
        least("ads.ads", self.ads, self.needs(), "5 for each of ads.topics")?;
        least("ads.posts", self.posts, self.needs(), "5 for each of ads.topics")?;
        least("ads.advertisers", self.advertisers, self.topics, "as many as ads.topics")?;
        least("ads.ads", self.ads, self.advertisers, "as many as ads.advertisers")
    }

    /// Number of different needs: the parts of all topics.
    pub(crate) fn needs(&self) -> usize {
        self.topics * crate::items::PARTS_PER_TOPIC
    }

    pub(crate) fn need_half_life_ms(&self) -> f64 {
        self.need_days * DAY_MS as f64
    }
}

/// Longest window in days that `semrank prep` takes.
const MOST_DAYS: i64 = 36_500;

fn least(key: &'static str, got: usize, least: usize, why: &str) -> Result<(), Error> {
    if got >= least {
        return Ok(());
    }
    let expected = format!("at least {least}: {why}");
    Err(SettingError { key, got: got.to_string(), expected }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_nonsense_is_named() {
        assert_eq!(AdMarketConfig::sized(100_000), AdMarketConfig::default());
        for impressions in [100, 1_000_000, 10_000_000] {
            AdMarketConfig::sized(impressions).check().unwrap();
        }
        let few = AdMarketConfig { ads: 10, ..AdMarketConfig::default() };
        assert!(few.check().unwrap_err().to_string().starts_with("ads.ads is 10, expected at least 60"));
        let rate = AdMarketConfig { click_rate: f64::NAN, ..AdMarketConfig::default() };
        assert!(rate.check().unwrap_err().to_string().starts_with("ads.click_rate is NaN"));
        let window = AdMarketConfig { conversion_days: 36_501, ..AdMarketConfig::default() };
        assert!(window.check().unwrap_err().to_string().ends_with("expected 1 to 36500"));
    }
}
