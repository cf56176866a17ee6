//! The promise of checks: what is wrong with a log is said with file and column, and nothing is left behind.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use common::{START, columns, entries, random_logs, write_raw, write_table};
use semrank_prep::{Error, PrepSettings, prepare};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

type Columns = Vec<(&'static str, ArrayRef)>;

fn raw(folder: &Path, change: impl FnOnce(Columns) -> Columns) {
    let rows = random_logs(3, 20).concat();
    write_raw(&folder.join("raw"), &rows);
    write_table(&folder.join("raw/events.parquet"), change(columns(&rows)));
}

fn refused(folder: &Path) -> Error {
    let before = entries(folder);
    let error =
        prepare(&folder.join("raw"), &folder.join("out"), &PrepSettings::default(), &|| false).unwrap_err();
    assert_eq!(entries(folder), before, "nothing is left behind");
    error
}

/// The message about a log whose columns were changed.
fn message(change: impl FnOnce(Columns) -> Columns) -> String {
    let folder = tempfile::tempdir().unwrap();
    raw(folder.path(), change);
    let message = refused(folder.path()).to_string();
    assert!(message.contains("events.parquet"), "{message}");
    message
}

fn replaced(name: &'static str, make: impl FnOnce(usize) -> ArrayRef) -> impl FnOnce(Columns) -> Columns {
    move |mut columns| {
        let column = columns.iter_mut().find(|(column, _)| *column == name).unwrap();
        column.1 = make(column.1.len());
        columns
    }
}

fn integers(value: impl Fn(usize) -> Option<i64>) -> impl FnOnce(usize) -> ArrayRef {
    move |rows| Arc::new(Int64Array::from((0..rows).map(value).collect::<Vec<_>>()))
}

#[track_caller]
fn says(message: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn columns_are_checked() {
    let without = |mut columns: Columns| {
        columns.retain(|(name, _)| *name != "timestamp");
        columns
    };
    says(&message(without), &["a column `timestamp`"]);
    let texts = |rows| -> ArrayRef { Arc::new(StringArray::from(vec!["noon"; rows])) };
    says(&message(replaced("timestamp", texts)), &["`timestamp`", "strings", "integers"]);
    let gap = integers(|row| (row != 7).then_some(START));
    says(&message(replaced("timestamp", gap)), &["`timestamp`", "1 empty values"]);
    says(&message(replaced("timestamp", integers(|_| Some(i64::MAX)))), &["`timestamp`", "ms UTC"]);
    says(&message(replaced("seq", integers(|row| Some(row as i64 / 2)))), &["`seq`", "more than once"]);
    says(&message(replaced("slot", integers(|_| Some(0)))), &["`slot`", "has 0"]);
    says(&message(replaced("dwell_ms", integers(|_| Some(-2)))), &["`dwell_ms`", "-2"]);
    let propensity = |rows| -> ArrayRef { Arc::new(Int64Array::from(vec![2; rows])) };
    says(&message(replaced("propensity", propensity)), &["`propensity`", "at most 1"]);
    let views = |rows| -> ArrayRef { Arc::new(StringArray::from(vec!["view"; rows])) };
    says(&message(replaced("action", views)), &["no event of the action `impression`"]);
    let unknown = |rows| -> ArrayRef { Arc::new(StringArray::from(vec!["i9"; rows])) };
    let folder = tempfile::tempdir().unwrap();
    raw(folder.path(), replaced("item_id", unknown));
    says(&refused(folder.path()).to_string(), &["`i9`"]);
}

#[test]
fn files_and_folders_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder, |columns| columns);
    let (events, out) = (folder.join("raw/events.parquet"), folder.join("out"));
    std::fs::create_dir(&out).unwrap();
    std::fs::write(out.join("mine.txt"), "keep").unwrap();
    says(&refused(folder).to_string(), &["exists and is not empty"]);
    assert_eq!(entries(&out), ["mine.txt"]);
    std::fs::remove_dir_all(&out).unwrap();

    let bytes = std::fs::read(&events).unwrap();
    for length in [0, 100, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(&events, &bytes[..length]).unwrap();
        says(&refused(folder).to_string(), &["events.parquet"]);
    }
    // A footer without its pages.
    let mut damaged = bytes.clone();
    damaged[4..bytes.len() / 2].fill(0x5a);
    std::fs::write(&events, damaged).unwrap();
    refused(folder);
    std::fs::remove_file(&events).unwrap();
    says(&refused(folder).to_string(), &["events.parquet"]);
    std::fs::remove_file(folder.join("raw/dataset.toml")).unwrap();
    says(&refused(folder).to_string(), &["not a data set"]);
}

#[test]
fn other_layouts_and_fewer_columns_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = random_logs(3, 20).concat();
    let micros: Vec<i64> = rows.iter().map(|row| row.time * 1000).collect();
    raw(folder, |mut columns| {
        columns.retain(|(name, _)| ["user_id", "item_id", "action", "seq"].contains(name));
        columns.push(("timestamp", Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))));
        columns
    });
    let report =
        prepare(&folder.join("raw"), &folder.join("out"), &PrepSettings::default(), &|| false).unwrap();
    assert_eq!((report.skewed, report.late), (0, 0));
    let dataset = semrank_data::Dataset::open(&folder.join("out")).unwrap();
    let examples = semrank_data::Examples::open(&folder.join("out"), &dataset).unwrap();
    assert_eq!(examples.len() as u64, report.impressions);
    assert!(examples.slots.is_empty() && examples.propensities.is_empty() && examples.context.is_empty());
}

#[test]
fn nothing_is_left_of_what_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    raw(folder, |columns| columns);
    let before = entries(folder);
    let asked = Cell::new(0);
    let at_once = || true;
    let between = || asked.replace(asked.get() + 1) == 10;
    let at_the_end =
        || entries(folder).iter().any(|name| folder.join(name).join("examples.parquet").exists());
    for stop in [&at_once as &dyn Fn() -> bool, &between, &at_the_end] {
        let done = prepare(&folder.join("raw"), &folder.join("out"), &PrepSettings::default(), stop);
        assert!(matches!(done, Err(Error::Stopped)), "{done:?}");
        assert_eq!(entries(folder), before);
    }
}
