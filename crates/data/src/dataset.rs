//! A data set folder in memory: users, actions, catalogue and the sorted event log.
//!
//! In: `dataset.toml`, `items.parquet`, `events.parquet`, as a [`DatasetWriter`](crate::DatasetWriter) or another
//! program wrote them. Out: a checked [`Dataset`]. Rows of `items.parquet` give the catalogue's order; users and
//! actions are numbered by first appearance; ties in time are broken by `seq`, or by the row order where it is
//! absent.

use crate::columns::{Batch, Table};
use crate::limits::{self, POSITIONS, POSITIONS_EXPECTED};
use crate::{Error, Meta};
use arrow_array::{Array, Int64Array, StringViewArray};
use semrank_core::{
    ActionId, Catalog, Dictionary, Event, EventDetails, EventLog, EventLogBuilder, ItemId, Kind, TextColumn,
    UserId,
};
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
    /// User ids; row `u` is [`UserId`]`(u)`.
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
        let log = read_events(&dir.join(EVENTS), &catalog)?;
        let dataset = Dataset { meta, users: log.users, actions: log.actions, catalog, events: log.events };
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
    /// valid then; of one that had none yet the first. Returns one flag an item, whether it had one; nothing where no row of the
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
        let Items { catalog, valid_from, .. } = read_items(&path, &self.meta, time_ms)?;
        self.catalog = catalog;
        Ok(Some(valid_from.into_iter().map(|since| since <= time_ms).collect()))
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

/// Whether a row of `items.parquet` became valid after a time.
fn has_later_rows(path: &Path, time_ms: i64) -> Result<bool, Error> {
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

fn read_items(path: &Path, meta: &Meta, time_ms: i64) -> Result<Items, Error> {
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

struct Items {
    catalog: Catalog,
    // The `valid_from` of the row that counts so far.
    valid_from: Vec<i64>,
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

    /// The catalogue row that this file row is to fill, if it counts at all; an error where it stood before.
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

struct Log {
    users: Dictionary,
    actions: Dictionary,
    events: EventLog,
}

fn read_events(path: &Path, catalog: &Catalog) -> Result<Log, Error> {
    let table = Table::open(path)?;
    table.check_rows("events")?;
    let timed = table.has("timestamp");
    let time = time_column(timed);
    let mut columns = vec!["user_id", "item_id", "action", time];
    columns.iter().try_for_each(|column| table.require(column))?;
    columns.extend(["seq", "dwell_ms", KNOWN_AT].iter().filter(|name| table.has(name)));
    let mut batches = table.read(&columns)?;
    let mut rows =
        Rows { timed, catalog, users: Dictionary::new(), actions: Dictionary::new(), rows: Vec::new() };
    while let Some(batch) = batches.next_batch()? {
        rows.push(&batch)?;
    }
    let Rows { users, actions, rows, .. } = rows;
    let events = sorted(rows, users.len(), timed);
    Ok(Log { users, actions, events })
}

struct Rows<'a> {
    timed: bool,
    catalog: &'a Catalog,
    users: Dictionary,
    actions: Dictionary,
    rows: Vec<(i64, UserId, Event, EventDetails)>,
}

impl Rows<'_> {
    fn push(&mut self, batch: &Batch) -> Result<(), Error> {
        let users = batch.strings("user_id")?;
        let items = batch.strings("item_id")?;
        let actions = batch.strings("action")?;
        let times = match self.timed {
            true => batch.times("timestamp")?,
            false => batch.integers_within("position", &POSITIONS, POSITIONS_EXPECTED)?,
        };
        let seqs = batch.integers("seq")?;
        let dwells = batch.integers("dwell_ms")?;
        let known = batch.times(KNOWN_AT)?;
        for row in 0..batch.rows() {
            let id = name(batch, "item_id", &items, row)?;
            let item =
                self.catalog.ids.get(id).ok_or_else(|| {
                    batch.error(row, "item_id", &format!("`{id}`"), "an item of items.parquet")
                })?;
            let action = self.actions.insert(name(batch, "action", &actions, row)?);
            let action = u8::try_from(action)
                .map_err(|_| batch.error(row, "action", "a 257th action", "at most 256 different actions"))?;
            let time = integer(&times, row)
                .ok_or_else(|| batch.error(row, time_column(self.timed), "an empty value", "an integer"))?;
            let user = UserId(self.users.insert(name(batch, "user_id", &users, row)?));
            let seq = integer(&seqs, row).unwrap_or(self.rows.len() as i64);
            let dwell_ms = integer(&dwells, row).map(|ms| ms.clamp(0, i64::from(i32::MAX)) as i32);
            let details = EventDetails { dwell_ms, known_at: integer(&known, row) };
            self.rows.push((
                seq,
                user,
                Event { item: ItemId(item), action: ActionId(action), time },
                details,
            ));
        }
        Ok(())
    }
}

fn time_column(timed: bool) -> &'static str {
    if timed { "timestamp" } else { "position" }
}

fn sorted(mut rows: Vec<(i64, UserId, Event, EventDetails)>, users: usize, timed: bool) -> EventLog {
    if !rows.is_sorted_by_key(|row| row.0) {
        rows.sort_by_key(|row| row.0);
    }
    let mut log = EventLogBuilder::default();
    rows.into_iter().for_each(|(_, user, event, details)| log.push_with(user, event, details));
    log.finish(users, timed)
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
