//! Checks of a [`DatasetWriter`]: rows that do not fit, data sets without events, folders in use.

use super::DatasetWriter;
use crate::limits::{self, POSITIONS, POSITIONS_EXPECTED, TIMES_EXPECTED, TIMES_MS};
use crate::row::{ItemRow, When};
use crate::{Error, meta};
use semrank_core::counted;
use std::fs;
use std::path::Path;

impl DatasetWriter {
    fn check_stop(&self) -> Result<(), Error> {
        if self.options.stop.is_some_and(|stop| stop()) { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Returns an error for an item that [`DatasetWriter::item`] does not take.
    pub(super) fn check_item(&self, row: &ItemRow<'_>) -> Result<(), Error> {
        self.check_stop()?;
        let (texts, extra) = (self.options.meta.text.len(), self.options.item_extra.len());
        if row.texts.len() != texts || row.extra.len() != extra {
            let (texts, extra) =
                (counted(texts, "text", "texts"), counted(extra, "extra value", "extra values"));
            return misuse(format!("item `{}`: expected {texts} and {extra}", row.id));
        }
        if row.id.is_empty() || (row.valid_from.is_none() && self.catalog.get(row.id).is_some()) {
            return misuse(format!("item id `{}` is empty or occurs twice", row.id));
        }
        let times = [row.valid_from, row.active_from, row.active_to];
        if let Some(time) = times.into_iter().flatten().find(|time| !TIMES_MS.contains(time)) {
            return misuse(format!("item `{}`: the time {time}, expected {TIMES_EXPECTED}", row.id));
        }
        if self.copied_items.is_some() {
            return misuse("a catalogue is copied whole: without further items".into());
        }
        if self.events.is_some() {
            return misuse("items come before the first event".into());
        }
        Ok(())
    }

    /// Returns an error for another number of extra values than that of the extra columns.
    pub(super) fn check_extra(&self, got: usize) -> Result<(), Error> {
        self.check_stop()?;
        if got != self.options.event_extra.len() {
            let extra = counted(self.options.event_extra.len(), "extra value", "extra values");
            return misuse(format!("an event needs {extra}"));
        }
        Ok(())
    }

    /// Returns an error for an event that [`DatasetWriter::event`] does not take.
    pub(super) fn check_event(&self, [user, item, action]: [&str; 3], time: When) -> Result<(), Error> {
        if user.is_empty() || item.is_empty() || action.is_empty() {
            return misuse("an event needs a user, an item and an action".into());
        }
        let (time, range, expected) = match time {
            When::Time(ms) => (ms, TIMES_MS, TIMES_EXPECTED),
            When::Position(position) => (position, POSITIONS, POSITIONS_EXPECTED),
        };
        if !range.contains(&time) {
            return misuse(format!("event of user `{user}`: got {time}, expected {expected}"));
        }
        if !self.options.add_unknown_items && self.catalog.get(item).is_none() {
            return misuse(format!("event of user `{user}`: item `{item}` is unknown"));
        }
        Ok(())
    }

    /// Returns an error for a data set without events, or with an unusable action.
    pub(super) fn check_complete(&self) -> Result<(), Error> {
        let existing = || self.actions.keys().cloned().collect::<Vec<_>>();
        if self.event_rows == 0 {
            return misuse("there is no event: a data set needs at least one".into());
        }
        if self.actions.len() > 256 {
            return misuse(format!(
                "there are {} different actions: at most 256 are possible",
                self.actions.len()
            ));
        }
        match &self.options.meta.target_action {
            Some(action) if !self.actions.contains_key(action) => {
                Err(Error::UnknownAction { action: action.clone(), existing: existing() })
            }
            _ => Ok(()),
        }
    }
}

/// An error about a call.
pub(super) fn misuse<T>(message: String) -> Result<T, Error> {
    Err(Error::Options(message))
}

/// Returns an error for texts that a reader would refuse.
pub(super) fn check_texts(bytes: u64, file: u64) -> Result<(), Error> {
    let most = limits::most_text_bytes(file);
    if bytes <= most {
        return Ok(());
    }
    misuse(format!(
        "the items' texts have more than {most} bytes and take {file} in the file: is it one long text in all rows? Leave that \
         column out of the texts"
    ))
}

/// Refuses to replace a folder that is not a data set, or a data set without `--overwrite`.
pub(super) fn check_free(out: &Path, overwrite: bool) -> Result<(), Error> {
    semrank_store::settle(out);
    if !out.exists() {
        return Ok(());
    }
    let empty = out.is_dir() && fs::read_dir(out).map_err(Error::io("read", out))?.next().is_none();
    let replaceable = out.join(meta::FILE).is_file();
    if empty || (overwrite && replaceable) {
        return Ok(());
    }
    Err(Error::Exists { path: out.to_owned(), replaceable })
}
