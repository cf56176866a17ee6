//! Columns beyond the standard ones, of items and of events: those that are mapped, and those with a known name.

use super::header::{Cell, Header};
use super::rows::{CellKind, Row};
use super::time::{Clock, TimeRules};
use crate::{ColumnType, Error, ExtraColumn, RowError, Value};
use std::path::Path;

/// A column that is kept under a known name.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) kind: ColumnType,
    pub(crate) time: bool,
    /// Whether it is not kept under its own name once it is mapped to another: so a `status` that says something else than whether an
    /// item may be shown can be kept.
    pub(crate) moves: bool,
}

/// A known column that is not a time.
pub(crate) const fn known(name: &'static str, kind: ColumnType) -> Known {
    Known { name, kind, time: false, moves: false }
}

/// A kept column.
pub(crate) struct Extra {
    cell: Cell,
    column: ExtraColumn,
    clock: Option<Clock>,
}

impl Extra {
    pub(crate) fn number(cell: Cell, name: &str) -> Extra {
        let column = ExtraColumn { name: name.to_owned(), kind: ColumnType::Number };
        Extra { cell, column, clock: None }
    }

    pub(crate) fn column(&self) -> &ExtraColumn {
        &self.column
    }

    /// The value in `row`; empty is null, a time is ms UTC.
    fn value<'r>(&mut self, row: &'r Row, file: &Path) -> Result<Value<'r>, RowError> {
        let text = self.cell.of(row);
        Ok(match (self.column.kind, &mut self.clock) {
            _ if text.is_empty() => Value::Null,
            (_, Some(clock)) => Value::Integer(self.cell.time(row, file, clock)?),
            (ColumnType::Text, None) if is_id(&self.column.name) => Value::Text(self.cell.exact(row, file)?),
            (ColumnType::Text, None) => Value::Text(text),
            (ColumnType::Texts, None) => {
                row.text_list(self.cell.index).map_or(Value::Text(text), Value::Texts)
            }
            (ColumnType::Integer, None) => Value::Integer(self.cell.integer(row, file)?),
            (ColumnType::Number, None) => Value::Number(self.cell.number(row, file)?),
        })
    }
}

/// Whether a further column holds ids, which must not change.
pub(crate) fn is_id(name: &str) -> bool {
    name.ends_with("_id")
}

/// The values of all kept columns in `row`.
pub(crate) fn values<'r>(extra: &mut [Extra], row: &'r Row, file: &Path) -> Result<Vec<Value<'r>>, RowError> {
    extra.iter_mut().map(|column| column.value(row, file)).collect()
}

/// What to keep.
pub(crate) struct Keep<'a> {
    /// Pairs of the name in the data set and the name in the source.
    pub(crate) mapped: &'a [(String, String)],
    /// Kept whenever the source has them.
    pub(crate) known: &'a [Known],
    pub(crate) flag: &'static str,
    pub(crate) times: &'a TimeRules,
    /// Whether lists stay lists; they become one text otherwise.
    pub(crate) lists: bool,
}

impl Keep<'_> {
    /// Finds the columns.
    pub(crate) fn select(&self, header: &mut Header<'_>) -> Result<Vec<Extra>, Error> {
        let names = header.names();
        let mapped = |known: &Known| {
            self.mapped.iter().any(|(mapped, source)| {
                mapped == known.name || (known.moves && source.eq_ignore_ascii_case(known.name))
            })
        };
        let present = self
            .known
            .iter()
            .filter(|known| names.iter().any(|name| name.eq_ignore_ascii_case(known.name)) && !mapped(known))
            .map(|known| (known.name.to_owned(), known.name.to_owned()));
        let wanted: Vec<(String, String)> = self.mapped.iter().cloned().chain(present).collect();
        wanted.into_iter().map(|(name, source)| self.extra(header, name, &source)).collect()
    }

    fn extra(&self, header: &mut Header<'_>, name: String, source: &str) -> Result<Extra, Error> {
        let cell = header.select(source, self.flag)?;
        let known = self.known.iter().find(|known| known.name == name);
        let kind = match known {
            Some(known) => known.kind,
            None if self.lists && cell.kind == CellKind::List => ColumnType::Texts,
            None => column_type(&cell.kind),
        };
        let clock = known.filter(|known| known.time).map(|_| header.clock(&cell, self.times)).transpose()?;
        Ok(Extra { cell, column: ExtraColumn { name, kind }, clock })
    }
}

pub(crate) fn column_type(kind: &CellKind) -> ColumnType {
    match kind {
        CellKind::Integer | CellKind::Time { .. } => ColumnType::Integer,
        CellKind::Float | CellKind::SmallFloat => ColumnType::Number,
        CellKind::Text | CellKind::List | CellKind::Other(_) => ColumnType::Text,
    }
}
