//! Errors of files and data sets, each with what was found, what was expected and what to do.
//!
//! A [`RowError`] is about one row and can be counted instead of raised (`--max-rejected`); every other error ends
//! the work. [`Error::help`] is the advice that a command line shows below the message.

use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};

/// Errors of files, rows and data sets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder that cannot be read, written or hashed.
    #[error(transparent)]
    Store(#[from] semrank_store::Error),
    /// A compressed or columnar file that ends early or is damaged.
    #[error("{} is not a complete {format} file: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// `gzip` or `Parquet`.
        format: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// A row of a text file that does not end.
    #[error("{}:{line}: got a row of more than {most} bytes, expected rows that end before", path.display())]
    LineTooLong {
        /// The file.
        path: PathBuf,
        /// Where the row starts, from 1.
        line: u64,
        /// Longest row.
        most: usize,
    },
    /// A file without a row.
    #[error("{} is empty: expected {expected}", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
    },
    /// A column that the mapping names or needs and the file does not have.
    #[error("{} has no column `{column}`; it has: {}", path.display(), existing.join(", "))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The wanted column.
        column: String,
        /// The columns of the file.
        existing: Vec<String>,
        /// The flag that names another column.
        flag: &'static str,
    },
    /// A header or a schema that is not of the expected format.
    #[error("{}: got {got}, expected {expected}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The value found.
        got: String,
        /// The value expected.
        expected: String,
    },
    /// One bad row.
    #[error("{0}")]
    Row(Box<RowError>),
    /// More bad rows than `--max-rejected` allows.
    #[error(
        "{rejected} rows are bad, more than the {limit} that --max-rejected allows; the first:{}",
        list(first)
    )]
    TooManyRejected {
        /// Bad rows so far.
        rejected: u64,
        /// Rows allowed.
        limit: u64,
        /// The first of them.
        first: Vec<RowError>,
    },
    /// The output folder holds something already.
    #[error("{} exists and is not empty", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// Whether it is a data set, which `--overwrite` may replace.
        replaceable: bool,
    },
    /// The folder lacks one of the files of a data set.
    #[error("{} is not a data set: it has no {missing}", path.display())]
    NotADataset {
        /// The folder.
        path: PathBuf,
        /// The missing file.
        missing: &'static str,
    },
    /// A data set without labelled impressions, where they are needed.
    #[error("{} has no examples.parquet", path.display())]
    NoExamples {
        /// The folder.
        path: PathBuf,
    },
    /// A `dataset.toml` that cannot be read.
    #[error("{}: {reason}", path.display())]
    Meta {
        /// The file.
        path: PathBuf,
        /// What the TOML reader said, with line and column.
        reason: String,
    },
    /// A target action that no event has.
    #[error("no event has the target action `{action}`; the actions are: {}", existing.join(", "))]
    UnknownAction {
        /// The wanted action.
        action: String,
        /// The actions of the log.
        existing: Vec<String>,
    },
    /// Conflicting options, or a wrong call of a writer.
    #[error("{0}")]
    Options(String),
    /// The caller cancelled.
    #[error("stopped")]
    Stopped,
    /// A time split of a log without timestamps.
    #[error("data set `{name}` has no timestamps, only an order: it cannot be split by time")]
    NoTime {
        /// The data set.
        name: String,
    },
}

/// One bad row: where it is, what was found, what was expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// The file.
    pub file: Box<Path>,
    /// Line of a text file (from 1), or row of a Parquet file (from 1, without the header).
    pub line: u64,
    /// The column, where one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The value found.
    pub got: String,
    /// The value expected.
    pub expected: String,
    /// Advice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if let Some(column) = &self.column {
            write!(f, "column `{column}`: ")?;
        }
        write!(f, "got {}, expected {}", self.got, self.expected)
    }
}

impl RowError {
    /// The same with advice.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Error {
    /// Advice for the user.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Store(error) => error.help(),
            Error::Damaged { .. } => {
                Some("copy or download the file again: it ends early or was altered".into())
            }
            Error::LineTooLong { .. } => Some(
                "is it a text file of the format that its name says, with one row per line, and no quote left open?"
                    .into(),
            ),
            Error::MissingColumn { column, existing, flag, .. } => {
                let near = |name| semrank_core::nearest(name, existing.iter().map(String::as_str));
                Some(match near(column).or_else(|| near(column.trim_end_matches("_id"))) {
                    Some(near) => format!("did you mean `{near}`? Name the column with {flag}"),
                    None => format!("name the column with {flag}"),
                })
            }
            Error::Row(row) => Some(match &row.help {
                Some(help) => help.clone(),
                None => "--max-rejected N counts up to N bad rows instead of ending".into(),
            }),
            Error::TooManyRejected { first, .. } => first.iter().find_map(|row| row.help.clone()),
            Error::Exists { replaceable: true, .. } => {
                Some("--overwrite replaces the data set; or choose another --out".into())
            }
            Error::Exists { .. } => {
                Some("it holds no data set, so it will not be replaced: choose another --out".into())
            }
            Error::NotADataset { .. } => {
                Some("`semrank import --items F --events F --out DIR` makes a data set".into())
            }
            Error::NoExamples { .. } => Some(
                "`semrank prep` makes examples from a log, `semrank import --format pointwise` imports them"
                    .into(),
            ),
            Error::UnknownAction { action, existing } => {
                semrank_core::nearest(action, existing.iter().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`?"))
            }
            Error::NoTime { .. } => {
                Some("use the leave-one-out split, or import the log with its --timestamp column".into())
            }
            Error::Empty { .. }
            | Error::Schema { .. }
            | Error::Meta { .. }
            | Error::Options(_)
            | Error::Stopped => None,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
        let store = semrank_store::Error::io(action, path);
        move |source| store(source).into()
    }

    /// An error of the Parquet library; a full disk stays an I/O error.
    pub(crate) fn parquet(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(parquet::errors::ParquetError) -> Error {
        let path = path.to_owned();
        move |error| match error {
            parquet::errors::ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(source) => Error::io(action, &path)(*source),
                Err(inner) => Error::Damaged { path, format: "Parquet", reason: inner.to_string() },
            },
            other => Error::Damaged { path, format: "Parquet", reason: other.to_string() },
        }
    }
}

impl From<RowError> for Error {
    fn from(row: RowError) -> Self {
        Error::Row(Box::new(row))
    }
}

fn list(rows: &[RowError]) -> String {
    rows.iter().map(|row| format!("\n  {row}")).collect()
}
