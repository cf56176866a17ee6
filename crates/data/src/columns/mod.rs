//! Parquet files as batches of a few named columns, for data sets, imports and tables of vectors.
//!
//! The Parquet library panics on some damaged files; here that is an error like any other.

mod batch;
mod delta;
mod lists;
mod page_header;
mod pages;
mod views;

pub(crate) use batch::lost;
pub use batch::{Batch, Batches};

use crate::{ColumnType, Error, limits};
use arrow_schema::{DataType, SchemaRef};
use pages::{Budget, CheckedPages};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use semrank_core::{counted, narrow};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An opened Parquet file, of which columns can be read any number of times.
#[derive(Clone)]
pub struct Table {
    pub(crate) path: PathBuf,
    file: Arc<File>,
    footer: ArrowReaderMetadata,
    /// Size of the file.
    bytes: u64,
}

impl Table {
    /// Opens a file and reads its footer.
    ///
    /// # Errors
    /// A file that cannot be read, is empty, or is not a complete Parquet file.
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
        let footer = guarded(path, || {
            ArrowReaderMetadata::load(&file, ArrowReaderOptions::new()).map_err(Error::parquet("read", path))
        })?;
        guarded(path, || check_sizes(path, footer.metadata(), bytes))?;
        Ok(Table { path: path.to_owned(), file: Arc::new(file), footer, bytes })
    }

    /// The columns with their Arrow types.
    pub fn schema(&self) -> &SchemaRef {
        self.footer.schema()
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.footer.metadata()
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.schema().column_with_name(column).is_some()
    }

    /// Rows, as the footer says.
    pub fn rows(&self) -> u64 {
        u64::try_from(self.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Size of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Rows to make room for before they are read: what the footer says, but no more than a file of this size holds. A row takes
    /// several bytes, so this is enough for honest files; vectors grow beyond it.
    pub(crate) fn rows_to_reserve(&self) -> usize {
        usize::try_from(self.rows().min(self.bytes)).unwrap_or(0)
    }

    /// Returns an error for more rows than can be numbered; rows are counted by the footer.
    pub(crate) fn check_rows(&self, what: &'static str) -> Result<(), Error> {
        narrow::check(what, self.rows()).map_err(|error| Error::Schema {
            path: self.path.clone(),
            got: error.to_string(),
            expected: format!("at most {}", narrow::MOST),
        })
    }

    /// Checks that a column exists.
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
    pub fn read(&self, columns: &[&str]) -> Result<Batches, Error> {
        let roots: Vec<usize> = columns.iter().filter_map(|name| self.schema().index_of(name).ok()).collect();
        let mask = ProjectionMask::roots(self.metadata().file_metadata().schema_descr(), roots);
        Batches::new(self.clone(), mask)
    }

    /// Checks the decoded size of all pages, without decoding them, before another reader takes the file. That reader takes up to
    /// `batch_rows` rows at a time; their columns must not be lists.
    ///
    /// # Errors
    /// A file that is damaged, or whose pages decode to more than a file of its size may.
    pub fn check_pages(&self, batch_rows: u64) -> Result<(), Error> {
        let budget = Budget::new(limits::most_decoded_bytes(self.bytes));
        guarded(&self.path, || {
            self.metadata().row_groups().iter().try_for_each(|group| self.look(group, batch_rows, &budget))
        })
    }

    /// Columns are checked one by one: few columns of a log are large.
    fn look(&self, group: &RowGroupMetaData, batch_rows: u64, budget: &Budget) -> Result<(), Error> {
        let failed = |error| {
            batch::refused(budget, &self.path).unwrap_or_else(|| Error::parquet("read", &self.path)(error))
        };
        for column in 0..group.num_columns() {
            let mut pages = CheckedPages::new(&self.file, group, column, budget).map_err(failed)?;
            let mut rows = 0;
            budget.next_batch();
            while let Some(values) = pages.look().map_err(failed)? {
                rows += values;
                if rows >= batch_rows {
                    rows = 0;
                    budget.next_batch();
                }
            }
        }
        Ok(())
    }
}

/// Checks what a footer claims against the file, before anything is allocated by it.
fn check_sizes(path: &Path, footer: &ParquetMetaData, bytes: u64) -> Result<(), Error> {
    let wrong = |reason: String| Err(damaged(path, reason));
    let rows = |number: i64| counted(number, "row", "rows");
    let claimed = footer.file_metadata().num_rows();
    let groups = footer.row_groups().iter().try_fold(0i64, |rows, group| {
        if group.num_rows() < 0 { None } else { rows.checked_add(group.num_rows()) }
    });
    if groups != Some(claimed) {
        return wrong(format!("its footer claims {}, its row groups have others", rows(claimed)));
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
                    "row group {} claims {} in {length} bytes",
                    at + 1,
                    rows(group.num_rows())
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
        .unwrap_or_else(|_| Err(damaged(path, "the decoder cannot decode it".into())))
}
