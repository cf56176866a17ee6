//! Labelled rows become examples whose histories are what the rows list, and public sets have their published sizes.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::{Folder, data_folder};
use semrank_data::{
    Dataset, Examples, ImportReport, Part,
    import::{Format, Options, PartFiles, import},
};
use std::path::PathBuf;

fn open(options: &Options) -> (ImportReport, Dataset, Examples) {
    let report = import(options).unwrap_or_else(|error| panic!("{error}"));
    let dataset = Dataset::open(&options.out).unwrap();
    let examples = Examples::open(&options.out, &dataset).unwrap();
    assert_eq!(report.examples.values().sum::<u64>(), examples.len() as u64);
    assert_eq!(report.hash, semrank_data::hash_dataset(&options.out).unwrap());
    (report, dataset, examples)
}

fn pointwise(folder: &Folder, files: [Option<PathBuf>; 3], items: Option<PathBuf>) -> Options {
    let [train, valid, test] = files;
    let parts = PartFiles { train, valid, test };
    Options { format: Format::Pointwise, parts, items, out: folder.path("set"), ..Options::default() }
}

fn history(dataset: &Dataset, examples: &Examples, row: usize) -> String {
    let items = examples.history(dataset, row).items.iter().map(|&item| dataset.catalog.name(item));
    items.collect::<Vec<_>>().join(" ")
}

const ITEMS: &str = "item,title\n07,shoe\n7,boot\nb,hat\n";

#[test]
fn listed_histories_and_extra_columns_are_kept() {
    let folder = Folder::new();
    let train = "user,item,label,timestamp,history,price,slot\n\
                 u,07,1,1700000000,[],2.5,0\n\
                 u,b,0,1700000050,\"['07', '7']\",,1\n\
                 u,7,1,1700000010,['07'],3,\n";
    let test = "user,item,label,timestamp,history\nv,b,1,1700000100,\n";
    let files = [Some(folder.file("train.csv", train)), None, Some(folder.file("test.csv", test))];
    let options = pointwise(&folder, files, Some(folder.file("items.csv", ITEMS)));
    let (report, dataset, examples) = open(&options);
    assert_eq!((report.users, report.events, report.actions["like"]), (1, 2, 2));
    assert_eq!((report.examples["train"], report.examples["test"]), (3, 1));
    assert_eq!(dataset.meta.source, "items.csv, train.csv, test.csv");
    assert_eq!(dataset.events.times(), [1_700_000_000_000, 1_700_000_010_000]);
    let histories: Vec<String> = (0..4).map(|row| history(&dataset, &examples, row)).collect();
    assert_eq!(histories, ["", "07", "07 7", ""]);
    assert_eq!(examples.parts, [Part::Train, Part::Train, Part::Train, Part::Test]);
    assert_eq!(examples.clicks, [true, true, false, true]);
    assert_eq!(examples.slots, [0, u16::MAX, 1, u16::MAX]);
    assert_eq!(examples.context("price").unwrap().text(0), Some("2.5"));
}

#[test]
fn without_lists_the_rows_liked_strictly_before_count() {
    let folder = Folder::new();
    let train = "user\titem\tlabel\ttimestamp\nu\t07\t1\t1700000000\nu\t7\t1\t1700000000\nu\tb\t0\t1700000001\nu\tb\t1\t1700000009\n";
    let files = [Some(folder.file("train.tsv", train)), None, None];
    let (report, dataset, examples) = open(&pointwise(&folder, files, None));
    let histories: Vec<String> = (0..4).map(|row| history(&dataset, &examples, row)).collect();
    assert_eq!(histories, ["", "", "07 7", "07 7"]);
    assert_eq!(report.events, 2, "a like that no row may see is not an event: {:?}", report.notes);
}

#[test]
fn bad_rows_name_their_place() {
    for (row, column) in [
        ("u,b,1,1700000000,,2", "column `label_conversion`: got `2`, expected 0 or 1"),
        ("u,b,2,1700000000,,", "column `label`: got `2`, expected 0 or 1"),
        ("u,x,1,1700000000,,", "column `item`: got `x`"),
        ("u,b,1,1700000000,07 x,", "column `history`: got `x`"),
        ("u,b,1,soon,,", "column `timestamp`: got `soon`"),
        (",b,1,1700000000,,", "column `user`: got an empty value"),
    ] {
        let folder = Folder::new();
        let train =
            folder.file("t.csv", format!("user,item,label,timestamp,history,label_conversion\n{row}\n"));
        let options = pointwise(&folder, [Some(train), None, None], Some(folder.file("items.csv", ITEMS)));
        let error = import(&options).unwrap_err().to_string();
        assert!(error.contains("t.csv:2: ") && error.contains(column), "{error}");
        assert_eq!(folder.names(), ["items.csv", "t.csv"]);
    }
}

#[test]
fn collm_movielens_is_as_published() {
    let Some(data) = data_folder("collm-ml1m") else { return };
    let folder = Folder::new();
    let file = |name: &str| Some(data.join(name));
    let files = [file("train.parquet"), file("valid.parquet"), file("test.parquet")];
    let (report, dataset, examples) = open(&pointwise(&folder, files, file("items.tsv")));
    assert_eq!((report.items, examples.user_names.len()), (3255, 838));
    assert_eq!(["train", "valid", "test"].map(|part| report.examples[part]), [33_891, 10_401, 7_331]);
    let left: Vec<&String> = report.notes.iter().filter(|note| note.contains("histories ")).collect();
    assert!(left.is_empty(), "every list is the start of its user's sequence: {left:?}");
    let truth = std::fs::read_to_string(data.join("test_truth.tsv")).unwrap();
    let mut truth: Vec<&str> = truth.lines().skip(1).collect();
    let mut rows: Vec<String> = examples
        .rows(Part::Test)
        .map(|row| {
            let (user, item) = (examples.users[row], examples.items[row]);
            let label = u8::from(examples.clicks[row]);
            format!("{}\t{}\t{label}", examples.user_names.name(user.0), dataset.catalog.name(item))
        })
        .collect();
    truth.sort_unstable();
    rows.sort_unstable();
    assert!(truth == rows, "the test rows are those of test_truth.tsv");
    // The history of the longest row of user 4, as its list in test.parquet starts.
    let of_4 = |row: &usize| examples.user_names.name(examples.users[*row].0) == "4";
    let row = examples.rows(Part::Test).find(of_4).unwrap();
    assert!(history(&dataset, &examples, row).starts_with("38 39 40 42 43 44"));
}
