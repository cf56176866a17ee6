//! Every format of the README is read as its users expect; the counts are those of the data sets' own READMEs.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::{
    ArrayRef, Float64Array, Int16Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
};
use common::{Folder, data_folder, gzip};
use parquet::arrow::ArrowWriter;
use semrank_core::{Dictionary, ItemId, Kind, UserId};
use semrank_data::{
    Dataset, ImportReport,
    import::{Format, Mapping, Options, TimeUnit, UnknownItems, import},
};
use std::path::Path;
use std::sync::Arc;

fn run(options: &Options) -> (ImportReport, Dataset) {
    let report = import(options).unwrap_or_else(|error| panic!("{error}"));
    let dataset = Dataset::open(&options.out).unwrap();
    assert_eq!(report.items, dataset.catalog.len() as u64);
    assert_eq!(report.users, dataset.users.len() as u64);
    assert_eq!(report.events, dataset.events.len() as u64);
    assert_eq!(report.actions.len(), dataset.actions.len());
    assert_eq!(report.hash, semrank_data::hash_dataset(&options.out).unwrap());
    (report, dataset)
}

fn words(text: &str) -> Option<Vec<String>> {
    Some(text.split(',').map(str::to_owned).collect())
}

fn sequence(dataset: &Dataset, user: &str) -> String {
    let user = UserId(dataset.users.get(user).unwrap());
    let items = dataset.events.of(user).items.iter().map(|&item| dataset.catalog.name(item));
    items.collect::<Vec<_>>().join(" ")
}

fn names(dictionary: &Dictionary) -> String {
    dictionary.names().collect::<Vec<_>>().join(" ")
}

const ITEMS_CSV: &str =
    "item_id,title,kind,active_from\n07,\"red, \"\"big\"\" shoe\",ad,1600000000\n7,,,\nb,Füße,organic,\n";
const EVENTS_CSV: &str = "user_id,item_id,timestamp,action\nann,b,1700000002,click\nbob,7,1700000005,view\nann,07,1700000001,view\nann,7,1700000002,buy\n";

fn check_shop(folder: &Folder, options: Options) -> Dataset {
    let (report, dataset) = run(&Options { out: folder.path("shop"), ..options });
    assert_eq!((report.users, report.items, report.events), (2, 3, 4));
    assert_eq!(names(&dataset.catalog.ids), "07 7 b");
    assert_eq!(sequence(&dataset, "ann"), "07 b 7", "by time, ties by row");
    assert_eq!(dataset.catalog.label(ItemId(0)), "red, \"big\" shoe");
    assert_eq!(dataset.catalog.texts_of(ItemId(1)).count(), 0);
    assert_eq!(dataset.catalog.kinds, [Kind::Ad, Kind::Organic, Kind::Organic]);
    assert_eq!(dataset.catalog.active_from[..2], [1_600_000_000_000, i64::MIN]);
    assert_eq!(report.time_range_ms, Some([1_700_000_001_000, 1_700_000_005_000]));
    assert!((report.text_fill["title"] - 2.0 / 3.0).abs() < 1e-12);
    dataset
}

#[test]
fn csv() {
    let folder = Folder::new();
    let events = folder.file("events.csv", EVENTS_CSV);
    let items = Some(folder.file("items.csv", ITEMS_CSV));
    let dataset = check_shop(&folder, Options { events, items, ..Options::default() });
    assert_eq!(dataset.meta.name, "shop");
    assert_eq!(dataset.meta.source, "items.csv, events.csv");
    assert_eq!(dataset.meta.time_unit.unwrap(), "s (inferred from the first value, 1700000002)");
}

#[test]
fn gzip_byte_order_mark_windows_line_ends_and_tsv() {
    let folder = Folder::new();
    let csv = format!("\u{feff}{}", EVENTS_CSV.replace('\n', "\r\n"));
    let events = folder.file("events.csv.gz", gzip(csv.as_bytes()));
    let tsv = "item_id\ttitle\tkind\tactive_from\n07\tred, \"big\" shoe\tad\t1600000000\n7\t\t\t\nb\tFüße\torganic\t\n";
    let items = Some(folder.file("items.tsv.gz", gzip(tsv.as_bytes())));
    check_shop(&folder, Options { events, items, ..Options::default() });
}

#[test]
fn ndjson() {
    let folder = Folder::new();
    let events = folder.file(
        "events.jsonl",
        r#"{"user":"ann","item":"b","time":"2023-11-14T22:13:22Z","event":"click"}
           {"user":"bob","item":7,"time":"2023-11-14T22:13:25Z","event":"view"}

           {"item":"07","time":"2023-11-14 22:13:21","event":"view","user":"ann"}
           {"user":"ann","item":7,"time":"2023-11-15T00:13:22+02:00","event":"buy"}"#,
    );
    let items = folder.file(
        "items.ndjson",
        r#"{"item":"07","title":["red","\"big\" shoe"],"kind":"ad","active_from":"2020-09-13T12:26:40Z"}
           {"item":7}
           {"item":"b","title":"Füße","kind":null}"#,
    );
    check_shop(&folder, Options { events, items: Some(items), ..Options::default() });
}

fn parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(std::fs::File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn parquet_ids_of_any_type_are_printed_plainly() {
    let folder = Folder::new();
    let (events, items) = (folder.path("e.parquet"), folder.path("i.parquet"));
    parquet(
        &events,
        vec![
            ("user", Arc::new(Float64Array::from(vec![12346.0, 9007199254740993.0]))),
            ("item", Arc::new(Int16Array::from(vec![-3, 4]))),
            (
                "when",
                Arc::new(arrow_array::TimestampNanosecondArray::from(vec![1_700_000_000_000_000_000; 2])),
            ),
        ],
    );
    parquet(
        &items,
        vec![
            ("item", Arc::new(Int64Array::from(vec![-3, 4]))),
            ("text", Arc::new(LargeStringArray::from(vec![Some("a"), None]))),
        ],
    );
    let mapping = Mapping { timestamp: Some("when".into()), ..Mapping::default() };
    let out = folder.path("set");
    let (_, dataset) = run(&Options { events, items: Some(items), mapping, out, ..Options::default() });
    assert_eq!(names(&dataset.users), "12346 9007199254740992");
    assert_eq!(names(&dataset.catalog.ids), "-3 4");
    assert_eq!(dataset.events.times(), [1_700_000_000_000; 2]);
}

#[test]
fn known_and_mapped_columns_are_kept() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,pos,price,slot,country\na,x,1,2.5,3,DE\na,y,2,,,\n");
    let mapping = Mapping {
        order: Some("pos".into()),
        event_columns: vec![("value".into(), "price".into()), ("country".into(), "country".into())],
        ..Mapping::default()
    };
    let out = folder.path("set");
    run(&Options { events, mapping, out: out.clone(), ..Options::default() });
    let file = std::fs::File::open(out.join("events.parquet")).unwrap();
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    let columns: Vec<String> = batch.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(columns.join(" "), "user_id item_id action position seq value country slot");
    let values = batch.column_by_name("value").unwrap();
    assert_eq!(values.as_any().downcast_ref::<Float64Array>().unwrap().value(0), 2.5);
    let countries = batch.column_by_name("country").unwrap();
    assert_eq!(countries.as_any().downcast_ref::<StringArray>().unwrap().value(0), "DE");
}

#[test]
fn an_items_row_holds_from_its_time_on() {
    let folder = Folder::new();
    let items = folder
        .file("i.csv", "item,title,valid_from\na,old,1600000000\na,new,1700000000\nb,late,1700000000\n");
    let events = folder.file("e.csv", "user,item\nu,a\nu,b\n");
    let out = folder.path("set");
    let options = Options { events, items: Some(items), out: out.clone(), ..Options::default() };
    let (_, latest) = run(&options);
    let mut then = latest.clone();
    assert_eq!(then.take_items_as_of(&out, 1_700_000_000_000).unwrap(), None);
    assert_eq!(then.take_items_as_of(&out, 1_650_000_000_000).unwrap(), Some(vec![true, false]));
    let texts = |dataset: &Dataset| dataset.catalog.texts[0].values.join("|");
    assert_eq!((texts(&latest), texts(&then)), ("new|late".into(), "old|late".into()));
    assert_eq!(names(&then.catalog.ids), "a b");
}

#[test]
fn without_an_items_file_the_catalogue_does_not_depend_on_the_events_order() {
    let folder = Folder::new();
    for (name, lines) in [("1", "u c a 10\nv b c\n"), ("2", "v b c\nu a 10 c\n")] {
        let events = folder.file(&format!("{name}.txt"), lines);
        let out = folder.path(name);
        let (report, dataset) = run(&Options { format: Format::S3rec, events, out, ..Options::default() });
        assert_eq!(names(&dataset.catalog.ids), "10 a b c");
        assert_eq!(report.items_from_events, 4);
        assert!(!dataset.events.timed());
    }
}

#[test]
fn unknown_items_can_be_added_without_text() {
    let folder = Folder::new();
    let items = folder.file("i.csv", "item,title\nz,last\n");
    let events = folder.file("e.txt", "u b z a\n");
    let options = Options {
        format: Format::S3rec,
        events,
        items: Some(items),
        unknown_items: UnknownItems::Add,
        out: folder.path("set"),
        ..Options::default()
    };
    let (report, dataset) = run(&options);
    assert_eq!(names(&dataset.catalog.ids), "z a b");
    assert_eq!((report.items_from_events, dataset.catalog.texts[0].values.concat().as_str()), (2, "last"));
}

#[test]
fn movielens_in_three_generations() {
    let folder = Folder::new();
    folder.file("csv/ratings.csv", "userId,movieId,rating,timestamp\n1,2,4.0,964982703\n1,1,1.5,964981247\n");
    folder.file(
        "csv/movies.csv",
        "movieId,title,genres\n1,\"Film, A (1995)\",Adventure|Sci-Fi\n2,B,(no genres listed)\n",
    );
    folder.file("dat/ratings.dat", "1::2::4::964982703\n1::1::1::964981247\n");
    folder.file("dat/movies.dat", b"1::Film, A (1995)::Adventure|Sci-Fi\n2::Caf\xe9::Colon::Drama\n");
    folder.file("100k/u.data", "1\t2\t4\t964982703\n1\t1\t1\t964981247\n");
    folder.file(
        "100k/u.item",
        b"1|Film, A (1995)|01-Jan-1995||http://x|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|1|0|0|0\n2|Caf\xe9|||u|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n",
    );
    for (name, second) in [("csv", "B"), ("dat", "Café::Colon · Drama"), ("100k", "Café · Drama")] {
        let options = Options {
            format: Format::Movielens,
            events: folder.path(name),
            out: folder.path(&format!("{name}-set")),
            ..Options::default()
        };
        let (report, dataset) = run(&options);
        assert_eq!(report.actions["rate"], 2, "{name}");
        assert_eq!(sequence(&dataset, "1"), "1 2");
        assert_eq!(dataset.catalog.label(ItemId(0)), "Film, A (1995) · Adventure, Sci-Fi");
        assert_eq!(dataset.catalog.label(ItemId(1)), second);
        let liked = Options { min_rating: Some(4.0), overwrite: true, ..options };
        assert_eq!(run(&liked).0.events, 1);
    }
}

#[test]
fn mind_clicks_impressions_and_histories() {
    let folder = Folder::new();
    let news = "N1\tsports\tgolf\tA title\tAn abstract\turl\t[]\t[]\nN2\tnews\tus\tB\t\turl\t[]\t[]\nN3\tnews\tus\tC\t\tu\t[]\t[]\n";
    folder.file("m/news.tsv", news);
    folder.file(
        "m/behaviors.tsv",
        "9\tU1\t11/12/2019 2:14:46 PM\tN3 N1\tN1-0 N2-1\n4\tU1\t11/12/2019 9:00:00 AM\tN3 N1\tN3-0\n5\tU2\t11/13/2019 12:00:01 AM\t\tN2-0\n",
    );
    let options = Options {
        format: Format::Mind,
        events: folder.path("m"),
        out: folder.path("set"),
        ..Options::default()
    };
    let (report, dataset) = run(&options);
    assert_eq!((report.actions["impression"], report.actions["click"]), (4, 3));
    assert_eq!(sequence(&dataset, "U1"), "N3 N1 N3 N1 N2 N2");
    assert_eq!(dataset.meta.target_action.as_deref(), Some("click"));
    assert_eq!(dataset.catalog.label(ItemId(0)), "A title · An abstract · sports · golf");
    let morning = 1_573_549_200_000; // 2019-11-12T09:00:00Z
    let times = dataset.events.of(UserId(dataset.users.get("U1").unwrap())).times;
    assert_eq!(times[..3], [morning - 2000, morning - 1000, morning]);
}

// The real data sets; each is skipped where it is absent.

fn check_counts(options: Options, users: u64, items: u64, events: u64) -> ImportReport {
    let folder = Folder::new();
    let (report, _) = run(&Options { out: folder.path("set"), ..options });
    assert_eq!((report.users, report.items, report.events), (users, items, events));
    assert_eq!(report.rejected, 0);
    report
}

#[test]
fn beauty_by_sequences_and_by_tables_is_the_same() {
    let Some(data) = data_folder("amazon2014/beauty") else { return };
    let folder = Folder::new();
    let mapping = Mapping {
        item_id: Some("item".into()),
        text: words("text,keyword_pieces"),
        user: Some("user".into()),
        order: Some("pos".into()),
        ..Mapping::default()
    };
    let table = Options {
        events: data.join("events.parquet"),
        items: Some(data.join("items.parquet")),
        mapping: mapping.clone(),
        out: folder.path("table"),
        ..Options::default()
    };
    let lines = Options {
        format: Format::S3rec,
        events: data.join("sequences.txt"),
        items: Some(data.join("items.tsv")),
        mapping: Mapping { order: None, user: None, ..mapping },
        out: folder.path("lines"),
        ..Options::default()
    };
    let (report, a) = run(&table);
    let (_, b) = run(&lines);
    assert_eq!((report.users, report.items, report.events), (22_363, 12_101, 198_502));
    // The Parquet file lacks the text of item 10205.
    assert!((report.text_fill["text"] - 12_100.0 / 12_101.0).abs() < 1e-12);
    assert!(a.events.items() == b.events.items() && a.users.names().eq(b.users.names()));
    assert!(a.catalog.texts[1].values == b.catalog.texts[1].values);
}

#[test]
fn scientific_ids_start_at_zero() {
    let Some(data) = data_folder("amazon2018-scientific") else { return };
    let mapping = Mapping {
        order: Some("pos".into()),
        text: words("title,description,brand,categories"),
        ..Mapping::default()
    };
    let (events, items) = (data.join("events.parquet"), Some(data.join("items.parquet")));
    check_counts(Options { events, items, mapping, ..Options::default() }, 8_317, 4_344, 58_492);
}

#[test]
fn lastfm_without_items() {
    let Some(data) = data_folder("lastfm-s3rec") else { return };
    let events = data.join("LastFM.txt");
    check_counts(Options { format: Format::S3rec, events, ..Options::default() }, 1_090, 3_646, 52_551);
}

#[test]
fn movielens_latest_small() {
    let Some(events) = data_folder("ml-latest-small") else { return };
    let options = Options { format: Format::Movielens, events, ..Options::default() };
    let report = check_counts(options, 610, 9_742, 100_836);
    assert_eq!(report.text_fill["title"], 1.0);
}

#[test]
fn recbole_atomic_files() {
    let Some(events) = data_folder("ml-100k-recbole") else { return };
    let report =
        check_counts(Options { format: Format::Atomic, events, ..Options::default() }, 943, 1_682, 100_000);
    let columns: Vec<&str> = report.text_fill.keys().map(String::as_str).collect();
    assert_eq!(columns, ["class", "movie_title", "release_year"]);
}

#[test]
fn mind_fixture_counts() {
    let Some(data) = data_folder("mind-small-5000-fixture") else { return };
    let folder = Folder::new();
    let options = Options {
        format: Format::Mind,
        events: data,
        unknown_items: UnknownItems::Add,
        out: folder.path("set"),
        ..Options::default()
    };
    let (report, _) = run(&options);
    assert_eq!((report.users, report.actions["impression"]), (4_637, 189_359));
    assert_eq!(report.items - report.items_from_events, 2_000);
}

#[test]
fn an_explicit_unit_wins() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,timestamp\nu,a,1700000000\n");
    let options =
        Options { events, timestamp_unit: Some(TimeUnit::Ms), out: folder.path("set"), ..Options::default() };
    let error = import(&options).unwrap_err();
    assert!(error.help().unwrap().contains("--timestamp-unit s"), "{error}");
}
