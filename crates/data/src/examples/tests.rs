//! Examples are written and read as they are; rows that do not fit the data set are refused.

use super::*;
use crate::{DatasetWriter, EventRow, ExtraColumn, ItemRow, Value, When, WriterOptions};

/// A shop where ann has three events at 100, 200 and 300; `examples` are written unchecked beside it.
fn shop(
    dir: &Path,
    optional: &[OptionalColumn],
    context: &[ExtraColumn],
    examples: &[ExampleRow<'_>],
) -> Dataset {
    let mut writer = DatasetWriter::create(dir, WriterOptions::default()).unwrap();
    for id in ["07", "7"] {
        writer.item(&ItemRow { id, ..ItemRow::default() }).unwrap();
    }
    for time in [100, 200, 300] {
        let time = When::Time(time);
        writer.event(&EventRow { user: "ann", item: "7", time, ..EventRow::default() }).unwrap();
    }
    let mut out = ExamplesWriter::create(writer.folder(), optional, context).unwrap();
    examples.iter().for_each(|row| out.push(row).unwrap());
    assert_eq!(out.close().unwrap(), examples.len() as u64);
    writer.finish().unwrap();
    Dataset::open(dir).unwrap()
}

fn row<'a>(user: &'a str, item: &'a str, timestamp: i64, history_end: u32) -> ExampleRow<'a> {
    ExampleRow { user, item, timestamp, history_end, ..ExampleRow::default() }
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("shop");
    let context = [("goal", ColumnType::Text), ("hour", ColumnType::Integer), ("price", ColumnType::Number)]
        .map(|(name, kind)| ExtraColumn { name: name.into(), kind });
    let full = ExampleRow {
        part: Part::Test,
        seq: 9,
        click: true,
        conversion: Some(true),
        click_time: Some(250),
        conversion_time: Some(400),
        elapsed_since_click: Some(750),
        matured: Some(true),
        dwell_ms: Some(1 << 40),
        request: Some("r1"),
        surface: Some("feed"),
        slot: Some(3),
        propensity: Some(0.25),
        context: &[Value::Text("07"), Value::Integer(12), Value::Number(2.5)],
        ..row("ann", "07", 210, 2)
    };
    let empty = ExampleRow { matured: Some(false), context: &[Value::Null; 3], ..row("bob", "7", 210, 0) };
    let data = shop(&dir, &OptionalColumn::ALL, &context, &[empty, full]);
    let examples = Examples::open(&dir, &data).unwrap();
    assert_eq!(examples.len(), 2);
    assert_eq!(examples.parts, [Part::Train, Part::Test]);
    let names = examples.users.iter().map(|user| examples.user_names.name(user.0));
    assert_eq!(names.collect::<Vec<_>>(), ["bob", "ann"]);
    assert_eq!(examples.items, [ItemId(1), ItemId(0)]);
    assert_eq!(
        (&examples.clicks[..], &examples.conversions[..]),
        (&[false, true][..], &[None, Some(true)][..])
    );
    assert_eq!((&examples.click_times[..], examples.log_end), (&[i64::MIN, 250][..], Some(1000)));
    assert_eq!(examples.conversion_times, [i64::MIN, 400]);
    assert_eq!((&examples.dwell_ms[..], &examples.slots[..]), (&[-1, i32::MAX][..], &[u16::MAX, 3][..]));
    assert_eq!((&examples.requests[..], &examples.surfaces[..]), (&[u32::MAX, 0][..], &[u8::MAX, 0][..]));
    assert!(examples.propensities[0].is_nan() && examples.propensities[1] == 0.25);
    assert_eq!(examples.context("goal").unwrap().text(1), Some("07"));
    assert_eq!(examples.context("goal").unwrap().text(0), None);
    assert_eq!(examples.rows(Part::Test).collect::<Vec<_>>(), [1]);
    assert_eq!(examples.history(&data, 1).times, [100, 200]);
    assert!(examples.history(&data, 0).is_empty(), "bob has no events");
}

#[test]
fn absent_columns_are_empty_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("shop");
    let data = shop(&dir, &[], &[], &[row("ann", "7", 300, 3)]);
    let examples = Examples::open(&dir, &data).unwrap();
    assert!(examples.conversions.is_empty() && examples.slots.is_empty() && examples.context.is_empty());
    std::fs::remove_file(dir.join(FILE)).unwrap();
    assert!(!Examples::exist(&dir));
    assert!(Examples::open(&dir, &data).unwrap_err().to_string().contains("no examples.parquet"));
}

#[test]
fn bad_rows_are_refused_with_row_and_column() {
    let good = row("ann", "7", 200, 1);
    for (bad, column, got) in [
        (row("ann", "8", 300, 0), "item_id", "`8`"),
        (row("ann", "7", 300, 4), "history_end", "got 4, expected 0 to 3"),
        (row("ann", "7", 250, 3), "history_end", "no event after the example's time 250"),
        (row("cy", "7", 250, 1), "history_end", "expected 0 to 0"),
        (ExampleRow { slot: Some(70_000), ..row("ann", "7", 250, 0) }, "slot", "70000"),
        (ExampleRow { propensity: Some(0.0), ..row("ann", "7", 250, 0) }, "propensity", "above 0"),
        (ExampleRow { dwell_ms: Some(-2), ..row("ann", "7", 250, 0) }, "dwell_ms", "0 or more"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("shop");
        let columns = [OptionalColumn::Slot, OptionalColumn::Propensity, OptionalColumn::DwellMs];
        let data = shop(&dir, &columns, &[], &[good, bad]);
        let error = Examples::open(&dir, &data).unwrap_err().to_string();
        assert!(error.contains("examples.parquet:2: ") && error.contains(column), "{error}");
        assert!(error.contains(got), "{error}");
    }
}

#[test]
fn foreign_files_are_checked_too() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("shop");
    let data = shop(&dir, &[], &[], &[row("ann", "7", 300, 3)]);
    let columns = REQUIRED.map(|(name, kind)| ExtraColumn { name: name.into(), kind });
    for (split, label, times, message) in [
        ("train", 2, [300, 300], "column `label_click`: got 2, expected 0 or 1"),
        ("dev", 1, [300, 300], "column `split`: got `dev`"),
        ("train", 1, [400, 300], "column `timestamp`: got (300, 0), expected rows sorted"),
    ] {
        let mut sink = crate::parquet_sink::ParquetSink::create(&dir.join(FILE), columns.to_vec()).unwrap();
        for time in times {
            let (split, user, item) = (Value::Text(split), Value::Text("ann"), Value::Text("7"));
            let numbers = [time, 0, 3, label].map(Value::Integer);
            sink.push([split, user, item].into_iter().chain(numbers)).unwrap();
        }
        sink.close().unwrap();
        let error = Examples::open(&dir, &data).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn the_writer_refuses_rows_out_of_order_and_standard_names_as_context() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ExamplesWriter::create(folder.path(), &[], &[]).unwrap();
    writer.push(&row("ann", "7", 300, 0)).unwrap();
    assert!(writer.push(&row("ann", "7", 299, 0)).unwrap_err().to_string().contains("sort by"));
    assert!(writer.push(&row("", "7", 300, 0)).is_err());
    let never = ExampleRow { click_received: Some(i64::MAX), ..row("ann", "7", 300, 0) };
    assert!(writer.push(&never).unwrap_err().to_string().contains("from 1900 to 2200"));
    let slot = ExtraColumn { name: "slot".into(), kind: ColumnType::Integer };
    assert!(ExamplesWriter::create(folder.path(), &[], &[slot]).is_err());
}
