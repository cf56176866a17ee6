//! The promise of limits: a file that claims or holds absurd sizes, numbers or times ends in an error that names the place, before
//! memory is taken or a time overflows.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::{ArrayRef, Int64Array, TimestampSecondArray, UInt64Array};
use common::{Folder, gzip, message, texts, write_parquet};
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataReader, ParquetMetaDataWriter};
use semrank_data::{
    Dataset, DatasetWriter, Error, EventRow, Examples, ItemRow, When, WriterOptions,
    import::{Format, Mapping, Options, import},
};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

const MIB: usize = 1 << 20;
/// A moment in 2023.
const NOW: i64 = 1_700_000_000_000;

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let message = message(error);
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

fn integers(values: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

#[test]
fn rows_of_text_that_do_not_end_are_refused() {
    let folder = Folder::new();
    let long = "a".repeat(17 * MIB);
    let cases = [
        (Format::Table, "e.csv.gz", long.clone(), 1),
        (Format::Table, "e.tsv.gz", long.clone(), 1),
        (Format::Table, "e.csv.gz", format!("user,item\nu,a\nu,\"{long}"), 3),
        (Format::Table, "e.csv.gz", format!("user,item\nu,\"{}", "b\n".repeat(9 * MIB)), 2),
        (Format::Table, "e.ndjson.gz", format!("{{\"user\":1,\"item\":2}}\n{long}"), 2),
        (Format::S3rec, "e.txt.gz", format!("u a b\nv {long}"), 2),
        (Format::Movielens, "e.dat.gz", format!("1::2::3::964982703\n{long}"), 2),
        (Format::Atomic, "e.inter.gz", format!("user_id:token\titem_id:token\nu\t{long}"), 2),
        (Format::Mind, "e.tsv.gz", format!("1\tU\t11/12/2019 2:14:46 PM\tN1\t{long}"), 1),
    ];
    for (format, name, content, line) in cases {
        let events = folder.file(name, gzip(content.as_bytes()));
        for max_rejected in [0, 1000] {
            let (events, out) = (events.clone(), folder.path("out"));
            let error =
                import(&Options { format, events, out, max_rejected, ..Options::default() }).unwrap_err();
            says(
                &error,
                &[&format!("{name}:{line}: got a row of more than {} bytes", 16 * MIB), "one row per line"],
            );
        }
        std::fs::remove_file(&events).unwrap();
        assert!(folder.names().is_empty(), "{:?}", folder.names());
    }
}

#[test]
fn long_rows_within_the_limit_are_read() {
    let folder = Folder::new();
    let text = "a b ".repeat(3 * MIB);
    let items = Some(folder.file("i.csv", format!("item,title\n7,\"{text}\"\n8,x\n")));
    let events = folder.file("e.csv", "user,item\nu,7\nu,8\n");
    let report = import(&Options { events, items, out: folder.path("out"), ..Options::default() }).unwrap();
    assert_eq!((report.items, report.events), (2, 2));
}

#[test]
fn absurd_numbers_of_columns_are_refused() {
    let folder = Folder::new();
    let many = |separator: &str| vec!["a"; 20_000].join(separator);
    let keys: String = (0..20_000).map(|key| format!("\"k{key}\":1,")).collect();
    for (format, name, content, part) in [
        (Format::Table, "e.csv", many(","), "20000 columns"),
        (Format::Table, "e.tsv", many("\t"), "20000 columns"),
        (Format::Table, "e.ndjson", format!("{{{keys}\"user\":1}}\n"), "more than 10000 keys"),
        (Format::Movielens, "e.dat", many("::"), "a line of separators"),
    ] {
        let events = folder.file(name, content);
        let out = folder.path("out");
        let error = import(&Options { format, events, out, ..Options::default() }).unwrap_err();
        says(&error, &[name, part]);
    }
}

#[test]
fn a_gzipped_parquet_file_is_not_unpacked_without_limit() {
    let folder = Folder::new();
    let path = folder.path("e.parquet.gz");
    let mut packed = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
    let zeros = vec![0; MIB];
    (0..300).for_each(|_| packed.write_all(&zeros).unwrap());
    packed.finish().unwrap();
    let error = import(&Options { events: path, out: folder.path("out"), ..Options::default() }).unwrap_err();
    says(&error, &["e.parquet.gz is not a complete gzip file", "hold more than"]);
}

#[test]
fn an_endless_description_is_refused() {
    let folder = Folder::new();
    shop(&folder);
    let path = folder.path("set/dataset.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}#{}", "x".repeat(2 * MIB))).unwrap();
    says(&Dataset::open(&folder.path("set")).unwrap_err(), &["dataset.toml", "more than 1048576 bytes"]);
}

/// A data set of two items and two events, and two examples.
fn shop(folder: &Folder) {
    let events = folder.file("e.csv", "user,item,timestamp\nu,a,1700000000\nu,b,1700000001\n");
    import(&Options { events, out: folder.path("set"), overwrite: true, ..Options::default() }).unwrap();
    write_examples(folder, None);
}

/// Examples, one column of them replaced.
fn write_examples(folder: &Folder, changed: Option<(&str, ArrayRef)>) {
    let mut columns = vec![
        ("split", texts(&["train", "test"])),
        ("user_id", texts(&["u", "u"])),
        ("item_id", texts(&["a", "b"])),
        ("timestamp", integers(vec![NOW, NOW + 1000])),
        ("seq", integers(vec![0, 1])),
        ("history_end", integers(vec![0, 1])),
        ("label_click", integers(vec![0, 1])),
        ("click_time", integers(vec![NOW, NOW])),
        ("conversion_time", integers(vec![NOW, NOW])),
        ("elapsed_since_click", integers(vec![5, 5])),
        ("dwell_ms", integers(vec![0, i64::MAX])),
    ];
    if let Some((name, values)) = changed {
        columns.iter_mut().filter(|column| column.0 == name).for_each(|column| column.1 = values.clone());
    }
    write_parquet(&folder.path("set/examples.parquet"), columns);
}

/// The same file with another footer.
fn with_footer(path: &Path, change: impl FnOnce(&ParquetMetaData) -> ParquetMetaData) {
    let bytes = std::fs::read(path).unwrap();
    let old = ParquetMetaDataReader::new().parse_and_finish(&File::open(path).unwrap()).unwrap();
    let footer_bytes =
        u32::from_le_bytes(bytes[bytes.len() - 8..bytes.len() - 4].try_into().unwrap()) as usize;
    let mut file = bytes[..bytes.len() - 8 - footer_bytes].to_vec();
    ParquetMetaDataWriter::new(&mut file, &change(&old)).finish().unwrap();
    std::fs::write(path, file).unwrap();
}

/// A footer that claims so many rows.
fn claiming(old: &ParquetMetaData, rows: i64) -> ParquetMetaData {
    let file = old.file_metadata();
    let claimed = FileMetaData::new(file.version(), rows, None, None, file.schema_descr_ptr(), None);
    let group = old.row_group(0).clone().into_builder().set_num_rows(rows);
    ParquetMetaData::new(claimed, vec![group.build().unwrap()])
}

#[test]
fn footers_that_claim_more_than_the_file_holds_are_refused() {
    for file in ["examples.parquet", "events.parquet", "items.parquet"] {
        for rows in [1 << 60, 1 << 31, 3, 1, -1] {
            let folder = Folder::new();
            shop(&folder);
            let set = folder.path("set");
            with_footer(&set.join(file), |old| claiming(old, rows));
            let opened = Dataset::open(&set).and_then(|dataset| Examples::open(&set, &dataset));
            let error = opened.expect_err(&format!("{file} claims {rows} rows"));
            says(&error, &[file, "is not a complete Parquet file"]);
        }
    }
}

#[test]
fn times_beyond_1900_and_2200_are_refused_by_every_reader() {
    let folder = Folder::new();
    let set = folder.path("set");
    let open = || Dataset::open(&set).and_then(|dataset| Examples::open(&set, &dataset).map(|_| ()));
    for time in [i64::MIN, i64::MAX, -3_000_000_000_000, 8_000_000_000_000] {
        let is = |column: &str| {
            format!(":2: column `{column}`: got {time}, expected a time in ms UTC from 1900 to 2200")
        };
        let pair = || integers(vec![NOW, time]);
        let log = || {
            vec![
                ("user_id", texts(&["u", "u"])),
                ("item_id", texts(&["a", "b"])),
                ("action", texts(&["v", "v"])),
            ]
        };
        shop(&folder);
        write_parquet(
            &set.join("events.parquet"),
            log().into_iter().chain([("timestamp", pair())]).collect(),
        );
        says(&open().unwrap_err(), &["events.parquet", &is("timestamp")]);
        for column in ["valid_from", "active_from", "active_to"] {
            shop(&folder);
            write_parquet(
                &set.join("items.parquet"),
                vec![("item_id", texts(&["a", "b"])), (column, pair())],
            );
            says(&open().unwrap_err(), &["items.parquet", &is(column)]);
        }
        for column in ["timestamp", "click_time", "conversion_time"] {
            shop(&folder);
            write_examples(&folder, Some((column, pair())));
            says(&open().unwrap_err(), &["examples.parquet", &is(column)]);
        }
    }
    for elapsed in [i64::MIN, -1, i64::MAX, 9_000_000_000_000] {
        shop(&folder);
        write_examples(&folder, Some(("elapsed_since_click", integers(vec![elapsed, elapsed]))));
        says(&open().unwrap_err(), &["examples.parquet:1: column `elapsed_since_click`"]);
    }
    shop(&folder);
    open().unwrap();
}

#[test]
fn numbers_that_do_not_fit_are_refused_and_not_taken_for_nothing() {
    let folder = Folder::new();
    let set = folder.path("set");
    for (column, values) in [
        ("active_to", Arc::new(UInt64Array::from(vec![NOW as u64, u64::MAX])) as ArrayRef),
        ("active_to", Arc::new(TimestampSecondArray::from(vec![1, i64::MAX]))),
    ] {
        shop(&folder);
        write_parquet(
            &set.join("items.parquet"),
            vec![("item_id", texts(&["a", "b"])), (column, values.clone())],
        );
        says(&Dataset::open(&set).unwrap_err(), &["items.parquet:2: column `active_to`", "beyond 64 bits"]);
        let items = folder.path("i.parquet");
        write_parquet(&items, vec![("item", texts(&["a", "b"])), (column, values)]);
        let (events, out) = (folder.path("e.csv"), folder.path("out"));
        let error = import(&Options { events, items: Some(items), out, ..Options::default() }).unwrap_err();
        says(&error, &["i.parquet:2: column `active_to`"]);
    }
}

#[test]
fn positions_and_written_times_have_limits_too() {
    let folder = Folder::new();
    let set = folder.path("set");
    shop(&folder);
    let log = vec![("user_id", texts(&["u"])), ("item_id", texts(&["a"])), ("action", texts(&["v"]))];
    let position = [("position", integers(vec![i64::MIN]))];
    write_parquet(&set.join("events.parquet"), log.into_iter().chain(position).collect());
    says(&Dataset::open(&set).unwrap_err(), &["events.parquet:1: column `position`", "-2^53 to 2^53"]);
    let mapping = Mapping { order: Some("pos".into()), ..Mapping::default() };
    let events = folder.file("o.csv", "user,item,pos\nu,a,9223372036854775807\n");
    let error =
        import(&Options { events, mapping, out: folder.path("out"), ..Options::default() }).unwrap_err();
    says(&error, &["o.csv:2: column `pos`", "-2^53 to 2^53"]);
    let options = WriterOptions { add_unknown_items: true, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(&folder.path("new"), options).unwrap();
    assert!(writer.item(&ItemRow { id: "a", active_to: Some(i64::MAX), ..ItemRow::default() }).is_err());
    for time in [When::Time(i64::MAX), When::Position(i64::MIN)] {
        assert!(writer.event(&EventRow { user: "u", item: "a", time, ..EventRow::default() }).is_err());
    }
}
