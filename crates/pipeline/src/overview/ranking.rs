//! The content of the page of a ranking task, as plain data.

use crate::response::PointwiseEvaluation;
use semrank_model::pointwise::{DayReport, PassReport};

/// What a page of a ranking run shows.
#[derive(Debug)]
pub struct PointwiseReport<'a> {
    pub evaluation: &'a PointwiseEvaluation,
    pub curve: &'a [PassReport],
    pub days: &'a [DayReport],
    pub facts: Facts,
    pub timings: Vec<(String, f64)>,
}

/// The facts of one run.
#[derive(Debug)]
pub struct Facts {
    /// Name and value.
    pub data: Vec<(String, String)>,
    /// Name and value.
    pub settings: Vec<(String, String)>,
    /// The measured rows with the highest predictions, one per user.
    pub examples: Vec<Example>,
}

/// A row with its prediction.
#[derive(Debug)]
pub struct Example {
    pub user: String,
    pub item: String,
    pub text: String,
    pub when: String,
    pub score: f64,
    pub label: bool,
}
