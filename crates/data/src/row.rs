//! The rows and options of a [`DatasetWriter`](crate::DatasetWriter).

use crate::Meta;
use crate::parquet_sink::{ColumnType, Value, Values};
use arrow_array::{Int64Array, StringViewArray};
use semrank_core::Kind;

/// A column beyond the standard ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraColumn {
    /// Its name in the data set.
    pub name: String,
    /// What it holds.
    pub kind: ColumnType,
}

/// Options of a data set to write.
#[derive(Debug, Clone, Default)]
pub struct WriterOptions {
    /// The content of `dataset.toml`.
    pub meta: Meta,
    /// Item columns such as `advertiser_id` or `bid`; every row gives their values in this order.
    pub item_extra: Vec<ExtraColumn>,
    /// Event columns such as `value` or `request_id`, in the same way.
    pub event_extra: Vec<ExtraColumn>,
    /// Whether an item that only events mention is added without text; refused otherwise.
    pub add_unknown_items: bool,
    /// Whether an existing data set may be replaced.
    pub overwrite: bool,
    /// Asked before every item and event whether to end early, with [`Error::Stopped`](crate::Error::Stopped).
    pub stop: Option<fn() -> bool>,
}

/// One row of `items.parquet`. Times are ms UTC.
#[derive(Debug, Clone, Copy, Default)]
pub struct ItemRow<'a> {
    /// The item's id, unique unless `valid_from` differs.
    pub id: &'a str,
    /// Ad or organic.
    pub kind: Kind,
    /// One text per column of [`Meta::text`]; empty where unknown.
    pub texts: &'a [&'a str],
    /// Since when this row holds.
    pub valid_from: Option<i64>,
    /// First moment the item may be shown.
    pub active_from: Option<i64>,
    /// First moment it may no longer be shown.
    pub active_to: Option<i64>,
    /// Values of [`WriterOptions::item_extra`].
    pub extra: &'a [Value<'a>],
}

/// When an event happened; one log holds only one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Milliseconds UTC.
    Time(i64),
    /// Place in the user's sequence, any unit.
    Position(i64),
}

/// Optional columns of an ad market's events, in the order of the file.
pub const LOG_COLUMNS: [(&str, ColumnType); 9] = [
    ("event_id", ColumnType::Text),
    ("parent_event_id", ColumnType::Text),
    ("received_at", ColumnType::Integer),
    ("dwell_ms", ColumnType::Integer),
    ("request_id", ColumnType::Text),
    ("slot", ColumnType::Integer),
    ("surface", ColumnType::Text),
    ("propensity", ColumnType::Number),
    ("value", ColumnType::Number),
];

/// One row of `events.parquet`.
#[derive(Debug, Clone, Copy)]
pub struct EventRow<'a> {
    /// The user's id.
    pub user: &'a str,
    /// The item's id.
    pub item: &'a str,
    /// What the user did.
    pub action: &'a str,
    /// When; ties keep the order of writing.
    pub time: When,
    /// Values of [`WriterOptions::event_extra`].
    pub extra: &'a [Value<'a>],
}

impl Default for EventRow<'_> {
    fn default() -> Self {
        EventRow { user: "", item: "", action: "view", time: When::Position(0), extra: &[] }
    }
}

/// Rows of `events.parquet` as columns of one length; none of the first four has nulls.
#[derive(Debug, Clone)]
pub struct EventColumns {
    /// The users' ids.
    pub users: StringViewArray,
    /// The items' ids.
    pub items: StringViewArray,
    /// What was done.
    pub actions: StringViewArray,
    /// ms UTC.
    pub times: Int64Array,
    /// Values of [`WriterOptions::event_extra`].
    pub extra: Vec<Values>,
}

impl EventColumns {
    /// User, item and action of each row, and its time.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ([&str; 3], i64)> {
        let [users, items, actions] = [&self.users, &self.items, &self.actions].map(|texts| texts.iter());
        let ids = users.zip(items).zip(actions);
        let names = ids.map(|((user, item), action)| [user, item, action].map(Option::unwrap_or_default));
        names.zip(self.times.values().iter().copied())
    }
}
