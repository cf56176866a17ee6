//! The promise of values: an invalid value is refused, never changed; what is probably a mistake is reported, with what to do about
//! it.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{ArrayRef, Float32Array, Int64Array, ListArray};
use common::{Folder, message, options, refused, texts, write_parquet};
use semrank_data::{
    Dataset, ImportReport,
    import::{Format, Mapping, Options, PartFiles, UnknownItems, import},
};
use std::path::PathBuf;
use std::sync::Arc;

const START: i64 = 1_700_000_000;

fn lists(values: &[&[&str]]) -> ArrayRef {
    let mut builder = arrow_array::builder::ListBuilder::new(arrow_array::builder::StringBuilder::new());
    for list in values {
        list.iter().for_each(|value| builder.values().append_value(value));
        builder.append(true);
    }
    Arc::new(builder.finish())
}

/// Imports, and expects a warning with each of `parts`; none at all where there are none.
#[track_caller]
fn told(options: &Options, parts: &[&str]) -> ImportReport {
    let report = import(options).unwrap_or_else(|error| panic!("{}", message(&error)));
    let told = report.warnings.join("\n");
    parts.iter().for_each(|part| assert!(told.contains(part), "expected `{part}` in: {told}"));
    assert!(!parts.is_empty() || told.is_empty(), "{told}");
    report
}

/// The items of a user in the order of the log, with their times in seconds from the start.
fn sequence(options: &Options, user: &str) -> String {
    let dataset = Dataset::open(&options.out).unwrap();
    let user = semrank_core::UserId(dataset.users.get(user).unwrap());
    let events = dataset.events.of(user);
    let of = |(item, time): (&semrank_core::ItemId, &i64)| {
        let action = dataset.actions.name(dataset.events.actions()[0].0.into());
        format!("{} {} {action}", dataset.catalog.name(*item), time / 1000 - START)
    };
    events.items.iter().zip(events.times).map(of).collect::<Vec<_>>().join(", ")
}

#[test]
fn lists_are_no_ids_and_no_times() {
    let folder = Folder::new();
    let path = folder.path("e.parquet");
    let times: ArrayRef = Arc::new(Int64Array::from(vec![START, START + 1]));
    let of = |items: ArrayRef, times: ArrayRef| {
        write_parquet(&path, vec![("user", texts(&["u", "v"])), ("item", items), ("timestamp", times)]);
        options(&folder, path.clone())
    };
    let two = lists(&[&["a", "b"], &["c"]]);
    refused(
        &of(two.clone(), times.clone()),
        &["e.parquet:1: column `item`: got the list `a, b`", "--unfold"],
    );
    let one = lists(&[&["a"], &["c"]]);
    refused(&of(one, times.clone()), &["column `item`: got the list `a`"]);
    let one_time = [Some(vec![Some(START)]), Some(vec![Some(START)])];
    let list_times: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(one_time));
    refused(&of(texts(&["a", "b"]), list_times), &["column `timestamp`: got the list `1700000000`"]);
    for (name, content) in [
        ("e.csv", "user,item\nu,\"['a', 'b']\"\n"),
        ("e.csv", "user,item\nu,[1 2]\n"),
        ("e.csv", "user,item\n\"{a,b}\",x\n"),
        ("e.ndjson", "{\"user\":\"u\",\"item\":[\"a\"]}\n"),
        ("e.json", "[{\"user\":[1,2],\"item\":\"a\"}]"),
    ] {
        refused(&options(&folder, folder.file(name, content)), &["got the list"]);
    }
    told(&options(&folder, folder.file("e.csv", "user,item\n[deleted],a\n")), &[]);
}

#[test]
fn lists_are_unfolded_on_request() {
    let folder = Folder::new();
    let path = folder.path("e.parquet");
    let unfold = |separator: Option<&str>, events: PathBuf| {
        let mapping =
            Mapping { unfold: true, history_separator: separator.map(str::to_owned), ..Mapping::default() };
        Options { mapping, ..options(&folder, events) }
    };
    let times = [Some(vec![Some(START + 9), Some(START + 20)]), Some(vec![Some(START + 5)])];
    let times: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(times));
    let items = lists(&[&["a, x", "b"], &["c"]]);
    write_parquet(&path, vec![("user", texts(&["u", "v"])), ("item", items.clone()), ("timestamp", times)]);
    let of = unfold(None, path.clone());
    assert_eq!(told(&of, &[]).events, 3);
    assert_eq!(sequence(&of, "u"), "a, x 9 view, b 20 view");
    let times: ArrayRef = Arc::new(Int64Array::from(vec![START, START + 1]));
    write_parquet(&path, vec![("user", texts(&["u", "v"])), ("item", items), ("timestamp", times)]);
    told(&of, &[]);
    assert_eq!(sequence(&of, "u"), "a, x 0 view, b 0 view", "one time for all keeps the order of the list");

    let text = format!("user;item;timestamp;action\nu;b|a b|b;{START};click\nv;a;{};click\n", START + 1);
    let of = unfold(Some("|"), folder.file("e.csv", text));
    told(&of, &[]);
    assert_eq!(sequence(&of, "u"), "b 0 click, a b 0 click, b 0 click");
    let text = format!("user,item,timestamp\nu,\"[a, b]\",\"[{START}, {}]\"\n", START + 3);
    let of = unfold(None, folder.file("e.csv", text));
    told(&of, &[]);
    assert_eq!(sequence(&of, "u"), "a 0 view, b 3 view");

    let text = format!("user,item,timestamp\nu,\"[a, b, c]\",\"[{START}, {START}]\"\n");
    refused(
        &unfold(None, folder.file("e.csv", text)),
        &["column `timestamp`: got a list of 2", "as many as items, 3"],
    );
    refused(&unfold(None, folder.file("e.csv", "user,item\nu,[]\n")), &["got an empty list"]);
}

#[test]
fn floats_of_32_bits_are_no_times() {
    let folder = Folder::new();
    let path = folder.path("e.parquet");
    let small = || -> ArrayRef { Arc::new(Float32Array::from(vec![1.7e9, 1.7e9])) };
    write_parquet(
        &path,
        vec![("user", texts(&["u", "v"])), ("item", texts(&["a", "b"])), ("timestamp", small())],
    );
    let events = options(&folder, path.clone());
    refused(&events, &["times in column `timestamp` of 32-bit floats", "128 s apart"]);
    write_parquet(&path, vec![("item", texts(&["a", "b"])), ("active_to", small())]);
    let items = Some(path.clone());
    let log = folder.file("e.csv", "user,item\nu,a\n");
    refused(&Options { items, ..options(&folder, log) }, &["times in column `active_to` of 32-bit floats"]);
    let times = [Some(vec![Some(1.7e9)]), Some(vec![Some(1.7e9)])];
    let times: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(times));
    write_parquet(
        &path,
        vec![("user", texts(&["u", "v"])), ("item", lists(&[&["a"], &["b"]])), ("timestamp", times)],
    );
    let mapping = Mapping { unfold: true, ..Mapping::default() };
    refused(&Options { mapping, ..events }, &["column `timestamp`", "kept exactly"]);
}

#[test]
fn rounded_numbers_are_no_ids_times_or_places() {
    let folder = Folder::new();
    let csv = |text: &str| options(&folder, folder.file("e.csv", text));
    refused(
        &csv("user,item\n1.23457E+15,a\n"),
        &["e.csv:2: column `user`: got `1.23457E+15`", "kept exactly"],
    );
    refused(&csv("user,item\nu,1e+06\n"), &["column `item`: got `1e+06`"]);
    refused(&csv("user,item\nu,9007199254740993.0\n"), &["column `item`"]);
    refused(&csv("user,item,request_id\nu,a,2.5E+17\n"), &["column `request_id`"]);
    refused(&csv("user,item,timestamp\nu,a,1.7E+09\n"), &["column `timestamp`: got `1.7E+09`"]);
    let order = Mapping { order: Some("pos".into()), ..Mapping::default() };
    refused(&Options { mapping: order, ..csv("user,item,pos\nu,a,1.7E+09\n") }, &["column `pos`"]);
    told(&csv("user,item\n12e5,3e10a\n"), &[]);
}

#[test]
fn ids_that_may_be_one_are_told() {
    let folder = Folder::new();
    let csv = |text: &str| options(&folder, folder.file("e.csv", text));
    told(
        &csv("user,item\nu,12\nu,12.0\n"),
        &["1 pair of items differs by `.0` at the end", "`12` and `12.0`"],
    );
    told(&csv("user,item\nAnn,a\nann,a\n"), &["1 pair of users differs by letter case"]);
    told(&csv("user,item\nu,a \nu,a\n"), &["blanks"]);
    told(&csv("user,item\nu,07\nu,7\n"), &["leading zeros"]);
    told(&csv("user,item\nu,caf\u{e9}\nu,cafe\u{301}\n"), &["Unicode form"]);
    let items = Some(folder.file("i.csv", "item,title\nSKU-7,shoe\n"));
    for item in ["sku-7", " SKU-7", "SKU-7\u{200b}"] {
        let events = csv(&format!("user,item\nu,{item}\n"));
        refused(&Options { items: items.clone(), ..events }, &["the items file has `SKU-7`"]);
    }
}

#[test]
fn repeated_events_are_told() {
    let folder = Folder::new();
    let csv = |text: &str| options(&folder, folder.file("e.csv", text));
    let twice = "user,item,timestamp\nu,a,1700000000\nu,b,1700000001\nu,a,1700000000\nu,a,1700000000\n";
    told(&csv(twice), &["2 events repeat another in every column"]);
    told(&csv("user,item,timestamp,slot\nu,a,1700000000,0\nu,a,1700000000,1\nu,b,1700000001,0\n"), &[]);
    told(&csv("user,item\nu,a\nu,a\n"), &[]);
}

#[test]
fn items_that_have_all_expired_are_told() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,timestamp\nu,a,1700000000\nu,b,1700001000\n");
    let with =
        |text: &str| Options { items: Some(folder.file("i.csv", text)), ..options(&folder, events.clone()) };
    told(
        &with("item,active_to\na,1600000000\nb,1600000001\n"),
        &["all items end by 2020-09-13", "before the first event"],
    );
    told(
        &with("item,active_to\na,1700000500\nb,1600000001\n"),
        &["before the last event", "nothing is left to recommend"],
    );
    told(&with("item,active_to\na,1600000000\nb,\n"), &[]);
    let typo = Options { unknown_items: UnknownItems::Add, ..with("item,title\nx,shoe\n") };
    told(&typo, &["no event has an item that the items file describes", "--item-id"]);
}

#[test]
fn targets_that_nobody_chose_are_told() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,action\nu,a,impression\nu,a,click\n");
    let of = options(&folder, events);
    told(&of, &["every `impression` is a target", "--target-action, e.g. click"]);
    told(&Options { target_action: Some("click".into()), ..of }, &[]);
    let same = folder.file("e.csv", "user,item,timestamp\nu,a,1700000000\nu,b,1700000000\n");
    told(&options(&folder, same), &["all events have the same time", "--set data.split=leave-one-out"]);
}

/// Labelled rows of 8 users and 12 items, one per minute; the ids are written as `user` and `item` say.
fn rows_of(from: i64, count: i64, user: fn(i64) -> String, item: fn(i64) -> String) -> String {
    let row = |at: i64| {
        let (user, item, label) = (user(at % 8), item(at * 5 % 12), at % 3 % 2);
        format!(
            "{user},{item},{},{label},{},{}\n",
            START + at * 60,
            if label == 1 { "/buy" } else { "" },
            at % 4
        )
    };
    (from..from + count)
        .fold("user,item,timestamp,label,page,slot_name\n".to_owned(), |all, at| all + &row(at))
}

fn rows(from: i64, count: i64) -> String {
    rows_of(from, count, |user| format!("u{user}"), |item| format!("i{item}"))
}

fn labelled(folder: &Folder, train: &str, test: &str) -> Options {
    let file = |name: &str, text: &str| Some(folder.file(name, text));
    let parts =
        PartFiles { train: file("train.csv", train), test: file("test.csv", test), ..PartFiles::default() };
    let mapping = Mapping { ignored: vec!["page".into()], ..Mapping::default() };
    Options { format: Format::Pointwise, parts, mapping, ..options(folder, PathBuf::new()) }
}

#[test]
fn rows_in_two_files_are_told() {
    let folder = Folder::new();
    let same = labelled(&folder, &rows(0, 40), &rows(0, 40));
    told(&same, &["40 of 40 test rows are train rows too"]);
    told(&labelled(&folder, &rows(0, 40), &rows(30, 40)), &["10 of 40 test rows are train rows too"]);
    told(&labelled(&folder, &rows(0, 40), &rows(40, 40)), &[]);
    let twice = rows(0, 40) + rows(0, 3).split_once('\n').unwrap().1;
    told(&labelled(&folder, &twice, &rows(40, 40)), &["3 train rows repeat another"]);
}

#[test]
fn columns_that_decide_the_label_are_told() {
    let folder = Folder::new();
    let ignored = labelled(&folder, &rows(0, 40), &rows(40, 10));
    told(&ignored, &[]);
    let kept = Options { mapping: Mapping::default(), ..ignored };
    told(&kept, &["column `page` alone decides the label of all training rows", "--ignore page"]);
}

#[test]
fn test_rows_of_strangers_are_told() {
    let folder = Folder::new();
    let other = rows_of(40, 40, |user| format!("V{user}"), |item| format!("J{item}"));
    told(
        &labelled(&folder, &rows(0, 40), &other),
        &["none of the 12 items of the test rows is one of the training rows", "none of the 8 users"],
    );
    let whole = rows_of(0, 40, |user| format!("u{user}"), |item| item.to_string());
    let floats = rows_of(40, 40, |user| format!("u{user}"), |item| format!("{item}.0"));
    told(
        &labelled(&folder, &whole, &floats),
        &["12 pairs of items differ by `.0` at the end", "none of the 12 items of the test rows"],
    );
    let items = Some(folder.file("items.csv", "item,title\nx,shoe\n"));
    let of = labelled(&folder, &rows(0, 40), &rows(40, 10));
    told(
        &Options { items, unknown_items: UnknownItems::Add, ..of },
        &["the items file describes none of the 10 items of the test rows"],
    );
}

#[test]
fn histories_that_are_no_lists_of_items_are_told() {
    let folder = Folder::new();
    let text =
        format!("user,item,timestamp,label,history\nu,a,{START},1,b^c\nv,b,{START},0,\nw,c,{START},0,a^b\n");
    let parts = PartFiles { train: Some(folder.file("t.csv", text)), ..PartFiles::default() };
    let of = Options { format: Format::Pointwise, parts, ..options(&folder, PathBuf::new()) };
    told(&of, &["none of the 2 different entries", "`b^c`", "--history-separator '^'"]);
    let mapping = Mapping { history_separator: Some("^".into()), ..Mapping::default() };
    assert_eq!(told(&Options { mapping, ..of.clone() }, &[]).items, 3);
    let items = Some(folder.file("items.csv", "item\na\nb\nc\n"));
    refused(&Options { items, ..of }, &["column `history`: got `b^c`", "--history-separator '^'"]);
}
