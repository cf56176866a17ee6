//! Columns of labelled rows beyond user, item, label, time and history: standard ones keep their meaning, the others
//! are context. Files may differ in columns and types; a column that a file lacks is empty there.

use super::super::extra::{column_type, is_id};
use super::super::header::{Cell, Header};
use super::super::options::Mapping;
use super::super::rows::{CellKind, Row};
use super::super::time::{Clock, TimeRules};
use crate::{ColumnType, Error, ExampleRow, ExtraColumn, OptionalColumn, RowError, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// A kept value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kept {
    Null,
    Text(Box<str>),
    Integer(i64),
    Number(f64),
}

/// Columns that hold 0 or 1.
const BINARY: [OptionalColumn; 2] = [OptionalColumn::LabelConversion, OptionalColumn::Matured];

/// Columns that hold times in the file's unit.
const IN_TIME: [OptionalColumn; 4] = [
    OptionalColumn::ClickTime,
    OptionalColumn::ConversionTime,
    OptionalColumn::ClickReceived,
    OptionalColumn::ConversionReceived,
];

/// The columns of all files.
#[derive(Default)]
pub(super) struct Context {
    pub(super) optional: Vec<OptionalColumn>,
    pub(super) further: Vec<ExtraColumn>,
    /// Columns that cannot be kept, with their type.
    pub(super) left_out: Vec<String>,
    /// The columns of all files that have no meaning of their own, kept or not.
    seen: BTreeSet<String>,
}

/// The column with a meaning of its own that is called `name`, in any letter case.
fn standard(name: &str) -> Option<OptionalColumn> {
    OptionalColumn::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(name))
}

/// Where a file has one of the columns, if it does.
pub(super) struct Source {
    cell: Cell,
    name: String,
    clock: Option<Clock>,
}

impl Context {
    /// Selects the columns of a file that are not in `used` and that the mapping does not leave out; it also renames some.
    pub(super) fn select(
        &mut self,
        header: &mut Header<'_>,
        used: &[&str],
        mapping: &Mapping,
        times: &TimeRules,
    ) -> Result<Vec<Source>, Error> {
        let (flag, renamed) = ("--event-column", &mapping.event_columns);
        let names = header.names();
        if let Some((_, missing)) = renamed.iter().find(|(_, source)| !names.contains(source)) {
            header.select(missing, flag)?;
        }
        let new_name = |source: &String| {
            renamed.iter().find(|(_, old)| old == source).map_or(source, |(new, _)| new).clone()
        };
        let mut out = Vec::new();
        for source in names.into_iter().filter(|name| !used.contains(&name.as_str())) {
            let name = new_name(&source);
            self.seen.insert(source.clone());
            if !mapping.keeps(&source, standard(&name).is_some()) {
                continue;
            }
            if let Some(kind) = header.unreadable(&source) {
                self.left_out.push(format!("{source} ({kind})"));
                continue;
            }
            let cell = header.select(&source, flag)?;
            let is_time = self.add(&name, &cell.kind);
            let clock = is_time.then(|| header.clock(&cell, times)).transpose()?;
            let name = standard(&name).map_or(name, |column| column.name().to_owned());
            out.push(Source { cell, name, clock });
        }
        Ok(out)
    }

    /// Refuses a name of --context or --ignore that no file has.
    pub(super) fn check_names(&self, mapping: &Mapping, file: &Path) -> Result<(), Error> {
        let context = mapping.context.iter().flatten().map(|name| (name, "--context"));
        let missing = context
            .chain(mapping.ignored.iter().map(|name| (name, "--ignore")))
            .find(|(name, _)| !self.seen.contains(*name));
        match missing {
            None => Ok(()),
            Some((name, flag)) => Err(Error::MissingColumn {
                path: file.to_owned(),
                column: name.clone(),
                existing: self.seen.iter().cloned().collect(),
                flag,
            }),
        }
    }

    /// Remembers a column, and says whether it holds times in the file's unit.
    fn add(&mut self, name: &str, kind: &CellKind) -> bool {
        if let Some(column) = standard(name) {
            if !self.optional.contains(&column) {
                self.optional.push(column);
            }
            return IN_TIME.contains(&column);
        }
        let kind = column_type(kind);
        match self.further.iter_mut().find(|column| column.name == name) {
            Some(column) => column.kind = wider(column.kind, kind),
            None => self.further.push(ExtraColumn { name: name.to_owned(), kind }),
        }
        false
    }

    /// The row's values: those of the optional columns, then of the further ones.
    pub(super) fn values(
        &self,
        sources: &mut [Source],
        row: &Row,
        file: &Path,
    ) -> Result<Box<[Kept]>, RowError> {
        let optional = self.optional.iter().map(|column| (column.name(), column.kind()));
        let further = self.further.iter().map(|column| (column.name.as_str(), column.kind));
        optional
            .chain(further)
            .map(|(name, kind)| match sources.iter_mut().find(|source| source.name == name) {
                Some(source) => source.value(kind, row, file),
                None => Ok(Kept::Null),
            })
            .collect()
    }

    /// Puts the optional columns into `row` and gives the values of the further ones.
    pub(super) fn fill<'a>(&self, values: &'a [Kept], row: &mut ExampleRow<'a>) -> Vec<Value<'a>> {
        let (optional, further) = values.split_at(self.optional.len());
        self.optional.iter().zip(optional).for_each(|(&column, value)| fill(row, column, value));
        further.iter().map(Kept::value).collect()
    }
}

fn fill<'a>(row: &mut ExampleRow<'a>, column: OptionalColumn, value: &'a Kept) {
    let integer = if let Kept::Integer(integer) = value { Some(*integer) } else { None };
    let text = if let Kept::Text(text) = value { Some(text.as_ref()) } else { None };
    match column {
        OptionalColumn::LabelConversion => row.conversion = integer.map(|label| label == 1),
        OptionalColumn::ClickTime => row.click_time = integer,
        OptionalColumn::ConversionTime => row.conversion_time = integer,
        OptionalColumn::ClickReceived => row.click_received = integer,
        OptionalColumn::ConversionReceived => row.conversion_received = integer,
        OptionalColumn::ElapsedSinceClick => row.elapsed_since_click = integer,
        OptionalColumn::Matured => row.matured = Some(integer == Some(1)),
        OptionalColumn::DwellMs => row.dwell_ms = integer,
        OptionalColumn::RequestId => row.request = text,
        OptionalColumn::Surface => row.surface = text,
        OptionalColumn::Slot => row.slot = integer,
        OptionalColumn::Propensity => {
            row.propensity = if let Kept::Number(number) = value { Some(*number) } else { None };
        }
    }
}

fn wider(a: ColumnType, b: ColumnType) -> ColumnType {
    match (a, b) {
        _ if a == b => a,
        (ColumnType::Text, _) | (_, ColumnType::Text) => ColumnType::Text,
        _ => ColumnType::Number,
    }
}

impl Source {
    fn value(&mut self, kind: ColumnType, row: &Row, file: &Path) -> Result<Kept, RowError> {
        let text = self.cell.of(row);
        Ok(match (kind, &mut self.clock) {
            _ if text.is_empty() => Kept::Null,
            (_, Some(clock)) => Kept::Integer(self.cell.time(row, file, clock)?),
            (ColumnType::Text, None) if is_id(&self.name) => Kept::Text(self.cell.exact(row, file)?.into()),
            (ColumnType::Text | ColumnType::Texts, None) => Kept::Text(text.into()),
            (ColumnType::Integer, None) => {
                let integer = self.cell.integer(row, file)?;
                if BINARY.iter().any(|column| column.name() == self.name) && !(0..=1).contains(&integer) {
                    return Err(row.place(file).error(&self.cell.name, format!("`{text}`"), "0 or 1"));
                }
                Kept::Integer(integer)
            }
            (ColumnType::Number, None) => Kept::Number(self.cell.number(row, file)?),
        })
    }
}

impl Kept {
    fn value(&self) -> Value<'_> {
        match self {
            Kept::Null => Value::Null,
            Kept::Text(text) => Value::Text(text),
            Kept::Integer(integer) => Value::Integer(*integer),
            Kept::Number(number) => Value::Number(*number),
        }
    }
}
