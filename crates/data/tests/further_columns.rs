//! The promise of further item columns: what an import keeps is what filters read, and what cannot be compared says why.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::builder::{BinaryBuilder, ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, DictionaryArray, Float32Array, Float64Array,
    Int64Array, NullArray, TimestampMicrosecondArray, UInt64Array,
};
use common::{Folder, options, read, refused, texts, write_parquet};
use semrank_data::import::{Mapping, Options};
use semrank_data::{Dataset, FurtherColumn, ItemValues};
use std::path::Path;
use std::sync::Arc;

/// A data set folder of three items, with these further columns.
fn written(folder: &Folder, columns: Vec<(&str, ArrayRef)>) -> std::path::PathBuf {
    let dir = folder.path("set");
    folder.file("set/dataset.toml", "name = \"set\"\ntext = [\"title\"]\n");
    let mut items = vec![("item_id", texts(&["a", "b", "c"])), ("title", texts(&["x", "y", "z"]))];
    items.extend(columns);
    write_parquet(&dir.join("items.parquet"), items);
    let times: ArrayRef = Arc::new(Int64Array::from(vec![1_700_000_000_000]));
    let events = vec![
        ("user_id", texts(&["u"])),
        ("item_id", texts(&["a"])),
        ("action", texts(&["view"])),
        ("timestamp", times),
    ];
    write_parquet(&dir.join("events.parquet"), events);
    dir
}

fn columns(dir: &Path) -> Vec<FurtherColumn> {
    let dataset = Dataset::open(dir).unwrap();
    FurtherColumn::open(dir, &dataset, &|_| true, i64::MAX).unwrap()
}

/// A column in few words: its numbers, its texts, or why it cannot be used.
fn shown(column: &FurtherColumn) -> String {
    match &column.values {
        ItemValues::Numbers(numbers) => format!("{numbers:?}"),
        ItemValues::Texts { names, codes } => {
            let item =
                |codes: &[u32]| codes.iter().map(|&code| names.name(code)).collect::<Vec<_>>().join("+");
            codes.iter().map(|codes| item(codes)).collect::<Vec<_>>().join("|")
        }
        ItemValues::Unusable(reason) => reason.clone(),
    }
}

#[track_caller]
fn check(array: impl arrow_array::Array + 'static, expected: &str) {
    let folder = Folder::new();
    let columns = columns(&written(&folder, vec![("x", Arc::new(array) as ArrayRef)]));
    assert_eq!(columns.len(), 1, "neither ids nor texts are among them");
    assert_eq!((columns[0].name.as_str(), shown(&columns[0]).as_str()), ("x", expected));
}

#[test]
fn every_type_is_read_or_says_why_not() {
    check(Int64Array::from(vec![Some(-3), None, Some(1 << 53)]), "[-3.0, NaN, 9007199254740992.0]");
    check(Float32Array::from(vec![0.5, f32::NAN, f32::INFINITY]), "[0.5, NaN, inf]");
    check(Float64Array::from(vec![None, Some(-0.0), Some(1e300)]), "[NaN, -0.0, 1e300]");
    let prices = Decimal128Array::from(vec![Some(1250), None, Some(-1)]);
    check(prices.with_precision_and_scale(10, 2).unwrap(), "[12.5, NaN, -0.01]");
    check(TimestampMicrosecondArray::from(vec![Some(5_000_000), None, Some(-1000)]), "[5000.0, NaN, -1.0]");
    check(Date32Array::from(vec![0, 1, 2]), "[0.0, 86400000.0, 172800000.0]");
    check(BooleanArray::from(vec![Some(true), None, Some(false)]), "true||false");
    check(vec![Some("us"), None, Some("")].into_iter().collect::<DictionaryArray<Int32Type>>(), "us||");
    check(NullArray::new(3), "||");
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("us"), Some("de"), None, Some(""), Some("us")]);
    lists.append_null();
    lists.append_value([Some("de")]);
    check(lists.finish(), "us+de||de");

    let huge = "row 2 of items.parquet holds 9007199254740993, and filters compare exactly up to 2^53; write it as text";
    check(Int64Array::from(vec![1, (1 << 53) + 1, 2]), huge);
    check(
        UInt64Array::from(vec![1, 2, u64::MAX]),
        "row 3 of items.parquet holds a number beyond 64 bits; write it as text",
    );
    let mut bytes = BinaryBuilder::new();
    (0..3).for_each(|_| bytes.append_value(b"x"));
    check(bytes.finish(), "it is of type Binary; write it as text, a number, a time or a list of texts");
}

#[test]
fn the_row_counts_that_is_valid_with_all_its_values() {
    let folder = Folder::new();
    let dir = folder.path("set");
    written(&folder, Vec::new());
    let times: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(20), Some(10)]));
    let rows = vec![
        ("item_id", texts(&["a", "a", "a"])),
        ("title", texts(&["x", "y", "z"])),
        ("valid_from", times),
        ("status", Arc::new(arrow_array::StringArray::from(vec![Some("paused"), None, Some("active")]))),
        ("bid", Arc::new(Float64Array::from(vec![Some(1.0), Some(2.0), None]))),
    ];
    write_parquet(&dir.join("items.parquet"), rows);
    let dataset = Dataset::open(&dir).unwrap();
    let at = |time| {
        let columns = FurtherColumn::open(&dir, &dataset, &|_| true, time).unwrap();
        columns.iter().map(shown).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(at(5), "paused [1.0]");
    assert_eq!(at(10), "active [NaN]", "what is empty in the row that counts is not taken from another");
    assert_eq!(at(i64::MAX), " [2.0]");
}

fn import_of(folder: &Folder, items: std::path::PathBuf, item_columns: &[(&str, &str)]) -> Options {
    let events = folder.file("e.csv", "user,item,timestamp\nu,a,1700000000\nu,b,1700000001\n");
    let pairs = item_columns.iter().map(|(name, source)| ((*name).to_owned(), (*source).to_owned()));
    let mapping = Mapping { item_columns: pairs.collect(), ..Mapping::default() };
    Options { items: Some(items), mapping, ..options(folder, events) }
}

#[track_caller]
fn imported(options: &Options) -> Vec<String> {
    let (_, dataset) = read(options);
    let columns = FurtherColumn::open(&options.out, &dataset, &|_| true, i64::MAX).unwrap();
    columns.iter().map(|column| format!("{} {}", column.name, shown(column))).collect()
}

#[test]
fn an_import_keeps_what_decides_whether_an_item_is_shown() {
    let folder = Folder::new();
    let items = folder.file(
        "i.csv",
        "item,title,status,budget_left,spent,budget,margin\na,x,active,2.5,1,9,3\nb,y,paused,,,,4\n",
    );
    let known = ["budget [9.0, NaN]", "budget_left [2.5, NaN]", "spent [1.0, NaN]", "status active|paused"];
    assert_eq!(imported(&import_of(&folder, items.clone(), &[])), known);
    // Under another name a status says nothing, and is not kept twice.
    let renamed = imported(&import_of(&folder, items.clone(), &[("shelf", "status"), ("margin", "margin")]));
    assert_eq!(renamed, [&["shelf active|paused", "margin 3|4"][..], &known[..3]].concat());
    let bad = folder.file("bad.csv", "item,title,budget_left\na,x,lots\nb,y,1\n");
    refused(&import_of(&folder, bad, &[]), &["bad.csv:2", "budget_left", "`lots`", "a finite number"]);
}

#[test]
fn lists_stay_lists() {
    let folder = Folder::new();
    let json = folder.file(
        "i.ndjson",
        "{\"item\":\"a\",\"title\":\"x\",\"countries\":[\"us\",\"de, at\"],\"tags\":7}\n\
         {\"item\":\"b\",\"title\":\"y\",\"countries\":\"fr\",\"tags\":[]}\n",
    );
    let names = [("countries", "countries"), ("tags", "tags")];
    assert_eq!(imported(&import_of(&folder, json, &names)), ["countries us+de, at|fr", "tags 7|"]);
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("us"), Some("de")]);
    lists.append_null();
    let path = folder.path("i.parquet");
    let lists: ArrayRef = Arc::new(lists.finish());
    write_parquet(
        &path,
        vec![("item", texts(&["a", "b"])), ("title", texts(&["x", "y"])), ("countries", lists)],
    );
    assert_eq!(imported(&import_of(&folder, path, &names[..1])), ["countries us+de|"]);
}
