//! Shared by the tests: temporary folders and the optional public data.
#![allow(dead_code)] // Each test file uses a part.

use arrow_array::{ArrayRef, StringArray};
use semrank_data::import::{Options, import};
use semrank_data::{Dataset, Error, ImportReport};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A temporary folder.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file with this content.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The names in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A folder of the public data, from `$SEMRANK_DATA` or `../shared/data`; says so and gives none when absent.
pub(crate) fn data_folder(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SEMRANK_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no data ({})", folder.display());
    None
}

/// An import into `out` of the folder.
pub(crate) fn options(folder: &Folder, events: PathBuf) -> Options {
    Options { events, out: folder.path("out"), overwrite: true, ..Options::default() }
}

/// The error with its help in one line.
pub(crate) fn message(error: &Error) -> String {
    format!("{error} | {}", error.help().unwrap_or_default())
}

/// Imports and expects an error with all of `parts`.
#[track_caller]
pub(crate) fn refused(options: &Options, parts: &[&str]) {
    let message = message(&import(options).expect_err("it should be refused"));
    parts.iter().for_each(|part| assert!(message.contains(part), "expected `{part}` in: {message}"));
}

/// Imports and opens.
#[track_caller]
pub(crate) fn read(options: &Options) -> (ImportReport, Dataset) {
    let report = import(options).unwrap_or_else(|error| panic!("{}", message(&error)));
    (report, Dataset::open(&options.out).unwrap())
}

/// A column of texts.
pub(crate) fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// gzip of `bytes`.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A Parquet file of these columns.
pub(crate) fn write_parquet(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = arrow_array::RecordBatch::try_from_iter(columns).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}
