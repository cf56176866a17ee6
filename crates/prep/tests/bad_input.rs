//! The promise of checks: what is wrong with a log is said with file and column, and nothing is left behind.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray, TimestampMicrosecondArray};
use common::{DAY, Row, START, columns, entries, random_logs, write_raw, write_table};
use semrank_prep::{Error, PrepReport, PrepSettings, prepare};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

/// Enough for some hundred impressions.
const LOGS: usize = 100;

type Columns = Vec<(&'static str, ArrayRef)>;

fn raw(folder: &Path, change: impl FnOnce(Columns) -> Columns) {
    let rows = random_logs(3, LOGS).concat();
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

/// A column of texts with other values, by row.
fn changed(
    name: &'static str,
    value: impl Fn(usize, Option<String>) -> Option<String>,
) -> impl FnOnce(Columns) -> Columns {
    move |mut columns| {
        let column = columns.iter_mut().find(|(column, _)| *column == name).unwrap();
        let old = column.1.as_string::<i32>().iter().map(|text| text.map(str::to_owned));
        column.1 = Arc::new(StringArray::from(
            old.enumerate().map(|(row, old)| value(row, old)).collect::<Vec<_>>(),
        ));
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
    says(&message(replaced("timestamp", gap)), &["`timestamp`", "1 empty value,"]);
    says(&message(replaced("timestamp", integers(|_| Some(i64::MAX)))), &["`timestamp`", "ms UTC"]);
    says(&message(replaced("seq", integers(|row| Some(row as i64 / 2)))), &["`seq`", "more than once"]);
    says(&message(replaced("slot", integers(|_| Some(0)))), &["`slot`", "has 0"]);
    says(&message(replaced("dwell_ms", integers(|_| Some(-2)))), &["`dwell_ms`", "-2"]);
    let propensity = |rows| -> ArrayRef { Arc::new(Int64Array::from(vec![2; rows])) };
    says(&message(replaced("propensity", propensity)), &["`propensity`", "at most 1"]);
    let views = |rows| -> ArrayRef { Arc::new(StringArray::from(vec!["view"; rows])) };
    says(&message(replaced("action", views)), &["no event of the action `impression`"]);
    let shown = |rows| -> ArrayRef { Arc::new(StringArray::from(vec!["impression"; rows])) };
    says(&message(replaced("action", shown)), &["no event but impressions"]);
    for column in ["user_id", "item_id", "action"] {
        let gap = changed(column, |row, value| if row == 7 { Some(String::new()) } else { value });
        says(&message(gap), &[&format!("`{column}`"), "1 empty value,"]);
    }
    for column in ["split", "matured", "click_time", "history_end"] {
        let with = |mut columns: Columns| {
            columns.push((column, columns[3].1.clone()));
            columns
        };
        says(&message(with), &[&format!("`{column}`"), "is made for examples.parquet"]);
    }
    // Three more stay: click, conversion and view.
    let many = changed("action", |row, value| if row < 254 { Some(format!("a{row}")) } else { value });
    says(&message(many), &["`action`", "257 different values", "256"]);
    let many = changed("surface", |row, _| Some(format!("s{row}")));
    says(&message(many), &["`surface`", "different values", "255"]);
}

#[test]
fn items_that_the_catalogue_has_not_are_named_whatever_was_done_with_them() {
    for action in ["impression", "view", "click", "conversion"] {
        let rows = random_logs(3, LOGS).concat();
        // Without an id no other row can be taken for it.
        let at = rows.iter().position(|row| row.action == action && row.id.is_none()).unwrap();
        let unknown = changed("item_id", |row, item| if row == at { Some("i9".into()) } else { item });
        says(&message(unknown), &["`i9`", &format!("seq {}", rows[at].seq)]);
    }
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
    let rows = random_logs(3, LOGS).concat();
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

/// The rows of some random logs, the clocks of a few changed, and what they become with these settings.
fn prepared(
    folder: &Path,
    settings: &PrepSettings,
    change: impl FnOnce(&mut Vec<Row>),
) -> Result<PrepReport, Error> {
    let mut rows = random_logs(3, LOGS).concat();
    change(&mut rows);
    write_raw(&folder.join("raw"), &rows);
    prepare(&folder.join("raw"), &folder.join("out"), settings, &|| false)
}

fn days(valid_days: i64, test_days: i64) -> PrepSettings {
    PrepSettings { valid_days, test_days, ..PrepSettings::default() }
}

#[test]
fn one_impression_in_the_year_2100_is_left_out_and_told() {
    let settings = days(1, 1);
    let year_2100 = START + 74 * 365 * DAY;
    let [clean, wrong] = [false, true].map(|wrong| {
        let folder = tempfile::tempdir().unwrap();
        let report = prepared(folder.path(), &settings, |rows| {
            let mut row = rows.iter().find(|row| row.action == "impression").unwrap().clone();
            row = Row { seq: 1_000_000, id: None, parent: None, received: None, time: year_2100, ..row };
            if wrong {
                rows.push(row);
            }
        });
        report.unwrap()
    });
    let facts =
        |report: &PrepReport| (report.log_end_ms, report.matured, report.examples.clone(), report.clicks);
    assert_eq!(facts(&clean), facts(&wrong));
    let told = clean.warnings().join("\n");
    assert!(clean.examples.len() == 3 && !told.contains("left out"), "{clean:#?}");
    assert_eq!(wrong.after_log.map(|strays| (strays.rows, strays.seq)), Some((1, 1_000_000)));
    let warnings = wrong.warnings().join("\n");
    says(&warnings, &["1 event was left out", "seq 1000000", "2099-12"]);
}

#[test]
fn a_log_in_parts_that_are_years_apart_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let moved = |rows: &mut Vec<Row>| {
        rows.iter_mut().step_by(10).for_each(|row| {
            row.time -= 55 * 365 * DAY;
            row.received = None;
        });
    };
    let error = prepared(folder.path(), &PrepSettings::default(), moved).unwrap_err();
    says(
        &error.to_string(),
        &["events.parquet: got", "rows before 19", "without a pause of more than a year"],
    );
    says(&error.help().unwrap(), &["clocks are wrong"]);
    assert_eq!(entries(folder.path()), ["raw"]);
}

#[test]
fn parts_that_were_asked_for_by_days_and_come_out_empty_are_refused() {
    let earlier = |rows: &mut Vec<Row>| {
        let shown = rows.iter_mut().filter(|row| row.action == "impression");
        shown.for_each(|row| (row.time, row.received) = (row.time - 3 * DAY, None));
    };
    for (valid_days, test_days, part) in [(30, 1, "train"), (1, 30, "train"), (1, 1, "valid"), (4, 1, "test")]
    {
        let folder = tempfile::tempdir().unwrap();
        let error = prepared(folder.path(), &days(valid_days, test_days), earlier).unwrap_err();
        says(&error.to_string(), &[&format!("for the part `{part}`"), "in a log from 2025-12-2"]);
        assert_eq!(entries(folder.path()), ["raw"]);
    }
    // By shares a small log gives a warning only.
    let folder = tempfile::tempdir().unwrap();
    let at_once = |rows: &mut Vec<Row>| {
        rows.iter_mut().for_each(|row| (row.time, row.received) = (START, None));
    };
    let report = prepared(folder.path(), &PrepSettings::default(), at_once).unwrap();
    says(
        &report.warnings().join("\n"),
        &["no example is for the part `valid`", "no example is for the part `test`"],
    );
}
