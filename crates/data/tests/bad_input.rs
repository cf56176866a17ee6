//! Bad input gives a message that names the place and the remedy, never a panic, never a data set.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::{Folder, gzip, message};
use proptest::prelude::*;
use semrank_data::{
    Dataset,
    import::{Format, Mapping, Options, import},
};
use std::path::Path;

const EVENTS: &str = "user,item,timestamp\nu,a,1700000000\n";
const ITEMS: &str = "item,title\na,shoe\n";

/// Imports and expects an error with all of `parts`, and an untouched folder.
fn check_options(folder: &Folder, options: Options, parts: &[&str]) {
    let before = folder.names();
    let error = import(&Options { out: folder.path("out"), ..options }).expect_err("it should be refused");
    let message = message(&error);
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
    assert_eq!(folder.names(), before, "nothing may be left behind");
}

/// A case of one events file `e.EXT` and one items file `i.csv`.
fn check(format: Format, extension: &str, events: impl AsRef<[u8]>, items: &str, parts: &[&str]) {
    let folder = Folder::new();
    let events = folder.file(&format!("e.{extension}"), events);
    let items = (!items.is_empty()).then(|| folder.file("i.csv", items));
    check_options(&folder, Options { format, events, items, ..Options::default() }, parts);
}

fn csv(events: &str, parts: &[&str]) {
    check(Format::Table, "csv", events, ITEMS, parts);
}

fn items(items: &str, parts: &[&str]) {
    check(Format::Table, "csv", EVENTS, items, parts);
}

fn sequences(lines: &str, parts: &[&str]) {
    check(Format::S3rec, "txt", lines, ITEMS, parts);
}

#[test]
fn columns() {
    csv(
        "user,itme,timestamp\nu,a,1\n",
        &["e.csv has no column `item_id`", "user, itme, timestamp", "`itme`", "--event-item"],
    );
    csv("usr,item,timestamp\nu,a,1\n", &["no column `user_id`", "did you mean `usr`", "--user"]);
    csv("user,item,item\nu,a,a\n", &["column `item` twice"]);
    csv("user,item,timestamp\nu,a\n", &["e.csv:2: got 2 fields, expected 3"]);
    csv("user,item,timestamp\n\"u,a,1\nu,a,2\nu,a,3\n", &["e.csv:2", "is a quote left open"]);
    items("id_of_item,title\na,x\n", &["i.csv has no column `item_id`", "--item-id"]);
    let folder = Folder::new();
    let mapping = Mapping { text: Some(vec!["titles".into()]), ..Mapping::default() };
    let (events, items) = (folder.file("e.csv", EVENTS), Some(folder.file("i.csv", ITEMS)));
    let options = Options { events, items, mapping, ..Options::default() };
    check_options(&folder, options.clone(), &["no column `titles`", "did you mean `title`", "--text"]);
    let mapping =
        Mapping { timestamp: Some("timestamp".into()), order: Some("item".into()), ..Mapping::default() };
    check_options(&folder, Options { mapping, ..options.clone() }, &["--timestamp or --order, not both"]);
    let options = Options { mapping: Mapping::default(), ..options };
    check_options(
        &folder,
        Options { min_rating: Some(3.0), ..options.clone() },
        &["no column `rating`", "--rating"],
    );
    let target_action = Some("viev".into());
    check_options(
        &folder,
        Options { target_action, ..options },
        &["target action `viev`", "did you mean `view`"],
    );
}

#[test]
fn ids() {
    csv("user,item,timestamp\nu,b,1700000000\n", &["e.csv:2: column `item`: got `b`", "--unknown-items add"]);
    csv("user,item,timestamp\nu,,1700000000\n", &["e.csv:2: column `item`: got an empty value"]);
    csv("user,item,timestamp\n,a,1700000000\n", &["e.csv:2: column `user`: got an empty value"]);
    items("item,title\na,x\nb,y\na,z\n", &["i.csv:4: column `item`: got `a` again, which line 2 describes"]);
    items("item,title\n,x\n", &["i.csv:2: column `item`: got an empty value"]);
    items("item,bid\na,NaN\n", &["i.csv:2: column `bid`: got `NaN`, expected a finite number"]);
    check(Format::Table, "csv", "user,item\nu,3.0\n", "item\n3\n", &["the items file has `3`"]);
    check(
        Format::Table,
        "ndjson",
        "{\"user\":1.5,\"item\":\"a\"}\n",
        ITEMS,
        &["e.ndjson:1: column `user`: got `1.5`"],
    );
}

#[test]
fn kinds() {
    let folder = Folder::new();
    let events = folder.file("e.csv", EVENTS);
    let items = Some(folder.file("i.csv", "item,kind\na,film\n"));
    let options = Options { events, items, out: folder.path("out"), ..Options::default() };
    let mapping = Mapping { kind: Some("kind".into()), ..Mapping::default() };
    let given = Options { mapping, ..options.clone() };
    check_options(&folder, given, &["i.csv:2: column `kind`: got `film`, expected `ad` or `organic`"]);
    let notes = import(&options).unwrap().notes.join(" ");
    assert!(notes.contains("1 item has a `kind` other than"), "{notes}");
}

#[test]
fn times() {
    csv(
        "user,item,timestamp\nu,a,-1700000000\n",
        &["e.csv:2: column `timestamp`: got `-1700000000`", "1971"],
    );
    csv(
        "user,item,timestamp\nu,a,1700000000\nu,a,1700000000000\n",
        &["e.csv:3", "in unit s", "plausible in unit ms"],
    );
    csv("user,item,timestamp\nu,a,4102444800\n", &["expected a time between 1971 and 2099"]);
    csv("user,item,timestamp\nu,a,NaN\n", &["got `NaN`"]);
    csv("user,item,timestamp\nu,a,soon\n", &["got `soon`"]);
    csv("user,item,timestamp\nu,a,\n", &["got an empty value"]);
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,pos\nu,a,1\nu,a,1.5\n");
    let mapping = Mapping { order: Some("pos".into()), ..Mapping::default() };
    check_options(
        &folder,
        Options { events, mapping, ..Options::default() },
        &["e.csv:3: column `pos`: got `1.5`"],
    );
}

#[test]
fn bytes_and_files() {
    check(
        Format::Table,
        "csv",
        b"user,item,timestamp\nu,caf\xe9,1\n",
        "",
        &["e.csv:2: column `item`: got byte 0xe9 at byte 4", "iconv"],
    );
    check(Format::Table, "csv", b"us\xffer,item\nu,a\n", "", &["e.csv:1", "0xff"]);
    check(Format::S3rec, "txt", b"u a\nu\xff b\n", "", &["e.txt:2: got byte 0xff at byte 2"]);
    for extension in ["csv", "tsv", "ndjson", "parquet", "csv.gz"] {
        check(Format::Table, extension, "", "", &["is empty"]);
    }
    csv("user,item,timestamp\n", &["e.csv is empty: expected a row for each event"]);
    items("item,title\n", &["i.csv is empty: expected a row for each item"]);
    check(Format::Table, "xlsx", "x", "", &[".parquet, .csv"]);
    check(Format::Table, "ndjson", "{\"user\":1\n", "", &["e.ndjson:1", "a JSON object"]);
    check(Format::Table, "ndjson", "[1]\n", "", &["e.ndjson:1", "a JSON object"]);
    check(Format::Table, "ndjson", "{\"user\":{},\"item\":1}\n", "", &["column `user`: got an object"]);
    check(Format::Table, "parquet", "PAR1 not really PAR1", "", &["is not a complete Parquet file", "again"]);
    let packed = gzip("user,item\nu,a\n".repeat(1000).as_bytes());
    check(Format::Table, "csv.gz", &packed[..packed.len() / 2], "", &["is not a complete gzip file"]);
    let folder = Folder::new();
    let events = folder.path("nowhere.csv");
    check_options(
        &folder,
        Options { events, ..Options::default() },
        &["cannot read", "nowhere.csv", "no such file"],
    );
}

#[test]
fn formats() {
    sequences("u a\nv\n", &["e.txt:2: got user `v` without items", "\"user item item …\""]);
    sequences("u a a b\n", &["e.txt:1: got `b`", "--unknown-items add"]);
    sequences("u a\nv a\nu a\n", &["e.txt:3: got user `u` again, who has line 1"]);
    sequences("\n\n", &["is empty"]);
    check(
        Format::Movielens,
        "dat",
        "1::2::3\n",
        "",
        &["e.dat:1: got 3 fields", "userId::movieId::rating::timestamp"],
    );
    check(Format::Movielens, "txt", "1", "", &["ratings.csv, ratings.dat or u.data"]);
    check(
        Format::Movielens,
        "csv",
        "userId,movieId,rating,timestamp\n1,2,NaN,964982703\n",
        "",
        &["got `NaN`"],
    );
    check(Format::Atomic, "inter", "user_id\titem_id\n1\t2\n", "", &["header field `user_id`", "token_seq"]);
    check(
        Format::Atomic,
        "inter",
        "user_id:tokn\titem_id:token\n1\t2\n",
        "",
        &["header field `user_id:tokn`"],
    );
    let mind = |line: &str, parts: &[&str]| check(Format::Mind, "tsv", line, "", parts);
    mind("1\tU\t11/12/2019 2:14:46 PM\tN1\n", &["e.tsv:1: got 4 fields, expected 5"]);
    mind("1\tU\t2019-11-12\tN1\tN2-0\n", &["column `time`: got `2019-11-12`"]);
    mind("1\tU\t11/12/2019 2:14:46 PM\tN1\tN2\n", &["column `impressions`: got `N2`", "-0 (shown)"]);
    mind("1\tU\t11/12/2019 2:14:46 PM\tN1\t\n", &["got no article"]);
}

fn shop(folder: &Folder, rows: usize) -> Options {
    let lines: String = (0..rows).map(|row| format!("u{},a,17{row:08}\n", row % 7)).collect();
    let events = folder.file("e.csv", format!("user,item,timestamp\n{lines}"));
    Options { events, out: folder.path("out"), ..Options::default() }
}

#[test]
fn rejected_rows_are_counted_and_the_first_are_shown() {
    let folder = Folder::new();
    let bad: String = (0..7).map(|row| format!("u,x{row},1700000000\n")).collect();
    let events = folder.file("e.csv", format!("{EVENTS}{bad}u,a,1700000001\n"));
    let items = Some(folder.file("i.csv", ITEMS));
    let options = Options { events, items, max_rejected: 7, out: folder.path("out"), ..Options::default() };
    let report = import(&options).unwrap();
    assert_eq!((report.events, report.rejected, report.rejected_rows.len()), (2, 7, 5));
    assert!(report.rejected_rows[0].to_string().contains("e.csv:3: column `item`: got `x0`"));
    let options = Options { max_rejected: 6, out: folder.path("other"), ..options };
    let error = import(&options).unwrap_err();
    assert!(message(&error).contains("7 rows are bad, more than the 6"), "{error}");
    assert!(!folder.path("other").exists());
}

#[test]
fn an_existing_folder_is_replaced_only_when_asked_and_only_if_it_is_a_data_set() {
    let folder = Folder::new();
    let options = shop(&folder, 10);
    import(&options).unwrap();
    let error = import(&options).unwrap_err();
    assert!(message(&error).contains("--overwrite replaces"), "{error}");
    let larger = Options { overwrite: true, ..shop(&folder, 20) };
    assert_eq!(import(&larger).unwrap().events, 20);
    folder.file("photos/cat.jpg", "meow");
    let error = import(&Options { out: folder.path("photos"), ..larger.clone() }).unwrap_err();
    assert!(message(&error).contains("will not be replaced"), "{error}");
    assert_eq!(folder.names(), ["e.csv", "out", "photos"]);
    std::fs::create_dir(folder.path("empty")).unwrap();
    import(&Options { out: folder.path("empty"), ..larger }).unwrap();
}

#[test]
fn a_failed_overwrite_keeps_the_old_data_set() {
    let folder = Folder::new();
    let options = shop(&folder, 10);
    let hash = import(&options).unwrap().hash;
    let events = folder.file("bad.csv", "user,item\nu,\n");
    import(&Options { events, overwrite: true, ..options.clone() }).unwrap_err();
    assert_eq!(semrank_data::hash_dataset(&options.out).unwrap(), hash);
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let folder = Folder::new();
    let options = shop(&folder, 500);
    let hash = import(&options).unwrap().hash;
    assert_eq!(import(&Options { overwrite: true, ..options }).unwrap().hash, hash);
}

#[test]
fn a_damaged_data_set_is_refused() {
    let folder = Folder::new();
    let out = folder.path("out");
    let refused = |part: &str| {
        let error = Dataset::open(&out).unwrap_err();
        assert!(message(&error).contains(part), "{error}");
    };
    refused("is not a data set");
    import(&shop(&folder, 10)).unwrap();
    let toml = std::fs::read_to_string(out.join("dataset.toml")).unwrap();
    std::fs::write(out.join("dataset.toml"), format!("txet = []\n{toml}")).unwrap();
    refused("unknown field `txet`");
    std::fs::write(out.join("dataset.toml"), format!("target_action = 'buy'\n{toml}")).unwrap();
    refused("no event has the target action `buy`");
    std::fs::write(out.join("dataset.toml"), toml.replace("text = []", "text = [\"title\"]")).unwrap();
    refused("expected a column `title`");
    for (window, said) in [
        (
            "logging_delay_seconds = -1000000",
            "logging_delay_seconds of [windows] is -1000000, expected a number from 0",
        ),
        ("conversion_days = 1e12", "expected a number from 0 to 36500"),
        ("click_minutes = nan", "expected a number from 0 to 52560000"),
        ("view_through_days = '7'", "view_through_days of [windows] is \"7\", expected a number"),
    ] {
        std::fs::write(out.join("dataset.toml"), format!("{toml}\n[windows]\n{window}\n")).unwrap();
        refused(said);
    }
    std::fs::write(out.join("dataset.toml"), toml).unwrap();
    let bytes = std::fs::read(out.join("events.parquet")).unwrap();
    std::fs::write(out.join("events.parquet"), &bytes[..bytes.len() - 9]).unwrap();
    refused("not a complete Parquet file");
    std::fs::remove_file(out.join("events.parquet")).unwrap();
    refused("it has no events.parquet");
}

/// Reads a file in every format that takes it; only a panic is a failure.
fn survives(folder: &Folder, path: &Path, out: &str) {
    for format in [Format::Table, Format::S3rec, Format::Atomic, Format::Movielens, Format::Mind] {
        for max_rejected in [0, 1000] {
            let (events, items) = (path.to_owned(), Some(path.to_owned()));
            let out = folder.path(out);
            let options =
                Options { format, events, items, out, max_rejected, overwrite: true, ..Options::default() };
            if import(&options).is_ok() {
                Dataset::open(&options.out).unwrap();
            }
            let alone = Options { items: None, ..options };
            if import(&alone).is_ok() {
                Dataset::open(&alone.out).unwrap();
            }
        }
    }
}

const EXTENSIONS: [&str; 9] = ["csv", "tsv", "ndjson", "parquet", "dat", "data", "inter", "csv.gz", "item"];
const STARTS: [&str; 7] = [
    "",
    "user,item,timestamp\n",
    "user\titem\ttitle\n",
    "user_id:token\titem_id:token\ttimestamp:float\n",
    "1::2::3::964982703\n",
    "1\tU\t11/12/2019 2:14:46 PM\tN1\tN2-0\n",
    "{\"user\":1,\"item\":2}\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn garbage_never_panics(
        start in prop::sample::select(&STARTS[..]),
        extension in prop::sample::select(&EXTENSIONS[..]),
        garbage in prop::collection::vec(any::<u8>(), 0..300),
        text in "[a-z0-9,\\t\\n:|\"{}-]{0,200}",
    ) {
        let folder = Folder::new();
        for (name, rest) in [("a", garbage.as_slice()), ("b", text.as_bytes())] {
            let content = [start.as_bytes(), rest].concat();
            survives(&folder, &folder.file(&format!("{name}.{extension}"), content), "out");
        }
    }

    #[test]
    fn altered_and_cut_parquet_and_gzip_never_panic(
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let folder = Folder::new();
        import(&shop(&folder, 30)).unwrap();
        let zipped = gzip(&std::fs::read(folder.path("e.csv")).unwrap());
        let parquet = std::fs::read(folder.path("out").join("events.parquet")).unwrap();
        for (name, mut bytes) in [("x.parquet", parquet), ("x.csv.gz", zipped)] {
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= byte }
            let path = folder.file(name, &bytes);
            let set = Options { events: path, out: folder.path("again"), overwrite: true, ..Options::default() };
            let _ = import(&set);
            std::fs::write(folder.path("out").join("events.parquet"), &bytes).unwrap();
            let _ = Dataset::open(&folder.path("out"));
        }
    }
}
