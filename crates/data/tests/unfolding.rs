//! The promise of memory: a Parquet file of a few kilobytes may decode to gigabytes, by compression, dictionaries, shared prefixes or
//! lists. It is read, or refused, within ten times its size and 200 MB.

#![cfg(target_os = "linux")] // Where a process knows the most memory that it took.
#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use arrow_array::builder::{Int64Builder, ListBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, StringArray};
use common::Folder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use semrank_data::import::{Mapping, Options, TextColumns, import};
use semrank_data::{Dataset, Error, Examples};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Rows and the bytes of a text that all of them have: a GiB.
const ROWS: usize = 4096;
const TEXT: usize = 256 * KIB;

const CASE: &str = "SEMRANK_UNFOLDING_CASE";
const FOLDER: &str = "SEMRANK_UNFOLDING_FOLDER";

/// Runs `child` on a file in a process of its own, checks its peak memory and returns its output.
#[track_caller]
fn within_limits(case: &str, folder: &Folder, file: &str) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CASE, case)
        .env(FOLDER, folder.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{case}: {said} {}", String::from_utf8_lossy(&output.stderr));
    let peak = said.lines().find_map(|line| line.strip_prefix("peak KiB: ")).unwrap().parse::<u64>().unwrap();
    let size = std::fs::metadata(folder.path(file)).unwrap().len();
    println!("{case}: {size} bytes, peak {} MiB", peak >> 10);
    assert!(peak * 1024 <= 200_000_000 + 10 * size, "{case}: {} MiB for {size} bytes: {said}", peak >> 10);
    said
}

/// What a child does: it is not a test by itself.
#[test]
fn child() {
    let (Ok(case), Some(folder)) = (std::env::var(CASE), std::env::var_os(FOLDER)) else { return };
    let path = |name: &str| PathBuf::from(&folder).join(name);
    let said = match case.as_str() {
        "import items" => import_items(&path).map(|items| format!("{items} items")),
        "import lists" => {
            let mapping = Mapping { unfold: true, ..Mapping::default() };
            let options =
                Options { events: path("e.parquet"), out: path("set"), mapping, ..Options::default() };
            import(&options).map(|report| format!("{} events", report.events))
        }
        "read texts" => read_texts(&path("i.parquet")).map(|rows| format!("{rows} rows")),
        "open set" => Dataset::open(&path("set")).map(|dataset| format!("{} items", dataset.catalog.len())),
        "open examples" => Dataset::open(&path("set"))
            .and_then(|dataset| Examples::open(&path("set"), &dataset))
            .map(|examples| format!("{} examples", examples.len())),
        other => panic!("no case {other}"),
    };
    match said {
        Ok(said) => println!("\nsaid: {said}"),
        Err(error) => println!("\nerror: {error} | {}", error.help().unwrap_or_default()),
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("peak KiB: {}", peak.trim().trim_end_matches(" kB"));
}

fn import_items(path: &dyn Fn(&str) -> PathBuf) -> Result<u64, Error> {
    std::fs::write(path("e.csv"), "user,item\nu,0\nu,1\n").unwrap();
    let (events, items, out) = (path("e.csv"), Some(path("i.parquet")), path("set"));
    Ok(import(&Options { events, items, out, ..Options::default() })?.items)
}

fn read_texts(path: &Path) -> Result<usize, Error> {
    let mut reader = TextColumns { path: path.to_owned(), ..TextColumns::default() }.open()?;
    let mut count = 0;
    loop {
        let rows = reader.next_rows(8192)?;
        if rows.is_empty() {
            return Ok(count);
        }
        count += rows.len();
    }
}

fn properties() -> WriterPropertiesBuilder {
    WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()))
}

fn write(path: &Path, properties: WriterPropertiesBuilder, batches: impl Iterator<Item = RecordBatch>) {
    let mut batches = batches.peekable();
    let schema = batches.peek().unwrap().schema();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), schema, Some(properties.build())).unwrap();
    batches.for_each(|batch| writer.write(&batch).unwrap());
    writer.close().unwrap();
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn ids(rows: std::ops::Range<usize>) -> ArrayRef {
    Arc::new(StringArray::from(rows.map(|row| row.to_string()).collect::<Vec<_>>()))
}

/// One text in all rows.
fn shared(rows: usize) -> ArrayRef {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(TEXT)]));
    Arc::new(DictionaryArray::<Int32Type>::new(Int32Array::from(vec![0; rows]), text))
}

#[test]
fn a_text_that_all_rows_share_is_in_memory_once() {
    let folder = Folder::new();
    let items = batch(vec![("item", ids(0..ROWS)), ("title", shared(ROWS))]);
    write(&folder.path("i.parquet"), properties(), std::iter::once(items));
    assert!(within_limits("read texts", &folder, "i.parquet").contains("said: 4096 rows"));
    // In a data set all texts are in memory.
    let said = within_limits("import items", &folder, "i.parquet");
    assert!(
        said.contains("the items' texts have more than") && said.contains("Leave that column out"),
        "{said}"
    );
    let events = folder.file("e.csv", "user,item\nu,0\nu,1\n");
    let items = Some(folder.file("i.csv", "item,title\n0,shoe\n1,lamp\n"));
    import(&Options { events, items, out: folder.path("set"), ..Options::default() }).unwrap();
    let items = batch(vec![("item_id", ids(0..ROWS)), ("title", shared(ROWS))]);
    write(&folder.path("set/items.parquet"), properties(), std::iter::once(items));
    let said = within_limits("open set", &folder, "set/items.parquet");
    assert!(said.contains("column `title`: got texts of more than 134217728 bytes up to here"), "{said}");
}

#[test]
fn long_texts_are_read_a_few_at_a_time() {
    let folder = Folder::new();
    let texts = (0..256).map(|row| {
        let text: ArrayRef = Arc::new(StringArray::from(vec![format!("{row} ").repeat(MIB / 4)]));
        batch(vec![("item", ids(row..row + 1)), ("title", text)])
    });
    write(&folder.path("i.parquet"), properties(), texts);
    assert!(within_limits("read texts", &folder, "i.parquet").contains("said: 256 rows"));
}

#[test]
fn pages_that_unpack_to_much_are_refused() {
    let folder = Folder::new();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(200 * MIB)]));
    let items = batch(vec![("item", ids(0..1)), ("title", text)]);
    write(&folder.path("i.parquet"), properties().set_dictionary_enabled(false), std::iter::once(items));
    let said = within_limits("import items", &folder, "i.parquet");
    let expected = "i.parquet: got pages of column `title` that decode to more than 134217728 bytes";
    assert!(said.contains(expected) && said.contains("smaller pages"), "{said}");
}

#[test]
fn shared_beginnings_are_counted_before_they_are_unfolded() {
    let folder = Folder::new();
    let texts = |rows: std::ops::Range<usize>, bytes: usize| -> RecordBatch {
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a".repeat(bytes); rows.len()]));
        batch(vec![("item", ids(rows)), ("title", text)])
    };
    let delta = || {
        let properties = properties().set_dictionary_enabled(false);
        properties.set_column_encoding(ColumnPath::from("title"), Encoding::DELTA_BYTE_ARRAY)
    };
    write(&folder.path("i.parquet"), delta(), (0..ROWS / 64).map(|at| texts(at * 64..at * 64 + 64, TEXT)));
    let said = within_limits("import items", &folder, "i.parquet");
    assert!(said.contains("got pages of column `title` that decode to more than"), "{said}");
    // As writers use it, it is read.
    write(&folder.path("i.parquet"), delta(), std::iter::once(texts(0..ROWS, 100)));
    assert!(within_limits("import items", &folder, "i.parquet").contains("said: 4096 items"));
}

fn log(lists: ArrayRef) -> RecordBatch {
    let users: ArrayRef = Arc::new(StringArray::from(vec!["u"; lists.len()]));
    batch(vec![("user", users), ("item", lists)])
}

#[test]
fn lists_without_end_are_refused() {
    let folder = Folder::new();
    let mut lists = ListBuilder::new(Int64Builder::new());
    lists.values().append_slice(&vec![7; 20_000_000]);
    lists.append(true);
    write(&folder.path("e.parquet"), properties(), std::iter::once(log(Arc::new(lists.finish()))));
    let said = within_limits("import lists", &folder, "e.parquet");
    assert!(
        said.contains("e.parquet: got lists of column `item.list.item` that decode to more than"),
        "{said}"
    );
}

#[test]
fn many_lists_are_read_a_few_at_a_time() {
    let folder = Folder::new();
    // More elements than are decoded at a time.
    let mut lists = ListBuilder::new(Int64Builder::new());
    for row in 0..4000 {
        lists.values().append_slice(&vec![row % 9; 1000]);
        lists.append(true);
    }
    write(&folder.path("e.parquet"), properties(), std::iter::once(log(Arc::new(lists.finish()))));
    assert!(within_limits("import lists", &folder, "e.parquet").contains("said: 4000000 events"));
}

#[test]
fn a_row_of_elements_that_share_a_text_is_too_long() {
    let folder = Folder::new();
    let mut lists = ListBuilder::new(StringDictionaryBuilder::<Int32Type>::new());
    lists.values().append_value("b");
    lists.append(true);
    let text = "a".repeat(TEXT);
    (0..1000).for_each(|_| lists.values().append_value(&text));
    lists.append(true);
    write(&folder.path("e.parquet"), properties(), std::iter::once(log(Arc::new(lists.finish()))));
    let said = within_limits("import lists", &folder, "e.parquet");
    assert!(said.contains("e.parquet:2: got a row of more than 16777216 bytes"), "{said}");
}

#[test]
fn examples_that_share_a_text_are_read() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item,timestamp\nu,a,1700000000\n");
    import(&Options { events, out: folder.path("set"), ..Options::default() }).unwrap();
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; ROWS])) };
    let integers = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value; ROWS])) };
    let columns = vec![
        ("split", texts("train")),
        ("user_id", texts("u")),
        ("item_id", texts("a")),
        ("timestamp", integers(1_700_000_000_000)),
        ("seq", Arc::new((0..ROWS as i64).map(Some).collect::<Int64Array>()) as ArrayRef),
        ("history_end", integers(0)),
        ("label_click", integers(1)),
        ("page", shared(ROWS)),
    ];
    write(&folder.path("set/examples.parquet"), properties(), std::iter::once(batch(columns)));
    assert!(within_limits("open examples", &folder, "set/examples.parquet").contains("said: 4096 examples"));
}
