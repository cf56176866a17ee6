//! Files and logs in, checked data sets, splits and histories out.
//!
//! - [`import`] reads catalogues and event logs in the formats of others, row by row, and refuses or counts bad rows.
//! - [`DatasetWriter`] writes a data set folder that appears whole or not at all.
//! - [`Dataset::open`] loads one; [`Split::new`] divides its events into training, validation and test.
//! - [`FitScope`] is what a fit may see of all that.
//! - [`Examples`] are the labelled impressions of a prepared data set, each with the end of its user's history.
//! - [`columns`] reads Parquet files batch by batch.
//! - [`write_atomically`], [`StagedDir`] and [`hash_file`] serve every other artefact of the project.
//!
//! This crate knows files and rows, and nothing of models.

mod atomic;
pub mod columns;
mod dataset;
mod error;
mod examples;
mod hash;
pub mod import;
mod item_column;
mod labels;
mod limits;
mod lock;
mod meta;
mod parquet_sink;
mod partial_file;
mod report;
mod row;
mod scope;
mod split;
mod table_file;
mod writer;

pub use atomic::{StagedDir, settle, write_atomically};
pub use dataset::{Dataset, KNOWN_AT};
pub use error::{Error, RowError, io_help};
pub use examples::{
    ContextColumn, ContextValues, ExampleRow, Examples, ExamplesWriter, OptionalColumn, Part,
};
pub use hash::{hash_dataset, hash_file};
pub use item_column::ItemColumn;
pub use labels::{DAY_MS, Labels, Windows};
pub use limits::TIMES_MS;
pub use lock::LockedFile;
pub use meta::Meta;
pub use parquet_sink::{ColumnType, ParquetSink, Value};
pub use partial_file::is_partial_file;
pub use report::ImportReport;
pub use row::{EventRow, ExtraColumn, ItemRow, LOG_COLUMNS, When, WriterOptions};
pub use scope::{FitScope, ScopeKind};
pub use split::{Case, Split, SplitKind, WithoutHistory};
pub use table_file::TableFile;
pub use writer::DatasetWriter;
