//! The settings of a market and their limits.

use crate::words::Words;

semrank_core::settings! {
    /// What kind of market to simulate. The defaults make the market of `semrank quickstart`.
    pub struct MarketConfig {
        /// Same seed and settings, same market.
        seed: u64 = 7,
        /// Number of users; each has at least five events.
        users: usize = 2_000,
        /// Number of items, ads and organic together.
        items: usize = 1_500,
        /// Number of topics, each of five parts that people come to need one after another.
        topics: usize = 12,
        /// Share of the items that are ads.
        ads_share: f64 = 0.45,
        /// Advertisers per topic; an advertiser owns one brand of its topic.
        advertisers_per_topic: usize = 6,
        /// Share of the items that appear after the market has opened.
        late_share: f64 = 0.2,
        /// Mean number of events of a user.
        events_per_user: f64 = 20.0,
        /// Mean number of events of a session.
        events_per_session: f64 = 5.0,
        /// Length of the log in days.
        days: f64 = 28.0,
        /// First moment of the log (ms UTC).
        start_ms: i64 = 1_767_225_600_000,
        /// Exponent of the items' popularity: the r-th item of the market has weight r^-zipf.
        zipf: f64 = 0.8,
        /// Standard deviation of the step that each topic's log-interest takes between two sessions.
        drift: f64 = 0.35,
        /// How strongly taste (brand, style, colour) steers the choice of an item; 0 switches it off.
        taste: f64 = 1.5,
    }
}

/// A market that cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting is outside its limits.
    #[error("market.{name} is {got}, expected {expected}")]
    Setting {
        /// The setting's name.
        name: &'static str,
        /// What was given.
        got: String,
        /// What is possible.
        expected: String,
    },
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
        let most_topics = Words::get().topics.len();
        let most_brands = Words::get().topics.iter().map(|topic| topic.brands.len()).min().unwrap_or(0);
        whole("users", self.users, 1, u32::MAX as usize)?;
        whole("items", self.items, 1, u32::MAX as usize)?;
        whole("topics", self.topics, 1, most_topics)?;
        whole("advertisers_per_topic", self.advertisers_per_topic, 1, most_brands)?;
        real("ads_share", self.ads_share, 0.0, 1.0)?;
        real("late_share", self.late_share, 0.0, 0.9)?;
        real("events_per_user", self.events_per_user, 5.0, 1e6)?;
        real("events_per_session", self.events_per_session, 1.0, 1e3)?;
        real("days", self.days, 1.0, 3650.0)?;
        real("zipf", self.zipf, 0.0, 3.0)?;
        real("drift", self.drift, 0.0, 10.0)?;
        real("taste", self.taste, 0.0, 10.0)
    }
}

pub(crate) fn whole(name: &'static str, got: usize, least: usize, most: usize) -> Result<(), Error> {
    if (least..=most).contains(&got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: format!("{least} to {most}") })
}

pub(crate) fn real(name: &'static str, got: f64, least: f64, most: f64) -> Result<(), Error> {
    // A NaN is in no range.
    if (least..=most).contains(&got) {
        return Ok(());
    }
    Err(Error::Setting { name, got: got.to_string(), expected: format!("{least} to {most}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_possible_and_nonsense_is_named() {
        MarketConfig::default().check().unwrap();
        let share = MarketConfig { ads_share: f64::NAN, ..MarketConfig::default() };
        assert_eq!(share.check().unwrap_err().to_string(), "market.ads_share is NaN, expected 0 to 1");
        let topics = MarketConfig { topics: 40, ..MarketConfig::default() };
        assert_eq!(topics.check().unwrap_err().to_string(), "market.topics is 40, expected 1 to 12");
    }
}
