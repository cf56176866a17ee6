//! `items.parquet` as a catalogue: of an item with several rows the one that is valid at a time counts.

use super::{VALID_FROM, integer, required, string};
use crate::columns::{Batch, Table};
use crate::{Error, Meta, limits};
use semrank_core::{Catalog, Kind, TextColumn};
use std::path::Path;

/// Whether a row of `items.parquet` became valid after a time.
pub(super) fn has_later_rows(path: &Path, time_ms: i64) -> Result<bool, Error> {
    let table = Table::open(path)?;
    if !table.has(VALID_FROM) {
        return Ok(false);
    }
    let mut batches = table.read(&[VALID_FROM])?;
    while let Some(batch) = batches.next_batch()? {
        if batch.times(VALID_FROM)?.is_some_and(|times| times.iter().flatten().any(|time| time > time_ms)) {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn read_items(path: &Path, meta: &Meta, time_ms: i64) -> Result<Items, Error> {
    let table = Table::open(path)?;
    table.check_rows("items")?;
    let mut columns = vec!["item_id"];
    columns.extend(meta.text.iter().map(String::as_str));
    columns.iter().try_for_each(|column| table.require(column))?;
    columns.extend(["kind", VALID_FROM, "active_from", "active_to"].iter().filter(|name| table.has(name)));
    let mut items = Items::new(meta, time_ms, limits::most_text_bytes(table.bytes()));
    let mut batches = table.read(&columns)?;
    while let Some(batch) = batches.next_batch()? {
        items.push(&batch)?;
    }
    Ok(items)
}

/// Of two rows of an item, whether the one that is valid from `since` counts at a time, and not that from `other`.
pub(crate) fn counts_before(since: i64, other: i64, time_ms: i64) -> bool {
    match (since <= time_ms, other <= time_ms) {
        (true, true) => since > other,
        (false, false) => since < other,
        (valid, _) => valid,
    }
}

/// Items read so far.
pub(super) struct Items {
    pub(super) catalog: Catalog,
    /// The `valid_from` of the row of each item that counts so far.
    pub(super) valid_from: Vec<i64>,
    time_ms: i64,
    /// Bytes of all texts, and the most there may be.
    text_bytes: u64,
    most_text_bytes: u64,
}

impl Items {
    fn new(meta: &Meta, time_ms: i64, most_text_bytes: u64) -> Items {
        let texts =
            meta.text.iter().map(|name| TextColumn { name: name.clone(), values: Vec::new() }).collect();
        let catalog = Catalog { texts, ..Catalog::default() };
        Items { catalog, valid_from: Vec::new(), time_ms, text_bytes: 0, most_text_bytes }
    }

    fn push(&mut self, batch: &Batch) -> Result<(), Error> {
        let ids = batch.strings("item_id")?;
        let kinds = batch.strings("kind")?;
        let valid_from = batch.times(VALID_FROM)?;
        let active_from = batch.times("active_from")?;
        let active_to = batch.times("active_to")?;
        let texts = self
            .catalog
            .texts
            .iter()
            .map(|column| batch.strings(&column.name))
            .collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.rows() {
            let id = required(&ids, row)
                .ok_or_else(|| batch.error(row, "item_id", "an empty id", "an item id"))?;
            let since = integer(&valid_from, row).unwrap_or(i64::MIN);
            let Some(item) = self.slot(id, since).map_err(|()| {
                batch.error(row, "item_id", &format!("`{id}` again"), "each item once per valid_from")
            })?
            else {
                continue;
            };
            self.catalog.kinds[item] = match string(&kinds, row) {
                "" | "organic" => Kind::Organic,
                "ad" => Kind::Ad,
                other => return Err(batch.error(row, "kind", &format!("`{other}`"), "`ad` or `organic`")),
            };
            self.catalog.active_from[item] = integer(&active_from, row).unwrap_or(i64::MIN);
            self.catalog.active_to[item] = integer(&active_to, row).unwrap_or(i64::MAX);
            for (column, values) in self.catalog.texts.iter_mut().zip(&texts) {
                let (text, slot) = (string(values, row), &mut column.values[item]);
                self.text_bytes = self.text_bytes - slot.len() as u64 + text.len() as u64;
                if self.text_bytes > self.most_text_bytes {
                    let got = format!("texts of more than {} bytes up to here", self.most_text_bytes);
                    let expected = "texts that are not many times their file";
                    return Err(batch.error(row, &column.name, &got, expected));
                }
                text.clone_into(slot);
            }
        }
        Ok(())
    }

    /// The catalogue row that this file row is to fill, if it counts at all; an error if it is a duplicate.
    fn slot(&mut self, id: &str, since: i64) -> Result<Option<usize>, ()> {
        let item = self.catalog.ids.insert(id) as usize;
        if item == self.valid_from.len() {
            self.valid_from.push(since);
            self.catalog.kinds.push(Kind::Organic);
            self.catalog.active_from.push(i64::MIN);
            self.catalog.active_to.push(i64::MAX);
            self.catalog.texts.iter_mut().for_each(|column| column.values.push(String::new()));
            return Ok(Some(item));
        }
        match self.valid_from[item] {
            other if other == since => Err(()),
            other if counts_before(since, other, self.time_ms) => {
                self.valid_from[item] = since;
                Ok(Some(item))
            }
            _ => Ok(None),
        }
    }
}
