//! A training under way, in a folder: parameters, moments, the running mean, the best epoch, and what was reported so far.
//!
//! A state is taken after an epoch, or after a day of a log that is read once. Random choices are functions of (seed, step), the
//! samples and the features of rows are functions of the data: they are made again, and not kept.
//!
//! | file | holds |
//! |---|---|
//! | `state.safetensors` | `now.…`, `mean.…`, `best.…`: dense parameters and tables, by name; of the first also the moments |
//! | `state.json` | how far it is, and what was reported; every bit of a number is kept |

use super::loss::{HEADS, HeadSum};
use super::progress::{DayReport, PassReport};
use super::training::PointwiseTrainer;
use semrank_nn::checkpoint::Checkpoint;
use semrank_store::{read_json, write_json};
use semrank_tower::Snapshot;
use semrank_tower::artefact::{Error, Tensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

const TENSORS: &str = "state.safetensors";
const REPORTED: &str = "state.json";

#[derive(Serialize, Deserialize)]
struct Reported {
    step: u64,
    best_epoch: usize,
    best_loss: Option<f64>,
    /// The time up to which samples were learned.
    until: i64,
    heads: [HeadSum; HEADS],
    days: Vec<DayReport>,
    curve: Vec<PassReport>,
}

impl PointwiseTrainer<'_> {
    /// Writes the whole state into an existing folder.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        let stepper = &self.stepper;
        let mean = stepper.mean.as_ref().map(|mean| mean.weights.snapshot());
        let mut tensors = Tensors::default();
        stepper.optimiser.save("now", &stepper.network.weights, &mut tensors);
        mean.iter().for_each(|mean| mean.save("mean", &mut tensors));
        self.best.iter().for_each(|(_, best)| best.save("best", &mut tensors));
        tensors.save(&dir.join(TENSORS))?;
        let reported = Reported {
            step: self.step(),
            best_epoch: self.best_epoch,
            best_loss: self.best.as_ref().map(|(loss, _)| *loss),
            until: self.until,
            heads: self.heads,
            days: self.days.clone(),
            curve: self.curve.clone(),
        };
        Ok(write_json(&dir.join(REPORTED), &reported)?)
    }

    /// Goes back to a saved state; the training must have been set up in the same way and have learned nothing yet.
    ///
    /// # Errors
    /// A missing or damaged file, or the state of another network. Then start afresh: a part of it may have been read.
    pub fn restore_state(&mut self, dir: &Path) -> Result<(), Error> {
        let reported: Reported = read_json(&dir.join(REPORTED))?;
        let file = Checkpoint::open(&dir.join(TENSORS))?;
        let weights = &mut self.stepper.network.weights;
        self.stepper.optimiser.read(&file, "now", (reported.step, weights))?;
        if let Some(mean) = &mut self.stepper.mean {
            mean.weights.restore(Snapshot::read(&file, "mean", weights)?);
        }
        if let Some(loss) = reported.best_loss {
            self.best = Some((loss, Snapshot::read(&file, "best", weights)?));
        }
        (self.heads, self.best_epoch) = (reported.heads, reported.best_epoch);
        (self.days, self.curve) = (reported.days, reported.curve);
        self.pass_over(reported.until);
        Ok(())
    }
}
