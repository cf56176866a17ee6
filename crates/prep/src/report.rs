//! What a preparation found and made, in numbers.

use crate::input::number;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Counts of a finished preparation. Every click and every conversion is in exactly one of its groups.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PrepReport {
    /// The data set that was made.
    pub dataset: PathBuf,
    /// Rows of the log.
    pub log_rows: u64,
    /// Of them, repetitions of an earlier received row, which do not count.
    pub duplicates: u64,
    /// Events whose timestamp was ahead of `received_at` and was replaced by it.
    pub skewed: u64,
    /// Events received late; they count.
    pub late: u64,
    /// Impressions: examples of the output.
    pub impressions: u64,
    /// Events of the output: everything but impressions.
    pub history_events: u64,
    /// Clicks and what became of them.
    pub clicks: ClickCounts,
    /// Conversions and what became of them.
    pub conversions: ConversionCounts,
    /// Examples by part.
    pub examples: BTreeMap<String, u64>,
    /// Examples with a click.
    pub clicked: u64,
    /// Examples with a conversion.
    pub converted: u64,
    /// Examples whose labels can no longer change.
    pub matured: u64,
    /// Last moment that the log knows of (ms UTC).
    pub log_end_ms: i64,
    /// Content hash of the output.
    pub hash: String,
    /// What sorts wrote to disk because of the memory limit.
    pub spilled_bytes: u64,
    /// Wall time.
    pub seconds: f64,
    /// Rows of the log per second.
    pub rows_per_second: f64,
}

/// Clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ClickCounts {
    /// All.
    pub total: u64,
    /// The first of their impressions: labels.
    pub attributed: u64,
    /// Within the window of an impression that has an earlier click.
    pub repeated: u64,
    /// Too long after their impression, or, by clocks that contradict each other, before it.
    pub out_of_window: u64,
    /// They name an impression that the log has not for their user and item.
    pub orphaned: u64,
    /// They name none, and their user saw no impression of their item before.
    pub unattributed: u64,
}

/// Conversions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct ConversionCounts {
    /// All.
    pub total: u64,
    /// Within the window of a click; several may be of one click.
    pub attributed: u64,
    /// Without such a click, but within the window of an impression that was not clicked.
    pub view_through: u64,
    /// Too long after their click, or, by clocks that contradict each other, before it.
    pub out_of_window: u64,
    /// They name a click that the log has not for their user and item.
    pub orphaned: u64,
    /// Without an attributed click on their item before them.
    pub unattributed: u64,
}

type Row = BTreeMap<String, Option<i64>>;

impl PrepReport {
    /// What the queries counted.
    pub(crate) fn new(log_rows: u64, counts: &Row, outcomes: &Row) -> PrepReport {
        let count = |name| u64::try_from(number(counts, name)).unwrap_or(0);
        let outcome = |name| u64::try_from(number(outcomes, name)).unwrap_or(0);
        PrepReport {
            log_rows,
            duplicates: outcome("duplicates"),
            skewed: count("skewed"),
            late: count("late"),
            impressions: count("impressions"),
            clicks: ClickCounts {
                total: outcome("clicks"),
                attributed: outcome("clicked_impressions"),
                repeated: outcome("clicks_in_window") - outcome("clicked_impressions"),
                out_of_window: outcome("clicks_out_of_window"),
                orphaned: outcome("clicks_orphaned"),
                unattributed: outcome("clicks_unattributed"),
            },
            conversions: ConversionCounts {
                total: outcome("conversions"),
                attributed: outcome("conversions_in_window"),
                view_through: outcome("view_through"),
                out_of_window: outcome("conversions_out_of_window"),
                orphaned: outcome("conversions_orphaned"),
                unattributed: outcome("conversions_unattributed"),
            },
            log_end_ms: number(counts, "log_end_ms"),
            ..PrepReport::default()
        }
    }
}
