//! Counts and remarks of a data set that was written.

use crate::RowError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Counts of a finished data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImportReport {
    /// The data set folder.
    pub dataset: PathBuf,
    /// Users with an event.
    pub users: u64,
    /// Items of the catalogue.
    pub items: u64,
    /// Of them, items that only events mention: no text.
    pub items_from_events: u64,
    /// Events.
    pub events: u64,
    /// Events per action.
    pub actions: BTreeMap<String, u64>,
    /// Labelled examples per part, where there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub examples: BTreeMap<String, u64>,
    /// Rows left out because they are bad.
    pub rejected: u64,
    /// The first of them.
    pub rejected_rows: Vec<RowError>,
    /// First and last event time (ms UTC); absent where the log has only an order.
    pub time_range_ms: Option<[i64; 2]>,
    /// The unit of the source's times, and how it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_unit: Option<String>,
    /// Share of items with a non-empty text, per text column.
    pub text_fill: BTreeMap<String, f64>,
    /// Decisions that no option asked for.
    pub notes: Vec<String>,
    /// Warnings about what is probably a mistake, with what to do about it.
    pub warnings: Vec<String>,
    /// Content hash of the data set, [`hash_dataset`](crate::hash_dataset).
    pub hash: String,
    /// Wall time.
    pub seconds: f64,
}
