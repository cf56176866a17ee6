//! From wanted column names to cells: finds a column under its given or usual name and selects it.

use super::rows::{CellKind, Row, Rows};
use super::time::Clock;
use crate::limits::{POSITIONS, POSITIONS_EXPECTED};
use crate::{Error, RowError};
use std::path::Path;

/// A selected column.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    /// Index into the cells of a row.
    pub(crate) index: usize,
    /// Name in the source.
    pub(crate) name: String,
    pub(crate) kind: CellKind,
}

/// What to look for.
pub(crate) struct Wanted<'a> {
    /// The name that the user gave.
    pub(crate) given: Option<&'a str>,
    /// The usual names, likeliest first.
    pub(crate) usual: &'a [&'a str],
    /// The flag that gives a name.
    pub(crate) flag: &'static str,
}

/// Collects the columns that an import reads.
pub(crate) struct Header<'r> {
    rows: &'r mut dyn Rows,
    selected: Vec<usize>,
}

impl<'r> Header<'r> {
    pub(crate) fn new(rows: &'r mut dyn Rows) -> Header<'r> {
        Header { rows, selected: Vec::new() }
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.rows.columns().iter().map(|column| column.name.clone()).collect()
    }

    /// A column under its given name, which must exist, or a usual one.
    pub(crate) fn find(&mut self, wanted: &Wanted<'_>) -> Result<Option<Cell>, Error> {
        let columns = self.rows.columns();
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        match wanted.given {
            Some(name) => self.select(name, wanted.flag).map(Some),
            None => match wanted.usual.iter().find(|name| has(name)) {
                Some(name) => self.select(name, wanted.flag).map(Some),
                None => Ok(None),
            },
        }
    }

    /// A column that must exist.
    pub(crate) fn require(&mut self, wanted: &Wanted<'_>) -> Result<Cell, Error> {
        let first = wanted.usual.first().copied().unwrap_or("");
        match self.find(wanted)? {
            Some(cell) => Ok(cell),
            None => Err(self.missing(first, wanted.flag)),
        }
    }

    /// The column called `name`, which must exist once.
    pub(crate) fn select(&mut self, name: &str, flag: &'static str) -> Result<Cell, Error> {
        let columns = self.rows.columns();
        let mut found = (0..columns.len()).filter(|&index| columns[index].name == name);
        let Some(column) = found.next() else { return Err(self.missing(name, flag)) };
        let kind = columns[column].kind.clone();
        let got = match &kind {
            CellKind::Other(kind) => format!("column `{name}` of type {kind}"),
            _ if found.next().is_some() => format!("column `{name}` twice"),
            _ => {
                self.selected.push(column);
                return Ok(Cell { index: self.selected.len() - 1, name: name.to_owned(), kind });
            }
        };
        let expected = "one column of text, numbers or times".into();
        Err(Error::Schema { path: self.rows.path().to_owned(), got, expected })
    }

    /// The type of a column that has no text.
    pub(crate) fn unreadable(&self, name: &str) -> Option<String> {
        self.rows.columns().iter().find(|column| column.name == name).and_then(|column| match &column.kind {
            CellKind::Other(kind) => Some(kind.clone()),
            _ => None,
        })
    }

    /// Tells the source which columns to read.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.rows.select(&self.selected)
    }

    fn missing(&self, column: &str, flag: &'static str) -> Error {
        let path = self.rows.path().to_owned();
        Error::MissingColumn { path, column: column.to_owned(), existing: self.names(), flag }
    }
}

impl Cell {
    /// The text of this column in `row`.
    pub(crate) fn of<'r>(&self, row: &'r Row) -> &'r str {
        row.cell(self.index)
    }

    /// An id or a name: text that is not empty; a number only if it is whole and came unchanged.
    pub(crate) fn id<'r>(&self, row: &'r Row, file: &Path) -> Result<&'r str, RowError> {
        let text = self.exact(row, file)?;
        if text.is_empty() {
            return Err(row.place(file).error(&self.name, "an empty value", "an id"));
        }
        if self.kind == CellKind::Float && !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(row.place(file).error(&self.name, format!("`{text}`"), "text or a whole number"));
        }
        Ok(text)
    }

    /// A text that may be an id, or empty: two values of the file never become one.
    pub(crate) fn exact<'r>(&self, row: &'r Row, file: &Path) -> Result<&'r str, RowError> {
        let text = self.of(row);
        let place = row.place(file);
        if self.kind == CellKind::Time && !text.is_empty() {
            let error = place.error(&self.name, "a typed time", "text or a whole number");
            return Err(error.with_help("write ids as text: times are kept in whole milliseconds only"));
        }
        if row.is_exact(self.index) {
            return Ok(text);
        }
        let error =
            place.error(&self.name, format!("`{text}`"), "text or a whole number that is kept exactly");
        Err(error.with_help(
            "write ids as text or as 64-bit integers: a float, and a JSON number beyond 64 bits, is rounded",
        ))
    }

    /// A whole number.
    pub(crate) fn integer(&self, row: &Row, file: &Path) -> Result<i64, RowError> {
        let text = self.of(row);
        let whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15;
        text.parse()
            .ok()
            .or_else(|| text.parse::<f64>().ok().filter(whole).map(|number| number as i64))
            .ok_or_else(|| row.place(file).error(&self.name, quoted(text), "a whole number"))
    }

    /// A place in a sequence.
    pub(crate) fn position(&self, row: &Row, file: &Path) -> Result<i64, RowError> {
        let position = self.integer(row, file)?;
        match POSITIONS.contains(&position) {
            true => Ok(position),
            false => Err(row.place(file).error(&self.name, format!("`{position}`"), POSITIONS_EXPECTED)),
        }
    }

    /// A finite number.
    pub(crate) fn number(&self, row: &Row, file: &Path) -> Result<f64, RowError> {
        let text = self.of(row);
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| row.place(file).error(&self.name, quoted(text), "a finite number"))
    }

    /// A time in ms UTC.
    pub(crate) fn time(&self, row: &Row, file: &Path, clock: &mut Clock) -> Result<i64, RowError> {
        let text = self.of(row);
        clock.parse(text).map_err(|no_time| {
            let error = row.place(file).error(&self.name, quoted(text), no_time.expected);
            RowError { help: no_time.help, ..error }
        })
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "an empty value".into() } else { format!("`{text}`") }
}
