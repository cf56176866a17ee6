//! The stage `model` of a ranking task: a trained network, and maps from its probabilities to calibrated ones.
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors`, `model.json` | the network; its shape, curve and days |
//! | `calibration.json` | one map for clicks, one for conversions given a click, fitted on the validation rows |

use super::super::data::Data;
use super::super::folder::{read_json, write_json};
use super::super::stage::{Done, Key, stage};
use super::Prepared;
use crate::config::Config;
use crate::error::Error;
use crate::interrupt;
use crate::output::note;
use semrank_data::Part;
use semrank_model::calibrate::{Calibration, Isotonic, Platt, Sample};
use semrank_model::pointwise::{
    CalibrationKind, HeadReport, PointwiseFacts, PointwiseTrainer, Position, Progress, Score,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const CALIBRATION: &str = "calibration.json";

/// Maps to calibrated probabilities.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Calibrations {
    pub(super) click: Calibration,
    /// Of conversions given a click.
    pub(super) conversion: Calibration,
}

/// A trained model that can be asked.
pub(super) struct Trained<'a> {
    trainer: PointwiseTrainer<'a>,
    pub(super) facts: PointwiseFacts,
    calibrations: Calibrations,
}

impl Trained<'_> {
    /// Calibrated scores of rows.
    pub(super) fn score(&mut self, rows: &[usize], position: Position) -> Vec<Score> {
        let mut scores = self.trainer.score(rows, position);
        for score in &mut scores {
            score.click = self.calibrations.click.apply(score.click);
            score.conversion = self.calibrations.conversion.apply(score.conversion);
        }
        scores
    }

    /// Whether the labels of a row that concern conversions can no longer change.
    pub(super) fn conversion_is_known(&self, row: usize) -> bool {
        self.trainer.conversion_is_known(row)
    }
}

/// What decides the model.
pub(super) fn key(data: &Data, config: &Config, seed: u64, [features, tokens]: [&str; 2]) -> Key {
    let config = json!({
        "task": config.task,
        "model": config.model,
        "pointwise": config.pointwise,
        "delay": config.train.delay,
        "stream": config.train.stream,
    });
    Key::new("model", seed, config, &[("dataset", &data.hash), ("features", features), ("tokens", tokens)])
}

/// Of a run at hand.
pub(super) fn key_of(prepared: &Prepared) -> Key {
    let from = [prepared.stages[0].hash.as_str(), prepared.stages[1].hash.as_str()];
    key(&prepared.data, &prepared.config, prepared.seed, from)
}

/// Trains the model, or reads it.
pub(super) fn run(prepared: &Prepared) -> Result<(Trained<'_>, Done), Error> {
    stage(
        &prepared.folder,
        &key_of(prepared),
        |dir| load(prepared, dir),
        |dir, timing| {
            let started = std::time::Instant::now();
            let trained = train(prepared)?;
            timing.parts.insert("train".into(), started.elapsed().as_secs_f64());
            trained.trainer.save(dir)?;
            write_json(&dir.join(CALIBRATION), &trained.calibrations)?;
            Ok(trained)
        },
    )
}

/// Reads the model from its folder.
pub(super) fn load<'a>(prepared: &'a Prepared, dir: &std::path::Path) -> Result<Trained<'a>, Error> {
    let (trainer, facts) = PointwiseTrainer::load(&prepared.task(), dir)?;
    Ok(Trained { trainer, facts, calibrations: read_json(&dir.join(CALIBRATION))? })
}

fn train(prepared: &Prepared) -> Result<Trained<'_>, Error> {
    let mut trainer = PointwiseTrainer::new(&prepared.task());
    let examples = &prepared.examples;
    let count = |part| examples.rows(part).count();
    note(&format!(
        "model: {} training rows, {} of validation, {} parameters, {}",
        count(Part::Train),
        count(Part::Valid),
        trainer.network().parameters(),
        if trainer.reads_once() { "one pass in time order" } else { "epochs" },
    ));
    let finished = trainer.fit(&mut |progress| {
        note(&line(progress));
        !interrupt::requested()
    });
    if !finished {
        return Err(Error::Interrupted { resume: None });
    }
    let calibrations = calibrate(prepared, &mut trainer);
    Ok(Trained { facts: trainer.facts(), trainer, calibrations })
}

fn line(progress: &Progress) -> String {
    let head = |head: &HeadReport| format!("{} {:.4} (gradient {:.3})", head.head, head.loss, head.gradient);
    match progress {
        Progress::Epoch(pass) => {
            let heads: Vec<String> = pass.heads.iter().map(head).collect();
            let validation =
                pass.validation_loss.map_or(String::new(), |loss| format!("  validation {loss:.5}"));
            format!("  epoch {}  {}{validation}", pass.epoch, heads.join("  "))
        }
        Progress::Day(day) => {
            let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
            format!(
                "  day {}  {} rows  NE {}  calibration {}  conversions of {} clicks: NE {}  calibration {}",
                day.day,
                day.clicks.rows,
                number(day.clicks.normalised_entropy()),
                number(day.clicks.calibration()),
                day.conversions.rows,
                number(day.conversions.normalised_entropy()),
                number(day.conversions.calibration()),
            )
        }
    }
}

/// Fits both maps on the validation rows; what has rows of one label only stays as it is.
fn calibrate(prepared: &Prepared, trainer: &mut PointwiseTrainer) -> Calibrations {
    let examples = &prepared.examples;
    let rows: Vec<usize> = examples.rows(Part::Valid).collect();
    let scores = trainer.score(&rows, Position::Logged);
    let kind = prepared.config.pointwise.calibration;
    let clicks = rows.iter().zip(&scores).map(|(&row, score)| (score.click, examples.clicks[row]));
    let clicked = rows.iter().zip(&scores).filter(|(row, _)| {
        let applies = examples.conversions.get(**row).is_some_and(Option::is_some);
        examples.clicks[**row] && applies && trainer.conversion_is_known(**row)
    });
    let conversions = clicked.map(|(&row, score)| {
        (score.conversion, examples.conversions.get(row).copied().flatten().unwrap_or(false))
    });
    Calibrations { click: fit(kind, clicks, "clicks"), conversion: fit(kind, conversions, "conversions") }
}

fn fit(kind: CalibrationKind, pairs: impl Iterator<Item = (f64, bool)>, what: &str) -> Calibration {
    let (scores, labels): (Vec<f64>, Vec<bool>) = pairs.unzip();
    if scores.is_empty() {
        return Calibration::None;
    }
    let sample = Sample { scores: &scores, labels: &labels, weights: None };
    let fitted = match kind {
        CalibrationKind::None => Ok(Calibration::None),
        CalibrationKind::Platt => Platt::fit(&sample).map(Calibration::Platt),
        CalibrationKind::Isotonic => Isotonic::fit(&sample).map(Calibration::Isotonic),
    };
    fitted.unwrap_or_else(|error| {
        note(&format!("calibration of {what}: none, because {error}"));
        Calibration::None
    })
}
