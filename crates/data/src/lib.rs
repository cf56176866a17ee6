//! Files and logs in, checked data sets, splits and histories out.
//!
//! - [`import`] reads catalogues and event logs in the formats of other programs, row by row, and refuses or counts bad rows.
//! - [`DatasetWriter`] writes a data set folder that appears whole or not at all.
//! - [`Dataset::open`] loads one; [`Split::new`] divides its events into training, validation and test.
//! - [`FitScope`] is the part of a data set that a fit may see.
//! - [`Examples`] are the labelled impressions of a prepared data set, each with the end of its user's history.
//! - [`columns`] reads Parquet files batch by batch.
//!
//! This crate handles files and rows and does not know models.

pub mod columns;
mod dataset;
mod error;
mod examples;
mod further_columns;
mod hash;
pub mod import;
mod item_column;
mod labels;
mod limits;
mod meta;
mod parquet_sink;
mod prep_settings;
mod report;
mod row;
mod scope;
mod split;
mod table_file;
mod writer;

pub use dataset::{Dataset, KNOWN_AT};
pub use error::{Error, RowError};
pub use examples::{
    ContextColumn, ContextValues, ExampleColumns, ExampleRow, Examples, ExamplesWriter, OptionalColumn, Part,
};
pub use further_columns::{FurtherColumn, ItemValues};
pub use hash::hash_dataset;
pub use item_column::ItemColumn;
pub use labels::{DAY_MS, Labels, Windows};
pub use limits::TIMES_MS;
pub use meta::Meta;
pub use parquet_sink::{ColumnType, ParquetSink, TextList, Value, Values};
pub use prep_settings::{Attribution, PrepSettings};
pub use report::ImportReport;
pub use row::{EventColumns, EventRow, ExtraColumn, ItemRow, LOG_COLUMNS, When, WriterOptions};
pub use scope::{FitScope, ScopeKind};
pub use split::{Case, Split, SplitKind, WithoutHistory};
pub use table_file::TableFile;
pub use writer::DatasetWriter;
