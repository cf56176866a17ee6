//! The content of the page of a ranking task, as plain data.

use crate::response::PointwiseEvaluation;
use semrank_response::{DayReport, PassReport};

/// What a page of a ranking run shows.
#[derive(Debug)]
pub struct PointwiseReport<'a> {
    /// The figures of the test rows.
    pub evaluation: &'a PointwiseEvaluation,
    /// Of each epoch.
    pub curve: &'a [PassReport],
    /// Of each day, where the log is read once.
    pub days: &'a [DayReport],
    /// The data, the settings, some rows.
    pub facts: Facts,
    /// Stage and seconds.
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
    /// Their id.
    pub user: String,
    /// Its id.
    pub item: String,
    /// Its texts in one line.
    pub text: String,
    /// The time of the row; empty without times.
    pub when: String,
    /// Calibrated probability.
    pub score: f64,
    /// What happened.
    pub label: bool,
}
