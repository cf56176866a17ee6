//! Files of catalogues, logs and labelled rows.

use crate::harness::{Subject, said};
use semrank_data::{
    Dataset, Examples,
    import::{Format, Mapping, Options, PairColumns, PartFiles, TextColumns, UnknownItems, import},
};
use std::io::Write;
use std::path::Path;

pub(crate) const TABLES: &[Subject] = &[
    Subject { name: "csv", make: csv, read: |folder| table(folder, "csv") },
    Subject { name: "tsv", make: tsv, read: |folder| table(folder, "tsv") },
    Subject { name: "ndjson", make: ndjson, read: |folder| table(folder, "ndjson") },
    Subject { name: "json", make: json, read: |folder| table(folder, "json") },
    Subject { name: "semicolons", make: semicolons, read: |folder| table(folder, "txt") },
    Subject { name: "gzip", make: gzip, read: |folder| table(folder, "csv.gz") },
    Subject { name: "zstd", make: zstd, read: |folder| table(folder, "csv.zst") },
    Subject { name: "pairs", make: pairs, read: read_pairs },
    Subject { name: "texts", make: text_columns, read: texts },
];

pub(crate) const FOREIGN: &[Subject] = &[
    Subject { name: "s3rec", make: s3rec, read: |folder| foreign(folder, Format::S3rec, "sequences.txt") },
    Subject { name: "movielens", make: movielens, read: |folder| foreign(folder, Format::Movielens, "") },
    Subject { name: "ml1m", make: ml1m, read: |folder| foreign(folder, Format::Movielens, "") },
    Subject { name: "ml100k", make: ml100k, read: |folder| foreign(folder, Format::Movielens, "") },
    Subject { name: "recbole", make: recbole, read: |folder| foreign(folder, Format::Atomic, "") },
    Subject { name: "mind", make: mind, read: |folder| foreign(folder, Format::Mind, "") },
];

pub(crate) const LABELLED: &[Subject] =
    &[Subject { name: "pointwise", make: pointwise, read: read_pointwise }];

pub(crate) const SETS: &[Subject] = &[
    Subject { name: "log", make: log_set, read: open_set },
    Subject { name: "examples", make: examples_set, read: open_set },
    Subject { name: "parquet", make: log_set, read: import_parquet },
];

/// Writes files and returns their names.
pub(crate) fn write(folder: &Path, files: &[(&str, impl AsRef<[u8]>)]) -> Vec<String> {
    for (name, content) in files {
        std::fs::write(folder.join(name), content).expect("a file");
    }
    files.iter().map(|(name, _)| (*name).to_owned()).collect()
}

const ITEMS: &str =
    "item_id,title,kind,active_from\n07,\"red, \"\"big\"\" shoe\",ad,1600000000\n7,,,\nb,Füße,organic,\n";
const EVENTS: &str = "user_id,item_id,timestamp,action\nann,b,1700000002,click\nbob,7,1700000005,view\nann,07,1700000001,view\nann,7,1700000002,buy\n";

fn csv(folder: &Path) -> Vec<String> {
    write(folder, &[("items.csv", ITEMS), ("events.csv", EVENTS)])
}

fn tsv(folder: &Path) -> Vec<String> {
    let items = "item_id\ttitle\tkind\n07\tred, \"big\" shoe\tad\n7\t\t\nb\tFüße\torganic\n";
    write(folder, &[("items.tsv", items.to_owned()), ("events.tsv", EVENTS.replace(',', "\t"))])
}

fn ndjson(folder: &Path) -> Vec<String> {
    let events = r#"{"user":"ann","item":"b","time":"2023-11-14T22:13:22Z","event":"click"}
{"user":"bob","item":7,"time":"2023-11-14T22:13:25Z","event":"view"}

{"item":"07","time":"2023-11-14 22:13:21","event":"view","user":"ann"}
{"user":"ann","item":7,"time":"2023-11-15T00:13:22+02:00","event":"buy"}"#;
    let items = r#"{"item":"07","title":["red","\"big\" shoe"],"kind":"ad","active_from":"2020-09-13T12:26:40Z"}
{"item":7}
{"item":"b","title":"F\u00fc\u00dfe","kind":null}"#;
    write(folder, &[("items.ndjson", items), ("events.ndjson", events)])
}

fn json(folder: &Path) -> Vec<String> {
    let events = r#"[{"user":"ann","item":"b","time":"2023-11-14 22:13:22 UTC"},
 {"user":"bob",
  "item":7,"time":"2023-11-14T22:13:25Z"}]
"#;
    let items = r#"[{"item":"b","title":["red","\"big\" shoe"],"active_to":"9999-12-31"},{"item":7}]"#;
    write(folder, &[("items.json", items), ("events.json", events)])
}

fn semicolons(folder: &Path) -> Vec<String> {
    let divided = |text: &str| text.replace(',', ";").replace('\n', "\r\n");
    write(folder, &[("items.txt", divided(ITEMS)), ("events.txt", divided(EVENTS))])
}

fn zstd(folder: &Path) -> Vec<String> {
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 1).expect("a zstd file");
    write(folder, &[("items.csv.zst", pack(ITEMS)), ("events.csv.zst", pack(EVENTS))])
}

fn pairs(folder: &Path) -> Vec<String> {
    let named = "item_id;user;more\r\na;ann;1\r\n\r\n\"b;c\";bob;2\r\n";
    write(folder, &[("pairs.tsv", "ann b\ta\nbob\tb\n"), ("pairs.csv", named)])
}

fn read_pairs(folder: &Path) -> Result<(), String> {
    for name in ["pairs.tsv", "pairs.csv"] {
        let columns = PairColumns { path: folder.join(name), ..PairColumns::default() };
        let mut reader = columns.open().map_err(said)?;
        while reader.next_pair().map_err(said)?.is_some() {}
    }
    Ok(())
}

fn gzip(folder: &Path) -> Vec<String> {
    let pack = |text: &str| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(text.as_bytes()).expect("bytes");
        out.finish().expect("a gzip file")
    };
    write(folder, &[("items.csv.gz", pack(ITEMS)), ("events.csv.gz", pack(EVENTS))])
}

/// Imports strictly, then with everything that can be tolerated, and opens what came out.
fn import_and_open(options: Options) -> Result<(), String> {
    let tolerant =
        Options { max_rejected: 100, unknown_items: UnknownItems::Add, items: None, ..options.clone() };
    let _ = import_once(&tolerant);
    import_once(&options)
}

fn import_once(options: &Options) -> Result<(), String> {
    import(options).map_err(said)?;
    let dataset = Dataset::open(&options.out);
    // What an import has written must open.
    let dataset = dataset.unwrap_or_else(|error| panic!("imported, but not opened: {error}"));
    if Examples::exist(&options.out) {
        Examples::open(&options.out, &dataset)
            .unwrap_or_else(|error| panic!("imported examples, but not opened: {error}"));
    }
    Ok(())
}

fn table(folder: &Path, extension: &str) -> Result<(), String> {
    let path = |name: &str| folder.join(format!("{name}.{extension}"));
    import_and_open(Options {
        events: path("events"),
        items: Some(path("items")),
        out: folder.join("out"),
        overwrite: true,
        ..Options::default()
    })
}

fn text_columns(folder: &Path) -> Vec<String> {
    write(
        folder,
        &[
            ("items.csv", ITEMS),
            ("items.ndjson", "{\"sku\":\"a\",\"title\":\"x\"}\n{\"sku\":2,\"title\":[\"y\"]}\n"),
        ],
    )
}

fn texts(folder: &Path) -> Result<(), String> {
    for (file, id) in [("items.csv", "item_id"), ("items.ndjson", "sku")] {
        let columns = TextColumns { path: folder.join(file), item_id: Some(id.into()), text: None };
        let mut reader = columns.open().map_err(said)?;
        while !reader.next_rows(2).map_err(said)?.is_empty() {}
    }
    Ok(())
}

fn s3rec(folder: &Path) -> Vec<String> {
    write(folder, &[("sequences.txt", "u c a 10\nv b c\nw 10 a b c a\n")])
}

fn movielens(folder: &Path) -> Vec<String> {
    let ratings = "userId,movieId,rating,timestamp\n1,2,4.0,964982703\n1,1,1.5,964981247\n";
    let movies = "movieId,title,genres\n1,\"Film, A (1995)\",Adventure|Sci-Fi\n2,B,(no genres listed)\n";
    write(folder, &[("ratings.csv", ratings), ("movies.csv", movies)])
}

fn ml1m(folder: &Path) -> Vec<String> {
    let movies = b"1::Film, A (1995)::Adventure|Sci-Fi\n2::Caf\xe9::Colon::Drama\n";
    let ratings = b"1::2::4::964982703\n1::1::1::964981247\n";
    write(folder, &[("ratings.dat", &ratings[..]), ("movies.dat", &movies[..])])
}

fn ml100k(folder: &Path) -> Vec<String> {
    let ratings = b"1\t2\t4\t964982703\n1\t1\t1\t964981247\n";
    let movies = b"1|Film, A (1995)|01-Jan-1995||http://x|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|1|0|0|0\n2|Caf\xe9|||u|0|0|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n";
    write(folder, &[("u.data", &ratings[..]), ("u.item", &movies[..])])
}

fn recbole(folder: &Path) -> Vec<String> {
    let events = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t4\t964982703\n1\t1\t1.5\t964981247\n";
    let items = "item_id:token\ttitle:token_seq\tclass:token\tyear:float\n1\tA film\tx\t1995\n2\tB\t\t\n";
    write(folder, &[("a.inter", events), ("a.item", items)])
}

fn mind(folder: &Path) -> Vec<String> {
    let news = "N1\tsports\tgolf\tA title\tAn abstract\turl\t[]\t[]\nN2\tnews\tus\tB\t\turl\t[]\t[]\nN3\tnews\tus\tC\t\tu\t[]\t[]\n";
    let behaviors = "9\tU1\t11/12/2019 2:14:46 PM\tN3 N1\tN1-0 N2-1\n4\tU1\t11/12/2019 9:00:00 AM\tN3 N1\tN3-0\n5\tU2\t11/13/2019 12:00:01 AM\t\tN2-0\n";
    write(folder, &[("news.tsv", news), ("behaviors.tsv", behaviors)])
}

fn foreign(folder: &Path, format: Format, file: &str) -> Result<(), String> {
    // The output stands beside the input folder, which is read as a whole.
    let out = folder.with_extension("out");
    import_and_open(Options { format, events: folder.join(file), out, overwrite: true, ..Options::default() })
}

fn pointwise(folder: &Path) -> Vec<String> {
    let rows = |from: i64| {
        let line = |at: i64| {
            let (user, item, label) = (at % 3, at % 4, at % 2);
            format!("u{user}\ti{item}\t{label}\t{}\t['i0', 'i1']\t{}\n", 1_600_000_000 + at * 60, at * 7)
        };
        (from..from + 8)
            .fold("user\titem\tlabel\ttimestamp\thistory\tplace\n".to_owned(), |all, at| all + &line(at))
    };
    let items = "item\ttitle\ni0\tzero\ni1\tone\ni2\ttwo\ni3\tthree\n".to_owned();
    let files =
        [("items.tsv", items), ("train.tsv", rows(0)), ("valid.tsv", rows(8)), ("test.tsv", rows(16))];
    write(folder, &files)
}

fn read_pointwise(folder: &Path) -> Result<(), String> {
    let part = |name: &str| Some(folder.join(name));
    let mapping = Mapping {
        item_id: Some("item".into()),
        text: Some(vec!["title".into()]),
        history: Some("history".into()),
        ..Mapping::default()
    };
    let options = Options {
        format: Format::Pointwise,
        parts: PartFiles { train: part("train.tsv"), valid: part("valid.tsv"), test: part("test.tsv") },
        items: part("items.tsv"),
        out: folder.join("out"),
        overwrite: true,
        mapping,
        ..Options::default()
    };
    let _ = import_once(&Options {
        mapping: Mapping { history: None, ..options.mapping.clone() },
        ..options.clone()
    });
    import_once(&options)
}

/// The files of the data set in `folder/out`, which the import of another subject has written.
fn imported(folder: &Path) -> Vec<String> {
    let files = ["dataset.toml", "items.parquet", "events.parquet", "examples.parquet"];
    let files = files.map(|name| format!("out/{name}"));
    files.into_iter().filter(|name| folder.join(name).is_file()).collect()
}

fn log_set(folder: &Path) -> Vec<String> {
    csv(folder);
    table(folder, "csv").expect("a data set");
    imported(folder)
}

fn examples_set(folder: &Path) -> Vec<String> {
    pointwise(folder);
    read_pointwise(folder).expect("a data set");
    imported(folder)
}

fn open_set(folder: &Path) -> Result<(), String> {
    let folder = folder.join("out");
    let _ = Dataset::open_catalog(&folder);
    let dataset = Dataset::open(&folder).and_then(|mut dataset| {
        dataset.take_items_as_of(&folder, 1_650_000_000_000)?;
        Ok(dataset)
    });
    let dataset = dataset.map_err(said)?;
    if Examples::exist(&folder) {
        let examples = Examples::open(&folder, &dataset).map_err(said)?;
        for row in 0..examples.len() {
            examples.history(&dataset, row);
        }
    }
    Ok(())
}

fn import_parquet(folder: &Path) -> Result<(), String> {
    let from = folder.join("out");
    import_and_open(Options {
        events: from.join("events.parquet"),
        items: Some(from.join("items.parquet")),
        out: folder.join("again"),
        overwrite: true,
        ..Options::default()
    })
}
