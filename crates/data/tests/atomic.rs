//! A program that is killed in the middle of an import leaves no data set, and the next import tidies up.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::Folder;
use semrank_data::{
    Dataset, DatasetWriter, Error, EventRow, Meta, When, WriterOptions,
    import::{Options, import},
};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const CHILD: &str = "SEMRANK_TEST_IMPORT_TO";

/// Not a test of its own: the program that [`a_killed_import_leaves_no_data_set`] starts and kills.
#[test]
fn child_that_imports_for_ever() {
    let Some(out) = std::env::var_os(CHILD) else { return };
    let options =
        WriterOptions { meta: Meta::default(), add_unknown_items: true, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(Path::new(&out), options).unwrap();
    for row in 0.. {
        let item = format!("item{}", row % 1000);
        let time = When::Position(row);
        writer.event(&EventRow { user: "u", item: &item, time, ..EventRow::default() }).unwrap();
        if row == 100_000 {
            println!("halfway");
            std::io::stdout().flush().unwrap();
        }
    }
}

#[test]
fn a_file_beside_the_data_set_is_none_of_its_own() {
    let folder = Folder::new();
    let writer = DatasetWriter::create(&folder.path("set"), WriterOptions::default()).unwrap();
    for name in ["dataset.toml", "items.parquet", "events.parquet", "examples.parquet"] {
        assert!(writer.side_file(name, Vec::new()).is_err(), "{name}");
    }
}

#[test]
fn a_stopped_import_leaves_nothing() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item\nu,a\nu,b\n");
    let before = folder.names();
    let options = Options { events, out: folder.path("set"), stop: Some(|| true), ..Options::default() };
    assert!(matches!(import(&options), Err(Error::Stopped)));
    assert_eq!(folder.names(), before);
}

fn partial(folder: &Folder) -> Vec<String> {
    folder.names().into_iter().filter(|name| name.contains(".partial-")).collect()
}

#[test]
fn a_killed_import_leaves_no_data_set() {
    let folder = Folder::new();
    let out = folder.path("set");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_that_imports_for_ever", "--nocapture"])
        .env(CHILD, &out)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let halfway = std::io::BufRead::lines(stdout).any(|line| line.unwrap().contains("halfway"));
    assert!(halfway, "the child ended early");
    assert_eq!(partial(&folder).len(), 1);

    let events = folder.file("e.csv", "user,item\nu,a\nu,b\n");
    let options = Options { events, out: out.clone(), ..Options::default() };
    assert!(!out.exists());
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    assert!(!out.exists(), "a killed import left a data set");
    assert!(Dataset::open(&out).is_err());

    import(&options).unwrap();
    assert_eq!(folder.names(), ["e.csv", "set"], "the abandoned stage is removed");
    assert_eq!(Dataset::open(&out).unwrap().events.len(), 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_sees_the_old_data_set_or_the_new_one() {
    let folder = Folder::new();
    let events = folder.file("e.csv", "user,item\nu,a\nu,b\n");
    let out = folder.path("set");
    let options = Options { events, out: out.clone(), overwrite: true, ..Options::default() };
    import(&options).unwrap();
    let reading = std::thread::spawn(move || {
        let started = std::time::Instant::now();
        let mut reads = 0;
        while started.elapsed() < std::time::Duration::from_millis(500) {
            // Between two opens of one reader the folder may change, but it is never absent or half there.
            assert!(out.join("dataset.toml").is_file() && out.join("events.parquet").is_file());
            reads += 1;
        }
        reads
    });
    while !reading.is_finished() {
        import(&options).unwrap();
    }
    assert!(reading.join().unwrap() > 0);
}
