//! The stage `model` of a ranking task: a trained network, and maps from its probabilities to calibrated ones.
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors`, `model.json` | the network; its shape, curve and days |
//! | `calibration.json` | one map for clicks, one for conversions given a click, fitted on the validation rows |
//!
//! While it trains, the whole state stands in `model.partial/`: after each epoch; after a day of a log that is read once, if the
//! last state is a minute old; and on Ctrl-C. `--resume` goes on from there with the same result to the last bit.

use super::super::data::Data;
use super::super::partial::Partial;
use super::super::stage::{Done, Key, stage};
use super::Prepared;
use crate::config::Config;
use crate::error::Error;
use crate::interrupt;
use crate::output::note;
use semrank_data::Part;
use semrank_model::calibrate::{Calibration, Isotonic, Platt, Sample};
use semrank_model::pointwise::{
    CalibrationKind, Goal, HeadReport, PointwiseFacts, PointwiseTrainer, Position, Progress, Score,
};
use semrank_store::{read_json, write_json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::{Duration, Instant};

const CALIBRATION: &str = "calibration.json";
/// A log that is read once has its state kept this often, at the end of a day.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Maps to calibrated probabilities.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Calibrations {
    pub(super) click: Calibration,
    /// Of conversions given a click.
    pub(super) conversion: Calibration,
    /// What each map is, or why there is none: of clicks, then of conversions where they are predicted.
    pub(super) about: Vec<String>,
}

/// A trained model that can be asked.
pub(super) struct Trained<'a> {
    trainer: PointwiseTrainer<'a>,
    pub(super) facts: PointwiseFacts,
    pub(super) calibrations: Calibrations,
}

impl Trained<'_> {
    /// Calibrated scores of rows, in their order, that no one asks for again.
    pub(super) fn score_last(&mut self, rows: &[usize], position: Position) -> Result<Vec<Score>, Error> {
        let Calibrations { click, conversion, .. } = &self.calibrations;
        let mut scores = self.trainer.score_last(rows, position)?;
        for score in &mut scores {
            score.click_log_odds = click.apply(score.click_log_odds);
            score.conversion_log_odds = score.conversion_log_odds.map(|score| conversion.apply(score));
        }
        Ok(scores)
    }

    /// Whether the labels of a row that concern conversions can no longer change.
    pub(super) fn conversion_is_known(&self, row: usize) -> bool {
        self.trainer.conversion_is_known(row)
    }
}

/// What decides the model.
pub(super) fn key(data: &Data, config: &Config, seed: u64, [features, tokens]: [&str; 2]) -> Key {
    let config = json!({
        "scope": data.scope_key(),
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
pub(super) fn run(prepared: &Prepared, resume: bool) -> Result<(Trained<'_>, Done), Error> {
    let key = key_of(prepared);
    let out = stage(
        &prepared.folder,
        &key,
        |dir| load(prepared, dir),
        |dir, timing| {
            let started = Instant::now();
            let trained = train(prepared, &key.fingerprint(), resume)?;
            timing.parts.insert("train".into(), started.elapsed().as_secs_f64());
            trained.trainer.save(dir)?;
            write_json(&dir.join(CALIBRATION), &trained.calibrations)?;
            Ok(trained)
        },
    )?;
    Partial::remove(&prepared.folder);
    Ok(out)
}

/// Reads the model from its folder.
pub(super) fn load<'a>(prepared: &'a Prepared, dir: &std::path::Path) -> Result<Trained<'a>, Error> {
    let (trainer, facts) = PointwiseTrainer::load(&prepared.task(), dir)?;
    Ok(Trained { trainer, facts, calibrations: read_json(&dir.join(CALIBRATION))? })
}

fn train<'a>(prepared: &'a Prepared, key: &str, resume: bool) -> Result<Trained<'a>, Error> {
    let partial = Partial::new(&prepared.folder, key);
    let fresh = || Ok(PointwiseTrainer::new(&prepared.task()));
    let mut trainer = partial.begin(resume, fresh, PointwiseTrainer::restore_state)?;
    let examples = &prepared.examples;
    let count = |part| examples.rows(part).count();
    note(&format!(
        "model: {} training rows, {} of validation, {} parameters, {}, from step {}",
        count(Part::Train),
        count(Part::Valid),
        trainer.network().parameters(),
        if trainer.reads_once() { "one pass in time order" } else { "epochs" },
        trainer.step(),
    ));
    if trainer.lacks_neighbours() {
        note(&format!(
            "model: {} rows are as many as pointwise.neighbour_rows={} or more: items are not compared by the labels they share",
            examples.len(),
            prepared.config.pointwise.neighbour_rows,
        ));
    }
    fit(&mut trainer, &partial)?;
    if trainer.step() == 0 {
        return Err(Error::NoKnownLabels { dataset: prepared.data.dataset.meta.name.clone() });
    }
    let chosen = !trainer.reads_once() && count(Part::Valid) > 0;
    if chosen && trainer.curve().iter().all(|pass| pass.validation_loss.is_none()) {
        note(
            "model: the last epoch is kept, because no label of a validation row is known before the first test row",
        );
    }
    let calibrations = calibrate(prepared, &mut trainer)?;
    Ok(Trained { facts: trainer.facts(), trainer, calibrations })
}

/// Trains to the end, and keeps the state on the way.
fn fit(trainer: &mut PointwiseTrainer, partial: &Partial) -> Result<(), Error> {
    let (mut saved, mut failed) = (None::<Instant>, None);
    let fitted = trainer.fit(&mut |trainer, progress| {
        line(progress).iter().for_each(|line| note(line));
        let stop = interrupt::requested();
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
        None => Err(Error::Interrupted { resume: None }),
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
                "  day {}  {} rows  NE {}  calibration {}  conversions of {} clicks: NE {}  calibration {}",
                day.day,
                day.clicks.rows,
                number(day.clicks.normalised_entropy()),
                number(day.clicks.calibration()),
                day.conversions.rows,
                number(day.conversions.normalised_entropy()),
                number(day.conversions.calibration()),
            ))
        }
        Progress::LateDay => None,
    }
}

/// Fits both maps on the validation rows whose labels are known before the first test row; what has none, or rows of one label only,
/// stays as it is.
fn calibrate(prepared: &Prepared, trainer: &mut PointwiseTrainer) -> Result<Calibrations, Error> {
    let examples = &prepared.examples;
    let rows: Vec<usize> = examples.rows(Part::Valid).collect();
    let scores = trainer.score(&rows, Position::Logged)?;
    let kind = prepared.config.pointwise.calibration;
    let labelled =
        |row: usize, score: f64, label: Option<bool>| label.map(|label| Labelled { row, score, label });
    let each = || rows.iter().zip(&scores).map(|(&row, score)| (row, score, trainer.choosing(row)));
    let clicks = each().filter_map(|(row, score, known)| labelled(row, score.click_log_odds, known.click));
    let conversions =
        each().filter_map(|(row, score, known)| labelled(row, score.conversion_log_odds?, known.conversion));
    let fit = |rows: Vec<Labelled>, label| fit_map(kind, (trainer, rows), label, scores.len());
    let (click, about_clicks) = fit(clicks.collect(), "click");
    let mut out = Calibrations { click, about: vec![about_clicks], ..Calibrations::default() };
    if prepared.goal() == Goal::Oc {
        let (conversion, about) = fit(conversions.collect(), "conversion");
        out.conversion = conversion;
        out.about = vec![format!("clicks {}", out.about[0]), format!("conversions {about}")];
    }
    note(&format!("model: {}", out.about.join("; ")));
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
