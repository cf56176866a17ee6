//! CSV (RFC 4180 quoting) and TSV (no quoting: a quote is a character), mostly with a header line.
//!
//! The delimiter is the one that is given, or else the one that divides the first lines into equally many fields: a comma, a
//! tab, a semicolon or a bar.

use super::rows::{Column, Heading, Reader, Row, Rows};
use super::source::{self, Place, Ration, Rationed, Source, label};
use crate::Error;
use crate::limits::{MOST_COLUMNS, MOST_LINE_BYTES};
use semrank_core::counted;
use std::io::BufRead;
use std::path::Path;

/// Delimiters that are looked for; of two that fit, the first.
const USUAL_DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// Lines at the start of a file that are looked at.
const SNIFFED_LINES: usize = 50;

/// How rows are divided into fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// Whether quotes enclose fields.
    pub(crate) quotes: bool,
}

impl Dialect {
    pub(crate) const CSV: Dialect = Dialect { delimiter: b',', quotes: true };
    pub(crate) const TSV: Dialect = Dialect { delimiter: b'\t', quotes: false };

    /// The dialect of a file whose delimiter is not known.
    pub(crate) fn found_in(source: &mut Source, path: &Path) -> Result<Dialect, Error> {
        let start = source.fill_buf().map_err(source::read_error(path))?;
        Ok(Dialect { delimiter: sniffed(start), quotes: true })
    }

    /// A remark that the delimiter was inferred, unless it is a comma.
    pub(crate) fn remark(self, path: &Path) -> Option<String> {
        let remark = || format!("{}: columns are divided by {}", label(path).display(), name(self.delimiter));
        (self.delimiter != b',').then(remark)
    }

    fn builder(self) -> csv::ReaderBuilder {
        let mut builder = csv::ReaderBuilder::new();
        builder.delimiter(self.delimiter).quoting(self.quotes).flexible(true);
        builder
    }
}

/// The delimiter of a text by its first lines.
fn sniffed(start: &[u8]) -> u8 {
    let fields = |delimiter: u8| -> Vec<usize> {
        let reader = Dialect { delimiter, quotes: true }.builder().has_headers(false).from_reader(start);
        let records = reader.into_byte_records().map_while(Result::ok).take(SNIFFED_LINES);
        let mut fields: Vec<usize> = records.map(|record| record.len()).collect();
        // The last of them may be cut off.
        if fields.len() > 1 && fields.len() < SNIFFED_LINES && !start.ends_with(b"\n") {
            fields.pop();
        }
        fields
    };
    let found = USUAL_DELIMITERS.map(|delimiter| (delimiter, fields(delimiter)));
    let header = |fields: &[usize]| fields.first().copied().unwrap_or(0);
    let divides = |fields: &[usize]| header(fields) > 1 && fields.iter().all(|&n| n == header(fields));
    let consistent = found.iter().find(|(_, fields)| divides(fields));
    let most = || found.iter().rev().max_by_key(|(_, fields)| header(fields));
    consistent.or_else(most).map_or(b',', |(delimiter, _)| *delimiter)
}

/// The name of a delimiter in messages.
fn name(delimiter: u8) -> String {
    if delimiter == b'\t' { "a tab".into() } else { format!("`{}`", char::from(delimiter)) }
}

/// A delimited text file.
pub(crate) struct Delimited {
    reader: csv::Reader<Rationed>,
    ration: Ration,
    record: csv::ByteRecord,
    /// A first row that was read already.
    first: bool,
}

impl Delimited {
    pub(crate) fn csv(path: &Path) -> Result<Rows, Error> {
        Self::open(label(path), source::open(path)?, Dialect::CSV)
    }

    pub(crate) fn tsv(path: &Path) -> Result<Rows, Error> {
        Self::open(label(path), source::open(path)?, Dialect::TSV)
    }

    /// A TSV file without a header line.
    pub(crate) fn headless_tsv(path: &Path, columns: &[&str]) -> Result<Rows, Error> {
        let (file, ration) = Rationed::new(source::open(path)?);
        let reader = Dialect::TSV.builder().has_headers(false).from_reader(file);
        let columns = columns.iter().map(|&name| Column::text(name)).collect();
        let record = csv::ByteRecord::new();
        Ok(Rows::new(Heading::new(label(path), columns), Delimited { reader, ration, record, first: false }))
    }

    /// An opened file with a header line; `path` is for messages.
    pub(crate) fn open(path: &Path, source: Source, dialect: Dialect) -> Result<Rows, Error> {
        Self::with_names(path, source, dialect, |_| None)
    }

    /// The same of a file whose first line may be a row: `names` names the columns of such a row.
    pub(crate) fn with_names(
        path: &Path,
        source: Source,
        dialect: Dialect,
        names: impl FnOnce(&[&str]) -> Option<Vec<String>>,
    ) -> Result<Rows, Error> {
        let (file, ration) = Rationed::new(source);
        let mut reader = dialect.builder().has_headers(false).from_reader(file);
        let mut header = csv::ByteRecord::new();
        reader.read_byte_record(&mut header).map_err(|error| failed(path, error))?;
        let place = Place { file: path, line: ration.line().max(1) };
        if ration.is_used_up() {
            return Err(too_long(path, place.line - line_ends(&header)));
        }
        if header.len() > MOST_COLUMNS {
            let (got, expected) = (format!("{} columns", header.len()), format!("{MOST_COLUMNS} at most"));
            return Err(Error::Schema { path: path.to_owned(), got, expected });
        }
        let cells = header.iter().map(|cell| Ok(place.utf8("", cell)?)).collect::<Result<Vec<_>, Error>>()?;
        let given = names(&cells);
        let first = given.is_some();
        let columns = given.unwrap_or_else(|| cells.iter().map(|name| name.trim().to_owned()).collect());
        let columns = columns.into_iter().map(Column::text).collect();
        Ok(Rows::new(Heading::new(path, columns), Delimited { reader, ration, record: header, first }))
    }

    /// Reads the next record; the line it starts on, or none at the end.
    fn read(&mut self, path: &Path) -> Result<Option<u64>, Error> {
        self.ration.renew();
        let before = self.ration.line();
        let more = std::mem::take(&mut self.first)
            || self.reader.read_byte_record(&mut self.record).map_err(|error| failed(path, error))?;
        let last = self.ration.line();
        let inside = if last - before.min(last) == 1 { 0 } else { line_ends(&self.record) };
        let line = last.saturating_sub(inside).max(1);
        if self.ration.is_used_up() {
            return Err(too_long(path, line));
        }
        Ok(more.then_some(line))
    }
}

impl Reader for Delimited {
    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error> {
        let heading = &*heading;
        let Heading { path, columns, .. } = heading;
        let Some(line) = self.read(path)? else { return Ok(false) };
        row.start(line);
        let place = row.place(path);
        if self.record.len() != columns.len() {
            let (got, expected) = (self.record.len(), columns.len());
            let got = counted(got, "field", "fields");
            let error = place.error("", got, format!("{expected}, as there are columns"));
            let quote = "the row goes over several lines: is a quote left open?";
            return Err(if line_ends(&self.record) > 0 { error.with_help(quote) } else { error }.into());
        }
        for (column, bytes) in columns.iter().zip(&self.record) {
            place.utf8(&column.name, bytes)?;
        }
        for (at, column) in heading.selection() {
            row.push(place.utf8(&column.name, &self.record[at])?, true);
        }
        Ok(true)
    }
}

/// Line ends inside the fields of a record.
fn line_ends(record: &csv::ByteRecord) -> u64 {
    record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64
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

#[cfg(test)]
mod tests {
    use super::sniffed;

    #[test]
    fn delimiters_are_found_by_equal_fields() {
        for (text, delimiter) in [
            ("user,item\nu,a\n", b','),
            ("user;item\nu;a\n", b';'),
            ("user\titem\nu\ta\n", b'\t'),
            ("user|item\nu|a\n", b'|'),
            ("user;item;price\nu;a;3,50\nu;b;2\n", b';'),
            ("user,item,title\nu,a,x; y\nu,b,\"z; w, v\"\n", b','),
            // Neither divides all lines alike: the one that divides the header most.
            ("user,item,title\nu,a\n", b','),
            ("user;item;title, subtitle\nu;a\n", b';'),
            ("title\nshoe\n", b','),
            ("user;item\nu;a,b\nu;c", b';'),
        ] {
            assert_eq!(char::from(sniffed(text.as_bytes())), char::from(delimiter), "{text:?}");
        }
    }
}
