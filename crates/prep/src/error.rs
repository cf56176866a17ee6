//! What can go wrong on the way from a log to examples, with what was found, what was expected and what to do.

use arrow::temporal_conversions::timestamp_ms_to_datetime;
use datafusion::error::DataFusionError;
use semrank_core::counted;
use semrank_core::settings::SettingError;
use std::path::PathBuf;

/// Errors of a preparation; nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or column that is missing or damaged, an output folder that holds something.
    #[error(transparent)]
    Data(#[from] semrank_data::Error),
    /// A folder that could not be staged.
    #[error(transparent)]
    Store(#[from] semrank_store::Error),
    /// A setting outside its limits.
    #[error("{name} is {got}, expected {expected}")]
    Setting {
        /// The setting, or a window of `dataset.toml`.
        name: &'static str,
        /// What it is.
        got: String,
        /// What it may be.
        expected: String,
    },
    /// A `--set` that cannot be used.
    #[error("--set {text}: {reason}")]
    Set {
        /// As given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A column with a value that cannot be.
    #[error("{}: column `{column}` has {got}, expected {expected}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The value found.
        got: String,
        /// The value expected.
        expected: String,
    },
    /// A log without an impression.
    #[error("{} has no event of the action `impression`", path.display())]
    NoImpressions {
        /// The log.
        path: PathBuf,
    },
    /// A log of impressions alone.
    #[error("{} has no event but impressions", path.display())]
    OnlyImpressions {
        /// The log.
        path: PathBuf,
    },
    /// A log in parts that lie years apart.
    #[error(
        "{}: got {} before {} and {after} from {} on, expected rows without a pause of more than a year",
        path.display(), counted(*before, "row", "rows"), date(*until_ms), date(*from_ms)
    )]
    Apart {
        /// The log.
        path: PathBuf,
        /// Rows before the pause.
        before: u64,
        /// Its start (ms UTC).
        until_ms: i64,
        /// Rows after it.
        after: u64,
        /// Its end (ms UTC).
        from_ms: i64,
    },
    /// Days that leave a part without an example.
    #[error(
        "no example is for the part `{part}`: got {} for validation and {test_days} for the test, \
         expected days with impressions in a log from {} to {}",
        counted(*valid_days, "day", "days"), date(*start_ms), date(*end_ms)
    )]
    EmptyPart {
        /// The part.
        part: &'static str,
        /// The setting `valid_days`.
        valid_days: i64,
        /// The setting `test_days`.
        test_days: i64,
        /// First moment of the log (ms UTC).
        start_ms: i64,
        /// Last moment of the log (ms UTC).
        end_ms: i64,
    },
    /// A context column whose name means something else in the output.
    #[error("{}: column `{column}` has the name of a column that is made for examples.parquet", path.display())]
    ReservedColumn {
        /// The log.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// An event of an item that the catalogue does not have.
    #[error("{}: the row with seq {seq} is of item `{item}`, expected an item of items.parquet", path.display())]
    UnknownItem {
        /// The log.
        path: PathBuf,
        /// The row.
        seq: i64,
        /// The item.
        item: String,
    },
    /// The caller cancelled.
    #[error("stopped")]
    Stopped,
    /// The memory does not suffice even with the disk's help.
    #[error("{memory_mb} MiB of memory are too little for step `{step}`: {reason}")]
    Memory {
        /// The limit.
        memory_mb: usize,
        /// The query.
        step: &'static str,
        /// What the engine said.
        reason: String,
    },
    /// The threads could not be started, or a temporary file not be written.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The query engine failed in another way.
    #[error("step `{step}` failed: {source}")]
    Query {
        /// The query.
        step: &'static str,
        /// What the engine said.
        source: Box<DataFusionError>,
    },
}

impl From<SettingError> for Error {
    /// A setting is named as on the command line and in `dataset.toml`, which know no section.
    fn from(error: SettingError) -> Error {
        Error::Setting { name: error.name(), got: error.got, expected: error.expected }
    }
}

impl Error {
    /// Advice for the user.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Data(error) => error.help(),
            Error::Store(error) => error.help(),
            Error::Column { column: "slot", .. } => {
                Some("--first-slot says from which number the log counts slots".into())
            }
            Error::Column { column: "seq", .. } => {
                Some("`seq` is the original row order: number the rows of the log again".into())
            }
            Error::Column { .. } => Some("correct the log, or leave the column out of it".into()),
            Error::NoImpressions { .. } => Some(
                "examples are made of impressions: rename the action to `impression`, and clicks and conversions to \
                 `click` and `conversion`"
                    .into(),
            ),
            Error::OnlyImpressions { .. } => Some(
                "labels and histories are made of what users did: add their clicks, and whatever else they did"
                    .into(),
            ),
            Error::Apart { .. } => Some(
                "clocks are wrong on one side: correct these rows, or leave them out of the log".into(),
            ),
            Error::EmptyPart { .. } => Some(
                "choose other --valid-days and --test-days, or cut by --valid-share and --test-share".into(),
            ),
            Error::ReservedColumn { .. } => Some("rename the column, or leave it out of the log".into()),
            Error::UnknownItem { .. } => Some(
                "add the item to items.parquet; `semrank import --unknown-items add` does that without text"
                    .into(),
            ),
            Error::Memory { memory_mb, .. } => Some(format!("try --memory-mb {}", memory_mb * 2)),
            Error::Io { source, .. } => semrank_store::io_help(source),
            Error::Stopped | Error::Setting { .. } | Error::Set { .. } | Error::Query { .. } => None,
        }
    }

    /// An error of the engine in one of the queries.
    pub(crate) fn query(step: &'static str, memory_mb: usize) -> impl Fn(DataFusionError) -> Error + Copy {
        move |error| match error.find_root() {
            DataFusionError::ResourcesExhausted(reason) => {
                Error::Memory { memory_mb, step, reason: reason.clone() }
            }
            _ => Error::Query { step, source: Box::new(error) },
        }
    }
}

/// A moment (ms UTC) for people.
pub(crate) fn date(ms: i64) -> String {
    timestamp_ms_to_datetime(ms).map_or_else(|| format!("{ms} ms"), |time| time.to_string())
}
