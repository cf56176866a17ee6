//! Columns of a query's batch by name, in the three types that tables have here.

use crate::Error;
use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::DataFusionError;
use semrank_data::{ColumnType, Values};

/// A batch of the query `step`.
#[derive(Clone, Copy)]
pub(crate) struct Columns<'a> {
    pub(crate) step: &'static str,
    pub(crate) batch: &'a RecordBatch,
}

impl Columns<'_> {
    /// A column of strings.
    pub(crate) fn texts(&self, name: &str) -> Result<StringViewArray, Error> {
        Ok(self.cast(name, &DataType::Utf8View)?.as_string_view().clone())
    }

    /// A column of integers.
    pub(crate) fn integers(&self, name: &str) -> Result<Int64Array, Error> {
        Ok(self.cast(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }

    /// A column of this type.
    pub(crate) fn values(&self, name: &str, kind: ColumnType) -> Result<Values, Error> {
        match kind {
            ColumnType::Text => Ok(Values::Text(self.texts(name)?)),
            ColumnType::Integer => Ok(Values::Integer(self.integers(name)?)),
            ColumnType::Number => {
                let numbers = self.cast(name, &DataType::Float64)?;
                Ok(Values::Number(numbers.as_primitive::<Float64Type>().clone()))
            }
            // No query of these steps has lists.
            ColumnType::Texts => Err(self.missing(name)),
        }
    }

    fn cast(&self, name: &str, wanted: &DataType) -> Result<ArrayRef, Error> {
        let column = self.batch.column_by_name(name).ok_or_else(|| self.missing(name))?;
        cast(column, wanted).map_err(|error| self.failed(error.into()))
    }

    fn missing(&self, name: &str) -> Error {
        self.failed(DataFusionError::Internal(format!("no column {name}")))
    }

    fn failed(&self, error: DataFusionError) -> Error {
        Error::Query { step: self.step, source: Box::new(error) }
    }
}
