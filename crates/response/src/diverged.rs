//! What ends a training of the ranking model, or the scoring of rows by it, early: numbers that are none any more.

use semrank_core::counted;

/// A loss or a score that is no finite number.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "the {what} is {got} after {} with pointwise.rate={rate} and pointwise.table_rate={table_rate}: training has diverged",
    counted(*steps, "step", "steps")
)]
pub struct Diverged {
    /// `click loss`, `click score` and so on.
    pub what: &'static str,
    /// What it is.
    pub got: f64,
    /// Steps done.
    pub steps: u64,
    /// `pointwise.rate`.
    pub rate: f64,
    /// `pointwise.table_rate`.
    pub table_rate: f64,
}
