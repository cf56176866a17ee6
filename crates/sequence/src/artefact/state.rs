//! A training under way, complete: parameters, moments and the best epoch as tensors; the curve and the sums of the epoch at hand as
//! JSON, which keeps every bit of a number.

use crate::{EpochReport, Fitting};
use semrank_nn::checkpoint::Checkpoint;
use semrank_store::{read_json, write_json};
use semrank_tower::Snapshot;
use semrank_tower::artefact::{Error, Tensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

const TENSORS: &str = "state.safetensors";
const PROGRESS: &str = "state.json";

#[derive(Serialize, Deserialize)]
struct Progress {
    step: u64,
    positions: u64,
    loss_sum: f64,
    seconds: f64,
    curve: Vec<EpochReport>,
    /// Of training and validation, for each entry of the curve.
    curve_seconds: Vec<[f64; 2]>,
    has_best: bool,
    /// Of content under training: updates, items encoded, items carried back.
    live: Option<[u64; 3]>,
}

impl Fitting<'_> {
    /// Writes the whole state into an existing folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let trainer = &self.trainer;
        let mut tensors = Tensors::default();
        trainer.optimiser.save("now", &trainer.network.weights, &mut tensors);
        self.best.weights.save("best", &mut tensors);
        for (name, values) in trainer.live.iter().flat_map(|live| live.tensors()) {
            tensors.row(format!("live.{name}"), values);
        }
        if let Some([vectors, params]) = &self.best.content {
            tensors.row("best.content", vectors);
            tensors.row("best.encoder", params);
        }
        tensors.save(&dir.join(TENSORS))?;
        let seconds = |report: &EpochReport| [report.train_seconds, report.validation_seconds];
        let progress = Progress {
            step: trainer.step(),
            positions: self.positions,
            loss_sum: self.loss_sum,
            seconds: self.seconds,
            curve: self.curve.clone(),
            curve_seconds: self.curve.iter().map(seconds).collect(),
            has_best: !self.best.weights.is_empty(),
            live: trainer.live.as_ref().map(|live| [live.updates, live.encoded, live.carried_back]),
        };
        Ok(write_json(&dir.join(PROGRESS), &progress)?)
    }

    /// Goes back to the state saved in a folder; the training must have been set up in the same way.
    ///
    /// # Errors
    /// A missing or damaged file, or the state of another network. Then start afresh: a part of it may have been read.
    pub fn restore(&mut self, dir: &Path) -> Result<(), Error> {
        let progress: Progress = read_json(&dir.join(PROGRESS))?;
        let file = Checkpoint::open(&dir.join(TENSORS))?;
        let trainer = &mut self.trainer;
        trainer.optimiser.read(&file, "now", (progress.step, &mut trainer.network.weights))?;
        if progress.has_best {
            self.best.weights = Snapshot::read(&file, "best", &trainer.network.weights)?;
        }
        if let (Some(live), Some(counts)) = (&mut trainer.live, progress.live) {
            [live.updates, live.encoded, live.carried_back] = counts;
            live.restore(|name, into| Ok(file.read_f32(&format!("live.{name}"), [1, into.len()], into)?))?;
            if progress.has_best {
                let read = |name: &str, len: usize| file.f32s(name, [1, len]);
                let vectors = read("best.content", live.content().len())?;
                self.best.content = Some([vectors, read("best.encoder", live.params().len())?]);
            }
        }
        self.curve = progress.curve;
        for (report, seconds) in self.curve.iter_mut().zip(progress.curve_seconds) {
            [report.train_seconds, report.validation_seconds] = seconds;
        }
        (self.positions, self.loss_sum, self.seconds) =
            (progress.positions, progress.loss_sum, progress.seconds);
        Ok(())
    }
}
