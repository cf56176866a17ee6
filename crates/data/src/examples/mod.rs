//! `examples.parquet`: one row per impression, with its labels and the end of the history that it may see.
//!
//! In: a data set folder whose `events.parquet` holds history events only, and beside it `examples.parquet`, sorted by
//! (`timestamp`, `seq`). Out: [`Examples`], columns of one length in file order. [`ExamplesWriter`] writes the file.
//!
//! An example never holds a history: it holds how many of its user's events came before (`history_end`), so that
//! 16 million rows take 23 bytes each, and about 50 with every optional column.
//!
//! | column | type | |
//! |---|---|---|
//! | `split` | string | `train`, `valid` or `test` |
//! | `user_id`, `item_id` | string | |
//! | `timestamp` | int64 | ms UTC |
//! | `seq` | int64 | breaks ties: the original row order |
//! | `history_end` | int64 | events of the user, by time and `seq`, that the example may see |
//! | `label_click` | int64 | 0 or 1 |
//! | the columns of [`OptionalColumn`] | | may be absent; their values may be null |
//! | any other | string, int64, float64 | context of the impression, kept under its name |

mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use writer::{ExampleColumns, ExampleRow, ExamplesWriter};

use crate::{ColumnType, Dataset, Error};
use semrank_core::{Dictionary, History, ItemId, UserId};
use std::path::Path;

/// The file's name inside a data set folder.
pub(crate) const FILE: &str = "examples.parquet";

const REQUIRED: [(&str, ColumnType); 7] = [
    ("split", ColumnType::Text),
    ("user_id", ColumnType::Text),
    ("item_id", ColumnType::Text),
    ("timestamp", ColumnType::Integer),
    ("seq", ColumnType::Integer),
    ("history_end", ColumnType::Integer),
    ("label_click", ColumnType::Integer),
];

/// Training, validation or test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Training: fits parameters.
    #[default]
    Train,
    /// Validation: chooses settings.
    Valid,
    /// Test: is reported.
    Test,
}

/// A column that `examples.parquet` may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptionalColumn {
    /// `label_conversion`: 0, 1, or null where it does not apply.
    LabelConversion,
    /// `click_time`: ms UTC.
    ClickTime,
    /// `conversion_time`: ms UTC.
    ConversionTime,
    /// `click_received`: when the log had the click, ms UTC.
    ClickReceived,
    /// `conversion_received`: when the log had the conversion, ms UTC.
    ConversionReceived,
    /// `elapsed_since_click`: ms from the click to the end of the log.
    ElapsedSinceClick,
    /// `matured`: 1 where no label of the row can change any more.
    Matured,
    /// `dwell_ms`.
    DwellMs,
    /// `request_id`: what was shown together.
    RequestId,
    /// `surface`: where it was shown.
    Surface,
    /// `slot`: the place on the page, from 0.
    Slot,
    /// `propensity`: the logging policy's probability of showing it.
    Propensity,
}

/// A further column of the impressions; [`ContextValues`] gives the value for a missing one.
#[derive(Debug, Clone)]
pub struct ContextColumn {
    /// Its name in the file.
    pub name: String,
    /// One value per example.
    pub values: ContextValues,
}

/// The values of a [`ContextColumn`].
#[derive(Debug, Clone)]
pub enum ContextValues {
    /// Rows of `names`; `u32::MAX` = none.
    Text {
        /// One code per example.
        codes: Vec<u32>,
        /// The different texts, by first appearance.
        names: Dictionary,
    },
    /// `i64::MIN` = none.
    Integer(Vec<i64>),
    /// NaN = none.
    Number(Vec<f64>),
}

/// All examples of a data set: columns of one length, in the order of the file. A column that the file does not have is an
/// empty vector.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    /// The part of each example.
    pub parts: Vec<Part>,
    /// Rows of `user_names`.
    pub users: Vec<UserId>,
    /// Rows of the catalogue.
    pub items: Vec<ItemId>,
    /// ms UTC, ascending.
    pub times: Vec<i64>,
    /// How many of the user's own events the example may see: an offset into [`Dataset::events`]`.of(user)`.
    pub history_ends: Vec<u32>,
    /// Whether the impression was clicked.
    pub clicks: Vec<bool>,
    /// Whether it converted; none where that does not apply.
    pub conversions: Vec<Option<bool>>,
    /// ms UTC; `i64::MIN` = none.
    pub click_times: Vec<i64>,
    /// ms UTC; `i64::MIN` = none.
    pub conversion_times: Vec<i64>,
    /// When the log had the click (ms UTC); `i64::MIN` = at the click.
    pub click_received: Vec<i64>,
    /// When the log had the conversion (ms UTC); `i64::MIN` = at the conversion.
    pub conversion_received: Vec<i64>,
    /// The end of the log (ms UTC): `click_time` + `elapsed_since_click`, the same in all rows that have both.
    pub log_end: Option<i64>,
    /// Whether no label of the row can change any more.
    pub matured: Vec<bool>,
    /// Longer ones are `i32::MAX`; -1 = none.
    pub dwell_ms: Vec<i32>,
    /// Numbers by first appearance; `u32::MAX` = none.
    pub requests: Vec<u32>,
    /// Rows of `surface_names`; `u8::MAX` = none.
    pub surfaces: Vec<u8>,
    /// Places from 0; `u16::MAX` = none.
    pub slots: Vec<u16>,
    /// In (0, 1]; NaN = none.
    pub propensities: Vec<f32>,
    /// Further columns.
    pub context: Vec<ContextColumn>,
    /// The data set's users in its order, then those that only examples mention, who have no events.
    pub user_names: Dictionary,
    /// The different surfaces, by first appearance.
    pub surface_names: Dictionary,
}

impl Examples {
    /// Whether the folder has examples.
    pub fn exist(dir: &Path) -> bool {
        semrank_store::settle(dir);
        dir.join(FILE).is_file()
    }

    /// Whether the file gives a column of this name a meaning of its own, so that it cannot be a context column.
    pub fn has_of_its_own(column: &str) -> bool {
        is_standard(column)
    }

    /// Reads and checks the examples of `dataset`, which was opened from the same folder.
    ///
    /// # Errors
    /// A missing or damaged file or column; with row and column: an unknown item, a `history_end` beyond the user's
    /// events or behind an event later than the example, a label other than 0 and 1, rows out of order, a value out
    /// of range.
    pub fn open(dir: &Path, dataset: &Dataset) -> Result<Examples, Error> {
        reader::read(&dir.join(FILE), dataset)
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Rows of one part, in file order.
    pub fn rows(&self, part: Part) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |&row| self.parts[row] == part)
    }

    /// What the example may see of its user's events; nothing for a user without events.
    ///
    /// # Panics
    /// When `row` is out of range, or `dataset` is not the one that these examples were opened with.
    pub fn history<'a>(&self, dataset: &'a Dataset, row: usize) -> History<'a> {
        let user = self.users[row];
        if user.index() >= dataset.events.users() {
            return History { items: &[], actions: &[], times: &[] };
        }
        let start = dataset.events.range(user).start;
        dataset.events.before(user, start + self.history_ends[row] as usize)
    }

    /// A context column by its name.
    pub fn context(&self, name: &str) -> Option<&ContextValues> {
        self.context.iter().find(|column| column.name == name).map(|column| &column.values)
    }
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 3] = [Part::Train, Part::Valid, Part::Test];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Valid => "valid",
            Part::Test => "test",
        }
    }
}

impl OptionalColumn {
    /// All of them, in the order of the file.
    pub const ALL: [OptionalColumn; 12] = [
        OptionalColumn::LabelConversion,
        OptionalColumn::ClickTime,
        OptionalColumn::ConversionTime,
        OptionalColumn::ClickReceived,
        OptionalColumn::ConversionReceived,
        OptionalColumn::ElapsedSinceClick,
        OptionalColumn::Matured,
        OptionalColumn::DwellMs,
        OptionalColumn::RequestId,
        OptionalColumn::Surface,
        OptionalColumn::Slot,
        OptionalColumn::Propensity,
    ];

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            OptionalColumn::LabelConversion => "label_conversion",
            OptionalColumn::ClickTime => "click_time",
            OptionalColumn::ConversionTime => "conversion_time",
            OptionalColumn::ClickReceived => "click_received",
            OptionalColumn::ConversionReceived => "conversion_received",
            OptionalColumn::ElapsedSinceClick => "elapsed_since_click",
            OptionalColumn::Matured => "matured",
            OptionalColumn::DwellMs => "dwell_ms",
            OptionalColumn::RequestId => "request_id",
            OptionalColumn::Surface => "surface",
            OptionalColumn::Slot => "slot",
            OptionalColumn::Propensity => "propensity",
        }
    }

    pub(crate) fn kind(self) -> ColumnType {
        match self {
            OptionalColumn::RequestId | OptionalColumn::Surface => ColumnType::Text,
            OptionalColumn::Propensity => ColumnType::Number,
            _ => ColumnType::Integer,
        }
    }
}

impl ContextValues {
    /// The text of a row of a text column.
    pub fn text(&self, row: usize) -> Option<&str> {
        match self {
            ContextValues::Text { codes, names } if codes[row] != u32::MAX => Some(names.name(codes[row])),
            _ => None,
        }
    }
}

fn is_standard(name: &str) -> bool {
    REQUIRED.iter().any(|(required, _)| *required == name)
        || OptionalColumn::ALL.iter().any(|column| column.name() == name)
}
