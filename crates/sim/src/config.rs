//! The settings of a market and their limits.

use semrank_core::settings::SettingError;

/// Topics of the word list, and brands of each.
pub(crate) const TOPICS: usize = 12;
const BRANDS: usize = 6;
/// Latest first moment of a log: the beginning of the year 2100.
pub(crate) const LATEST_MS: i64 = 4_102_444_800_000;

semrank_core::settings! {
    /// What kind of market to simulate. The defaults make the market of `semrank quickstart`.
    pub struct MarketConfig of "market" {
        /// The same seed and settings give the same market.
        seed: u64 = 7, in 0..=(u64::MAX),
        /// Number of users; each has at least five events.
        users: usize = 2_000, in 1..=(u32::MAX),
        /// Number of items, ads and organic together.
        items: usize = 1_500, in 1..=(u32::MAX),
        /// Number of topics, each a sequence of five parts.
        topics: usize = 12, in 1..=TOPICS,
        /// Share of the items that are ads.
        ads_share: f64 = 0.45, in 0.0..=1.0,
        /// Advertisers per topic; an advertiser owns one brand of its topic.
        advertisers_per_topic: usize = 6, in 1..=BRANDS,
        /// Share of the items that appear after the market has opened.
        late_share: f64 = 0.2, in 0.0..=0.9,
        /// Mean number of events of a user.
        events_per_user: f64 = 20.0, in 5.0..=1e6,
        /// Mean number of events of a session.
        events_per_session: f64 = 5.0, in 1.0..=1e3,
        /// Length of the log in days.
        days: f64 = 28.0, in 1.0..=3650.0,
        /// First moment of the log (ms UTC).
        start_ms: i64 = 1_767_225_600_000, in 0..=LATEST_MS,
        /// Exponent of the items' popularity: the r-th item of the market has weight r^-zipf.
        zipf: f64 = 0.8, in 0.0..=3.0,
        /// Standard deviation of the step that each topic's log-interest takes between two sessions.
        drift: f64 = 0.35, in 0.0..=10.0,
        /// How strongly taste (brand, style, colour) steers the choice of an item; 0 switches it off.
        taste: f64 = 1.5, in 0.0..=10.0,
    }
}

/// A market that cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is outside its limits.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The data set could not be written.
    #[error(transparent)]
    Data(#[from] semrank_data::Error),
}

impl MarketConfig {
    /// Milliseconds of the whole log.
    pub(crate) fn span_ms(&self) -> f64 {
        self.days * 86_400_000.0
    }

    /// Checks every setting against its limits.
    ///
    /// # Errors
    /// [`Error::Setting`] names the first setting outside its limits.
    pub fn check(&self) -> Result<(), Error> {
        Ok(self.check_ranges()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Words;

    #[test]
    fn the_word_list_has_as_many_topics_and_brands_as_the_ranges_say() {
        let brands = Words::get().topics.iter().map(|topic| topic.brands.len());
        assert_eq!((Words::get().topics.len(), brands.min()), (TOPICS, Some(BRANDS)));
    }

    #[test]
    fn the_defaults_are_possible_and_nonsense_is_named() {
        MarketConfig::default().check().unwrap();
        let share = MarketConfig { ads_share: f64::NAN, ..MarketConfig::default() };
        assert_eq!(share.check().unwrap_err().to_string(), "market.ads_share is NaN, expected 0 to 1");
        let topics = MarketConfig { topics: 40, ..MarketConfig::default() };
        assert_eq!(topics.check().unwrap_err().to_string(), "market.topics is 40, expected 1 to 12");
    }
}
