//! `events.parquet` as a sorted log, in two passes: users and `seq` give every row its place, the other columns are then filled from the
//! batches. At most 12 bytes per event are held in the first pass, and 4 beside the log in the second.

use super::{KNOWN_AT, integer, name};
use crate::Error;
use crate::columns::{Batch, Table};
use crate::limits::{POSITIONS, POSITIONS_EXPECTED};
use semrank_core::{ActionId, Catalog, Dictionary, Event, EventDetails, EventLog, ItemId, PlacedLog, Places};
use std::path::Path;

/// The events of a file, and the names in it.
pub(super) struct Log {
    pub(super) users: Dictionary,
    pub(super) actions: Dictionary,
    pub(super) events: EventLog,
}

/// Reads a log of the items of a catalogue.
pub(super) fn read(path: &Path, catalog: &Catalog) -> Result<Log, Error> {
    let table = Table::open(path)?;
    table.check_rows("events")?;
    let timed = table.has("timestamp");
    let mut columns = vec!["item_id", "action", time_column(timed)];
    ["user_id"].iter().chain(&columns).try_for_each(|column| table.require(column))?;
    columns.extend(["dwell_ms", KNOWN_AT].iter().filter(|name| table.has(name)));
    let (users, places) = read_places(&table)?;
    let mut rows = Rows { timed, catalog, actions: Dictionary::new(), log: places.log(), row: 0 };
    let mut batches = table.read(&columns)?;
    while let Some(batch) = batches.next_batch()? {
        rows.push(&batch)?;
    }
    Ok(Log { users, actions: rows.actions, events: rows.log.finish(timed) })
}

fn time_column(timed: bool) -> &'static str {
    if timed { "timestamp" } else { "position" }
}

/// The users by first appearance, and the place of every row.
fn read_places(table: &Table) -> Result<(Dictionary, Places), Error> {
    let has_seq = table.has("seq");
    let columns: &[&str] = if has_seq { &["user_id", "seq"] } else { &["user_id"] };
    let (mut users, mut rows, mut seqs) = (Dictionary::new(), Vec::new(), Vec::new());
    rows.reserve_exact(table.rows_to_reserve());
    seqs.reserve_exact(if has_seq { table.rows_to_reserve() } else { 0 });
    let mut batches = table.read(columns)?;
    while let Some(batch) = batches.next_batch()? {
        let (ids, of_batch) = (batch.strings("user_id")?, batch.integers("seq")?);
        for row in 0..batch.rows() {
            if has_seq {
                seqs.push(integer(&of_batch, row).unwrap_or(rows.len() as i64));
            }
            rows.push(users.insert(name(&batch, "user_id", &ids, row)?));
        }
    }
    let places = Places::new(rows, users.len(), has_seq.then_some(&seqs));
    Ok((users, places))
}

struct Rows<'a> {
    timed: bool,
    catalog: &'a Catalog,
    actions: Dictionary,
    log: PlacedLog,
    /// Rows put so far.
    row: usize,
}

impl Rows<'_> {
    fn push(&mut self, batch: &Batch) -> Result<(), Error> {
        let items = batch.strings("item_id")?;
        let actions = batch.strings("action")?;
        let times = match self.timed {
            true => batch.times("timestamp")?,
            false => batch.integers_within("position", &POSITIONS, POSITIONS_EXPECTED)?,
        };
        let dwells = batch.integers("dwell_ms")?;
        let known = batch.times(KNOWN_AT)?;
        for row in 0..batch.rows() {
            let id = name(batch, "item_id", &items, row)?;
            let item = self.catalog.ids.get(id);
            let item = item
                .ok_or_else(|| batch.error(row, "item_id", &format!("`{id}`"), "an item of items.parquet"))?;
            let action = self.actions.insert(name(batch, "action", &actions, row)?);
            let action = u8::try_from(action)
                .map_err(|_| batch.error(row, "action", "a 257th action", "at most 256 different actions"))?;
            let time = integer(&times, row)
                .ok_or_else(|| batch.error(row, time_column(self.timed), "an empty value", "an integer"))?;
            let dwell_ms = integer(&dwells, row).map(|ms| ms.clamp(0, i64::from(i32::MAX)) as i32);
            let event = Event { item: ItemId(item), action: ActionId(action), time };
            if self.row == self.log.rows() {
                return Err(batch.error(
                    row,
                    "item_id",
                    "more rows than `user_id` has",
                    "columns of one length",
                ));
            }
            self.log.put(self.row, event, EventDetails { dwell_ms, known_at: integer(&known, row) });
            self.row += 1;
        }
        Ok(())
    }
}
