//! Layers of settings: file over defaults, environment over file, `--set` over environment. An invalid value is an error with its
//! key, the given value, the allowed values and its source.

use super::{Config, ConfigError, Origin, SECTIONS, TASK, keys};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Sources of settings, besides the environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Single settings, `section.key=value`; they win over file and environment.
    pub set: Vec<String>,
}

impl Sources {
    /// The settings of all sources, checked.
    ///
    /// # Errors
    /// The first setting that cannot be used; an unknown key comes with the nearest known one.
    pub fn load(&self) -> Result<Config, ConfigError> {
        Ok(self.load_given()?.0)
    }

    /// The same, and which of them were given.
    ///
    /// # Errors
    /// As for [`Sources::load`].
    pub fn load_given(&self) -> Result<(Config, Given), ConfigError> {
        let (config, given) = load(self.file.as_deref(), std::env::vars_os(), &self.set)?;
        let config = config.completed();
        config.check()?;
        Ok((config, given))
    }
}

/// The settings that were given, without the defaults.
#[derive(Debug, Clone, Default)]
pub struct Given(Table);

impl Given {
    /// The settings of a section that were given, over `base` instead of over the defaults.
    ///
    /// # Errors
    /// A value that does not fit `base`.
    pub fn over<S: Serialize + DeserializeOwned>(&self, section: &str, base: S) -> Result<S, ConfigError> {
        let Some(Value::Table(given)) = self.0.get(section) else { return Ok(base) };
        let refused = |reason: String| ConfigError::Section { section: section.to_owned(), reason };
        let mut whole = Table::try_from(base).map_err(|error| refused(error.to_string()))?;
        whole.extend(given.clone());
        S::deserialize(whole).map_err(|error| refused(error.message().to_owned()))
    }

    /// Those of a section, as `section.key=value`.
    pub fn of(&self, section: &str) -> Vec<String> {
        let table = self.0.get(section).and_then(Value::as_table);
        table.into_iter().flatten().map(|(key, value)| format!("{section}.{key}={value}")).collect()
    }
}

/// Defaults, then the file, the environment and `--set`.
pub(super) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    set: &[String],
) -> Result<(Config, Given), ConfigError> {
    let mut layers = Layers::default();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        layers.add_file(path, &text)?;
    }
    layers.add_environment(environment)?;
    for text in set {
        let (key, value) = text.split_once('=').ok_or_else(|| ConfigError::NoValue(text.clone()))?;
        layers.set(key.trim(), parse(value), Origin::Set(text.clone()))?;
    }
    Ok((layers.config, Given(layers.given)))
}

/// The values given so far, and the resulting settings.
#[derive(Default)]
struct Layers {
    given: Table,
    config: Config,
}

impl Layers {
    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let syntax = |error: toml::de::Error| ConfigError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        };
        let places = toml::de::DeTable::parse(text).map_err(syntax)?;
        let values: Table = toml::from_str(text).map_err(syntax)?;
        for (section, inner) in places.get_ref() {
            let origin = |at: usize| Origin::File(path.to_owned(), line_of(text, at));
            let name: &str = section.get_ref();
            if name == TASK {
                self.set(TASK, values[TASK].clone(), origin(section.span().start))?;
                continue;
            }
            let Some(Value::Table(values)) = values.get(name) else {
                return Err(unknown(name, origin(section.span().start)));
            };
            if !SECTIONS.iter().any(|(known, _)| *known == name) {
                return Err(unknown(name, origin(section.span().start)));
            }
            for key in inner.get_ref().as_table().into_iter().flat_map(|table| table.keys()) {
                let value = values[key.get_ref().as_ref()].clone();
                self.set(&format!("{name}.{}", key.get_ref()), value, origin(key.span().start))?;
            }
        }
        Ok(())
    }

    /// `SEMRANK_TRAIN_EPOCHS=8`; other names are ignored.
    fn add_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let mut variables: Vec<(String, String)> = variables.filter_map(text).collect();
        variables.sort();
        for (name, value) in variables {
            let Some(rest) = name.strip_prefix("SEMRANK_").map(str::to_lowercase) else { continue };
            if rest == TASK {
                self.set(TASK, parse(&value), Origin::Environment(name))?;
                continue;
            }
            let Some((section, key)) = rest.split_once('_') else { continue };
            if SECTIONS.iter().any(|(known, _)| *known == section) {
                self.set(&format!("{section}.{key}"), parse(&value), Origin::Environment(name))?;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin) -> Result<(), ConfigError> {
        let known = keys().any(|known| known == key);
        match key.split_once('.').filter(|_| known) {
            None if key == TASK => drop(self.given.insert(TASK.into(), value.clone())),
            None => return Err(unknown(key, origin)),
            Some((section, name)) => {
                let table = self.given.entry(section).or_insert_with(|| Value::Table(Table::new()));
                if let Value::Table(table) = table {
                    table.insert(name.to_owned(), value.clone());
                }
            }
        }
        // Everything before was accepted: what fails now is this value.
        self.config = Config::deserialize(self.given.clone())
            .map_err(|error| refused(key, &value, origin.clone(), error.message()))?;
        self.config.check_ranges().map_err(|error| ConfigError::Value {
            key: error.key.to_owned(),
            origin,
            got: error.got,
            expected: error.expected,
        })
    }
}

fn unknown(key: &str, origin: Origin) -> ConfigError {
    let all: Vec<String> = keys().collect();
    // `epochs` alone is compared with the names, `trian.epochs` with the whole keys.
    let names: Vec<&str> = all.iter().map(|key| key.split_once('.').map_or("", |(_, name)| name)).collect();
    let same_name = all.iter().zip(&names).find(|(_, name)| **name == key).map(|(whole, _)| whole.clone());
    let nearest =
        same_name.or_else(|| semrank_core::nearest(key, all.iter().map(String::as_str)).map(str::to_owned));
    ConfigError::Unknown { key: key.to_owned(), origin, nearest }
}

fn refused(key: &str, value: &Value, origin: Origin, reason: &str) -> ConfigError {
    let expected = reason.split_once("expected ").map_or(reason, |(_, expected)| expected);
    let expected = match expected.lines().next().unwrap_or_default().trim_end() {
        "usize" | "u64" | "u32" => "a whole number, 0 or more",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list such as [0.5, 1.0]",
        other => other,
    };
    ConfigError::Value { key: key.to_owned(), origin, got: value.to_string(), expected: expected.to_owned() }
}

/// A TOML value; anything else is a string.
fn parse(text: &str) -> Value {
    let text = text.trim();
    toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut table| (table.len() == 1).then(|| table.remove("value")).flatten())
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The line, from 1, of a byte.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}
