//! Changes of items, and what a journal keeps of them: of each item the last state.

use super::fields::{FieldValue, Fields};
use crate::Error;
use semrank_core::{Catalog, Dictionary, TextColumn};
use semrank_embed::Field;
use semrank_store::journal::Journal;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One change of an item.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The item is this, whatever it was: texts and columns that are not named are absent.
    Put(String, Fields),
    /// What is named changes, the rest stays.
    Patch(String, Fields),
    /// It is shown no more.
    Delete(String),
}

/// The last state of an item that has changed, as the journal has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) item: String,
    /// Of an item of the run's catalogue only what has changed; `None` where the item was deleted.
    pub(super) fields: Option<Fields>,
    /// The semantic id that an item was given when it was put in, and the codebook it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<GivenId>,
}

/// A semantic id and the codebook it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct GivenId {
    pub(super) codebook: String,
    pub(super) codes: Vec<u16>,
}

impl Change {
    /// The id of the item.
    pub fn item(&self) -> &str {
        let (Change::Put(item, _) | Change::Patch(item, _) | Change::Delete(item)) = self;
        item
    }
}

/// The last record of every item that some entries of a journal name.
pub(super) fn records_of(journal: &Journal, entries: Range<u64>) -> Result<Vec<Record>, Error> {
    let (mut names, mut out) = (Dictionary::new(), Vec::new());
    journal.for_each(entries.start, |sequence, bytes| {
        if sequence < entries.end {
            let records: Vec<Record> = serde_json::from_slice(bytes)
                .map_err(|error| Error::Change { sequence, reason: error.to_string() })?;
            records.into_iter().for_each(|record| keep(&mut names, &mut out, record));
        }
        Ok::<(), Error>(())
    })?;
    Ok(out)
}

/// Takes in the last record of an item.
pub(super) fn keep(names: &mut Dictionary, records: &mut Vec<Record>, record: Record) {
    let at = names.insert(&record.item) as usize;
    if at == records.len() {
        records.push(record);
    } else {
        records[at] = record;
    }
}

/// An entry of the journal.
pub(super) fn bytes_of<'r>(records: impl IntoIterator<Item = &'r Record>) -> Result<Vec<u8>, Error> {
    let records: Vec<&Record> = records.into_iter().collect();
    serde_json::to_vec(&records).map_err(|error| Error::Change { sequence: 0, reason: error.to_string() })
}

/// An item's text: what a change says, else that of the catalogue.
pub(super) fn text_of<'a>(record: &'a Record, catalog: &'a Catalog, column: &'a TextColumn) -> Field<'a> {
    let changed = record.fields.as_ref().and_then(|fields| fields.get(&column.name));
    let base = || catalog.ids.get(&record.item).map(|row| column.values[row as usize].as_str());
    let text = changed.and_then(FieldValue::text).or_else(base).unwrap_or_default();
    Field { name: &column.name, text }
}
