//! A data set folder in memory: users, actions, catalogue and the sorted event log.
//!
//! In: `dataset.toml`, `items.parquet`, `events.parquet`, as a [`DatasetWriter`](crate::DatasetWriter) or another
//! program wrote them. Out: a checked [`Dataset`]. Rows of `items.parquet` give the catalogue's order; users and
//! actions are numbered by first appearance; ties in time are broken by `seq`, or by the row order where it is
//! absent.

mod items;
mod log;

pub(crate) use items::counts_before;

use crate::columns::Batch;
use crate::{Error, Meta};
use arrow_array::{Array, Int64Array, StringViewArray};
use items::{has_later_rows, read_items};
use log::Log;
use semrank_core::{ActionId, Catalog, Dictionary, EventLog};
use std::path::Path;

/// The catalogue's file name.
pub(crate) const ITEMS: &str = "items.parquet";
/// From when on a row of an item is valid (ms UTC), where it has several.
pub(crate) const VALID_FROM: &str = "valid_from";
/// The log's file name.
pub(crate) const EVENTS: &str = "events.parquet";

/// When a ranker knows of an event (ms UTC): its time, or later where the log had it late.
pub const KNOWN_AT: &str = "known_at";

/// A whole data set.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name, text columns, target action.
    pub meta: Meta,
    /// User ids; row `u` is [`UserId`](semrank_core::UserId)`(u)`.
    pub users: Dictionary,
    /// Action names; row `a` is [`ActionId`]`(a)`.
    pub actions: Dictionary,
    /// Items and their texts.
    pub catalog: Catalog,
    /// All events.
    pub events: EventLog,
}

impl Dataset {
    /// Reads and checks a data set folder; of an item with several `valid_from` rows the latest counts.
    ///
    /// # Errors
    /// A missing or damaged file, a wrong column type, an empty or repeated id, an event of an unknown item, a
    /// target action that no event has.
    pub fn open(dir: &Path) -> Result<Dataset, Error> {
        let meta = Meta::read(dir)?;
        require(dir, &[ITEMS, EVENTS])?;
        let catalog = read_items(&dir.join(ITEMS), &meta, i64::MAX)?.catalog;
        let Log { users, actions, events } = log::read(&dir.join(EVENTS), &catalog)?;
        let dataset = Dataset { meta, users, actions, catalog, events };
        dataset.check_target()?;
        Ok(dataset)
    }

    /// The items alone, as [`Dataset::open`] has them; the log is not read, and need not be there.
    ///
    /// # Errors
    /// A missing or damaged `dataset.toml` or `items.parquet`, a wrong column type, an empty or repeated id.
    pub fn open_catalog(dir: &Path) -> Result<Catalog, Error> {
        let meta = Meta::read(dir)?;
        require(dir, &[ITEMS])?;
        Ok(read_items(&dir.join(ITEMS), &meta, i64::MAX)?.catalog)
    }

    /// Takes the items of its folder as they were at `time_ms` (UTC): of an item with several `valid_from` rows the latest that was
    /// valid then; of one that had none yet the first. Returns one flag per item, whether it had one; nothing where no row of the
    /// file is later, and the items stay as they are.
    ///
    /// ```text
    /// rows of `shoe`: 10 "red", 30 "blue"      at 20: "red", true      at 5: "red", false      at 30: "blue", true
    /// ```
    ///
    /// # Errors
    /// As [`Dataset::open_catalog`].
    pub fn take_items_as_of(&mut self, dir: &Path, time_ms: i64) -> Result<Option<Vec<bool>>, Error> {
        let path = dir.join(ITEMS);
        if !has_later_rows(&path, time_ms)? {
            return Ok(None);
        }
        let items = read_items(&path, &self.meta, time_ms)?;
        self.catalog = items.catalog;
        Ok(Some(items.valid_from.into_iter().map(|since| since <= time_ms).collect()))
    }

    /// The action to predict, if one is set.
    pub fn target_action(&self) -> Option<ActionId> {
        let name = self.meta.target_action.as_ref()?;
        self.actions.get(name).map(|row| ActionId(row as u8))
    }

    /// Whether an event of `action` is to be predicted; every event is where no target action is set.
    pub fn is_target(&self, action: ActionId) -> bool {
        self.target_action().is_none_or(|target| target == action)
    }

    fn check_target(&self) -> Result<(), Error> {
        match &self.meta.target_action {
            Some(action) if self.actions.get(action).is_none() => Err(Error::UnknownAction {
                action: action.clone(),
                existing: self.actions.names().map(str::to_owned).collect(),
            }),
            _ => Ok(()),
        }
    }
}

fn require(dir: &Path, files: &[&'static str]) -> Result<(), Error> {
    match files.iter().find(|file| !dir.join(file).is_file()) {
        Some(missing) => Err(Error::NotADataset { path: dir.to_owned(), missing }),
        None => Ok(()),
    }
}

fn string(column: &Option<StringViewArray>, row: usize) -> &str {
    column.as_ref().filter(|values| values.is_valid(row)).map_or("", |values| values.value(row))
}

fn required(column: &Option<StringViewArray>, row: usize) -> Option<&str> {
    Some(string(column, row)).filter(|value| !value.is_empty())
}

fn name<'a>(
    batch: &Batch,
    column: &str,
    values: &'a Option<StringViewArray>,
    row: usize,
) -> Result<&'a str, Error> {
    required(values, row).ok_or_else(|| batch.error(row, column, "an empty value", "a name"))
}

fn integer(column: &Option<Int64Array>, row: usize) -> Option<i64> {
    column.as_ref().filter(|values| values.is_valid(row)).map(|values| values.value(row))
}
