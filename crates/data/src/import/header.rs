//! From wanted column names to cells: finds a column under its given or usual name and selects it.

use super::list;
use super::rows::{CellKind, Column, MOST_EXACT_F64, Row, Rows};
use super::time::{Clock, TimeRules};
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
    rows: &'r mut Rows,
    selected: Vec<usize>,
}

impl<'r> Header<'r> {
    pub(crate) fn new(rows: &'r mut Rows) -> Header<'r> {
        Header { rows, selected: Vec::new() }
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> Vec<String> {
        self.rows.columns().iter().map(|column| column.name.clone()).collect()
    }

    /// A column under its given name, which must exist, or a usual one; a name in other letter case will do where no column has
    /// the name itself.
    pub(crate) fn find(&mut self, wanted: &Wanted<'_>) -> Result<Option<Cell>, Error> {
        match wanted.given {
            Some(name) => self.select(name, wanted.flag).map(Some),
            None => match wanted.usual.iter().find(|name| !self.places(name).is_empty()) {
                Some(name) => self.select(name, wanted.flag).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Places of columns of this name, or else of columns of this name in another letter case.
    fn places(&self, name: &str) -> Vec<usize> {
        let columns = self.rows.columns();
        let of = |same: &dyn Fn(&str) -> bool| -> Vec<usize> {
            (0..columns.len()).filter(|&index| same(&columns[index].name)).collect()
        };
        let exact = of(&|other| other == name);
        if exact.is_empty() { of(&|other| other.eq_ignore_ascii_case(name)) } else { exact }
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
        let places = self.places(name);
        let columns = self.rows.columns();
        let Some(&column) = places.first() else { return Err(self.missing(name, flag)) };
        let Column { name, kind } = columns[column].clone();
        let got = match &kind {
            CellKind::Other(kind) => format!("column `{name}` of type {kind}"),
            _ if places.len() > 1 => format!("column `{name}` twice"),
            _ => {
                self.selected.push(column);
                return Ok(Cell { index: self.selected.len() - 1, name, kind });
            }
        };
        let expected = "one column of text, numbers or times".into();
        Err(Error::Schema { path: self.rows.path().to_owned(), got, expected })
    }

    /// A clock for the times of a column.
    pub(crate) fn clock(&self, cell: &Cell, rules: &TimeRules) -> Result<Clock, Error> {
        if cell.kind != CellKind::SmallFloat {
            return Ok(Clock::new(rules, &cell.kind));
        }
        Err(Error::Schema {
            path: self.rows.path().to_owned(),
            got: format!("times in column `{}` of 32-bit floats or less, which lie 128 s apart", cell.name),
            expected: "64-bit numbers, typed times or text: write the times again from their source".into(),
        })
    }

    /// The type of a column that has no text.
    pub(crate) fn unreadable(&self, name: &str) -> Option<String> {
        self.rows.columns().iter().find(|column| column.name == name).and_then(|column| match &column.kind {
            CellKind::Other(kind) => Some(kind.clone()),
            _ => None,
        })
    }

    /// Selects the columns to read from the source.
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
        let float = matches!(self.kind, CellKind::Float | CellKind::SmallFloat);
        if float && !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
            return Err(row.place(file).error(&self.name, format!("`{text}`"), "text or a whole number"));
        }
        Ok(text)
    }

    /// A text that may be an id, or empty: two values of the file never become one.
    pub(crate) fn exact<'r>(&self, row: &'r Row, file: &Path) -> Result<&'r str, RowError> {
        let text = self.single(row, file)?;
        let place = row.place(file);
        if matches!(self.kind, CellKind::Time { .. }) && !text.is_empty() {
            let error = place.error(&self.name, "a typed time", "text or a whole number");
            return Err(error.with_help("write ids as text: times are kept in whole milliseconds only"));
        }
        if looks_like_a_list(text) {
            return Err(self.list_error(row, file));
        }
        self.check_exact(text, row, file)?;
        Ok(text)
    }

    /// The ids of a list: of a typed one, or of a text that is divided by `separator`, or as usual where there is none.
    pub(crate) fn ids<'r>(
        &self,
        row: &'r Row,
        file: &Path,
        separator: Option<&str>,
    ) -> Result<Vec<&'r str>, RowError> {
        let ids = match row.list(self.index) {
            Some(elements) => elements,
            None => list::ids(self.of(row), separator),
        };
        ids.iter().try_for_each(|id| self.check_exact(id, row, file))?;
        Ok(ids)
    }

    /// The cell's text, which is not a list.
    pub(crate) fn single<'r>(&self, row: &'r Row, file: &Path) -> Result<&'r str, RowError> {
        if row.is_list(self.index) { Err(self.list_error(row, file)) } else { Ok(self.of(row)) }
    }

    fn list_error(&self, row: &Row, file: &Path) -> RowError {
        let got = format!("the list `{}`", self.of(row));
        row.place(file).error(&self.name, got, "one value").with_help(
            "--unfold reads a list of items as events, in their order; only items and histories can be lists",
        )
    }

    fn check_exact(&self, text: &str, row: &Row, file: &Path) -> Result<(), RowError> {
        if row.is_exact(self.index) && !has_lost_digits(text) {
            return Ok(());
        }
        let expected = "text or a whole number that is kept exactly";
        Err(row.place(file).error(&self.name, format!("`{text}`"), expected).with_help(
            "write ids as text or as 64-bit integers: a float, and a JSON number beyond 64 bits, is rounded",
        ))
    }

    /// A whole number.
    pub(crate) fn integer(&self, row: &Row, file: &Path) -> Result<i64, RowError> {
        let text = self.single(row, file)?.trim();
        let whole = |number: &f64| number.fract() == 0.0 && number.abs() < 9e15 && !is_scientific(text);
        text.parse()
            .ok()
            .or_else(|| text.parse::<f64>().ok().filter(whole).map(|number| number as i64))
            .filter(|_| row.is_exact(self.index))
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
        let text = self.single(row, file)?.trim();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| row.place(file).error(&self.name, quoted(text), "a finite number"))
    }

    /// A time in ms UTC.
    pub(crate) fn time(&self, row: &Row, file: &Path, clock: &mut Clock) -> Result<i64, RowError> {
        self.time_of(self.single(row, file)?, row, file, clock)
    }

    /// A time in ms UTC, written as `text` in this column.
    pub(crate) fn time_of(
        &self,
        text: &str,
        row: &Row,
        file: &Path,
        clock: &mut Clock,
    ) -> Result<i64, RowError> {
        clock.parse(text).map_err(|no_time| {
            let error = row.place(file).error(&self.name, quoted(text), no_time.expected);
            RowError { help: no_time.help, ..error }
        })
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "an empty value".into() } else { format!("`{text}`") }
}

/// Whether a text is a list as Python, JSON or PostgreSQL print one: `['a', 'b']`, `[1 2]`, `{1,2}`. `[deleted]` is an id.
fn looks_like_a_list(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let inner = inner.or_else(|| text.strip_prefix('{').and_then(|text| text.strip_suffix('}')));
    inner.is_some_and(|inner| inner.contains([',', ' ']))
}

/// Whether a text is a number that a spreadsheet or a table of floats has rounded: `1.23457E+15`, `9007199254740993.0`.
fn has_lost_digits(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let signed = exponent.strip_prefix(['-', '+']);
        // `12e5` may be the start of a hash.
        let certain = !fraction.is_empty() || signed.is_some();
        return certain
            && digits(whole)
            && (fraction.is_empty() || digits(fraction))
            && digits(signed.unwrap_or(exponent));
    }
    text.split_once('.').is_some_and(|(whole, fraction)| {
        digits(whole)
            && fraction.bytes().all(|byte| byte == b'0')
            && whole.parse::<u64>().is_ok_and(|whole| whole > MOST_EXACT_F64 as u64)
    })
}

/// Whether a number is written with an exponent, so that it is unknown how many of its digits are exact.
pub(crate) fn is_scientific(text: &str) -> bool {
    text.contains(['e', 'E'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounded_numbers_are_told_from_ids() {
        for text in ["1.23457E+15", "1e+06", "-2.5e-05", "9007199254740993.0", "1.5e3"] {
            assert!(has_lost_digits(text), "{text}");
        }
        for text in ["12e5", "3e10a", "e", "1.5", "12.0", "9007199254740992.0", "1.e", "", "SKU-1E+"] {
            assert!(!has_lost_digits(text), "{text}");
        }
    }

    #[test]
    fn lists_are_told_from_ids() {
        assert!(["[1, 2]", "['a' 'b']", "{1,2}"].iter().all(|text| looks_like_a_list(text)));
        assert!(["[deleted]", "a, b", "{uuid}", "[]", "("].iter().all(|text| !looks_like_a_list(text)));
    }
}
