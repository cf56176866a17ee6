//! The raw log: `events.parquet` of any of the usual types in, the table `raw` with one type per column out, checked.
//!
//! A column that a log may lack is null then. Every further column of strings, integers or floats is context of the impressions
//! and keeps its name in the examples.

use crate::engine::{Engine, MOST_BATCH_ROWS};
use crate::sql::{CHECK, REPEATED_SEQ};
use crate::{Error, PrepSettings};
use arrow::array::{Array, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::functions::core::expr_fn::nullif;
use datafusion::logical_expr::{Expr, cast as as_type, ident, lit};
use semrank_core::counted;
use semrank_data::columns::Table;
use semrank_data::{ColumnType, Examples, ExtraColumn, LOG_COLUMNS, TIMES_MS};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ColumnType::{Integer, Number, Text, Texts};

const REQUIRED: [(&str, ColumnType); 5] =
    [("user_id", Text), ("item_id", Text), ("action", Text), ("timestamp", Integer), ("seq", Integer)];

/// Columns where an empty string is a missing value.
const IDENTIFIERS: [&str; 2] = ["event_id", "parent_event_id"];

/// Limits of times, as those of every reader.
const TIMES: [i64; 2] = [*TIMES_MS.start(), *TIMES_MS.end()];

/// What a log has.
#[derive(Debug)]
pub(crate) struct RawLog {
    path: PathBuf,
    types: BTreeMap<String, DataType>,
    /// Further columns, in the order of the file.
    pub(crate) context: Vec<ExtraColumn>,
    in_order: bool,
}

/// Sizes of a log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) all: u64,
    /// With an `event_id`.
    pub(crate) identified: u64,
}

impl RawLog {
    /// Looks at the columns of a file.
    pub(crate) fn open(path: &Path) -> Result<RawLog, Error> {
        let table = Table::open(path)?;
        REQUIRED.iter().try_for_each(|(column, _)| table.require(column))?;
        let names = table.schema().fields().iter().map(|field| field.name().clone());
        let columns = names.map(|name| Ok((table.column_type(&name)?, name)));
        let columns = columns.collect::<Result<Vec<_>, Error>>()?;
        let types =
            table.schema().fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect();
        let standard = |name: &str| REQUIRED.iter().chain(&LOG_COLUMNS).find(|(column, _)| *column == name);
        for (kind, name) in &columns {
            if let Some((column, expected)) = standard(name).filter(|(_, expected)| !fits(*kind, *expected)) {
                return Err(Error::Column {
                    path: path.to_owned(),
                    column,
                    got: named(*kind).into(),
                    expected: named(*expected).into(),
                });
            }
        }
        let context = columns.iter().filter(|(_, name)| standard(name).is_none());
        let context: Vec<ExtraColumn> =
            context.map(|(kind, name)| ExtraColumn { name: name.clone(), kind: *kind }).collect();
        if let Some(column) = context.iter().find(|column| Examples::has_of_its_own(&column.name)) {
            return Err(Error::ReservedColumn { path: path.to_owned(), column: column.name.clone() });
        }
        table.check_pages(MOST_BATCH_ROWS)?;
        let in_order = is_rising(table)?;
        Ok(RawLog { path: path.to_owned(), types, context, in_order })
    }

    /// The error about a row of an item that the catalogue does not have.
    pub(crate) fn unknown_item(&self, item: &str, seq: i64) -> Error {
        Error::UnknownItem { path: self.path.clone(), seq, item: item.to_owned() }
    }

    /// Whether the file has a column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.types.contains_key(column)
    }

    /// Makes the table `raw`, checks its values and counts its rows.
    pub(crate) fn register(&self, engine: &Engine<'_>, settings: &PrepSettings) -> Result<Rows, Error> {
        let standard =
            REQUIRED.iter().chain(&LOG_COLUMNS).map(|(name, kind)| self.column(name, *kind).alias(*name));
        let context = self.context.iter().enumerate();
        let context = context.map(|(at, c)| self.column(&c.name, c.kind).alias(format!("context_{at}")));
        engine.file("raw", &self.path, standard.chain(context).collect())?;
        let found = engine.row(&CHECK)?;
        self.check_values(&found, settings)?;
        let repeated = if self.in_order { BTreeMap::new() } else { engine.row(&REPEATED_SEQ)? };
        if let Some(Some(seq)) = repeated.get("seq") {
            return Err(self.wrong("seq", format!("{seq} more than once"), "another number for each row"));
        }
        let count = |name| u64::try_from(number(&found, name)).unwrap_or(0);
        Ok(Rows { all: count("log_rows"), identified: count("event_id") })
    }

    fn column(&self, name: &str, kind: ColumnType) -> Expr {
        let Some(found) = self.types.get(name) else { return as_type(lit(ScalarValue::Null), kind_of(kind)) };
        match kind {
            Text if IDENTIFIERS.contains(&name) => {
                nullif(as_type(ident(name), DataType::Utf8View), as_type(lit(""), DataType::Utf8View))
            }
            Integer if matches!(found, DataType::Timestamp(..)) => {
                let in_ms = DataType::Timestamp(TimeUnit::Millisecond, None);
                as_type(as_type(ident(name), in_ms), DataType::Int64)
            }
            _ => as_type(ident(name), kind_of(kind)),
        }
    }

    fn check_values(
        &self,
        found: &BTreeMap<String, Option<i64>>,
        settings: &PrepSettings,
    ) -> Result<(), Error> {
        let rows = number(found, "log_rows");
        for (column, _) in REQUIRED {
            let empty = rows - number(found, column);
            if empty > 0 {
                let got = counted(empty, "empty value", "empty values");
                return Err(self.wrong(column, got, "a value in every row"));
            }
        }
        let limits = [
            ("timestamp", "first_ms", "last_ms", TIMES, "ms UTC from 1900 to 2200"),
            ("received_at", "first_received_ms", "last_received_ms", TIMES, "ms UTC from 1900 to 2200"),
            ("dwell_ms", "least_dwell_ms", "most_dwell_ms", [0, TIMES[1]], "0 or more"),
            (
                "slot",
                "first_slot",
                "last_slot",
                [settings.first_slot, 65_000],
                "slots from the first_slot to 65000",
            ),
        ];
        for (column, least, most, [from, to], expected) in limits {
            let values = [least, most].map(|name| found.get(name).copied().flatten());
            if let Some(value) = values.into_iter().flatten().find(|value| !(from..=to).contains(value)) {
                return Err(self.wrong(column, value.to_string(), expected));
            }
        }
        let impossible = number(found, "propensity") - number(found, "possible");
        if impossible > 0 {
            let got = counted(impossible, "value out of range", "values out of range");
            return Err(self.wrong("propensity", got, "probabilities above 0, at most 1"));
        }
        for (column, different, most) in [("action", "actions", 256), ("surface", "surfaces", 255)] {
            let got = number(found, different);
            if got > most {
                return Err(self.wrong(
                    column,
                    format!("{got} different values"),
                    &format!("{most} at most"),
                ));
            }
        }
        match number(found, "impressions") {
            0 => Err(Error::NoImpressions { path: self.path.clone() }),
            shown if shown == rows => Err(Error::OnlyImpressions { path: self.path.clone() }),
            _ => Ok(()),
        }
    }

    fn wrong(&self, column: &'static str, got: String, expected: &str) -> Error {
        Error::Column { path: self.path.clone(), column, got, expected: expected.into() }
    }
}

/// Whether `seq` rises from row to row, as it does in every log that this program wrote: then no two rows share one.
fn is_rising(table: Table) -> Result<bool, Error> {
    let (mut batches, mut last) = (table.read(&["seq"])?, None);
    while let Some(batch) = batches.next_batch()? {
        let column = batch.column("seq").and_then(|column| cast(column, &DataType::Int64).ok());
        let Some(values) = column.as_ref().and_then(|c| c.as_any().downcast_ref::<Int64Array>()) else {
            return Ok(false);
        };
        for value in values.iter() {
            if value <= last {
                return Ok(false);
            }
            last = value;
        }
    }
    Ok(true)
}

/// A number of a row of numbers; 0 where it is null.
pub(crate) fn number(row: &BTreeMap<String, Option<i64>>, name: &str) -> i64 {
    row.get(name).copied().flatten().unwrap_or(0)
}

fn fits(got: ColumnType, expected: ColumnType) -> bool {
    got == expected || (got == Integer && expected == Number)
}

fn named(kind: ColumnType) -> &'static str {
    match kind {
        Text => "strings",
        Integer => "integers",
        Number => "floats",
        Texts => "lists of strings",
    }
}

fn kind_of(kind: ColumnType) -> DataType {
    match kind {
        Text => DataType::Utf8View,
        Integer => DataType::Int64,
        Number => DataType::Float64,
        Texts => DataType::new_list(DataType::Utf8View, true),
    }
}
