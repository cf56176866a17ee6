//! The promise of sources: tables are read with any usual delimiter, compression or split into parts, and an error names the line.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use common::{Folder, gzip, message, options, read, refused, write_parquet};
use semrank_data::Examples;
use semrank_data::import::{Format, Mapping, Options, PairColumns, PartFiles};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Two events at this time, of a 7 and b 8.
#[track_caller]
fn is_log(options: &Options) {
    let (_, dataset) = read(options);
    let users: Vec<&str> = dataset.users.names().collect();
    let items = dataset.events.items().iter().map(|&item| dataset.catalog.name(item)).collect::<Vec<_>>();
    assert_eq!((users, items), (vec!["u 1", "u2"], vec!["a;7", "b"]));
    assert_eq!(dataset.events.times(), [1_700_000_000_000, 1_700_000_001_000]);
}

const LOG: &str = "user,item,timestamp\nu 1,a;7,1700000000\nu2,b,1700000001\n";

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).unwrap()
}

#[test]
fn delimiters_are_found_or_given() {
    let folder = Folder::new();
    let with = |delimiter: char| LOG.replace("a;7", "\"a;7\"").replace(',', &delimiter.to_string());
    for (name, delimiter) in
        [("e.csv", ';'), ("e.csv", '\t'), ("e.csv", '|'), ("e.txt", ';'), ("e.txt", ','), ("e.csv", ',')]
    {
        is_log(&options(&folder, folder.file(name, with(delimiter))));
    }
    is_log(&options(&folder, folder.file("e.txt", LOG.replace(',', "\t"))));
    for (name, delimiter) in [("e.csv", b'~'), ("e.log", b'~'), ("e.tsv", b'~')] {
        let events = folder.file(name, with('~'));
        is_log(&Options { delimiter: Some(delimiter), ..options(&folder, events) });
    }
    let (report, _) = read(&options(&folder, folder.file("e.csv", with(';'))));
    assert!(report.notes.join(" ").contains("e.csv: columns are divided by `;`"), "{:?}", report.notes);
}

#[test]
fn formats_and_packing_are_found() {
    let folder = Folder::new();
    let object = |user: &str, item: &str, time: i64| {
        format!("{{\"user\": \"{user}\",\n \"item\": \"{item}\", \"timestamp\": {time}}}")
    };
    let (a, b) = (object("u 1", "a;7", 1_700_000_000), object("u2", "b", 1_700_000_001));
    let lines = format!("{}\n{}\n", a.replace('\n', ""), b.replace('\n', ""));
    for (name, content) in [
        ("e.json", format!("[{a},\n{b}]\n")),
        ("e.json", format!("{a}\n{b}")),
        ("e.json", lines.clone()),
        ("e.jsonl", format!("[{a},{b}]")),
        ("e.ndjson", lines.clone()),
        ("part-00000", lines),
        ("part-00000", LOG.to_owned()),
        ("e.csv", format!("\u{feff}{LOG}")),
        ("e.CSV", LOG.replace("user,item,timestamp", "USER, Item ,TimeStamp")),
    ] {
        is_log(&options(&folder, folder.file(name, content)));
    }
    is_log(&options(&folder, folder.file("e.csv.zst", zstd(LOG))));
    is_log(&options(&folder, folder.file("e.csv.gz", gzip(LOG.as_bytes()))));
    is_log(&options(&folder, folder.file("e.json.zst", zstd(&format!("[{a},{b}]")))));
    let path = folder.path("e.parquet");
    parquet(&path, &["u 1", "u2"], &["a;7", "b"], 1_700_000_000);
    let packed = zstd::encode_all(std::fs::read(&path).unwrap().as_slice(), 1).unwrap();
    is_log(&options(&folder, folder.file("packed.parquet.zst", packed)));
    is_log(&options(&folder, folder.file("nameless", std::fs::read(&path).unwrap())));
    let cut = zstd(&LOG.repeat(1000));
    refused(
        &options(&folder, folder.file("e.csv.zst", &cut[..cut.len() / 2])),
        &["not a complete zstd file"],
    );
    refused(&options(&folder, folder.file("e.json", format!("[{a},"))), &["not a complete JSON file"]);
    let bad = format!("[{a},\n\n  7]");
    refused(&options(&folder, folder.file("e.json", bad)), &["e.json:4", "a JSON object"]);
    refused(
        &options(&folder, folder.file("e.xlsx", "PK")),
        &[".parquet, .csv, .tsv, .txt, .json", ".zst", "a folder"],
    );
}

fn parquet(path: &Path, users: &[&str], items: &[&str], time: i64) {
    let texts = |values: &[&str]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let times: ArrayRef = Arc::new((0..users.len() as i64).map(|at| Some(time + at)).collect::<Int64Array>());
    write_parquet(path, vec![("user", texts(users)), ("item", texts(items)), ("timestamp", times)]);
}

#[test]
fn lines_are_counted_as_editors_count_them() {
    let folder = Folder::new();
    let bad = "user,item,timestamp\nu1,a,1700000000\nu1,b,1700000001\nu1,c,bad\n";
    let quoted = "user,item,timestamp\nu1,\"a\nx\",1700000000\n\nu1,\"b\n\n\",soon\n";
    for (text, line) in [
        (bad.to_owned(), 4),
        (bad.replace('\n', "\r\n"), 4),
        (bad.trim_end().to_owned(), 4),
        (bad.trim_end().replace('\n', "\r\n"), 4),
        (bad.replace('\n', "\n\n"), 7),
        (bad.replace('\n', "\r\n\r\n"), 7),
        (format!("\n\n{bad}"), 6),
        (format!("\u{feff}{bad}"), 4),
        (quoted.to_owned(), 5),
        (quoted.replace('\n', "\r\n"), 5),
    ] {
        let parts = [&*format!("e.csv:{line}: column `timestamp`")];
        refused(&options(&folder, folder.file("e.csv", &text)), &parts);
        if text.contains('"') {
            continue;
        }
        refused(
            &options(&folder, folder.file("e.tsv", text.replace(',', "\t"))),
            &[&*format!("e.tsv:{line}:")],
        );
    }
    refused(
        &options(&folder, folder.file("e.csv", "user,item\r\nu,a\r\n\r\nu\r\n")),
        &["e.csv:4: got 1 field, expected 2"],
    );
}

#[test]
fn times_are_read_as_they_are_written() {
    let folder = Folder::new();
    let with = |a: &str, b: &str| {
        let text = format!("user;item;timestamp\nu 1;\"a;7\";{a}\nu2;b;{b}\n");
        options(&folder, folder.file("e.csv", text))
    };
    is_log(&with("2023-11-14 22:13:20 UTC", "2023-11-14 22:13:21 UTC"));
    is_log(&with("2023-11-14 22:13:20.000000 UTC", "2023-11-14T23:13:21+0100"));
    for (format, a, b) in [
        ("YYYYMMDDHHMMSS", "20231114221320", "20231114221321"),
        ("DD/MM/YYYY HH:MM:SS", "14/11/2023 22:13:20", "14/11/2023 22:13:21"),
        ("%d.%m.%Y %H:%M:%S", "14.11.2023 22:13:20", "14.11.2023 22:13:21"),
    ] {
        is_log(&Options { time_format: Some(format.into()), ..with(a, b) });
    }
    let day = Options { time_format: Some("YYYYMMDD".into()), ..with("20231114", "20231115") };
    assert_eq!(read(&day).0.time_range_ms, Some([1_699_920_000_000, 1_700_006_400_000]));
    refused(&with("20231114", "20231115"), &["got `20231114`", "--time-format YYYYMMDD"]);
    refused(&with("14/11/2023", ""), &["--time-format DD/MM/YYYY"]);
    refused(&with("soon", ""), &["s, ms, us or ns since 1970", "2019-11-24 00:00:17 UTC", "--time-format"]);
    let wrong = Options { time_format: Some("DD/MM/YYYY".into()), ..with("11/14/2023", "") };
    refused(&wrong, &["got `11/14/2023`", "as DD/MM/YYYY"]);
    let unit = |a: &str| read(&with(a, a)).0.time_unit.unwrap();
    assert_eq!(unit("1700000000"), "s (inferred from the first value, 1700000000)");
    assert!(unit("2023-11-14 22:13:20").ends_with("no zone: taken as UTC"));
}

#[test]
fn far_times_are_open_ends() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,timestamp\nu1,a,1700000000\nu1,b,1700000001\n");
    for (from, to) in [
        ("1970-01-01", "9999-12-31"),
        ("0", "253402300799"),
        ("0001-01-01 00:00:00", "9999-12-31T23:59:59.999Z"),
        ("1900-01-01", "2199-01-01 00:00:00 UTC"),
    ] {
        let text = format!("item,title,start,end\na,red shoe,{from},{to}\nb,lamp,,\n");
        let mapping = Mapping {
            active_from: Some("start".into()),
            active_to: Some("end".into()),
            ..Mapping::default()
        };
        let items = Some(folder.file("i.csv", text));
        let (report, dataset) = read(&Options { items, mapping, ..options(&folder, events.clone()) });
        assert_eq!((dataset.catalog.active_from[0], dataset.catalog.active_to[0]), (i64::MIN, i64::MAX));
        let notes = report.notes.join(" ");
        assert!(
            notes.contains("no start") && notes.contains("no end") && report.warnings.is_empty(),
            "{report:?}"
        );
    }
    let items = Some(folder.file("i.csv", "item,active_from\na,9999-12-31\n"));
    refused(
        &Options { items, ..options(&folder, events.clone()) },
        &["column `active_from`: got `9999-12-31`"],
    );
}

#[test]
fn actions_get_other_names() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,action\nu,a,1\nu,b,2\nu,b,3\n");
    let pairs = [("1", "click"), ("2", "click"), ("9", "buy")];
    let actions = pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec();
    let mapping = Mapping { actions, ..Mapping::default() };
    let (report, _) = read(&Options { mapping, ..options(&folder, events) });
    assert_eq!((report.actions["click"], report.actions["3"]), (2, 1));
    assert!(report.warnings.join(" ").contains("no event has the action `9`"), "{:?}", report.warnings);
}

fn labelled(folder: &Folder, train: &str, test: Option<&str>, mapping: Mapping) -> Options {
    let parts = PartFiles {
        train: Some(folder.file("train.csv", train)),
        test: test.map(|text| folder.file("test.csv", text)),
        ..PartFiles::default()
    };
    Options { format: Format::Pointwise, parts, mapping, ..options(folder, PathBuf::new()) }
}

#[test]
fn labelled_rows_need_no_times() {
    let folder = Folder::new();
    let train = "user,item,label\nu,a,1\nu,b,0\nu,c,1\n";
    let of = labelled(&folder, train, Some("user,item,label\nu,d,0\n"), Mapping::default());
    let (report, dataset) = read(&of);
    let examples = Examples::open(&of.out, &dataset).unwrap();
    assert_eq!(examples.history_ends, [0, 1, 1, 2], "what was liked in earlier rows");
    assert!(report.notes.join(" ").contains("no times: the rows count in the order of the files"));
    let timed = Some("user,item,label,time\nu,d,0,1700000000\n");
    refused(
        &labelled(&folder, train, timed, Mapping::default()),
        &["test.csv has times", "train.csv has none"],
    );
}

#[test]
fn columns_of_labelled_rows_are_chosen() {
    let folder = Folder::new();
    let train = "User,ITEM,label,SLOT,place,secret\nu,a,1,3,top,x\nu,b,0,3,top,x\n";
    let words = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let columns = |mapping: Mapping| {
        let of = labelled(&folder, train, None, mapping);
        let (_, dataset) = read(&of);
        let examples = Examples::open(&of.out, &dataset).unwrap();
        (
            examples.slots.clone(),
            examples.context.iter().map(|column| column.name.clone()).collect::<Vec<_>>(),
        )
    };
    assert_eq!(columns(Mapping::default()), (vec![3, 3], words("place,secret")));
    assert_eq!(
        columns(Mapping { ignored: words("secret,SLOT"), ..Mapping::default() }),
        (vec![], words("place"))
    );
    assert_eq!(
        columns(Mapping { context: Some(words("secret")), ..Mapping::default() }),
        (vec![3, 3], words("secret"))
    );
    let wrong = Mapping { ignored: words("secrte"), ..Mapping::default() };
    refused(
        &labelled(&folder, train, None, wrong),
        &["no column `secrte`", "did you mean `secret`", "--ignore"],
    );
}

#[test]
fn pairs_are_read_from_any_table() {
    let folder = Folder::new();
    let read = |path: PathBuf, user: Option<&str>| -> Result<(bool, Vec<String>), String> {
        let columns = PairColumns { path, user: user.map(str::to_owned), ..PairColumns::default() };
        let mut reader = columns.open().map_err(|error| message(&error))?;
        let mut pairs = Vec::new();
        while let Some(pair) = reader.next_pair().map_err(|error| message(&error))? {
            pairs.push(format!("{}: {} {}", pair.line, pair.user, pair.item));
        }
        Ok((reader.has_header(), pairs))
    };
    for (name, text) in [
        ("p.tsv", "u 1\ta\nu2\tb\n"),
        ("p.tsv", "\u{feff}u 1\ta\r\nu2\tb\r\n"),
        ("p.csv", "u 1,a\nu2,b\n"),
        ("p.csv", "u 1;a\nu2;b\n"),
        ("pairs", "u 1\ta\nu2\tb"),
        ("p.dat", "\"u 1\",a\nu2,b"),
    ] {
        let expected = (false, vec!["1: u 1 a".to_owned(), "2: u2 b".into()]);
        assert_eq!(read(folder.file(name, text), None), Ok(expected), "{text:?}");
    }
    for (name, text, user) in [
        ("p.csv", "item_id,more,USER\na,1,u 1\nb,2,u2\n", None),
        ("p.tsv", "buyer\titem\nu 1\ta\nu2\tb\n", Some("buyer")),
    ] {
        let expected = (true, vec!["2: u 1 a".to_owned(), "3: u2 b".into()]);
        assert_eq!(read(folder.file(name, text), user), Ok(expected), "{text:?}");
    }
    parquet(&folder.path("p.parquet"), &["u 1", "u2"], &["a", "b"], 1_700_000_000);
    assert_eq!(read(folder.path("p.parquet"), None), Ok((true, vec!["1: u 1 a".into(), "2: u2 b".into()])));
    let error = read(folder.file("p.tsv", "u\ta\n\nu a\n"), None).unwrap_err();
    assert!(error.contains("p.tsv:3: got 1 field, expected 2"), "{error}");
}

#[test]
fn standard_input_is_read_once() {
    let folder = Folder::new();
    let items = Some(PathBuf::from("-"));
    refused(&Options { items, ..options(&folder, "-".into()) }, &["standard input", "read once"]);
    refused(&Options { format: Format::Mind, ..options(&folder, "-".into()) }, &["read twice"]);
}
