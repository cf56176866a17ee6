//! A trained ranking model in a folder.
//!
//! | file | holds |
//! |---|---|
//! | `model.safetensors` | dense parameters by name, rows of items, advertisers and prefixes |
//! | `model.json` | shape, the curve of epochs or days, the neutral slot effect, what the caller adds |
//! | `serving.json` | sizes of the network, what it reads of a request |
//! | `contexts.json` | how contexts are numbered ([`ContextCoder`](super::ContextCoder)) |
//! | `features.safetensors`, `features.json` | the state just before the first test row ([`FeatureState`](super::FeatureState)) |

use super::items::Items;
use super::model::{ResponseModel, Serving};
use super::network::{PointwiseNetwork, PointwiseShape};
use super::progress::{DayReport, PassReport};
use super::task::PointwiseTask;
use super::training::PointwiseTrainer;
use semrank_nn::checkpoint::Checkpoint;
use semrank_store::{read_json, write_json};
use semrank_tower::artefact::{Error, Tensors, same};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const TENSORS: &str = "model.safetensors";
const FACTS: &str = "model.json";
const SERVING: &str = "serving.json";
/// What names of dense tensors and of tables begin with.
const NAMES: [&str; 2] = ["network", "rows"];

/// What a training leaves beside its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PointwiseFacts {
    /// What the data fixed.
    pub shape: PointwiseShape,
    /// The epoch that was kept; 0 where the log was read once.
    pub best_epoch: usize,
    /// Epochs; of one pass, one line.
    pub curve: Vec<PassReport>,
    /// Days of one pass: predicted, then learned.
    pub days: Vec<DayReport>,
    /// What the mean slot of training adds to the click logit.
    pub neutral_slot: f64,
}

impl PointwiseTrainer<'_> {
    /// What was found beside the parameters.
    pub fn facts(&self) -> PointwiseFacts {
        PointwiseFacts {
            shape: self.network().shape.clone(),
            best_epoch: self.best_epoch,
            curve: self.curve().to_vec(),
            days: self.days.clone(),
            neutral_slot: self.neutral_effect(),
        }
    }

    /// Writes the model into an existing folder, and the state of its features as it was just before the first row that follows
    /// training and validation.
    ///
    /// # Errors
    /// When a file cannot be written.
    ///
    /// # Panics
    /// Of a loaded model that has scored test rows: it kept no state of before.
    pub fn save(&mut self, dir: &Path) -> Result<(), Error> {
        let mut tensors = Tensors::default();
        self.network().weights.save(NAMES, &mut tensors);
        tensors.save(&dir.join(TENSORS))?;
        write_json(&dir.join(FACTS), &self.facts())?;
        write_json(&dir.join(SERVING), &self.serving())?;
        self.task.contexts.coder().save(dir)?;
        self.snapshot().save(dir)
    }

    /// A trainer whose model is the saved one.
    ///
    /// # Errors
    /// A missing or damaged file, or the model of other data or settings.
    pub fn load<'a>(
        task: &PointwiseTask<'a>,
        dir: &Path,
    ) -> Result<(PointwiseTrainer<'a>, PointwiseFacts), Error> {
        let facts: PointwiseFacts = read_json(&dir.join(FACTS))?;
        let mut trainer = PointwiseTrainer::new(task);
        same(&dir.join(FACTS), "the shape of the model", &facts.shape, &trainer.network().shape)?;
        // A finished model is not trained any more: it has neither a running mean nor moments.
        trainer.stepper.mean = None;
        let weights = &mut trainer.stepper.network.weights;
        weights.forget_moments();
        weights.read(&Checkpoint::open(&dir.join(TENSORS))?, NAMES)?;
        trainer.score_only();
        Ok((trainer, facts))
    }
}

impl ResponseModel {
    /// Reads a model; `items` are those it was trained with.
    ///
    /// # Errors
    /// A missing or damaged file, or the model of another catalogue.
    pub fn load(dir: &Path, items: Arc<Items>) -> Result<Self, Error> {
        let facts: PointwiseFacts = read_json(&dir.join(FACTS))?;
        let serving: Serving = read_json(&dir.join(SERVING))?;
        let path = dir.join(FACTS);
        same(&path, "the number of items", facts.shape.items, items.len())?;
        same(&path, "the width of contents", facts.shape.content, items.width())?;
        let mut network = PointwiseNetwork::planned(facts.shape, serving.sizes, items.prefixes.as_ref());
        network.weights.read(&Checkpoint::open(&dir.join(TENSORS))?, NAMES)?;
        Ok(Self::new(network, items, serving, facts.neutral_slot as f32))
    }
}
