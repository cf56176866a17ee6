//! The promise of ids: two ids of a source never become one, and none is changed. An id that cannot be kept exactly is refused, with
//! its place.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float32Array, Float64Array, Int64Array, ListArray, UInt64Array};
use arrow_schema::TimeUnit;
use common::{Folder, message, texts, write_parquet};
use semrank_data::{
    Dataset,
    import::{Format, Options, PartFiles, TextColumns, import},
};
use std::path::PathBuf;
use std::sync::Arc;

const RULE: &str = "text or a whole number that is kept exactly";

/// Imports events; the error with its help in one line, or the users.
fn users(folder: &Folder, events: PathBuf) -> Result<Vec<String>, String> {
    let options = Options { events, out: folder.path("out"), overwrite: true, ..Options::default() };
    import(&options).map_err(|error| message(&error))?;
    Ok(Dataset::open(&options.out).unwrap().users.names().map(str::to_owned).collect())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(found: Result<T, String>, parts: &[&str]) {
    let message = found.expect_err("it should be refused");
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

#[test]
fn json_numbers_beyond_64_bits_are_refused_and_others_kept() {
    let folder = Folder::new();
    let line = |user: &str| format!("{{\"user\":{user},\"item\":\"a\"}}\n");
    let of = |users: &[&str]| users.iter().map(|user| line(user)).collect::<String>();
    let four =
        ["100000000000000000001", "100000000000000000002", "100000000000000000003", "100000000000000000004"];
    refused(
        users(&folder, folder.file("e.ndjson", of(&four))),
        &["e.ndjson:1: column `user`", RULE, "as text"],
    );
    // The column was taken for integers or texts before the float came.
    for first in ["1", "\"ann\""] {
        for bad in ["100000000000000000001", "9007199254740993.0", "9007199254740992.0", "1.5", "1e300"] {
            let mut lines = vec![first; 150];
            lines.push(bad);
            let found = users(&folder, folder.file("e.ndjson", of(&lines)));
            refused(found, &["e.ndjson:151: column `user`", RULE]);
        }
    }
    let kept = ["18446744073709551615", "-9223372036854775808", "9007199254740993", "7", "\"07\"", "3.0"];
    let found = users(&folder, folder.file("e.ndjson", of(&kept))).unwrap();
    assert_eq!(found, ["18446744073709551615", "-9223372036854775808", "9007199254740993", "7", "07", "3"]);
}

#[test]
fn parquet_floats_are_ids_only_where_they_are_exact() {
    let folder = Folder::new();
    let events = folder.path("e.parquet");
    let check = |user: ArrayRef| {
        let items = texts(&vec!["a"; user.len()]);
        write_parquet(&events, vec![("user", user), ("item", items)]);
        users(&folder, events.clone())
    };
    let doubles = |values: Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(values)) };
    refused(check(doubles(vec![1.0, (1u64 << 60) as f64])), &["e.parquet:2: column `user`", RULE]);
    refused(check(doubles(vec![1.5])), &["e.parquet:1: column `user`"]);
    let singles: ArrayRef = Arc::new(Float32Array::from(vec![16_777_216.0, 16_777_218.0]));
    refused(check(singles), &["e.parquet:2: column `user`", RULE]);
    let times = arrow_cast::cast(
        &Int64Array::from(vec![1, 2]),
        &arrow_schema::DataType::Timestamp(TimeUnit::Nanosecond, None),
    );
    refused(check(times.unwrap()), &["e.parquet:1: column `user`: got a typed time", "whole milliseconds"]);
    assert_eq!(check(doubles(vec![9_007_199_254_740_992.0, 7.0])).unwrap(), ["9007199254740992", "7"]);
    assert_eq!(check(Arc::new(UInt64Array::from(vec![u64::MAX]))).unwrap(), ["18446744073709551615"]);
}

#[test]
fn items_parents_and_lists_are_ids_too() {
    let folder = Folder::new();
    let (path, big) = (folder.path("i.parquet"), (1u64 << 60) as f64);
    let floats = || -> ArrayRef { Arc::new(Float64Array::from(vec![big])) };
    write_parquet(&path, vec![("item", floats()), ("title", texts(&["shoe"]))]);
    let options = Options {
        events: folder.file("e.csv", "user,item\nu,1\n"),
        items: Some(path.clone()),
        out: folder.path("out"),
        ..Options::default()
    };
    refused(import(&options).map_err(|error| message(&error)), &["i.parquet:1: column `item`", RULE]);
    let columns = TextColumns { path, ..TextColumns::default() };
    let read = columns.open().unwrap().next_rows(1).map_err(|error| message(&error));
    refused(read, &["i.parquet:1: column `item`", RULE]);
    for column in ["request_id", "parent_event_id"] {
        let events = folder.path("e.parquet");
        write_parquet(&events, vec![("user", texts(&["u"])), ("item", texts(&["a"])), (column, floats())]);
        refused(users(&folder, events), &[&format!("column `{column}`"), RULE]);
    }
    let labelled = |history: ArrayRef| {
        let train = folder.path("t.parquet");
        let ones: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let times: ArrayRef = Arc::new(Int64Array::from(vec![1_700_000_000]));
        let columns =
            vec![("user", texts(&["u"])), ("item", texts(&["7"])), ("label", ones), ("time", times)];
        write_parquet(&train, columns.into_iter().chain([("history", history)]).collect());
        let parts = PartFiles { train: Some(train), ..PartFiles::default() };
        let out = folder.path("out");
        let format = Format::Pointwise;
        import(&Options { format, parts, out, overwrite: true, ..Options::default() })
            .map_err(|error| message(&error))
    };
    let list = [Some(vec![Some(7.0), Some(big)])];
    refused(
        labelled(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(list))),
        &["t.parquet:1: column `history`", RULE],
    );
    let list = [Some(vec![Some(7), Some(i64::MAX)])];
    let kept = labelled(Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(list))).unwrap();
    assert_eq!((kept.items, kept.events), (2, 2));
}
