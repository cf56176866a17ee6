//! Settings of the blend; `semrank config` prints them with these comments.

use semrank_core::settings::SettingError;

semrank_core::settings! {
    /// The item-item term, the content neighbours and the popularity prior that are blended with the model's scores.
    pub struct BlendSettings of "blend" {
        /// Largest distance of two events that are counted as a pair, and following events that the regression looks at; 0 = none.
        window: usize = 5, in 0..=10_000,
        /// Weight of "the other item came before" relative to "came after".
        backward: f64 = 0.3, in 0.0..=1000.0,
        /// Power of an item's total co-occurrence, as source, that its row is divided by.
        row_power: f64 = 0.5, in 0.0..=10.0,
        /// Power of an item's total co-occurrence, as candidate, that its column is divided by.
        column_power: f64 = 0.25, in 0.0..=10.0,
        /// Strongest co-occurring candidates kept for each item.
        top: usize = 256, in 1..=1_000_000,
        /// Share of the item-item table's total weight that comes from a ridge regression of the next events on those before; 0 = pair
        /// counts only.
        regression: f64 = 0.5, in 0.0..=1.0,
        /// Penalty of that regression, in events: an item with fewer says less.
        ridge: f64 = 100.0, in 1e-3..=1e9,
        /// Weight of the cosine of two items' TF-IDF rows in the item-item table, which is tried on validation beside none; 0 = it is not.
        text: f64 = 0.2, in 0.0..=1000.0,
        /// Nearest items by words that get this weight, for each item.
        text_top: usize = 64, in 1..=1_000_000,
        /// Newest events of a history that bring candidates, and that the regression looks back on.
        recent: usize = 8, in 0..=1_000_000,
        /// Weight of an event relative to the next newer one.
        decay: f64 = 0.7, in 0.0..=1.0,
        /// Newest events of a history whose contents a candidate is compared with.
        content_recent: usize = 8, in 0..=1_000_000,
        /// Weight of such an event relative to the next newer one.
        content_decay: f64 = 0.85, in 0.0..=1.0,
        /// Items whose first event is among this last share of the training events train the predicted popularity of items without
        /// events; only for data with times.
        newcomers: f64 = 0.7, in 0.0..=1.0,
        /// Days after its first event whose events count as the popularity of such an item.
        newcomer_days: f64 = 30.0, in 0.0..=36_500.0,
        /// Weights of the content neighbours that are tried on validation.
        contents: Vec<f64> = vec![0.0, 2.0, 4.0, 8.0, 12.0, 16.0], in 0.0..=1e6,
        /// How many of every ten places may be kept for items without training events, tried on validation; only for data
        /// with times and texts.
        new_places: Vec<usize> = vec![1, 2, 3], in 1..=9,
        /// Such places are kept while NDCG@10 over all validation cases loses at most this share for each share of the
        /// targets that have no training events: with 0.5, a market where every tenth target is new gives up at most
        /// a twentieth; with 0, no place is kept.
        place_price: f64 = 0.5, in 0.0..=1000.0,
        /// Weights of the item-item term that are tried on validation.
        alphas: Vec<f64> = vec![0.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0], in 0.0..=1e6,
        /// Weights of the popularity prior that are tried on validation.
        betas: Vec<f64> = vec![0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5], in 0.0..=1e6,
        /// Half-lives (days) of the popularity prior that are tried on validation, besides one that never forgets;
        /// only for data with times.
        half_lives_days: Vec<f64> = vec![60.0, 30.0, 14.0, 7.0, 3.0], in 1e-3..=36_500.0,
    }
}

impl BlendSettings {
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        not_empty("blend.contents", &self.contents)?;
        not_empty("blend.alphas", &self.alphas)?;
        not_empty("blend.betas", &self.betas)?;
        not_empty("blend.half_lives_days", &self.half_lives_days)
    }
}

fn not_empty(key: &'static str, got: &[f64]) -> Result<(), SettingError> {
    if !got.is_empty() {
        return Ok(());
    }
    Err(SettingError { key, got: "[]".into(), expected: "one or more numbers".into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_nonsense_is_named() {
        BlendSettings::default().check().unwrap();
        let said = |error: SettingError| error.to_string();
        let blend = BlendSettings { half_lives_days: vec![60.0, 0.0], ..BlendSettings::default() };
        let halves = "blend.half_lives_days is [60, 0], expected each of them 0.001 to 36500";
        assert_eq!(said(blend.check().unwrap_err()), halves);
        let blend = BlendSettings { alphas: vec![], ..BlendSettings::default() };
        assert_eq!(said(blend.check().unwrap_err()), "blend.alphas is [], expected one or more numbers");
    }
}
