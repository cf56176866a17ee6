//! The promise of folders of part files: they are one table, and the values in their folders' names are columns of it.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::{ArrayRef, Date32Array, Int64Array, StringArray};
use common::{Folder, gzip, options, read, refused, texts, write_parquet};
use semrank_data::import::{Mapping, Options, TextColumns};
use std::path::Path;
use std::sync::Arc;

/// Every event as `user item time action`, in the order of users.
#[track_caller]
fn events(options: &Options) -> Vec<String> {
    let (_, dataset) = read(options);
    let of = |user: u32| {
        let history = dataset.events.of(semrank_core::UserId(user));
        let event = |at: usize| {
            let item = dataset.catalog.name(history.items[at]);
            let action = dataset.actions.name(history.actions[at].0.into());
            format!("{} {item} {} {action}", dataset.users.name(user), history.times[at])
        };
        (0..history.len()).map(event).collect::<Vec<_>>()
    };
    (0..dataset.users.len() as u32).flat_map(of).collect()
}

/// Two events at this time, of a 7 and b.
#[track_caller]
fn is_log(options: &Options) {
    assert_eq!(events(options), ["u 1 a;7 1700000000000 view", "u2 b 1700000001000 view"]);
}

fn parquet(path: &Path, users: &[&str], items: &[&str], time: i64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let times: ArrayRef = Arc::new((0..users.len() as i64).map(|at| Some(time + at)).collect::<Int64Array>());
    write_parquet(path, vec![("user", texts(users)), ("item", texts(items)), ("timestamp", times)]);
}

#[test]
fn folders_of_part_files_are_one_table() {
    let folder = Folder::new();
    folder.file("parts/_SUCCESS", "");
    folder.file("parts/.part-0.crc", "x");
    parquet(&folder.path("parts/part-0.parquet"), &["u 1"], &["a;7"], 1_700_000_000);
    parquet(&folder.path("parts/part-1.parquet"), &["u2"], &["b"], 1_700_000_001);
    is_log(&options(&folder, folder.path("parts")));
    folder.file("csv/day=1/part-0.csv", "user,item,timestamp\nu 1,a;7,1700000000\n");
    folder.file("csv/day=2/part-0.csv", "timestamp,user,more,item\n1700000001,u2,x,b\n");
    folder.file("csv/day=2/part-1.csv", "");
    is_log(&options(&folder, folder.path("csv")));
    folder.file(
        "json/a.json",
        "{\"user\":\"u 1\",\"item\":\"a;7\",\"timestamp\":1700000000,\"action\":\"view\"}",
    );
    folder.file(
        "json/b.ndjson.gz",
        gzip(b"{\"user\":\"u2\",\"item\":\"b\",\"timestamp\":1700000001,\"action\":\"view\"}"),
    );
    is_log(&options(&folder, folder.path("json")));
    folder.file("csv/day=3/part-0.csv", "user,item\nu2,b\n");
    refused(
        &options(&folder, folder.path("csv")),
        &["day=3/part-0.csv", "the columns of the first part, with `timestamp`"],
    );
    folder.file("csv/day=3/part-0.csv", "user,item,timestamp\nu2,b,soon\n");
    refused(&options(&folder, folder.path("csv")), &["day=3/part-0.csv:2: column `timestamp`: got `soon`"]);
    std::fs::create_dir(folder.path("empty")).unwrap();
    refused(&options(&folder, folder.path("empty")), &["empty is empty: expected part files"]);
    let texts = TextColumns { path: folder.path("texts"), ..TextColumns::default() };
    folder.file("texts/1.csv", "id;title\na;shoe\n");
    folder.file("texts/2.csv", "id;title\nb;lamp\n");
    let rows = texts.open().unwrap().next_rows(10).unwrap();
    assert_eq!(rows.iter().map(|row| row.texts[0].as_str()).collect::<Vec<_>>(), ["shoe", "lamp"]);
}

#[test]
fn folders_with_values_are_columns() {
    let folder = Folder::new();
    folder.file("log/.hidden/action=no/part-0.csv", "user,item\nx,x\n");
    folder.file("log/_temporary/action=no/part-0.csv", "user,item\nx,x\n");
    folder.file("log/action=add%20to%2Fcart/day=2023-11-14/.part-0.csv.crc", "x");
    folder.file("log/action=add%20to%2Fcart/day=2023-11-14/part-0.csv", "user,item\nann,a\n");
    folder.file("log/action=add%20to%2Fcart/day=2023-11-15/deep/part-0.csv", "item,user\nb,ann\n");
    folder.file("log/action=view/day=2023-11-16/part-0.ndjson", "{\"user\":\"bob\",\"item\":\"b\"}\n");
    let mapping = Mapping { timestamp: Some("day".into()), ..Mapping::default() };
    let log = Options { mapping, ..options(&folder, folder.path("log")) };
    let day = |day: i64| 1_699_920_000_000 + day * 86_400_000;
    let expected = [
        format!("ann a {} add to/cart", day(0)),
        format!("ann b {} add to/cart", day(1)),
        format!("bob b {} view", day(2)),
    ];
    assert_eq!(events(&log), expected);
    // A table that names its folder with a value says nothing by it.
    let part = Options { events: folder.path("log/action=view"), ..log.clone() };
    assert_eq!(events(&part), [format!("bob b {} view", day(2))]);
    folder.file("log/action=view/part-1.csv", "user,item\nbob,b\n");
    refused(&log, &["action=view/part-1.csv: got the columns user, item, action", "with `day`"]);
}

#[test]
fn a_folder_may_stand_for_no_value() {
    let folder = Folder::new();
    parquet(&folder.path("log/site=a/part-0.parquet"), &["ann"], &["a"], 1_700_000_000);
    parquet(
        &folder.path("log/site=__HIVE_DEFAULT_PARTITION__/part-0.parquet"),
        &["ann"],
        &["b"],
        1_700_000_001,
    );
    let column = ("surface".to_owned(), "site".to_owned());
    let mapping = Mapping { event_columns: vec![column], ..Mapping::default() };
    let log = Options { mapping, ..options(&folder, folder.path("log")) };
    read(&log);
    let file = std::fs::File::open(folder.path("out/events.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 10).unwrap();
    let rows: Vec<_> = reader.map(Result::unwrap).collect();
    let surface = rows[0].column_by_name("surface").unwrap();
    let surface = surface.as_any().downcast_ref::<StringArray>().unwrap();
    assert_eq!(surface.iter().collect::<Vec<_>>(), [None, Some("a")], "folders by their names");
    let mapping = Mapping { user: Some("site".into()), ..Mapping::default() };
    refused(&Options { mapping, ..log }, &["column `site`: got an empty value"]);
}

#[test]
fn a_column_of_the_file_must_say_what_its_folder_says() {
    let folder = Folder::new();
    let log = |name: &str, action: &str| {
        let path = folder.path(&format!("{name}/action={action}/hour=07/part-0.parquet"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let hours: ArrayRef = Arc::new(Int64Array::from(vec![7, 7]));
        let columns = vec![
            ("user", texts(&["ann", "ann"])),
            ("item", texts(&["a", "b"])),
            ("action", texts(&["click", "click"])),
            ("hour", hours),
        ];
        write_parquet(&path, columns);
        let column = ("hour".to_owned(), "hour".to_owned());
        let mapping = Mapping { event_columns: vec![column], ..Mapping::default() };
        Options { mapping, ..options(&folder, folder.path(name)) }
    };
    assert_eq!(read(&log("same", "click")).0.actions["click"], 2);
    let other = log("other", "buy");
    refused(
        &other,
        &["part-0.parquet:1: column `action`: got `click`, expected `buy`, as its folder `action=buy` says"],
    );
    let tolerant = Options { max_rejected: 9, ..other };
    refused(&tolerant, &["no event"]);
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![19_675]));
    let path = folder.path("dates/day=2023-11-14/part-0.parquet");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_parquet(&path, vec![("user", texts(&["ann"])), ("item", texts(&["a"])), ("day", dates)]);
    let mapping = Mapping { timestamp: Some("day".into()), ..Mapping::default() };
    let dates = Options { mapping, ..options(&folder, folder.path("dates")) };
    assert_eq!(events(&dates), ["ann a 1699920000000 view"]);
    folder.file("twice/a=1/a=2/part-0.csv", "user,item\nu,i\n");
    refused(&options(&folder, folder.path("twice")), &["the folders `a=1` and `a=2`", "one value of `a`"]);
}
