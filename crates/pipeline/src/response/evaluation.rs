//! Quality of the predicted probabilities: figures of the rows of a part.
//!
//! `ctr` compares P(click) with the click label of every row. `oc` compares P(click) · P(conversion | click) with the conversion
//! label of every row whose labels can no longer change, and, apart, P(conversion | click) among its clicks. A click without a
//! conversion label is not an example of `oc`; where no row is left, nothing is measured, and that is said.

use super::inputs::Inputs;
use super::measure::{Measured, measure, of_baselines};
use super::model::Trained;
use super::scores::{ScoredRows, TestScores};
use crate::config::Task;
use crate::{EVALUATION, Error, REPORT};
use semrank_core::{counted, narrow};
use semrank_data::Part;
use semrank_measure::label_baselines::Label;
use semrank_response::Position;
use semrank_store::read_json;
use serde::{Deserialize, Serialize};

/// Quality of a model's probabilities.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PointwiseEvaluation {
    /// `ctr` or `oc`.
    pub task: String,
    /// Name of the data set.
    pub dataset: String,
    /// `test` or `valid`.
    pub split: String,
    /// Which map made scores probabilities, or why none did.
    #[serde(default)]
    pub calibrated: String,
    /// What a reader of the figures has to know before.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
    /// Rows whose labels can still change, left out.
    pub immature: usize,
    /// Of conversions: clicks that have no conversion label, left out.
    #[serde(default)]
    pub unlabelled: usize,
    /// Of the task's own probability.
    #[serde(flatten)]
    pub measured: Measured,
    /// Of conversions: P(conversion | click) among clicks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub given_click: Option<Measured>,
}

/// An evaluation with its rows.
pub struct Found {
    /// The figures.
    pub evaluation: PointwiseEvaluation,
    /// The rows.
    pub scores: TestScores,
}

/// Scores and measures the rows of a part, for one of the tasks that the run's model has learned.
///
/// # Errors
/// A training that has diverged.
pub fn find(
    inputs: &Inputs,
    trained: &mut Trained,
    (part, task): (Part, Task),
    position: Position,
) -> Result<Found, Error> {
    let examples = inputs.examples;
    let oc = task == Task::Oc;
    let all = examples.rows(part).count();
    let mut rows: Vec<usize> =
        examples.rows(part).filter(|&row| !oc || trained.conversion_is_known(row)).collect();
    let closed = rows.len();
    let conversion = |row: usize| examples.conversions.get(row).copied().flatten();
    rows.retain(|&row| !oc || !examples.clicks[row] || conversion(row).is_some());
    let scored = trained.score_last(&rows, position)?;
    let converted = |row: usize| conversion(row) == Some(true);
    let each = rows.iter().zip(&scored).map(|(&row, score)| match oc {
        true => (row, examples.clicks[row] && converted(row), score.click_and_conversion()),
        false => (row, examples.clicks[row], score.click()),
    });
    let of_clicks = || {
        let clicks = rows.iter().zip(&scored).filter(|(row, _)| examples.clicks[**row]);
        clicks.map(|(&row, score)| (row, converted(row), score.conversion()))
    };
    let (of_all, every) = measured(inputs, each);
    let (given_click, given) = oc.then(|| measured(inputs, of_clicks())).unzip();
    let evaluation = PointwiseEvaluation {
        task: task.name().into(),
        dataset: inputs.data.dataset.meta.name.clone(),
        split: part.name().into(),
        calibrated: trained.calibrations.about.join("; "),
        warnings: warnings(&of_all, given_click.as_ref()),
        immature: all - closed,
        unlabelled: closed - rows.len(),
        measured: of_all,
        given_click,
    };
    Ok(Found { evaluation, scores: TestScores { all: every, given_click: given } })
}

impl Found {
    /// Measures the baselines on the same rows.
    pub(crate) fn add_baselines(&mut self, inputs: &Inputs) {
        let all = if self.scores.given_click.is_some() { Label::ClickAndConversion } else { Label::Click };
        self.evaluation.measured.baselines = of_baselines(inputs, all, &self.scores.all);
        if let (Some(given), Some(rows)) = (&mut self.evaluation.given_click, &self.scores.given_click) {
            given.baselines = of_baselines(inputs, Label::Conversion, rows);
        }
    }

    /// Takes over the baselines that the stage `report` measured, where these are its rows.
    ///
    /// # Errors
    /// A damaged file.
    pub fn take_baselines(&mut self, inputs: &Inputs) -> Result<(), Error> {
        let path = inputs.run.folder(REPORT).join(EVALUATION);
        if !path.is_file() {
            return Ok(());
        }
        let kept: PointwiseEvaluation = read_json(&path)?;
        let here = &mut self.evaluation;
        if (&kept.task, &kept.split) == (&here.task, &here.split) {
            here.measured.baselines = kept.measured.baselines;
            if let (Some(here), Some(kept)) = (&mut here.given_click, kept.given_click) {
                here.baselines = kept.baselines;
            }
        }
        Ok(())
    }
}

/// Quality of scores; each row comes with its label and score.
fn measured(inputs: &Inputs, each: impl Iterator<Item = (usize, bool, f64)>) -> (Measured, ScoredRows) {
    let mut out = ScoredRows::default();
    for (row, label, score) in each {
        out.rows.push(narrow::index(row));
        out.users.push(inputs.examples.users[row].0);
        out.labels.push(label);
        out.scores.push(score);
    }
    (measure(inputs, &out), out)
}

/// Rows below which figures say little: the 95 % interval of an AUC of .7 is then wider than .14 at even odds.
const ENOUGH_ROWS: usize = 200;

/// What is wrong with figures, or with how much they say.
fn warnings(all: &Measured, given_click: Option<&Measured>) -> Vec<String> {
    let mut out = Vec::new();
    for (measured, of) in std::iter::once((all, "")).chain(given_click.map(|given| (given, " given a click")))
    {
        let scores = &measured.scores;
        if (1..ENOUGH_ROWS).contains(&scores.rows) {
            out.push(format!(
                "only {} measured{of}: small differences between models are mostly chance",
                counted(scores.rows, "row", "rows")
            ));
        }
        if let Some(ne) = scores.ne.filter(|&ne| ne > 1.0) {
            out.push(format!(
                "normalised entropy{of} is {ne:.4}, above 1: to predict the base rate for every row would be better than these \
                 probabilities"
            ));
        }
    }
    out
}
