//! Parquet files as batches of a few named columns, for data sets, imports and tables of vectors.
//!
//! The Parquet library panics on some damaged files; here that is an error like any other.

use crate::limits::{TIMES_EXPECTED, TIMES_MS};
use crate::{ColumnType, Error, RowError};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::ParquetMetaData;
use semrank_core::narrow;
use std::fs::File;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

const BATCH_ROWS: usize = 8192;

/// An opened Parquet file whose columns are not chosen yet.
pub struct Table {
    pub(crate) path: PathBuf,
    builder: ParquetRecordBatchReaderBuilder<File>,
    /// Size of the file.
    bytes: u64,
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
        let bytes = file.metadata().map_err(Error::io("read", path))?.len();
        if bytes == 0 {
            return Err(Error::Empty { path: path.to_owned(), expected: "a Parquet file".into() });
        }
        let builder = guarded(path, || {
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::parquet("read", path))
        })?;
        guarded(path, || check_sizes(path, builder.metadata(), bytes))?;
        Ok(Table { path: path.to_owned(), builder, bytes })
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

    /// Rows to make room for before they are read: what the footer says, but no more than a file of this size holds. A row takes
    /// several bytes, so this is enough for honest files; vectors grow beyond it.
    pub(crate) fn rows_to_reserve(&self) -> usize {
        usize::try_from(self.rows().min(self.bytes)).unwrap_or(0)
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
        let claimed = self.rows();
        let path = self.path;
        let builder = self.builder.with_projection(mask).with_batch_size(BATCH_ROWS);
        let reader = guarded(&path, || builder.build().map_err(Error::parquet("read", &path)))?;
        Ok(Batches { path, reader, row: 0, claimed })
    }
}

/// Checks what a footer claims against the file, before anything is allocated by it.
fn check_sizes(path: &Path, footer: &ParquetMetaData, bytes: u64) -> Result<(), Error> {
    let wrong = |reason: String| Err(damaged(path, reason));
    let claimed = footer.file_metadata().num_rows();
    let groups = footer.row_groups().iter().try_fold(0i64, |rows, group| {
        if group.num_rows() < 0 { None } else { rows.checked_add(group.num_rows()) }
    });
    if groups != Some(claimed) {
        return wrong(format!("its footer claims {claimed} rows, its row groups have others"));
    }
    for (at, group) in footer.row_groups().iter().enumerate() {
        for chunk in group.columns() {
            let (start, length) = chunk.byte_range();
            if start.checked_add(length).is_none_or(|end| end > bytes) {
                return wrong(format!(
                    "row group {} of column {} ends behind the file",
                    at + 1,
                    chunk.column_path()
                ));
            }
            if group.num_rows() > most_values(length) {
                return wrong(format!(
                    "row group {} claims {} rows in {length} bytes",
                    at + 1,
                    group.num_rows()
                ));
            }
        }
    }
    Ok(())
}

/// Most values that pages of so many bytes hold: a page says its number of values in 31 bits, and takes some bytes to say so.
fn most_values(bytes: u64) -> i64 {
    const LEAST_PAGE_BYTES: u64 = 8;
    i64::try_from((bytes / LEAST_PAGE_BYTES).saturating_mul(1 << 31)).unwrap_or(i64::MAX)
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
    /// Rows as the footer says.
    claimed: u64,
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
        let Some(batch) = batch else {
            return match self.row {
                rows if rows == self.claimed => Ok(None),
                rows => Err(damaged(path, format!("it has {rows} rows, its footer claims {}", self.claimed))),
            };
        };
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

    /// A column of moments in ms UTC, each within [`TIMES_MS`](crate::TIMES_MS).
    pub(crate) fn times(&self, name: &str) -> Result<Option<Int64Array>, Error> {
        self.integers_within(name, &TIMES_MS, TIMES_EXPECTED)
    }

    /// A column of integers, each within `range`.
    pub(crate) fn integers_within(
        &self,
        name: &str,
        range: &RangeInclusive<i64>,
        expected: &str,
    ) -> Result<Option<Int64Array>, Error> {
        let Some(values) = self.integers(name)? else { return Ok(None) };
        let outside = |row: &usize| values.is_valid(*row) && !range.contains(&values.value(*row));
        match (0..values.len()).find(outside) {
            Some(row) => Err(self.error(row, name, &values.value(row).to_string(), expected)),
            None => Ok(Some(values)),
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
        let integers = integers.as_ref().and_then(|integers| integers.as_any().downcast_ref::<Int64Array>());
        let integers = integers.ok_or_else(|| self.wrong_type(name, array, "integers or times"))?;
        match lost(array, integers) {
            Some(row) => Err(self.error(row, name, "a number beyond 64 bits", "an integer of 64 bits")),
            None => Ok(Some(integers.clone())),
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

/// The first row whose value did not fit: casts make it null.
pub(crate) fn lost(from: &ArrayRef, to: &dyn Array) -> Option<usize> {
    if from.null_count() == to.null_count() {
        return None;
    }
    (0..to.len()).find(|&row| from.is_valid(row) && to.is_null(row))
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
