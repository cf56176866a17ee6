//! Parquet files as batches of a few named columns, for data sets, imports and tables of vectors.
//!
//! The Parquet library panics on some damaged files; here that is an error like any other.

use crate::{ColumnType, Error, RowError};
use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use semrank_core::narrow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const BATCH_ROWS: usize = 8192;

/// An opened Parquet file whose columns are not chosen yet.
pub struct Table {
    pub(crate) path: PathBuf,
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl Table {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// A file that cannot be read, is empty, or is no whole Parquet file.
    pub fn open(path: &Path) -> Result<Table, Error> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        Table::from_file(path, file)
    }

    /// Reads `file`; `path` is for messages.
    pub(crate) fn from_file(path: &Path, file: File) -> Result<Table, Error> {
        if file.metadata().map_err(Error::io("read", path))?.len() == 0 {
            return Err(Error::Empty { path: path.to_owned(), expected: "a Parquet file".into() });
        }
        let builder = guarded(path, || {
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::parquet("read", path))
        })?;
        Ok(Table { path: path.to_owned(), builder })
    }

    /// The columns with their Arrow types.
    pub fn schema(&self) -> &SchemaRef {
        self.builder.schema()
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.schema().column_with_name(column).is_some()
    }

    /// Rows, as the footer says.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.builder.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Refuses more rows than can be numbered; rows are counted by the footer.
    pub(crate) fn check_rows(&self, what: &'static str) -> Result<(), Error> {
        narrow::check(what, self.rows()).map_err(|error| Error::Schema {
            path: self.path.clone(),
            got: error.to_string(),
            expected: format!("at most {}", narrow::MOST),
        })
    }

    /// Insists on a column.
    ///
    /// # Errors
    /// A file without it; the message lists the columns there are.
    pub fn require(&self, column: &str) -> Result<(), Error> {
        if self.has(column) {
            return Ok(());
        }
        Err(Error::Schema {
            path: self.path.clone(),
            got: format!("the columns {}", names(self.schema()).join(", ")),
            expected: format!("a column `{column}`"),
        })
    }

    /// What a column holds, widened to one of three types.
    ///
    /// # Errors
    /// No such column, or one of another type.
    pub fn column_type(&self, column: &str) -> Result<ColumnType, Error> {
        self.require(column)?;
        let kind = self.schema().field_with_name(column).map(|field| field.data_type().clone());
        match kind {
            Ok(kind) if is_text(&kind) => Ok(ColumnType::Text),
            Ok(DataType::Timestamp(..)) => Ok(ColumnType::Integer),
            Ok(kind) if kind.is_integer() => Ok(ColumnType::Integer),
            Ok(kind) if kind.is_floating() => Ok(ColumnType::Number),
            other => Err(Error::Schema {
                path: self.path.clone(),
                got: format!(
                    "column `{column}` of type {}",
                    other.map_or_else(|e| e.to_string(), |k| k.to_string())
                ),
                expected: "strings, integers, floats or times".into(),
            }),
        }
    }

    /// The rows of `columns`, which must exist.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(self, columns: &[&str]) -> Result<Batches, Error> {
        let roots: Vec<usize> = columns.iter().filter_map(|name| self.schema().index_of(name).ok()).collect();
        let mask = ProjectionMask::roots(self.builder.parquet_schema(), roots);
        let path = self.path;
        let builder = self.builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        let reader = guarded(&path, || builder.build().map_err(Error::parquet("read", &path)))?;
        Ok(Batches { path, reader, row: 0 })
    }
}

/// The names of a schema's columns.
pub(crate) fn names(schema: &SchemaRef) -> Vec<String> {
    schema.fields().iter().map(|field| field.name().clone()).collect()
}

/// The rows of a Parquet file, batch by batch.
pub struct Batches {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    row: u64,
}

impl Batches {
    /// The next batch, or `None` after the last.
    ///
    /// # Errors
    /// A file that ends early or is damaged.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        let (path, reader) = (&self.path, &mut self.reader);
        let batch =
            guarded(path, || reader.next().transpose().map_err(|error| damaged(path, error.to_string())))?;
        let Some(batch) = batch else { return Ok(None) };
        let first_row = self.row + 1;
        self.row += batch.num_rows() as u64;
        Ok(Some(Batch { path: self.path.clone(), batch, first_row }))
    }
}

/// Some rows of a Parquet file.
pub struct Batch {
    path: PathBuf,
    batch: RecordBatch,
    /// The number of its first row in the file, from 1.
    pub first_row: u64,
}

impl Batch {
    /// Rows of this batch.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// A column, if it was asked for and exists.
    pub fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.batch.column_by_name(name)
    }

    /// A column of strings; any of Arrow's string layouts.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<StringArray>, Error> {
        let Some(array) = self.column(name) else { return Ok(None) };
        let strings = if is_text(array.data_type()) { cast(array, &DataType::Utf8).ok() } else { None };
        match strings.as_ref().and_then(|strings| strings.as_any().downcast_ref::<StringArray>()) {
            Some(strings) => Ok(Some(strings.clone())),
            None => Err(self.wrong_type(name, array, "strings")),
        }
    }

    /// A column of integers or of times, the latter in ms UTC.
    pub(crate) fn integers(&self, name: &str) -> Result<Option<Int64Array>, Error> {
        let Some(array) = self.column(name) else { return Ok(None) };
        let integers = match array.data_type() {
            DataType::Timestamp(_, zone) => {
                cast(array, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))
                    .and_then(|ms| cast(&ms, &DataType::Int64))
                    .ok()
            }
            kind if kind.is_integer() => cast(array, &DataType::Int64).ok(),
            _ => None,
        };
        match integers.as_ref().and_then(|integers| integers.as_any().downcast_ref::<Int64Array>()) {
            Some(integers) => Ok(Some(integers.clone())),
            None => Err(self.wrong_type(name, array, "integers or times")),
        }
    }

    /// A column of floats.
    pub(crate) fn numbers(&self, name: &str) -> Result<Option<Float64Array>, Error> {
        let Some(array) = self.column(name) else { return Ok(None) };
        let kind = array.data_type();
        let numeric = kind.is_floating() || kind.is_integer();
        let numbers = if numeric { cast(array, &DataType::Float64).ok() } else { None };
        match numbers.as_ref().and_then(|numbers| numbers.as_any().downcast_ref::<Float64Array>()) {
            Some(numbers) => Ok(Some(numbers.clone())),
            None => Err(self.wrong_type(name, array, "numbers")),
        }
    }

    /// An error about row `index` of this batch.
    pub(crate) fn error(&self, index: usize, column: &str, got: &str, expected: &str) -> Error {
        RowError {
            file: self.path.as_path().into(),
            line: self.first_row + index as u64,
            column: Some(column.to_owned()),
            got: got.to_owned(),
            expected: expected.to_owned(),
            help: None,
        }
        .into()
    }

    fn wrong_type(&self, name: &str, array: &ArrayRef, expected: &str) -> Error {
        Error::Schema {
            path: self.path.clone(),
            got: format!("column `{name}` of type {}", array.data_type()),
            expected: expected.to_owned(),
        }
    }
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), format: "Parquet", reason }
}

/// Runs code of the Parquet library, which may panic on damaged input.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(damaged(path, "the decoder cannot make sense of it".into())))
}
