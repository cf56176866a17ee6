//! The settings of an ad market and their limits.

use crate::config::{Error, real, whole};
use crate::words::Words;
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

semrank_core::settings! {
    /// What kind of ad market to simulate. The defaults are those of [`AdMarketConfig::sized`] for 100,000
    /// impressions.
    pub struct AdMarketConfig {
        /// Same seed and settings, same market.
        seed: u64 = 7,
        /// Expected number of impressions; the log's own number is within a few per cent of it.
        impressions: usize = 100_000,
        /// Length of the log in days; events after its end are not logged.
        days: usize = 37,
        /// First moment of the log (ms UTC), a midnight.
        start_ms: i64 = 1_767_225_600_000,
        /// Number of users; a fifth of them join after the log has begun.
        users: usize = 250,
        /// Number of ads over the whole log.
        ads: usize = 300,
        /// Number of organic items over the whole log.
        posts: usize = 600,
        /// Number of advertisers; each sells in one topic under one brand.
        advertisers: usize = 60,
        /// Number of topics, each of five needs that people have one after another.
        topics: usize = 12,
        /// Share of the ads and organic items that are born after the log has begun.
        late_share: f64 = 0.5,
        /// Organic views as a share of organic views and impressions.
        organic_share: f64 = 0.35,
        /// Expected clicks per impression; the click model's intercept follows from it.
        click_rate: f64 = 0.03,
        /// Expected conversions per click, however late; the conversion model's intercept follows from it.
        conversion_rate: f64 = 0.08,
        /// Family of the conversion delays.
        delays: DelayFamily = DelayFamily::LogNormal,
        /// Median conversion delay of the middle advertiser, in days.
        delay_days: f64 = 2.0,
        /// Needs that come up in a user per week.
        needs_per_week: f64 = 3.0,
        /// Half-life of a need in days.
        need_days: f64 = 1.5,
        /// Standard deviation of the daily step of a user's log-interest in each topic.
        drift: f64 = 0.08,
        /// How sharply the logging policy follows its score; 0 shows ads uniformly at random.
        policy: f64 = 1.0,
        /// Whether ads pause when their daily budget is spent.
        budgets: bool = true,
        /// Dirt: share of the rows that occur twice.
        duplicates: f64 = 0.0,
        /// Dirt: share of the rows that arrive late and stand too far down in the log.
        disordered: f64 = 0.0,
        /// Dirt: share of the users whose clock is wrong by minutes.
        skewed: f64 = 0.0,
        /// Click window for `dataset.toml`, in minutes.
        click_minutes: i64 = 30,
        /// Attribution window for `dataset.toml`, in days.
        conversion_days: i64 = 7,
    }
}

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

impl AdMarketConfig {
    /// A market with users, ads and advertisers in proportion to its impressions: about 400 impressions a user
    /// and 1,500 an ad for large ones.
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
        let most = u32::MAX as usize / 4;
        whole("impressions", self.impressions, 100, most)?;
        whole("days", self.days, 1, 3650)?;
        whole("topics", self.topics, 1, Words::get().topics.len())?;
        // Every need has an ad and an organic item from the start.
        let needs = self.needs();
        whole("users", self.users, 1, most)?;
        whole("ads", self.ads, needs, most)?;
        whole("posts", self.posts, needs, most)?;
        whole("advertisers", self.advertisers, self.topics, self.ads)?;
        real("late_share", self.late_share, 0.0, 0.9)?;
        real("organic_share", self.organic_share, 0.0, 0.95)?;
        real("click_rate", self.click_rate, 1e-4, 0.4)?;
        real("conversion_rate", self.conversion_rate, 1e-4, 0.9)?;
        real("delay_days", self.delay_days, 1e-3, 365.0)?;
        real("needs_per_week", self.needs_per_week, 0.0, 50.0)?;
        real("need_days", self.need_days, 0.01, 365.0)?;
        real("drift", self.drift, 0.0, 10.0)?;
        real("policy", self.policy, 0.0, 5.0)?;
        real("duplicates", self.duplicates, 0.0, 1.0)?;
        real("disordered", self.disordered, 0.0, 1.0)?;
        real("skewed", self.skewed, 0.0, 1.0)?;
        whole_window("click_minutes", self.click_minutes, MOST_DAYS * 1440)?;
        whole_window("conversion_days", self.conversion_days, MOST_DAYS)
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

fn whole_window(name: &'static str, got: i64, most: i64) -> Result<(), Error> {
    if (1..=most).contains(&got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: format!("1 to {most}") })
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
        assert!(few.check().unwrap_err().to_string().starts_with("market.ads is 10, expected 60 to"));
        let rate = AdMarketConfig { click_rate: f64::NAN, ..AdMarketConfig::default() };
        assert!(rate.check().unwrap_err().to_string().starts_with("market.click_rate is NaN"));
        let window = AdMarketConfig { conversion_days: 36_501, ..AdMarketConfig::default() };
        assert!(window.check().unwrap_err().to_string().ends_with("expected 1 to 36500"));
    }
}
