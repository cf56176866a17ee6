//! Errors of settings: key, given value, allowed values and source.

use semrank_core::settings::SettingError;
use std::fmt;
use std::path::PathBuf;

/// The advice for a setting that another crate refused.
pub(crate) const ALL_SETTINGS: &str = "`semrank config` prints every setting with its meaning and default";

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
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
pub enum ConfigError {
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file that is not valid TOML.
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
    /// A section that does not fit its base.
    #[error("[{section}] {reason}")]
    Section {
        /// The section.
        section: String,
        /// What is wrong.
        reason: String,
    },
    /// A number outside its range, or settings that contradict each other.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// Settings of hashed features that contradict each other.
    #[error(transparent)]
    Features(#[from] semrank_embed::hash::FeatureError),
    /// Settings of semantic ids that contradict each other.
    #[error(transparent)]
    Tokens(#[from] semrank_tokens::Error),
    /// A value that does not fit.
    #[error("{origin}: {key} is {got}, expected {expected}")]
    Value {
        /// The key.
        key: String,
        /// Where.
        origin: Origin,
        /// The value found.
        got: String,
        /// What is allowed.
        expected: String,
    },
}

impl ConfigError {
    /// Advice.
    pub fn help(&self) -> Option<String> {
        match self {
            ConfigError::Unknown { nearest, .. } => Some(match nearest {
                Some(nearest) => format!("did you mean `{nearest}`? `semrank config` prints all settings"),
                None => "`semrank config` prints all settings".into(),
            }),
            ConfigError::NoValue(_) => Some("for example --set train.epochs=8".into()),
            ConfigError::Value { .. } => {
                Some("`semrank config` prints every setting with its meaning".into())
            }
            ConfigError::Setting(_)
            | ConfigError::Features(_)
            | ConfigError::Tokens(semrank_tokens::Error::Setting(_)) => Some(ALL_SETTINGS.into()),
            ConfigError::Tokens(error) => error.help(),
            ConfigError::Unreadable { .. } | ConfigError::Syntax { .. } | ConfigError::Section { .. } => None,
        }
    }
}
