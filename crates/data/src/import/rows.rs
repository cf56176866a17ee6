//! One view of every table: named columns, rows of text cells with their line.
//!
//! A null or absent cell is empty. Parquet and JSON numbers come as text that prints them exactly; typed times come as ms UTC.
//! Some numbers had lost digits before: floats beyond 2^53 stand for several integers each. Their cells are marked, so that none of
//! them becomes an id.

use super::delimited::Delimited;
use super::ndjson::JsonLines;
use super::parquet_rows::ParquetRows;
use super::source::{Place, plain_name};
use crate::Error;
use std::fmt;
use std::path::Path;

/// What a column's cells are in their file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CellKind {
    Text,
    Integer,
    Float,
    /// A typed time, here as ms UTC.
    Time,
    /// A type that has no text, by its name.
    Other(String),
}

/// A column of a source.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: CellKind,
}

impl Column {
    pub(crate) fn text(name: impl Into<String>) -> Column {
        Column { name: name.into(), kind: CellKind::Text }
    }
}

/// Every whole number up to here is a 64-bit float, 2^53; not the next one.
pub(crate) const MOST_EXACT_F64: f64 = 9_007_199_254_740_992.0;

/// Whether a float is whole and not too large for an id; `most` is the last whole number before which none is missing.
pub(crate) fn is_exact(number: f64, most: f64) -> bool {
    number.fract() == 0.0 && number.abs() <= most
}

/// A float's shortest text that reads as the same float, never long.
pub(crate) fn float_text(number: impl Into<f64> + fmt::Display + fmt::LowerExp + Copy) -> String {
    const MOST_DIGITS: f64 = 1e22;
    match number.into().abs() {
        0.0 | 1e-7..MOST_DIGITS => number.to_string(),
        _ => format!("{number:e}"),
    }
}

/// One row of the selected columns.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// Line (text) or row (Parquet), from 1.
    pub(crate) line: u64,
    /// In the order of the selection.
    pub(crate) cells: csv::StringRecord,
    /// Cells that are not what the writer of the file meant; mostly none.
    inexact: Vec<usize>,
}

impl Row {
    /// Empties the row for another line.
    pub(crate) fn start(&mut self, line: u64) {
        self.line = line;
        self.cells.clear();
        self.inexact.clear();
    }

    /// Adds a cell.
    pub(crate) fn push(&mut self, text: &str, exact: bool) {
        if !exact {
            self.inexact.push(self.cells.len());
        }
        self.cells.push_field(text);
    }

    /// Whether a cell is exactly what stands in the file.
    pub(crate) fn is_exact(&self, index: usize) -> bool {
        !self.inexact.contains(&index)
    }

    pub(crate) fn cell(&self, index: usize) -> &str {
        self.cells.get(index).unwrap_or("")
    }

    pub(crate) fn place<'a>(&self, file: &'a Path) -> Place<'a> {
        Place { file, line: self.line }
    }
}

/// A table being read.
pub(crate) trait Rows {
    fn path(&self) -> &Path;

    fn columns(&self) -> &[Column];

    /// Rows hold these columns from now on, in this order. Called once, before the first row.
    fn select(&mut self, columns: &[usize]) -> Result<(), Error>;

    /// Reads the next row into `row`; `false` at the end. After an [`Error::Row`] the following row can be read.
    fn next(&mut self, row: &mut Row) -> Result<bool, Error>;
}

/// Opens a table by its extension.
pub(crate) fn open(path: &Path) -> Result<Box<dyn Rows>, Error> {
    let name = plain_name(path);
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "parquet" | "pq" => Ok(Box::new(ParquetRows::open(path)?)),
        "csv" => Ok(Box::new(Delimited::csv(path)?)),
        "tsv" | "tab" => Ok(Box::new(Delimited::tsv(path)?)),
        "ndjson" | "jsonl" => Ok(Box::new(JsonLines::open(path)?)),
        _ => Err(Error::Schema {
            path: path.to_owned(),
            got: "a file of unknown format".into(),
            expected: "the extension .parquet, .csv, .tsv, .ndjson or .jsonl (also .gz), or another --format"
                .into(),
        }),
    }
}
