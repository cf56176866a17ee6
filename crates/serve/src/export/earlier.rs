//! The events of a run's data set, as they are, in the order of the file.

use super::ExportError;
use super::columns::Columns;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use semrank_data::columns::Table;
use semrank_data::{ColumnType, DatasetWriter, EventRow, Value, When};
use semrank_pipeline::Data;

/// Of every row.
const KEYS: [(&str, ColumnType); 4] = [
    ("user_id", ColumnType::Text),
    ("item_id", ColumnType::Text),
    ("action", ColumnType::Text),
    ("timestamp", ColumnType::Integer),
];

/// The log of a data set.
pub(super) struct Earlier {
    table: Table,
    /// The columns that it has.
    names: Vec<String>,
}

impl Earlier {
    /// Opens it, and adds its columns.
    ///
    /// # Errors
    /// A data set of examples, or one whose events have no times; a damaged file.
    pub(super) fn open(data: &Data, columns: &mut Columns) -> Result<Self, ExportError> {
        let table = Table::open(&data.path.join("events.parquet"))?;
        let names: Vec<String> = table.schema().fields().iter().map(|field| field.name().clone()).collect();
        if data.examples.is_some() || !names.iter().any(|name| name == "timestamp") {
            return Err(ExportError::NoLog { path: data.path.clone() });
        }
        for name in &names {
            columns.add(name, table.column_type(name).unwrap_or(ColumnType::Texts));
        }
        Ok(Self { table, names })
    }

    /// Writes every event.
    ///
    /// # Errors
    /// A damaged file, a full disk.
    pub(super) fn write(self, columns: &Columns, writer: &mut DatasetWriter) -> Result<(), ExportError> {
        let wanted: Vec<(&str, ColumnType)> = KEYS.into_iter().chain(columns.iter()).collect();
        let there = wanted.iter().filter(|(name, _)| self.names.iter().any(|other| other == name));
        let mut batches = self.table.read(&there.map(|(name, _)| *name).collect::<Vec<_>>())?;
        while let Some(batch) = batches.next_batch()? {
            let arrays: Vec<Option<ArrayRef>> =
                wanted.iter().map(|(name, kind)| as_type(batch.column(name)?, *kind)).collect();
            let mut values = Vec::with_capacity(wanted.len());
            for row in 0..batch.rows() {
                values.clear();
                values.extend(arrays.iter().zip(&wanted).map(|(array, (_, kind))| value(array, *kind, row)));
                let [user, item, action, time] = [0, 1, 2, 3].map(|at| values[at]);
                let text = |value| if let Value::Text(text) = value { text } else { "" };
                let time = When::Time(if let Value::Integer(ms) = time { ms } else { i64::MIN });
                let (user, item, action) = (text(user), text(item), text(action));
                writer.event(&EventRow { user, item, action, time, extra: &values[KEYS.len()..] })?;
            }
        }
        Ok(())
    }
}

/// An array as a column's type has it; times are ms.
fn as_type(array: &ArrayRef, kind: ColumnType) -> Option<ArrayRef> {
    let times;
    let array = match array.data_type() {
        DataType::Timestamp(_, zone) => {
            times = cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone())).ok()?;
            &cast(&times, &DataType::Int64).ok()?
        }
        _ => array,
    };
    let kind = match kind {
        ColumnType::Text => DataType::Utf8View,
        ColumnType::Integer => DataType::Int64,
        ColumnType::Number => DataType::Float64,
        ColumnType::Texts => return None,
    };
    cast(array, &kind).ok()
}

fn value(array: &Option<ArrayRef>, kind: ColumnType, row: usize) -> Value<'_> {
    let Some(array) = array.as_ref().filter(|array| array.is_valid(row)) else { return Value::Null };
    match kind {
        ColumnType::Text => {
            array.as_string_view_opt().map_or(Value::Null, |array| Value::Text(array.value(row)))
        }
        ColumnType::Integer => {
            let integers = array.as_primitive_opt::<Int64Type>();
            integers.map_or(Value::Null, |array| Value::Integer(array.value(row)))
        }
        ColumnType::Number => {
            let numbers = array.as_primitive_opt::<Float64Type>();
            numbers.map_or(Value::Null, |array| Value::Number(array.value(row)))
        }
        ColumnType::Texts => Value::Null,
    }
}
