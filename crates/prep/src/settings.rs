//! Settings of a preparation: the data set's windows, what is given over them.

use crate::Error;
use semrank_data::{Meta, PrepSettings};
use serde::Deserialize;
use std::path::Path;

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// The settings for a raw log: the defaults, over them those of `[windows]` in its `dataset.toml`, over them `set`, each
/// `prep.key=value`.
///
/// # Errors
/// No data set, a `dataset.toml` that cannot be read, a window that is not a whole number, a setting that does not exist.
pub fn settings_of(raw: &Path, set: &[String]) -> Result<PrepSettings, Error> {
    let settings = PrepSettings::with_windows(&Meta::read(raw)?.windows)?;
    if set.is_empty() {
        return Ok(settings);
    }
    let refused =
        |text: &str, reason: &str| Error::Set { text: text.to_owned(), reason: reason.trim().to_owned() };
    let mut whole = toml::Table::try_from(settings).map_err(|error| refused("prep", &error.to_string()))?;
    for text in set {
        let key_value = text.strip_prefix("prep.").and_then(|text| text.split_once('='));
        let (key, value) = key_value.ok_or_else(|| refused(text, "expected prep.KEY=VALUE"))?;
        whole.insert(key.to_owned(), parse(value));
        PrepSettings::deserialize(whole.clone()).map_err(|error| refused(text, error.message()))?;
    }
    PrepSettings::deserialize(whole).map_err(|error| refused("prep", error.message()))
}

/// A TOML value; anything else is a string.
fn parse(text: &str) -> toml::Value {
    let table = format!("value = {text}").parse::<toml::Table>();
    let value = table.ok().and_then(|mut table| table.remove("value"));
    value.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_settings_win_over_windows_and_unknown_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let meta = "name = \"raw\"\n[windows]\nclick_minutes = 5\nconversion_days = 3\n";
        std::fs::write(dir.path().join("dataset.toml"), meta).unwrap();
        let set = ["prep.click_minutes=60".to_owned(), "prep.attribution=first-touch".to_owned()];
        let settings = settings_of(dir.path(), &set).unwrap();
        assert_eq!((settings.click_minutes, settings.conversion_days), (60, 3));
        assert_eq!(settings.attribution, semrank_data::Attribution::FirstTouch);
        for (set, said) in [("prep.clicks=1", "clicks"), ("train.epochs=1", "prep.KEY=VALUE")] {
            let error = settings_of(dir.path(), &[set.to_owned()]).unwrap_err().to_string();
            assert!(error.contains(set) && error.contains(said), "{error}");
        }
    }
}
