//! CSV (RFC 4180 quoting) and TSV (no quoting: a quote is a character) with a header line.

use super::rows::{Column, Row, Rows};
use super::source::{self, Place, Ration, Rationed};
use crate::Error;
use crate::limits::{MOST_COLUMNS, MOST_LINE_BYTES};
use std::path::{Path, PathBuf};

/// A delimited text file.
pub(crate) struct Delimited {
    path: PathBuf,
    reader: csv::Reader<Rationed>,
    ration: Ration,
    columns: Vec<Column>,
    selected: Vec<usize>,
    record: csv::ByteRecord,
}

impl Delimited {
    pub(crate) fn csv(path: &Path) -> Result<Delimited, Error> {
        Self::open(path, csv::ReaderBuilder::new().delimiter(b','))
    }

    pub(crate) fn tsv(path: &Path) -> Result<Delimited, Error> {
        Self::open(path, csv::ReaderBuilder::new().delimiter(b'\t').quoting(false))
    }

    /// A TSV file without a header line.
    pub(crate) fn headless_tsv(path: &Path, columns: &[&str]) -> Result<Delimited, Error> {
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(b'\t').quoting(false).has_headers(false).flexible(true);
        let columns = columns.iter().map(|&name| Column::text(name)).collect();
        let (file, ration) = source::open_rationed(path)?;
        Ok(Self::new(path, builder.from_reader(file), ration, columns))
    }

    fn open(path: &Path, builder: &mut csv::ReaderBuilder) -> Result<Delimited, Error> {
        let (file, ration) = source::open_rationed(path)?;
        let mut reader = builder.flexible(true).from_reader(file);
        let header = reader.byte_headers().map_err(|error| failed(path, error))?.clone();
        let place = Place { file: path, line: 1 };
        if ration.is_used_up() {
            return Err(too_long(path, 1));
        }
        if header.len() > MOST_COLUMNS {
            let (got, expected) = (format!("{} columns", header.len()), format!("{MOST_COLUMNS} at most"));
            return Err(Error::Schema { path: path.to_owned(), got, expected });
        }
        let columns = header
            .iter()
            .map(|name| Ok(Column::text(place.utf8("", name)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(Self::new(path, reader, ration, columns))
    }

    fn new(path: &Path, reader: csv::Reader<Rationed>, ration: Ration, columns: Vec<Column>) -> Delimited {
        let record = csv::ByteRecord::new();
        Delimited { path: path.to_owned(), reader, ration, columns, selected: Vec::new(), record }
    }

    /// Renames the columns, e.g. to drop the types of a header.
    pub(crate) fn rename(&mut self, names: impl Iterator<Item = String>) {
        self.columns = names.map(Column::text).collect();
    }
}

impl Rows for Delimited {
    fn path(&self) -> &Path {
        &self.path
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn select(&mut self, columns: &[usize]) -> Result<(), Error> {
        self.selected = columns.to_vec();
        Ok(())
    }

    fn next(&mut self, row: &mut Row) -> Result<bool, Error> {
        self.ration.renew();
        let more =
            self.reader.read_byte_record(&mut self.record).map_err(|error| failed(&self.path, error))?;
        let line = self.record.position().map_or(0, csv::Position::line);
        if self.ration.is_used_up() {
            return Err(too_long(&self.path, line));
        }
        if !more {
            return Ok(false);
        }
        row.start(line);
        let place = row.place(&self.path);
        if self.record.len() != self.columns.len() {
            let lines = self.reader.position().line().saturating_sub(row.line);
            let (got, expected) = (self.record.len(), self.columns.len());
            let error = place.error("", format!("{got} fields"), format!("{expected}, as in the header"));
            let quote = "the row goes over several lines: is a quote left open?";
            return Err(if lines > 1 { error.with_help(quote) } else { error }.into());
        }
        for (column, bytes) in self.columns.iter().zip(&self.record) {
            place.utf8(&column.name, bytes)?;
        }
        for &column in &self.selected {
            row.push(place.utf8(&self.columns[column].name, &self.record[column])?, true);
        }
        Ok(true)
    }
}

fn too_long(path: &Path, line: u64) -> Error {
    Error::LineTooLong { path: path.to_owned(), line, most: MOST_LINE_BYTES }
}

fn failed(path: &Path, error: csv::Error) -> Error {
    let text = error.to_string();
    match error.into_kind() {
        csv::ErrorKind::Io(error) => source::read_error(path)(error),
        _ => Error::Schema { path: path.to_owned(), got: text, expected: "delimited text".into() },
    }
}
