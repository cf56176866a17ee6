//! Columns of a query's batch by name, in the three types that tables have here.

use crate::Error;
use arrow::array::{Array, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use semrank_data::{ColumnType, Value};

/// One column.
pub(crate) enum Column {
    Text(StringViewArray),
    Integer(Int64Array),
    Number(Float64Array),
}

impl Column {
    /// A column of a batch of the query `step`, as `kind`.
    pub(crate) fn of(
        step: &'static str,
        batch: &RecordBatch,
        name: &str,
        kind: ColumnType,
    ) -> Result<Column, Error> {
        let failed = |error: DataFusionError| Error::Query { step, source: Box::new(error) };
        let missing = || failed(DataFusionError::Internal(format!("no column {name} of {kind:?}")));
        let column = batch.column_by_name(name).ok_or_else(missing)?;
        let wanted = match kind {
            ColumnType::Text => DataType::Utf8View,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Number => DataType::Float64,
            // No query of these steps has lists.
            ColumnType::Texts => return Err(missing()),
        };
        let values = cast(column, &wanted).map_err(|error| failed(error.into()))?;
        let values = values.as_any();
        let typed = match kind {
            ColumnType::Text => values.downcast_ref().cloned().map(Column::Text),
            ColumnType::Integer => values.downcast_ref().cloned().map(Column::Integer),
            ColumnType::Number => values.downcast_ref().cloned().map(Column::Number),
            ColumnType::Texts => None,
        };
        typed.ok_or_else(missing)
    }

    /// A value as a writer takes it.
    pub(crate) fn value(&self, row: usize) -> Value<'_> {
        match self {
            Column::Text(values) if values.is_valid(row) => Value::Text(values.value(row)),
            Column::Integer(values) if values.is_valid(row) => Value::Integer(values.value(row)),
            Column::Number(values) if values.is_valid(row) => Value::Number(values.value(row)),
            _ => Value::Null,
        }
    }

    /// A string.
    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        if let Value::Text(text) = self.value(row) { Some(text) } else { None }
    }

    /// An integer.
    pub(crate) fn integer(&self, row: usize) -> Option<i64> {
        if let Value::Integer(integer) = self.value(row) { Some(integer) } else { None }
    }

    /// A float.
    pub(crate) fn number(&self, row: usize) -> Option<f64> {
        if let Value::Number(number) = self.value(row) { Some(number) } else { None }
    }
}
