//! The rows of a Parquet file, batch by batch, and the columns of a batch in the types that this crate has.

use super::pages::{Budget, Group, value_bytes};
use super::{Table, damaged, guarded, is_text, views};
use crate::limits::{self, BATCH_BYTES, TIMES_EXPECTED, TIMES_MS};
use crate::{Error, RowError};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::metadata::RowGroupMetaData;
use semrank_core::counted;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

const MOST_ROWS: u64 = 8192;

/// The rows of a Parquet file, batch by batch: up to 8192 rows, or as many as take some MiB on average, of one row group.
pub struct Batches {
    table: Table,
    columns: ProjectionMask,
    levels: FieldLevels,
    budget: Budget,
    /// The row group that is read next.
    group: usize,
    reader: Option<ParquetRecordBatchReader>,
    row: u64,
}

impl Batches {
    pub(super) fn new(table: Table, columns: ProjectionMask) -> Result<Batches, Error> {
        let hint = views::of_fields(&table.schema().fields);
        let parquet = table.metadata().file_metadata().schema_descr();
        let levels = guarded(&table.path, || {
            parquet_to_arrow_field_levels(parquet, columns.clone(), Some(&hint))
                .map_err(Error::parquet("read", &table.path))
        })?;
        let budget = Budget::new(limits::most_decoded_bytes(table.bytes));
        Ok(Batches { table, columns, levels, budget, group: 0, reader: None, row: 0 })
    }

    /// The next batch, or `None` after the last.
    ///
    /// # Errors
    /// A file that ends early or is damaged, or whose pages decode to more than a file of its size may.
    pub fn next_batch(&mut self) -> Result<Option<Batch>, Error> {
        if let Some(batch) = self.read()? {
            let first_row = self.row + 1;
            self.row += batch.num_rows() as u64;
            let (path, schema) = (self.table.path.clone(), self.table.schema().clone());
            return Ok(Some(Batch { path, schema, batch, first_row }));
        }
        match (self.row, self.table.rows()) {
            (rows, claimed) if rows == claimed => Ok(None),
            (rows, claimed) => {
                let rows = counted(rows, "row", "rows");
                Err(damaged(&self.table.path, format!("it has {rows}, its footer claims {claimed}")))
            }
        }
    }

    /// The next batch of this row group or of one behind it.
    fn read(&mut self) -> Result<Option<RecordBatch>, Error> {
        loop {
            if self.reader.is_none() {
                if self.group == self.table.metadata().num_row_groups() {
                    return Ok(None);
                }
                self.reader = Some(self.open_group()?);
                self.group += 1;
            }
            self.budget.next_batch();
            let (path, reader, budget) = (&self.table.path, &mut self.reader, &self.budget);
            let next = guarded(path, || {
                let next = reader.as_mut().and_then(Iterator::next).transpose();
                next.map_err(|error| {
                    refused(budget, path).unwrap_or_else(|| damaged(path, error.to_string()))
                })
            })?;
            match next {
                Some(batch) => return Ok(Some(batch)),
                None => self.reader = None,
            }
        }
    }

    fn open_group(&self) -> Result<ParquetRecordBatchReader, Error> {
        let (path, metadata) = (&self.table.path, self.table.metadata());
        let group = metadata.row_group(self.group);
        let leaves = || group.columns().iter().enumerate().filter(|(at, _)| self.columns.leaf_included(*at));
        let lists = leaves().filter(|(_, chunk)| chunk.column_descr().max_rep_level() > 0).count() as u64;
        guarded(path, || {
            let rows_per_batch = rows_per_batch(group, &self.columns);
            let group = Group {
                file: &self.table.file,
                metadata,
                index: self.group,
                budget: &self.budget,
                rows_per_batch,
                lists,
            };
            ParquetRecordBatchReader::try_new_with_row_groups(
                &self.levels,
                &group,
                rows_per_batch as usize,
                None,
            )
            .map_err(Error::parquet("read", path))
        })
    }
}

/// The error about a file that decodes to too much, after an error of its reader.
pub(super) fn refused(budget: &Budget, path: &Path) -> Option<Error> {
    Some(Error::Schema {
        path: path.to_owned(),
        got: budget.refused()?,
        expected: "smaller pages, row groups or lists: write the file again with smaller ones".into(),
    })
}

/// Rows that take [`BATCH_BYTES`] on average, as the footer says.
fn rows_per_batch(group: &RowGroupMetaData, columns: &ProjectionMask) -> u64 {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
    let rows = unsigned(group.num_rows()).max(1);
    let chunks = group.columns().iter().enumerate().filter(|(at, _)| columns.leaf_included(*at));
    let bytes = chunks.fold(0u64, |bytes, (_, chunk)| {
        let values = unsigned(chunk.num_values()).max(rows).saturating_mul(value_bytes(chunk.column_descr()));
        bytes.saturating_add(values).saturating_add(unsigned(chunk.uncompressed_size()))
    });
    let per_row = bytes / rows;
    (BATCH_BYTES / per_row.max(1)).clamp(1, MOST_ROWS)
}

/// Some rows of a Parquet file.
pub struct Batch {
    path: PathBuf,
    /// Of the file.
    schema: SchemaRef,
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

    /// The type of a column in the file; strings, also in lists, are [`DataType::Utf8View`] in a batch.
    pub fn column_type(&self, name: &str) -> Option<&DataType> {
        self.schema.field_with_name(name).ok().map(|field| field.data_type())
    }

    /// A column of strings; any of Arrow's string layouts.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<StringViewArray>, Error> {
        let Some(array) = self.column(name) else { return Ok(None) };
        let strings = if is_text(array.data_type()) { cast(array, &DataType::Utf8View).ok() } else { None };
        match strings.as_ref().and_then(|strings| strings.as_any().downcast_ref::<StringViewArray>()) {
            Some(strings) => Ok(Some(strings.clone())),
            None => Err(self.wrong_type(name, "strings")),
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
        let integers = integers.ok_or_else(|| self.wrong_type(name, "integers or times"))?;
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
            None => Err(self.wrong_type(name, "numbers")),
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

    fn wrong_type(&self, name: &str, expected: &str) -> Error {
        let kind = self.column_type(name).map_or("none".into(), DataType::to_string);
        Error::Schema {
            path: self.path.clone(),
            got: format!("column `{name}` of type {kind}"),
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
