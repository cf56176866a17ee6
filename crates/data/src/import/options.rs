//! What to import and how its columns map to those of a data set.

use super::source::is_standard_input;
use super::time::{TimeRules, TimeUnit};
use super::time_format::TimeFormat;
use crate::{Error, Part};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The format of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Parquet, CSV, TSV or NDJSON by extension, with a column mapping.
    #[default]
    Table,
    /// Lines "user item item …", oldest first.
    S3rec,
    /// RecBole's `.inter` and `.item` files with `name:type` headers.
    Atomic,
    /// `ratings.csv`, `ratings.dat` or `u.data`, with their items.
    Movielens,
    /// MIND's `behaviors.tsv` and `news.tsv`.
    Mind,
    /// Labelled rows, already divided: user, item, label, time and perhaps the history before each.
    Pointwise,
}

/// What to do with an event of an item that has no item row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownItems {
    /// The event's row is bad.
    #[default]
    Reject,
    /// The item is added without text.
    Add,
}

/// Column names of the source; what is absent is looked for under the usual names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    /// The id column of the items file.
    pub item_id: Option<String>,
    /// Text columns of the items file; none means the usual ones (title, text, description …).
    pub text: Option<Vec<String>>,
    /// `ad` or `organic`, in the items file.
    pub kind: Option<String>,
    /// Since when an item row holds.
    pub valid_from: Option<String>,
    /// First time an item may be shown.
    pub active_from: Option<String>,
    /// First time an item may no longer be shown.
    pub active_to: Option<String>,
    /// More item columns, as (name in the data set, name in the source).
    pub item_columns: Vec<(String, String)>,
    /// The user column of the events file.
    pub user: Option<String>,
    /// The item column of the events file; `item_id`'s name when absent.
    pub event_item: Option<String>,
    /// The time of an event.
    pub timestamp: Option<String>,
    /// An integer that orders a user's events, instead of a time.
    pub order: Option<String>,
    /// What the user did.
    pub action: Option<String>,
    /// The label of a labelled row, 0 or 1.
    pub label: Option<String>,
    /// The list of items before a labelled row.
    pub history: Option<String>,
    /// The rating of an event, kept as `value`.
    pub rating: Option<String>,
    /// More event columns, as (name in the data set, name in the source).
    pub event_columns: Vec<(String, String)>,
    /// What separates the ids of a list that is a text; the usual notations when absent.
    pub history_separator: Option<String>,
    /// Whether the item column of the events holds lists, oldest first: an event for each of their items.
    pub unfold: bool,
    /// Action names to replace, as (name in the source, name in the data set).
    pub actions: Vec<(String, String)>,
    /// The columns of labelled rows to keep as context; all when absent.
    pub context: Option<Vec<String>>,
    /// Columns of labelled rows to leave out.
    pub ignored: Vec<String>,
}

impl Mapping {
    /// Whether a column of labelled rows is kept; --context chooses among those that have no `standard` meaning.
    pub(crate) fn keeps(&self, column: &str, standard: bool) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == column);
        !named(&self.ignored) && (standard || self.context.as_deref().is_none_or(named))
    }
}

/// The files of labelled rows.
#[derive(Debug, Clone, Default)]
pub struct PartFiles {
    /// To fit parameters.
    pub train: Option<PathBuf>,
    /// To choose settings.
    pub valid: Option<PathBuf>,
    /// To report.
    pub test: Option<PathBuf>,
}

impl PartFiles {
    /// The files that are given, with what they are for.
    pub fn given(&self) -> Vec<(Part, &Path)> {
        let files = [(Part::Train, &self.train), (Part::Valid, &self.valid), (Part::Test, &self.test)];
        files.into_iter().filter_map(|(part, file)| Some((part, file.as_deref()?))).collect()
    }
}

/// One import.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The source's format.
    pub format: Format,
    /// The events file, or a folder for the formats that have fixed file names.
    pub events: PathBuf,
    /// Labelled rows to fit, to choose by and to report on, for the pointwise format.
    pub parts: PartFiles,
    /// The items file.
    pub items: Option<PathBuf>,
    /// The data set folder to make.
    pub out: PathBuf,
    /// Columns.
    pub mapping: Mapping,
    /// The unit of time columns; found from the first value when absent.
    pub timestamp_unit: Option<TimeUnit>,
    /// How times are written, where they are texts of another form: `DD/MM/YYYY`, or as in strptime(3).
    pub time_format: Option<String>,
    /// The delimiter of text files; found from their first lines when absent.
    pub delimiter: Option<u8>,
    /// The action of events without an action column; by format when absent.
    pub default_action: Option<String>,
    /// The action to predict.
    pub target_action: Option<String>,
    /// Events rated below this are left out.
    pub min_rating: Option<f64>,
    /// Number of bad rows to leave out before the import fails.
    pub max_rejected: u64,
    /// Events of undescribed items.
    pub unknown_items: UnknownItems,
    /// Whether an existing data set may be replaced.
    pub overwrite: bool,
    /// The data set's name; that of its folder when absent.
    pub name: Option<String>,
    /// Where the data comes from, for `dataset.toml`; the file names when absent.
    pub source: Option<String>,
    /// The data's licence, for `dataset.toml`.
    pub licence: Option<String>,
    /// Called before every row: whether to stop; nothing is left behind then.
    pub stop: Option<fn() -> bool>,
}

impl Options {
    /// How times are written.
    pub(crate) fn times(&self) -> TimeRules {
        TimeRules { unit: self.timestamp_unit, format: self.time_format.as_deref().map(TimeFormat::new) }
    }

    /// Validates options that depend on each other.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let files = [Some(self.events.as_path()), self.items.as_deref()];
        let files = files.into_iter().flatten().chain(self.parts.given().into_iter().map(|(_, file)| file));
        let refuse = |message: &str| Err(Error::Options(message.into()));
        if files.filter(|file| is_standard_input(file)).count() > 1 {
            return refuse("standard input (`-`) can be read once: give the other tables as files");
        }
        if self.format == Format::Mind && is_standard_input(&self.events) {
            return refuse("behaviors.tsv is read twice: give a file, not standard input (`-`)");
        }
        if self.time_format.is_some() && self.timestamp_unit.is_some() {
            return refuse("give --time-format or --timestamp-unit, not both");
        }
        Ok(())
    }
}
