//! The content of the page of a ranking task, as plain data.

use semrank_model::pointwise::{DayReport, PassReport};
use semrank_pipeline::response::PointwiseEvaluation;

/// The content of `report.html`.
#[derive(Debug)]
pub(crate) struct PointwiseReport<'a> {
    pub(crate) evaluation: &'a PointwiseEvaluation,
    pub(crate) curve: &'a [PassReport],
    pub(crate) days: &'a [DayReport],
    pub(crate) facts: Facts,
    pub(crate) timings: Vec<(String, f64)>,
}

/// The facts of one run.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Name and value.
    pub(crate) data: Vec<(String, String)>,
    /// Name and value.
    pub(crate) settings: Vec<(String, String)>,
    /// The measured rows with the highest predictions, one per user.
    pub(crate) examples: Vec<Example>,
}

/// A row with its prediction.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) user: String,
    pub(crate) item: String,
    pub(crate) text: String,
    pub(crate) when: String,
    pub(crate) score: f64,
    pub(crate) label: bool,
}
