//! Limits of the settings: what makes no sense is refused by name before any work begins.
//!
//! ```
//! use semrank_model::ModelSettings;
//! let odd = ModelSettings { dim: 100, heads: 3, ..ModelSettings::default() };
//! assert_eq!(odd.check().unwrap_err().to_string(), "model.heads is 3, expected a divisor of model.dim (100)");
//! ```

use crate::network::MAX_SCALE;
use crate::{BlendSettings, LiveSettings, ModelSettings, TrainSettings};

/// A setting outside its limits.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} is {got}, expected {expected}")]
pub struct SettingError {
    /// Section and name, e.g. `model.dropout`.
    pub key: &'static str,
    /// What was given.
    pub got: String,
    /// What is possible.
    pub expected: String,
}

impl ModelSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// The first nonsensical setting.
    pub fn check(&self) -> Result<(), SettingError> {
        positive("model.dim", self.dim)?;
        positive("model.heads", self.heads)?;
        if !self.dim.is_multiple_of(self.heads) {
            let expected = format!("a divisor of model.dim ({})", self.dim);
            return Err(SettingError { key: "model.heads", got: self.heads.to_string(), expected });
        }
        positive("model.expansion", self.expansion)?;
        positive("model.history", self.history)?;
        positive("model.id_rows", self.id_rows)?;
        share("model.dropout", self.dropout)?;
        share("model.id_dropout", self.id_dropout)?;
        share("model.prefix_dropout", self.prefix_dropout)?;
        positive("model.prefix_rows", self.prefix_rows)?;
        within("model.temperature", self.temperature, 1.0 / MAX_SCALE, MAX_SCALE)?;
        if !self.ids && !self.reads_text() {
            let expected =
                "true where model.content and model.prefixes are false: items need a vector".into();
            return Err(SettingError { key: "model.ids", got: "false".into(), expected });
        }
        Ok(())
    }
}

impl ModelSettings {
    /// Whether anything of an item's vector comes from its texts.
    pub fn reads_text(&self) -> bool {
        self.content || self.prefixes
    }
}

impl TrainSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// The first nonsensical setting.
    pub fn check(&self) -> Result<(), SettingError> {
        positive("train.epochs", self.epochs)?;
        positive("train.batch", self.batch)?;
        positive("train.negatives", self.negatives)?;
        positive("train.shards", self.shards)?;
        above_zero("train.rate", self.rate)?;
        not_negative("train.clip", self.clip)?;
        not_negative("train.weight_decay", self.weight_decay)?;
        above_zero("train.id_rate", self.id_rate)?;
        not_negative("train.id_weight_decay", self.id_weight_decay)?;
        within("train.final_share", self.final_share, 0.0, 1.0)
    }
}

impl BlendSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// The first nonsensical setting.
    pub fn check(&self) -> Result<(), SettingError> {
        not_negative("blend.backward", self.backward)?;
        not_negative("blend.row_power", self.row_power)?;
        not_negative("blend.column_power", self.column_power)?;
        positive("blend.top", self.top)?;
        within("blend.decay", self.decay, 0.0, 1.0)?;
        within("blend.content_decay", self.content_decay, 0.0, 1.0)?;
        within("blend.newcomers", self.newcomers, 0.0, 1.0)?;
        not_negative("blend.place_price", self.place_price)?;
        not_negative("blend.newcomer_days", self.newcomer_days)?;
        let places = self.new_places.iter().all(|places| (1..10).contains(places));
        ensure(places, "blend.new_places", format!("{:?}", self.new_places), "numbers from 1 to 9")?;
        weights("blend.contents", &self.contents)?;
        weights("blend.alphas", &self.alphas)?;
        weights("blend.betas", &self.betas)?;
        weights("blend.half_lives_days", &self.half_lives_days)
    }
}

impl LiveSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// The first nonsensical setting.
    pub fn check(&self) -> Result<(), SettingError> {
        above_zero("content.passes", self.passes)?;
        above_zero("content.rate", self.rate)?;
        not_negative("content.weight_decay", self.weight_decay)?;
        share("content.warmup", self.warmup)?;
        positive("content.block", self.block)
    }
}

pub(crate) fn positive(key: &'static str, got: usize) -> Result<(), SettingError> {
    ensure(got > 0, key, got.to_string(), "at least 1")
}

// In the comparisons below a NaN is in no range.

pub(crate) fn above_zero(key: &'static str, got: f64) -> Result<(), SettingError> {
    ensure(got > 0.0 && got.is_finite(), key, got.to_string(), "a number above 0")
}

pub(crate) fn not_negative(key: &'static str, got: f64) -> Result<(), SettingError> {
    ensure(got >= 0.0 && got.is_finite(), key, got.to_string(), "0 or more")
}

pub(crate) fn share(key: &'static str, got: f64) -> Result<(), SettingError> {
    ensure((0.0..1.0).contains(&got), key, got.to_string(), "0 or more, and below 1")
}

pub(crate) fn within(key: &'static str, got: f64, least: f64, most: f64) -> Result<(), SettingError> {
    ensure((least..=most).contains(&got), key, got.to_string(), &format!("{least} to {most}"))
}

fn weights(key: &'static str, got: &[f64]) -> Result<(), SettingError> {
    let good = !got.is_empty() && got.iter().all(|weight| *weight >= 0.0 && weight.is_finite());
    ensure(good, key, format!("{got:?}"), "one or more numbers, each 0 or more")
}

fn ensure(good: bool, key: &'static str, got: String, expected: &str) -> Result<(), SettingError> {
    if good {
        return Ok(());
    }
    Err(SettingError { key, got, expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_nonsense_is_named() {
        ModelSettings::default().check().unwrap();
        TrainSettings::default().check().unwrap();
        BlendSettings::default().check().unwrap();
        let said = |error: SettingError| error.to_string();
        let model = ModelSettings { dropout: 1.0, ..ModelSettings::default() };
        assert_eq!(said(model.check().unwrap_err()), "model.dropout is 1, expected 0 or more, and below 1");
        let train = TrainSettings { rate: f64::NAN, ..TrainSettings::default() };
        assert_eq!(said(train.check().unwrap_err()), "train.rate is NaN, expected a number above 0");
        let blend = BlendSettings { alphas: vec![], ..BlendSettings::default() };
        assert!(said(blend.check().unwrap_err()).starts_with("blend.alphas is [], expected one or more"));
    }
}
