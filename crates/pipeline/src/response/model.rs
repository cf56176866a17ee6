//! The stage `model` of a ranking task: a trained network, and maps from its probabilities to calibrated ones.
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors`, `model.json`, `serving.json` | the network; its shape, curve and days; what it reads |
//! | `contexts.json` | how the contexts of requests are numbered |
//! | `features.safetensors`, `features.json` | the state of its features just before the first test row |
//! | `calibration.json` | one map for clicks, one for conversions given a click, fitted on the validation rows |
//!
//! While it trains, the whole state is in `model.partial/`: after each epoch; after a day of a log that is read once, if the
//! last state is a minute old; and on Ctrl-C. `--resume` goes on from there with the same result to the last bit.

use super::inputs::Inputs;
use crate::config::Config;
use crate::partial::Partial;
use crate::stage::{Key, Stage, Timing};
use crate::{Context, Error};
use semrank_core::counted;
use semrank_data::Part;
use semrank_measure::calibrate::{Calibration, Isotonic, Platt, Sample};
use semrank_response::{
    CalibrationKind, Goal, HeadReport, PointwiseFacts, PointwiseTrainer, Position, Progress, Score,
};
use semrank_store::{read_json, write_json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) const CALIBRATION: &str = "calibration.json";
/// A log that is read once has its state kept this often, at the end of a day.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Maps to calibrated probabilities.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Calibrations {
    /// Of clicks.
    pub click: Calibration,
    /// Of conversions given a click.
    pub conversion: Calibration,
    /// What each map is, or why there is none: of clicks, then of conversions where they are predicted.
    pub about: Vec<String>,
}

/// A trained model that can be asked.
pub struct Trained<'a> {
    trainer: PointwiseTrainer<'a>,
    /// Shape, curve and days.
    pub facts: PointwiseFacts,
    /// From its probabilities to calibrated ones.
    pub calibrations: Calibrations,
}

impl Trained<'_> {
    /// Calibrated scores of rows, in their order, that no one asks for again.
    ///
    /// # Errors
    /// A training that has diverged.
    pub fn score_last(&mut self, rows: &[usize], position: Position) -> Result<Vec<Score>, Error> {
        let Calibrations { click, conversion, .. } = &self.calibrations;
        let mut scores = self.trainer.score_last(rows, position)?;
        for score in &mut scores {
            score.click_log_odds = click.apply(score.click_log_odds);
            score.conversion_log_odds = score.conversion_log_odds.map(|score| conversion.apply(score));
        }
        Ok(scores)
    }

    /// Whether the labels of a row that concern conversions can no longer change.
    pub fn conversion_is_known(&self, row: usize) -> bool {
        self.trainer.conversion_is_known(row)
    }
}

/// The stage.
pub struct Response<'a> {
    /// What it learns from.
    pub inputs: &'a Inputs<'a>,
    /// Whether to go on with a training that was interrupted.
    pub resume: bool,
}

impl<'a> Stage for Response<'a> {
    type Output = Trained<'a>;
    const ID: &'static str = "model";
    const VERSION: u32 = 3;

    fn settings(config: &Config) -> Value {
        json!({
            "task": config.task,
            "model": config.model,
            "pointwise": config.pointwise,
            "delay": config.train.delay,
            "stream": config.train.stream,
        })
    }

    fn key(&self) -> Key {
        let Inputs { run, data, .. } = *self.inputs;
        let [features, tokens] = run.content_hashes();
        let inputs = [("dataset", data.hash.as_str()), ("features", features), ("tokens", tokens)];
        Key::new::<Self>((run.config(), run.seed()), json!({ "scope": data.scope_key() }), &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, timing: &mut Timing) -> Result<Trained<'a>, Error> {
        let started = Instant::now();
        let mut trained = self.train(context)?;
        timing.parts.insert("train".into(), started.elapsed().as_secs_f64());
        trained.trainer.save(dir)?;
        write_json(&dir.join(CALIBRATION), &trained.calibrations)?;
        Ok(trained)
    }

    fn read(&self, dir: &Path) -> Result<Trained<'a>, Error> {
        let (trainer, facts) = PointwiseTrainer::load(&self.inputs.task(), dir)?;
        Ok(Trained { trainer, facts, calibrations: read_json(&dir.join(CALIBRATION))? })
    }
}

impl<'a> Response<'a> {
    fn train(&self, context: &Context) -> Result<Trained<'a>, Error> {
        let inputs = self.inputs;
        let (place, key) = (inputs.run.partial(), self.key().fingerprint());
        let partial = Partial::new(&place, &key);
        let fresh = || Ok(PointwiseTrainer::new(&inputs.task()));
        let mut trainer = partial.begin((self.resume, context), fresh, PointwiseTrainer::restore_state)?;
        let examples = inputs.examples;
        let count = |part| examples.rows(part).count();
        context.note(&format!(
            "model: {} training rows, {} of validation, {} parameters, {}, from step {}",
            count(Part::Train),
            count(Part::Valid),
            trainer.network().weights.count(),
            if trainer.reads_once() { "one pass in time order" } else { "epochs" },
            trainer.step(),
        ));
        if trainer.lacks_neighbours() {
            context.note(&format!(
                "model: {}, not below pointwise.neighbour_rows={}: items are not compared by the labels they share",
                counted(examples.len(), "row", "rows"),
                inputs.config().pointwise.neighbour_rows,
            ));
        }
        fit(&mut trainer, &partial, context)?;
        if trainer.step() == 0 {
            return Err(Error::NoKnownLabels { dataset: inputs.data.dataset.meta.name.clone() });
        }
        let chosen = !trainer.reads_once() && count(Part::Valid) > 0;
        if chosen && trainer.curve().iter().all(|pass| pass.validation_loss.is_none()) {
            context.note(
            "model: the last epoch is kept, because no label of a validation row is known before the first test row",
        );
        }
        let calibrations = calibrate(inputs, &mut trainer, context)?;
        Ok(Trained { facts: trainer.facts(), trainer, calibrations })
    }
}

/// Trains to the end, and keeps the state on the way.
fn fit(trainer: &mut PointwiseTrainer, partial: &Partial, context: &Context) -> Result<(), Error> {
    let (mut saved, mut failed) = (None::<Instant>, None);
    let fitted = trainer.fit(&mut |trainer, progress| {
        line(progress).iter().for_each(|line| context.note(line));
        let stop = (context.cancel)();
        let due = saved.is_none_or(|saved| saved.elapsed() >= SAVE_EVERY);
        if stop || due || matches!(progress, Progress::Epoch(_)) {
            failed = partial.keep(trainer.step(), |dir| trainer.save_state(dir)).err();
            saved = Some(Instant::now());
        }
        !stop && failed.is_none()
    });
    match failed {
        Some(error) => Err(error),
        None if fitted? => Ok(()),
        None => Err(Error::Interrupted),
    }
}

fn line(progress: &Progress) -> Option<String> {
    let head = |head: &HeadReport| format!("{} {:.4} (gradient {:.3})", head.head, head.loss, head.gradient);
    match progress {
        Progress::Epoch(pass) => {
            let heads: Vec<String> = pass.heads.iter().map(head).collect();
            let validation =
                pass.validation_loss.map_or(String::new(), |loss| format!("  validation {loss:.5}"));
            Some(format!("  epoch {}  {}{validation}", pass.epoch, heads.join("  ")))
        }
        Progress::Day(day) => {
            let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
            Some(format!(
                "  day {}  {}  NE {}  calibration {}  conversions of {}: NE {}  calibration {}",
                day.day,
                counted(day.clicks.rows, "row", "rows"),
                number(day.clicks.normalised_entropy()),
                number(day.clicks.calibration()),
                counted(day.conversions.rows, "click", "clicks"),
                number(day.conversions.normalised_entropy()),
                number(day.conversions.calibration()),
            ))
        }
        Progress::LateDay => None,
    }
}

/// Fits both maps on the validation rows whose labels are known before the first test row; what has none, or rows of one label only,
/// stays as it is.
fn calibrate(
    inputs: &Inputs,
    trainer: &mut PointwiseTrainer,
    context: &Context,
) -> Result<Calibrations, Error> {
    let examples = inputs.examples;
    let rows: Vec<usize> = examples.rows(Part::Valid).collect();
    let scores = trainer.score(&rows, Position::Logged)?;
    let kind = inputs.config().pointwise.calibration;
    let labelled =
        |row: usize, score: f64, label: Option<bool>| label.map(|label| Labelled { row, score, label });
    let each = || rows.iter().zip(&scores).map(|(&row, score)| (row, score, trainer.choosing(row)));
    let clicks = each().filter_map(|(row, score, known)| labelled(row, score.click_log_odds, known.click));
    let conversions =
        each().filter_map(|(row, score, known)| labelled(row, score.conversion_log_odds?, known.conversion));
    let fit = |rows: Vec<Labelled>, label| fit_map(kind, (trainer, rows), label, scores.len());
    let (click, about_clicks) = fit(clicks.collect(), "click");
    let mut out = Calibrations { click, about: vec![about_clicks], ..Calibrations::default() };
    if inputs.goal() == Goal::Oc {
        let (conversion, about) = fit(conversions.collect(), "conversion");
        out.conversion = conversion;
        out.about = vec![format!("clicks {}", out.about[0]), format!("conversions {about}")];
    }
    context.note(&format!("model: {}", out.about.join("; ")));
    Ok(out)
}

/// A row that a map is fitted on.
struct Labelled {
    row: usize,
    /// In log odds.
    score: f64,
    label: bool,
}

/// A map and what is to be said of it, e.g. `not calibrated: no validation rows`.
fn fit_map(
    kind: CalibrationKind,
    (trainer, rows): (&PointwiseTrainer, Vec<Labelled>),
    label: &str,
    validation_rows: usize,
) -> (Calibration, String) {
    let (mut scores, mut labels, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for Labelled { row, score, label } in rows {
        scores.push(score);
        labels.push(label);
        weights.push(trainer.weight(row));
    }
    let none = |why: String| (Calibration::None, format!("not calibrated: {why}"));
    if kind == CalibrationKind::None {
        return none("pointwise.calibration=none".into());
    }
    if validation_rows == 0 {
        return none("no validation rows".into());
    }
    if scores.is_empty() {
        return none(format!("no {label} label of a validation row is known before the first test row"));
    }
    let sample = Sample { scores: &scores, labels: &labels, weights: Some(&weights) };
    let fitted = match kind {
        CalibrationKind::Isotonic => Isotonic::fit(&sample).map(Calibration::Isotonic),
        CalibrationKind::None | CalibrationKind::Platt => Platt::fit(&sample).map(Calibration::Platt),
    };
    match fitted {
        Ok(map) => {
            let about = format!("calibrated on {} validation rows: {}", scores.len(), described(&map));
            (map, about)
        }
        Err(error) => none(error.to_string()),
    }
}

/// A map in words.
fn described(map: &Calibration) -> String {
    match map {
        Calibration::Platt(Platt { slope, intercept, unbounded: None }) => {
            format!("Platt, slope {slope:.2}, intercept {intercept:+.2}")
        }
        Calibration::Platt(Platt { slope, intercept, unbounded: Some(likeliest) }) => {
            let what =
                if likeliest > slope { "scores hardly differ" } else { "scores order these rows wrongly" };
            format!("Platt, slope {slope:.2} instead of {likeliest:.2}, as {what}, intercept {intercept:+.2}")
        }
        Calibration::Isotonic(map) => format!("isotonic, {} pools", map.pools()),
        Calibration::Sampling { .. } | Calibration::None => "as they are".into(),
    }
}
