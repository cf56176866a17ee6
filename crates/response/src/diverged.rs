//! The error of a training, or of scoring rows, whose numbers are no longer finite.

use semrank_core::counted;

/// A loss or a score that is not finite.
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
