//! `dataset.toml`: what a data set is called, where it comes from and how to read its columns.
//!
//! ```
//! let meta: semrank_data::Meta = toml::from_str("name = 'shop'\ntext = ['title']").unwrap();
//! assert_eq!(meta.text, ["title"]);
//! assert!(toml::from_str::<semrank_data::Meta>("name = 'shop'\ntxt = ['title']").is_err());
//! ```

use crate::{Error, limits};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file's name inside a data set folder.
pub(crate) const FILE: &str = "dataset.toml";

/// The windows that labels depend on, and how much of each is a day.
const WINDOWS: [(&str, f64); 4] = [
    ("click_minutes", 1440.0),
    ("conversion_days", 1.0),
    ("view_through_days", 1.0),
    ("logging_delay_seconds", 86_400.0),
];

/// The description of a data set; an unknown key is refused.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meta {
    /// The data set's name in reports.
    pub name: String,
    /// Where the data comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Under which terms it may be used.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub licence: String,
    /// The text columns of `items.parquet`, in the order in which they are read.
    #[serde(default)]
    pub text: Vec<String>,
    /// The action that is to be predicted; all actions count where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_action: Option<String>,
    /// The time unit of the source and how it was found; the data set itself holds ms UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_unit: Option<String>,
    /// What the import decided on its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Attribution and maturity windows per action; read by the conversion stages.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub windows: toml::Table,
}

impl Meta {
    /// Reads the description of the data set at `dir`.
    ///
    /// # Errors
    /// No `dataset.toml`, one that cannot be read, or a window that is not a number or out of its range: 0 to 36,500 days.
    pub fn read(dir: &Path) -> Result<Meta, Error> {
        semrank_store::settle(dir);
        let path = dir.join(FILE);
        if !path.is_file() {
            return Err(Error::NotADataset { path: dir.to_owned(), missing: FILE });
        }
        let text = limits::read_description(&path)?;
        let meta: Meta = toml::from_str(&text)
            .map_err(|error| Error::Meta { path: path.clone(), reason: error.to_string() })?;
        meta.check_windows().map_err(|reason| Error::Meta { path, reason })?;
        Ok(meta)
    }

    /// A window of `[windows]`, in its unit, if there is one.
    pub fn window(&self, name: &str) -> Option<f64> {
        let value = self.windows.get(name)?;
        value.as_float().or(value.as_integer().map(|value| value as f64))
    }

    fn check_windows(&self) -> Result<(), String> {
        for (name, a_day) in WINDOWS {
            let Some(given) = self.windows.get(name) else { continue };
            let most = limits::MOST_WINDOW_DAYS * a_day;
            if !self.window(name).is_some_and(|window| (0.0..=most).contains(&window)) {
                return Err(format!("{name} of [windows] is {given}, expected a number from 0 to {most}"));
            }
        }
        Ok(())
    }

    pub(crate) fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|error| Error::Meta { path: FILE.into(), reason: error.to_string() })
    }
}
