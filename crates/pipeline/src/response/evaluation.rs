//! The stage `report` of a ranking task, and `semrank evaluate --task ctr|oc`.
//!
//! `ctr` compares P(click) with the click label of every row. `oc` compares P(click) · P(conversion | click) with the conversion
//! label of every row whose labels can no longer change, and, apart, P(conversion | click) among its clicks. A click without a
//! conversion label is no example of `oc`; where no row is left, nothing is measured, and that is said.

use super::super::stage::{self, Done, Key, stage};
use super::super::OpenArgs;
use super::Prepared;
use super::measure::{Measured, measure, of_baselines};
use super::model::{self, Trained};
use super::page::Facts;
use super::scores::{ScoredRows, TestScores};
use super::text;
use crate::config::Task;
use crate::error::Error;
use crate::{output, report};
use clap::{Args, ValueEnum};
use semrank_core::narrow;
use semrank_data::{ColumnType, Part, TableFile, Value};
use semrank_model::pointwise::{DayReport, PassReport, Position};
use semrank_model::pointwise_baselines::Label;
use semrank_store::{read_json, write_atomically, write_json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;

const EVALUATION: &str = "evaluation.json";
const PAGE: &str = "report.html";
/// Grows when the stage gets another file or another key: reports of earlier programs are made again.
const LAYOUT: u32 = 4;

/// What `evaluate --task` was asked for.
#[derive(Debug, Args)]
pub(crate) struct PointwiseArgs {
    /// Of a run with `task=ctr` or `task=oc`: the probabilities to measure [default: the run's task].
    #[arg(long, value_enum)]
    pub(crate) task: Option<TaskArg>,
    /// Whether a row's slot counts: as it was logged, or its mean effect, as at serving.
    #[arg(long, value_enum, default_value = "logged")]
    position: PositionArg,
}

/// `--task`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TaskArg {
    /// Clicks.
    Ctr,
    /// Conversions.
    Oc,
}

/// `--position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PositionArg {
    Logged,
    Neutral,
}

/// What a model's probabilities are worth.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PointwiseEvaluation {
    pub(crate) task: String,
    pub(crate) dataset: String,
    pub(crate) split: String,
    /// Which map made scores probabilities, or why none did.
    #[serde(default)]
    pub(crate) calibrated: String,
    /// What a reader of the figures has to know before.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) warnings: Vec<String>,
    /// Rows whose labels can still change, left out.
    pub(crate) immature: usize,
    /// Of conversions: clicks that have no conversion label, left out.
    #[serde(default)]
    pub(crate) unlabelled: usize,
    #[serde(flatten)]
    pub(crate) measured: Measured,
    /// Of conversions: P(conversion | click) among clicks.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) given_click: Option<Measured>,
}

impl PointwiseEvaluation {
    /// For people.
    pub(crate) fn text(&self) -> String {
        text::text(self)
    }
}

/// The content of `report.html`.
#[derive(Debug)]
pub(crate) struct PointwiseReport<'a> {
    pub(crate) evaluation: &'a PointwiseEvaluation,
    pub(crate) curve: &'a [PassReport],
    pub(crate) days: &'a [DayReport],
    pub(crate) facts: Facts,
    pub(crate) timings: Vec<(String, f64)>,
}

/// Measures the test rows, or reads what was found.
pub(super) fn run(
    prepared: &Prepared,
    trained: &mut Trained,
    stages: &[Done],
) -> Result<(PointwiseEvaluation, Done), Error> {
    let inputs: Vec<(&str, &str)> =
        stages.iter().map(|done| (done.stage.as_str(), done.hash.as_str())).collect();
    let mut inputs = inputs;
    inputs.push(("dataset", &prepared.data.hash));
    let config = json!({ "task": prepared.config.task, "layout": LAYOUT });
    let key = Key::new("report", prepared.seed, config, &inputs);
    stage(
        &prepared.folder,
        &key,
        |dir| Ok(read_json(&dir.join(EVALUATION))?),
        |dir, timing| {
            let mut found = find(prepared, trained, (Part::Test, prepared.config.task), Position::Logged)?;
            let started = Instant::now();
            found.add_baselines(prepared);
            timing.parts.insert("baselines".into(), started.elapsed().as_secs_f64());
            write_json(&dir.join(EVALUATION), &found.evaluation)?;
            found.scores.save(dir)?;
            let content = PointwiseReport {
                evaluation: &found.evaluation,
                curve: &trained.facts.curve,
                days: &trained.facts.days,
                facts: Facts::of(prepared, &found.scores.all),
                timings: stages.iter().map(|done| (done.stage.clone(), done.timing.seconds)).collect(),
            };
            let html = report::render_pointwise(&content);
            write_atomically(&dir.join(PAGE), |out| out.write_all(html.as_bytes()))?;
            Ok(found.evaluation)
        },
    )
}

/// `semrank evaluate` of such a run.
pub(crate) fn evaluate(
    from: &OpenArgs,
    args: &PointwiseArgs,
    test: bool,
    json: bool,
    predictions: Option<&PathBuf>,
) -> Result<(), Error> {
    let prepared = Prepared::open(&from.run, from.data())?;
    let task = match args.task {
        Some(TaskArg::Ctr) => Task::Ctr,
        Some(TaskArg::Oc) => Task::Oc,
        None => prepared.config.task,
    };
    if task == Task::Oc && prepared.config.task != Task::Oc {
        return Err(Error::OtherTask { run: from.run.clone(), got: "ctr", expected: "oc" });
    }
    stage::check(&prepared.folder, &model::key_of(&prepared))?;
    let mut trained = model::load(&prepared, &prepared.folder.stage("model"))?;
    let part = if test { Part::Test } else { Part::Valid };
    let position = match args.position {
        PositionArg::Logged => Position::Logged,
        PositionArg::Neutral => Position::Neutral,
    };
    let mut found = find(&prepared, &mut trained, (part, task), position)?;
    found.take_baselines(&prepared)?;
    if let Some(path) = predictions {
        write_predictions(&prepared, &found, path)?;
    }
    if json { output::json(&found.evaluation) } else { output::text(&found.evaluation.text()) }
}

/// An evaluation with its rows.
struct Found {
    evaluation: PointwiseEvaluation,
    scores: TestScores,
}

fn find(
    prepared: &Prepared,
    trained: &mut Trained,
    (part, task): (Part, Task),
    position: Position,
) -> Result<Found, Error> {
    let examples = &prepared.examples;
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
    let (of_all, every) = measured(prepared, each);
    let (given_click, given) = oc.then(|| measured(prepared, of_clicks())).unzip();
    let evaluation = PointwiseEvaluation {
        task: task.name().into(),
        dataset: prepared.data.dataset.meta.name.clone(),
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
    fn add_baselines(&mut self, prepared: &Prepared) {
        let all = if self.scores.given_click.is_some() { Label::ClickAndConversion } else { Label::Click };
        self.evaluation.measured.baselines = of_baselines(prepared, all, &self.scores.all);
        if let (Some(given), Some(rows)) = (&mut self.evaluation.given_click, &self.scores.given_click) {
            given.baselines = of_baselines(prepared, Label::Conversion, rows);
        }
    }

    /// Takes over the baselines that the stage `report` measured, where these are its rows.
    fn take_baselines(&mut self, prepared: &Prepared) -> Result<(), Error> {
        let path = prepared.folder.stage("report").join(EVALUATION);
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

/// What scores are worth; each row comes with its label and score.
fn measured(prepared: &Prepared, each: impl Iterator<Item = (usize, bool, f64)>) -> (Measured, ScoredRows) {
    let mut out = ScoredRows::default();
    for (row, label, score) in each {
        out.rows.push(narrow::index(row));
        out.users.push(prepared.examples.users[row].0);
        out.labels.push(label);
        out.scores.push(score);
    }
    (measure(prepared, &out), out)
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
                "only {} rows{of} were measured: small differences between models are mostly chance",
                scores.rows
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

/// `user item label score`, rows in the order of the file.
fn write_predictions(prepared: &Prepared, found: &Found, path: &Path) -> Result<(), Error> {
    const COLUMNS: [(&str, ColumnType); 4] = [
        ("user", ColumnType::Text),
        ("item", ColumnType::Text),
        ("label", ColumnType::Integer),
        ("score", ColumnType::Number),
    ];
    let examples = &prepared.examples;
    let catalog = &prepared.data.dataset.catalog;
    let table = TableFile { path, columns: &COLUMNS, header: true };
    Ok(table.write(|push| {
        let all = &found.scores.all;
        for ((&row, &score), &label) in all.rows.iter().zip(&all.scores).zip(&all.labels) {
            let row = row as usize;
            let user = examples.user_names.name(examples.users[row].0);
            let item = catalog.name(examples.items[row]);
            push(&[
                Value::Text(user),
                Value::Text(item),
                Value::Integer(label.into()),
                Value::Number(score),
            ])?;
        }
        Ok(())
    })?)
}
