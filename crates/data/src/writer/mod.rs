//! Writes rows as a data set folder: streamed to Parquet in a staged folder that appears whole on
//! [`finish`](DatasetWriter::finish).
//!
//! All items come first, then the events in their original order. The items that only events mention are either
//! refused or appended in the order of their ids, so that the catalogue does not depend on the order of events.
//!
//! ```
//! use semrank_data::{Dataset, DatasetWriter, EventRow, ItemRow, Meta, When, WriterOptions};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let out = folder.path().join("shop");
//! let meta = Meta { name: "shop".into(), text: vec!["title".into()], ..Meta::default() };
//! let mut writer = DatasetWriter::create(&out, WriterOptions { meta, ..WriterOptions::default() })?;
//! writer.item(&ItemRow { id: "07", texts: &["red shoe"], ..ItemRow::default() })?;
//! let time = When::Time(1_700_000_000_000);
//! writer.event(&EventRow { user: "ann", item: "07", action: "click", time, extra: &[] })?;
//! let report = writer.finish()?;
//! assert_eq!((report.items, report.events), (1, 1));
//! assert_eq!(Dataset::open(&out)?.catalog.name(semrank_core::ItemId(0)), "07");
//! # Ok(())
//! # }
//! ```

mod checks;
mod columns;

use crate::columns::Table;
use crate::dataset::{EVENTS, ITEMS};
use crate::limits;
use crate::parquet_sink::{ParquetSink, Value, Values};
use crate::row::{EventColumns, EventRow, ExtraColumn, ItemRow, When, WriterOptions};
use crate::{Error, ImportReport, Meta, Part, examples, hash, hash_dataset, meta};
use arrow_array::Array;
use checks::{check_free, check_texts, misuse};
use columns::item_columns;
use semrank_core::{Dictionary, Kind};
use semrank_store::StagedDir;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Writes a data set; dropped before [`finish`](DatasetWriter::finish) it leaves nothing behind.
#[derive(Debug)]
pub struct DatasetWriter {
    out: PathBuf,
    stage: StagedDir,
    options: WriterOptions,
    items: ParquetSink,
    /// An `items.parquet` that takes the place of rows.
    copied_items: Option<PathBuf>,
    events: Option<ParquetSink>,
    timed: bool,
    catalog: Dictionary,
    described_items: usize,
    users: Dictionary,
    actions: BTreeMap<String, u64>,
    examples: BTreeMap<String, u64>,
    filled: Vec<u64>,
    text_bytes: u64,
    item_rows: u64,
    event_rows: u64,
    time_range: Option<[i64; 2]>,
    started: Instant,
}

impl DatasetWriter {
    /// Starts a data set that will stand at `out`.
    ///
    /// # Errors
    /// [`Error::Exists`] when `out` holds something that may not be replaced; I/O errors.
    pub fn create(out: &Path, options: WriterOptions) -> Result<DatasetWriter, Error> {
        check_free(out, options.overwrite)?;
        let stage = StagedDir::new(out)?;
        let items = ParquetSink::create(&stage.path().join(ITEMS), item_columns(&options))?;
        Ok(DatasetWriter {
            out: out.to_owned(),
            stage,
            items,
            copied_items: None,
            events: None,
            timed: false,
            catalog: Dictionary::new(),
            described_items: 0,
            users: Dictionary::new(),
            actions: BTreeMap::new(),
            examples: BTreeMap::new(),
            filled: vec![0; options.meta.text.len()],
            text_bytes: 0,
            item_rows: 0,
            event_rows: 0,
            time_range: None,
            started: Instant::now(),
            options,
        })
    }

    /// Adds an item. A second row of an id needs another `valid_from`; [`Dataset::open`](crate::Dataset::open)
    /// checks it.
    ///
    /// # Errors
    /// An empty or repeated id, a time out of [`TIMES_MS`](crate::TIMES_MS), a wrong number of texts or extra values, an item after
    /// the first event; I/O errors.
    pub fn item(&mut self, row: &ItemRow<'_>) -> Result<(), Error> {
        self.check_item(row)?;
        let kind = if row.kind == Kind::Ad { "ad" } else { "organic" };
        let times = [row.valid_from, row.active_from, row.active_to];
        let standard = [Value::Text(row.id), Value::Text(kind)];
        let times = times.into_iter().map(|time| time.map_or(Value::Null, Value::Integer));
        let texts = row.texts.iter().map(|&text| Value::Text(text));
        self.items.push(standard.into_iter().chain(times).chain(texts).chain(row.extra.iter().copied()))?;
        self.catalog.insert(row.id);
        self.item_rows += 1;
        self.described_items = self.catalog.len();
        for (filled, text) in self.filled.iter_mut().zip(row.texts) {
            *filled += u64::from(!text.is_empty());
            self.text_bytes += text.len() as u64;
        }
        if self.text_bytes > limits::most_text_bytes(0) {
            check_texts(self.text_bytes, self.items.bytes())?;
        }
        Ok(())
    }

    /// Takes over the catalogue of another data set as it is, byte by byte, in place of rows.
    ///
    /// # Errors
    /// A missing or damaged file or text column, an empty id; items given before; I/O errors.
    pub fn copy_items(&mut self, from: &Path) -> Result<(), Error> {
        if self.item_rows > 0 || self.options.add_unknown_items {
            return misuse("a catalogue is copied whole: without further items".into());
        }
        let path = from.join(ITEMS);
        let table = Table::open(&path)?;
        let texts = self.options.meta.text.iter().map(String::as_str);
        ["item_id"].into_iter().chain(texts).try_for_each(|column| table.require(column))?;
        let mut batches = table.read(&["item_id"])?;
        while let Some(batch) = batches.next_batch()? {
            let Some(ids) = batch.strings("item_id")? else { continue };
            for (row, id) in ids.iter().enumerate() {
                let id = id.filter(|id| !id.is_empty());
                let id = id.ok_or_else(|| batch.error(row, "item_id", "an empty id", "an item id"))?;
                self.catalog.insert(id);
            }
            self.item_rows += ids.len() as u64;
        }
        self.described_items = self.catalog.len();
        self.copied_items = Some(path);
        Ok(())
    }

    /// Adds an event.
    ///
    /// # Errors
    /// An empty id or action, an unknown item, a time out of [`TIMES_MS`](crate::TIMES_MS) or where positions were before (or the
    /// other way round), a wrong number of extra values; I/O errors.
    pub fn event(&mut self, row: &EventRow<'_>) -> Result<(), Error> {
        self.check_extra(row.extra.len())?;
        self.check_event([row.user, row.item, row.action], row.time)?;
        let (timed, time) = match row.time {
            When::Time(ms) => (true, ms),
            When::Position(position) => (false, position),
        };
        let seq = self.event_rows as i64;
        let standard = [
            Value::Text(row.user),
            Value::Text(row.item),
            Value::Text(row.action),
            Value::Integer(time),
            Value::Integer(seq),
        ];
        self.events_sink(timed)?.push(standard.into_iter().chain(row.extra.iter().copied()))?;
        self.count([row.user, row.item, row.action], time);
        Ok(())
    }

    /// Adds events with times; the data set is the same as when each of them is given to [`DatasetWriter::event`].
    ///
    /// # Errors
    /// Those of [`DatasetWriter::event`]; columns of different lengths.
    pub fn event_columns(&mut self, rows: EventColumns) -> Result<(), Error> {
        self.check_extra(rows.extra.len())?;
        let events = rows.times.len();
        let texts = [&rows.users, &rows.items, &rows.actions];
        if texts.iter().any(|column| column.len() != events) || rows.times.null_count() > 0 {
            return Err(Error::Options(
                "columns of events have different lengths, or the times have nulls".into(),
            ));
        }
        if events == 0 {
            return Ok(());
        }
        self.events_sink(true)?;
        let first = self.event_rows as i64;
        for (names, time) in rows.iter() {
            self.check_event(names, When::Time(time))?;
        }
        rows.iter().for_each(|(names, time)| self.count(names, time));
        let seqs = (first..self.event_rows as i64).collect::<Vec<_>>().into();
        let standard = [rows.users, rows.items, rows.actions].map(Values::Text).into_iter();
        let standard = standard.chain([rows.times, seqs].map(Values::Integer));
        let columns: Vec<Values> = standard.chain(rows.extra).collect();
        self.events_sink(true)?.push_columns(&columns)
    }

    /// The file of the events, begun with the first of them.
    fn events_sink(&mut self, timed: bool) -> Result<&mut ParquetSink, Error> {
        match &mut self.events {
            Some(_) if self.timed != timed => {
                Err(Error::Options("a log holds either times or positions, not both".into()))
            }
            Some(events) => Ok(events),
            none => {
                self.timed = timed;
                let path = self.stage.path().join(EVENTS);
                Ok(none.insert(ParquetSink::create(&path, columns::event_columns(&self.options, timed))?))
            }
        }
    }

    /// The number, in order of first appearance, of an item that was written.
    pub fn item_row(&self, id: &str) -> Option<u32> {
        self.catalog.get(id).filter(|&row| (row as usize) < self.described_items)
    }

    /// The id of an item that was written, by its number.
    pub(crate) fn item_name(&self, row: u32) -> &str {
        self.catalog.name(row)
    }

    /// All items so far, those of events and examples included.
    pub(crate) fn items(&self) -> &Dictionary {
        &self.catalog
    }

    /// All users so far that have events.
    pub(crate) fn users(&self) -> &Dictionary {
        &self.users
    }

    /// Events so far.
    pub(crate) fn event_rows(&self) -> u64 {
        self.event_rows
    }

    /// Events so far per action.
    pub(crate) fn actions(&self) -> &BTreeMap<String, u64> {
        &self.actions
    }

    /// Examples so far per part.
    pub(crate) fn examples(&self) -> &BTreeMap<String, u64> {
        &self.examples
    }

    /// The first and the last time so far (ms UTC).
    pub(crate) fn time_range(&self) -> Option<[i64; 2]> {
        self.time_range
    }

    /// The action to predict.
    pub(crate) fn target_action(&self) -> Option<&str> {
        self.options.meta.target_action.as_deref()
    }

    /// The folder in the making: what else is written here, such as examples, belongs to the data set.
    pub fn folder(&self) -> &Path {
        self.stage.path()
    }

    /// Counts a row of `examples.parquet` for the report; an item that only examples mention is added without text.
    pub fn example(&mut self, part: Part, item: &str) {
        self.catalog.insert(item);
        *self.examples.entry(part.name().to_owned()).or_default() += 1;
    }

    /// Another Parquet file of the folder, for what is not part of the data set, such as the truth about a simulated
    /// log. It must be closed before [`finish`](DatasetWriter::finish) and appears together with the rest.
    ///
    /// # Errors
    /// A name that the data set itself uses, a column twice; I/O errors.
    pub fn side_file(&self, name: &str, columns: Vec<ExtraColumn>) -> Result<ParquetSink, Error> {
        if hash::FILES.contains(&name) || name == examples::FILE {
            return misuse(format!("{name} is a file of the data set"));
        }
        ParquetSink::create(&self.stage.path().join(name), columns)
    }

    /// The content of `dataset.toml`, until it is written by [`finish`](DatasetWriter::finish).
    pub fn meta_mut(&mut self) -> &mut Meta {
        &mut self.options.meta
    }

    /// Completes the data set and puts it in its place: when this returns `Ok`, all of it has reached the disk; a
    /// program that dies before leaves no data set.
    ///
    /// # Errors
    /// No item, no event, no event of the target action; I/O errors.
    pub fn finish(mut self) -> Result<ImportReport, Error> {
        self.append_unknown_items()?;
        self.check_complete()?;
        let items = self.stage.path().join(ITEMS);
        self.items.close()?;
        if let Some(from) = &self.copied_items {
            fs::copy(from, &items).map_err(Error::io("copy", from))?;
        }
        check_texts(self.text_bytes, fs::metadata(&items).map_err(Error::io("read", &items))?.len())?;
        if let Some(events) = self.events.take() {
            events.close()?;
        }
        let path = self.stage.path().join(meta::FILE);
        fs::write(&path, self.options.meta.to_toml()?).map_err(Error::io("write", &path))?;
        let hash = hash_dataset(self.stage.path())?;
        self.stage.commit()?;
        let rows = self.item_rows.max(1) as f64;
        let fill = self.options.meta.text.iter().cloned().zip(self.filled.iter().map(|&n| n as f64 / rows));
        Ok(ImportReport {
            dataset: self.out,
            users: self.users.len() as u64,
            items: self.catalog.len() as u64,
            items_from_events: (self.catalog.len() - self.described_items) as u64,
            events: self.event_rows,
            actions: self.actions,
            examples: self.examples,
            rejected: 0,
            rejected_rows: Vec::new(),
            time_range_ms: self.time_range,
            time_unit: self.options.meta.time_unit,
            text_fill: fill.collect(),
            notes: self.options.meta.notes,
            warnings: Vec::new(),
            hash,
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    fn count(&mut self, [user, item, action]: [&str; 3], time: i64) {
        self.event_rows += 1;
        self.users.insert(user);
        // Other items were found there by the check.
        if self.options.add_unknown_items {
            self.catalog.insert(item);
        }
        match self.actions.get_mut(action) {
            Some(count) => *count += 1,
            None => drop(self.actions.insert(action.to_owned(), 1)),
        }
        if self.timed {
            let [first, last] = self.time_range.unwrap_or([time, time]);
            self.time_range = Some([first.min(time), last.max(time)]);
        }
    }

    fn append_unknown_items(&mut self) -> Result<(), Error> {
        let described = self.described_items;
        let mut unknown: Vec<String> = self.catalog.names().skip(described).map(str::to_owned).collect();
        unknown.sort_unstable();
        let texts = vec![Value::Null; self.options.meta.text.len() + self.options.item_extra.len()];
        for id in &unknown {
            let standard = [Value::Text(id), Value::Text("organic"), Value::Null, Value::Null, Value::Null];
            self.items.push(standard.into_iter().chain(texts.iter().copied()))?;
            self.item_rows += 1;
        }
        Ok(())
    }
}
