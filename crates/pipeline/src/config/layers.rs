//! One source of settings over the other. A value that does not fit is refused with its key, what stands there, what
//! is possible, and where it comes from.

use super::{Config, SECTIONS, TASK, keys};
use serde::Deserialize;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file, line from 1.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// A `--set`.
    Set(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::Set(text) => write!(f, "--set {text}"),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no TOML.
    #[error("{}:{line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What the reader said.
        reason: String,
    },
    /// A `--set` without `=`.
    #[error("--set {0}: expected section.key=value")]
    NoValue(String),
    /// A key that does not exist.
    #[error("{origin}: there is no setting `{key}`")]
    Unknown {
        /// The key as given.
        key: String,
        /// Where.
        origin: Origin,
        /// The most similar key.
        nearest: Option<String>,
    },
    /// A value that does not fit.
    #[error("{origin}: {key} is {got}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
        /// What stands there.
        got: String,
        /// What is possible.
        expected: String,
    },
}

impl ConfigError {
    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            ConfigError::Unknown { nearest, .. } => Some(match nearest {
                Some(nearest) => format!("did you mean `{nearest}`? `semrank config` prints all settings"),
                None => "`semrank config` prints all settings".into(),
            }),
            ConfigError::NoValue(_) => Some("for example --set train.epochs=8".into()),
            ConfigError::Value { .. } => {
                Some("`semrank config` prints every setting with its meaning".into())
            }
            ConfigError::Unreadable { .. } | ConfigError::Syntax { .. } => None,
        }
    }
}

/// Defaults, then the file, the environment and `--set`.
pub(super) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (OsString, OsString)>,
    set: &[String],
) -> Result<Config, ConfigError> {
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
    Ok(layers.config)
}

/// What is known so far: the values given, and the settings that follow from them.
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

    /// `SEMRANK_TRAIN_EPOCHS=8`; a name that begins with no section is left alone.
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

/// A TOML value; what is none is a string.
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
