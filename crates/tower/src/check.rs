//! Limits of the settings: what is invalid is refused by name before any work begins. A number is checked against the range
//! that its declaration states; what stands here are the rules that concern two settings.
//!
//! ```
//! use semrank_tower::ModelSettings;
//! let odd = ModelSettings { dim: 100, heads: 3, ..ModelSettings::default() };
//! assert_eq!(odd.check().unwrap_err().to_string(), "model.heads is 3, expected a divisor of model.dim (100)");
//! ```

use crate::{ModelSettings, TrainSettings};

pub use semrank_core::settings::SettingError;

impl ModelSettings {
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        if !self.dim.is_multiple_of(self.heads) {
            let expected = format!("a divisor of model.dim ({})", self.dim);
            return Err(SettingError { key: "model.heads", got: self.heads.to_string(), expected });
        }
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
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_nonsense_is_named() {
        ModelSettings::default().check().unwrap();
        TrainSettings::default().check().unwrap();
        let said = |error: SettingError| error.to_string();
        let model = ModelSettings { dropout: 1.0, ..ModelSettings::default() };
        assert_eq!(said(model.check().unwrap_err()), "model.dropout is 1, expected 0 to 0.99");
        let train = TrainSettings { rate: f64::NAN, ..TrainSettings::default() };
        assert_eq!(said(train.check().unwrap_err()), "train.rate is NaN, expected 1e-9 to 1");
    }
}
