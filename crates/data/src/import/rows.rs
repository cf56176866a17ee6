//! One view of every table: named columns, rows of text cells with their line.
//!
//! A null or absent cell is empty. Parquet and JSON numbers come as text that prints them exactly; typed times come as ms UTC.
//! Some numbers may have lost digits before: a float beyond 2^53 may have been several integers. Such cells are marked and never
//! become ids.

use super::delimited::{Delimited, Dialect};
use super::json_rows::JsonRows;
use super::parquet_rows::ParquetRows;
use super::parts::Parts;
use super::source::{self, Place, Source, is_standard_input, label, plain_name};
use crate::{Error, TextList};
use std::fmt;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// Type of a column in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CellKind {
    Text,
    Integer,
    /// 64 bits.
    Float,
    /// 32 or 16 bits, which cannot hold the time of an event.
    SmallFloat,
    /// A typed time, here as ms UTC.
    Time {
        /// Whether its type names a zone.
        zoned: bool,
    },
    /// A list of texts or numbers; of JSON, perhaps in some rows only.
    List,
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
    /// Cells whose value may have been rounded; mostly none.
    inexact: Vec<usize>,
    /// Cells that are lists, with the bytes of each element; mostly none.
    lists: Vec<(usize, Vec<usize>)>,
}

/// What separates the elements of a list in the text of its cell.
const LIST_SEPARATOR: &str = ", ";

impl Row {
    /// Empties the row for another line.
    pub(crate) fn start(&mut self, line: u64) {
        self.line = line;
        self.cells.clear();
        self.inexact.clear();
        self.lists.clear();
    }

    /// Adds a cell.
    pub(crate) fn push(&mut self, text: &str, exact: bool) {
        if !exact {
            self.inexact.push(self.cells.len());
        }
        self.cells.push_field(text);
    }

    /// Adds a cell that is a list.
    pub(crate) fn push_list<T: AsRef<str>>(&mut self, elements: &[T], exact: bool) {
        let texts: Vec<&str> = elements.iter().map(AsRef::as_ref).collect();
        self.lists.push((self.cells.len(), texts.iter().map(|text| text.len()).collect()));
        self.push(&texts.join(LIST_SEPARATOR), exact);
    }

    /// Adds a cell of another row.
    pub(crate) fn push_from(&mut self, other: &Row, index: usize) {
        match other.list(index) {
            Some(elements) => self.push_list(&elements, other.is_exact(index)),
            None => self.push(other.cell(index), other.is_exact(index)),
        }
    }

    /// The same of a cell that is a list, as a writer takes it.
    pub(crate) fn text_list(&self, index: usize) -> Option<TextList<'_>> {
        let (_, bytes) = self.lists.iter().find(|(cell, _)| *cell == index)?;
        Some(TextList { text: self.cell(index), bytes, between: LIST_SEPARATOR.len() })
    }

    /// The elements of a cell that is a list.
    pub(crate) fn list(&self, index: usize) -> Option<Vec<&str>> {
        Some(self.text_list(index)?.iter().collect())
    }

    /// Whether a cell is a list.
    pub(crate) fn is_list(&self, index: usize) -> bool {
        self.lists.iter().any(|(cell, _)| *cell == index)
    }

    /// Whether a cell has exactly the file's value.
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

/// Description of a table before its rows are read.
#[derive(Debug)]
pub(crate) struct Heading {
    /// For messages.
    pub(crate) path: PathBuf,
    pub(crate) columns: Vec<Column>,
    /// Places of the columns that rows hold, in this order.
    pub(crate) selected: Vec<usize>,
    /// Facts about the file that were inferred.
    pub(crate) remarks: Vec<String>,
}

impl Heading {
    /// A table of which nothing is selected yet.
    pub(crate) fn new(path: &Path, columns: Vec<Column>) -> Heading {
        Heading { path: path.to_owned(), columns, selected: Vec::new(), remarks: Vec::new() }
    }

    /// The selected columns with their places.
    pub(crate) fn selection(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.selected.iter().map(|&at| (at, &self.columns[at]))
    }
}

/// Reads the rows of one format.
pub(crate) trait Reader {
    /// Reads the selected columns of the next row into `row`; `false` at the end. After an [`Error::Row`] the following row can be
    /// read.
    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error>;

    /// Prepares for the columns that are now selected. Called once, before the first row.
    fn select(&mut self, _heading: &Heading) -> Result<(), Error> {
        Ok(())
    }

    /// Whether a column that a part of the table lacks is empty there, as a key of JSON objects is.
    fn may_lack_columns(&self) -> bool {
        false
    }
}

/// A table being read.
pub(crate) struct Rows {
    pub(crate) heading: Heading,
    reader: Box<dyn Reader>,
}

impl Rows {
    pub(crate) fn new(heading: Heading, reader: impl Reader + 'static) -> Rows {
        Rows { heading, reader: Box::new(reader) }
    }

    /// As [`Reader::next`].
    pub(crate) fn next(&mut self, row: &mut Row) -> Result<bool, Error> {
        self.reader.next(&mut self.heading, row)
    }

    /// Rows hold these columns from now on, in this order. Called once, before the first row.
    pub(crate) fn select(&mut self, columns: &[usize]) -> Result<(), Error> {
        self.heading.selected = columns.to_vec();
        self.reader.select(&self.heading)
    }

    /// As [`Reader::may_lack_columns`].
    pub(crate) fn may_lack_columns(&self) -> bool {
        self.reader.may_lack_columns()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.heading.path
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.heading.columns
    }
}

/// The formats that are read, for messages.
pub(crate) const FORMATS: &str = "the extension .parquet, .csv, .tsv, .txt, .json, .ndjson or .jsonl (also .gz or .zst), a folder \
                                  of such part files, `-` for standard input, or another --format";

/// Format by the name of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Parquet,
    Csv,
    Tsv,
    /// Delimited by anything.
    Text,
    Json,
    JsonLines,
    /// No extension, or standard input: the content decides.
    Nothing,
    Unknown,
}

impl Named {
    fn of(path: &Path) -> Named {
        if is_standard_input(path) {
            return Named::Nothing;
        }
        match plain_name(path).rsplit_once('.').map(|(_, extension)| extension) {
            Some("parquet" | "pq") => Named::Parquet,
            Some("csv") => Named::Csv,
            Some("tsv" | "tab") => Named::Tsv,
            Some("txt") => Named::Text,
            Some("json") => Named::Json,
            Some("ndjson" | "jsonl") => Named::JsonLines,
            None => Named::Nothing,
            Some(_) => Named::Unknown,
        }
    }
}

/// Opens a table: a file by its extension, or by its content where it has none; a folder of part files; or standard input.
/// Delimited text has the `delimiter` that is given, or the one that its first lines show.
pub(crate) fn open(path: &Path, delimiter: Option<u8>) -> Result<Rows, Error> {
    if Named::of(path) == Named::Unknown && delimiter.is_none() && path.is_file() {
        return Err(Error::Schema {
            path: path.to_owned(),
            got: "a file of unknown format".into(),
            expected: FORMATS.into(),
        });
    }
    open_perhaps_headless(path, delimiter, |_| None)
}

/// The same of a table whose first line may be a row: `names` names the columns of such a row. Delimited text may have any
/// extension.
pub(crate) fn open_perhaps_headless(
    path: &Path,
    delimiter: Option<u8>,
    names: impl FnOnce(&[&str]) -> Option<Vec<String>>,
) -> Result<Rows, Error> {
    if path.is_dir() {
        return Parts::open(path, delimiter);
    }
    let named = Named::of(path);
    if named == Named::Parquet {
        return ParquetRows::open(path);
    }
    let mut source = source::open(path)?;
    let start = source.fill_buf().map_err(source::read_error(label(path)))?;
    let content = start.trim_ascii_start().first();
    match (named, content) {
        (Named::Nothing, _) if start.starts_with(b"PAR1") => ParquetRows::unpacked(path, source),
        (Named::Json, _) | (Named::Nothing, Some(b'{' | b'[')) | (Named::JsonLines, Some(b'[')) => {
            JsonRows::values(label(path), source)
        }
        (Named::JsonLines, _) => JsonRows::lines(label(path), source),
        _ => {
            let found = delimiter.is_none() && named != Named::Tsv;
            let (source, dialect) = dialect(path, source, named, delimiter)?;
            let mut rows = Delimited::with_names(label(path), source, dialect, names)?;
            if found {
                rows.heading.remarks.extend(dialect.remark(path));
            }
            Ok(rows)
        }
    }
}

/// How a text file is divided. Quotes enclose fields, but not of tab-separated text that is not called .csv.
fn dialect(
    path: &Path,
    mut source: Source,
    named: Named,
    delimiter: Option<u8>,
) -> Result<(Source, Dialect), Error> {
    let dialect = match (delimiter, named) {
        (Some(delimiter), _) => Dialect { delimiter, quotes: true },
        (None, Named::Tsv) => Dialect::TSV,
        (None, _) => Dialect::found_in(&mut source, label(path))?,
    };
    let quotes = dialect.delimiter != b'\t' || named == Named::Csv;
    Ok((source, Dialect { quotes, ..dialect }))
}
