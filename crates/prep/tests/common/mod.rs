//! What the tests share: raw logs of a few events that are wrong in every way that a log can be, and their files.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part")]

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use semrank_core::Rng;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const DAY: i64 = 86_400_000;
/// An arbitrary midnight.
pub(crate) const START: i64 = 1_767_225_600_000;

/// A row of a raw log.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    pub(crate) seq: i64,
    pub(crate) user: String,
    pub(crate) item: String,
    pub(crate) action: String,
    pub(crate) time: i64,
    pub(crate) received: Option<i64>,
    pub(crate) id: Option<String>,
    pub(crate) parent: Option<String>,
    pub(crate) dwell: Option<i64>,
    pub(crate) request: Option<String>,
    pub(crate) slot: Option<i64>,
    pub(crate) surface: Option<String>,
    pub(crate) propensity: Option<f64>,
    pub(crate) country: Option<String>,
    /// In random logs that of no other row, so that an event of the output names its row.
    pub(crate) value: Option<f64>,
}

pub(crate) fn pick<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len())].clone()
}

/// Times near each other, at the edges of windows, and days apart.
fn time(rng: &mut Rng) -> i64 {
    let edges = [0, 1, MINUTE - 1, MINUTE, MINUTE + 1, 2 * MINUTE, 5_000, 90_000];
    START + rng.below(4) as i64 * DAY + pick(rng, &edges) + pick(rng, &edges)
}

/// A log of up to thirty rows whose ids begin with `name`; rows are numbered by `seq` from 0, and by `value`.
pub(crate) fn random_log(rng: &mut Rng, name: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let (users, items) = (1 + rng.below(2), 1 + rng.below(3));
    for at in 0..2 + rng.below(24) {
        let action =
            pick(rng, &["impression", "impression", "impression", "click", "click", "conversion", "view"]);
        let row = random_row(rng, name, (users, items), action, at);
        rows.push(row);
    }
    link(rng, name, &mut rows);
    for _ in 0..rng.below(5) {
        let mut copy = pick(rng, &rows);
        copy.received = copy.received.map(|received| received + pick(rng, &[-1000, 0, 1000]));
        // The same event id, whatever else the row says.
        if copy.id.is_some() && rng.unit() < 0.2 {
            copy.time += 1000;
        }
        rows.push(copy);
    }
    rng.shuffle(&mut rows);
    (0..).zip(&mut rows).for_each(|(seq, row)| row.seq = seq);
    rows
}

fn random_row(rng: &mut Rng, name: &str, (users, items): (usize, usize), action: &str, at: usize) -> Row {
    let time = time(rng);
    let received = pick(
        rng,
        &[
            None,
            Some(0),
            Some(0),
            Some(700),
            Some(MINUTE + 1),
            Some(DAY),
            Some(-3000),
            Some(-5000),
            Some(-5001),
            Some(-DAY),
        ],
    );
    let shown = action == "impression";
    let some = |value: &str| shown.then(|| value.to_owned());
    Row {
        seq: 0,
        user: format!("{name}-u{}", rng.below(users)),
        item: format!("i{}", rng.below(items)),
        action: action.into(),
        time,
        received: received.map(|delay| time + delay),
        id: (rng.unit() < 0.7).then(|| format!("{name}-e{at}")),
        parent: None,
        dwell: if shown { None } else { pick(rng, &[None, Some(0), Some(30_000), Some(MINUTE)]) },
        request: some(pick(rng, &["r1", "r2", "r3"])),
        slot: if shown { pick(rng, &[None, Some(1), Some(4)]) } else { None },
        surface: pick(rng, &[None, Some("feed".to_owned()), Some("search".to_owned())]),
        propensity: if shown { pick(rng, &[None, Some(0.5), Some(1.0)]) } else { None },
        country: pick(rng, &[None, Some("de".to_owned())]),
        value: None,
    }
}

/// Gives some clicks and conversions a parent: an impression, a click, mostly of their user and item, often near in time, or
/// something unknown.
fn link(rng: &mut Rng, name: &str, rows: &mut [Row]) {
    let named = rows.to_vec();
    for row in rows.iter_mut().filter(|row| row.action == "click" || row.action == "conversion") {
        let usual = if row.action == "click" { "impression" } else { "click" };
        let ids = |action: &str, own: bool| -> Vec<String> {
            let fits = |other: &&Row| {
                other.action == action && (!own || (&other.user, &other.item) == (&row.user, &row.item))
            };
            named.iter().filter(fits).filter_map(|other| other.id.clone()).collect()
        };
        let parents = match rng.unit() {
            p if p < 0.4 => continue,
            p if p < 0.85 => ids(usual, true),
            p if p < 0.9 => ids(usual, false),
            p if p < 0.95 => ids("impression", true),
            _ => Vec::new(),
        };
        row.parent = Some(match &parents[..] {
            [] => format!("{name}-nowhere"),
            parents => pick(rng, parents),
        });
        let parent = named.iter().find(|other| other.id == row.parent).filter(|_| rng.unit() < 0.5);
        if let Some(parent) = parent {
            let near = [-MINUTE - 1, -MINUTE, -1000, 0, 1000, MINUTE - 1, MINUTE, MINUTE + 1];
            let moved = parent.time + pick(rng, &near) - row.time;
            row.time += moved;
            row.received = row.received.map(|received| received + moved);
        }
    }
}

/// Many logs in one, numbered through; the rows are in disorder, `seq` is not.
pub(crate) fn random_logs(seed: u64, logs: usize) -> Vec<Vec<Row>> {
    let mut rng = Rng::new(seed, "prep.logs");
    let mut seq = 0;
    let log = |at| {
        let mut rows = random_log(&mut rng, &format!("l{at}"));
        rows.iter_mut().for_each(|row| row.seq += seq);
        rows.iter_mut().for_each(|row| row.value = Some(row.seq as f64));
        seq += rows.len() as i64;
        rows
    };
    (0..logs).map(log).collect()
}

/// Writes a raw data set of items `i0` to `i2`.
pub(crate) fn write_raw(dir: &Path, rows: &[Row]) {
    let windows = "[windows]\nclick_minutes = 1\nconversion_days = 1\n";
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(dir.join("dataset.toml"), format!("name = 'raw'\ntext = ['title']\n{windows}")).unwrap();
    let items: Vec<(&str, ArrayRef)> = vec![
        ("item_id", Arc::new(StringArray::from(vec!["i0", "i1", "i2"]))),
        ("title", Arc::new(StringArray::from(vec!["red", "green", "blue"]))),
        ("bid", Arc::new(Float64Array::from(vec![0.5, 0.25, 2.0]))),
    ];
    write_table(&dir.join("items.parquet"), items);
    write_table(&dir.join("events.parquet"), columns(rows));
}

/// The columns of `events.parquet`.
pub(crate) fn columns(rows: &[Row]) -> Vec<(&'static str, ArrayRef)> {
    let text = |of: &dyn Fn(&Row) -> Option<&str>| -> ArrayRef {
        Arc::new(StringArray::from(rows.iter().map(of).collect::<Vec<_>>()))
    };
    let integer = |of: &dyn Fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from(rows.iter().map(of).collect::<Vec<_>>()))
    };
    let number = |of: &dyn Fn(&Row) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from(rows.iter().map(of).collect::<Vec<_>>()))
    };
    vec![
        ("user_id", text(&|row| Some(&row.user))),
        ("item_id", text(&|row| Some(&row.item))),
        ("action", text(&|row| Some(&row.action))),
        ("timestamp", integer(&|row| Some(row.time))),
        ("seq", integer(&|row| Some(row.seq))),
        ("event_id", text(&|row| row.id.as_deref())),
        ("parent_event_id", text(&|row| row.parent.as_deref())),
        ("received_at", integer(&|row| row.received)),
        ("dwell_ms", integer(&|row| row.dwell)),
        ("request_id", text(&|row| row.request.as_deref())),
        ("slot", integer(&|row| row.slot)),
        ("surface", text(&|row| row.surface.as_deref())),
        ("propensity", number(&|row| row.propensity)),
        ("country", text(&|row| row.country.as_deref())),
        ("value", number(&|row| row.value)),
    ]
}

pub(crate) fn write_table(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, values)| (name, values, true)),
    );
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A Parquet file in memory, read by nothing of this project.
pub(crate) struct Columns(RecordBatch);

impl Columns {
    pub(crate) fn read(path: &Path) -> Columns {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
        let schema = reader.schema().clone();
        let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
        Columns(concat_batches(&schema, &batches).unwrap())
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<Option<String>> {
        let column = self.0.column_by_name(name).unwrap().as_string::<i32>();
        column.iter().map(|text| text.map(str::to_owned)).collect()
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<Option<i64>> {
        self.0.column_by_name(name).unwrap().as_primitive::<Int64Type>().iter().collect()
    }

    pub(crate) fn numbers(&self, name: &str) -> Vec<Option<f64>> {
        self.0.column_by_name(name).unwrap().as_primitive::<Float64Type>().iter().collect()
    }
}

/// The names in a folder, hidden ones too.
pub(crate) fn entries(dir: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
