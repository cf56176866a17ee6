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
use super::network::{PointwiseNetwork, PointwiseShape, Sizes};
use super::progress::{DayReport, PassReport};
use super::training::{PointwiseTask, PointwiseTrainer, network, sizes};
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_store::{read_json, write_json};
use semrank_tower::artefact::{Error, same};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

const TENSORS: &str = "model.safetensors";
const FACTS: &str = "model.json";
const SERVING: &str = "serving.json";

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
            best_epoch: self.best_epoch(),
            curve: self.curve().to_vec(),
            days: self.days().to_vec(),
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
        let network = self.network();
        let dense = network.layout.entries().iter().map(|entry| {
            let shape = [entry.slot.rows, entry.slot.cols];
            (format!("network.{}", entry.name), shape, entry.slot.of(&network.params))
        });
        let rows = network.tables().map(|(name, table)| {
            (format!("rows.{name}"), [table.rows(), table.dim()], table.values.as_slice())
        });
        let all: Vec<_> = dense.chain(rows).collect();
        let tensors: Vec<Tensor> = all
            .iter()
            .map(|(name, shape, values)| Tensor { name, shape: *shape, values: Values::F32(values) })
            .collect();
        checkpoint::save(&dir.join(TENSORS), &tensors)?;
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
        let file = Checkpoint::open(&dir.join(TENSORS))?;
        check_sizes(&file, &facts.shape, sizes(task, &facts.shape))?;
        let mut trainer = PointwiseTrainer::new(task);
        same(&dir.join(FACTS), "the shape of the model", &facts.shape, &trainer.network().shape)?;
        let mut network = network(task, facts.shape.clone());
        read(&file, &mut network)?;
        trainer.set_network(network);
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
        let file = Checkpoint::open(&dir.join(TENSORS))?;
        check_sizes(&file, &facts.shape, serving.sizes)?;
        let tables =
            PointwiseNetwork::<f32>::table_rows(&facts.shape, serving.sizes, items.prefixes.as_ref());
        for (name, rows) in ["items", "advertisers", "prefixes"].into_iter().zip(tables) {
            let Some(rows) = rows else { continue };
            file.check_f32(&format!("rows.{name}"), [rows, serving.sizes.dim])?;
        }
        let mut network = PointwiseNetwork::new(facts.shape, serving.sizes, items.prefixes.as_ref(), 0);
        read(&file, &mut network)?;
        Ok(Self::new(network, items, serving, facts.neutral_slot as f32))
    }
}

/// Before anything is allocated that is as large as settings and shape claim.
fn check_sizes(file: &Checkpoint, shape: &PointwiseShape, sizes: Sizes) -> Result<(), Error> {
    for entry in PointwiseNetwork::<f32>::layout_of(shape, sizes).entries() {
        file.check_f32(&format!("network.{}", entry.name), [entry.slot.rows, entry.slot.cols])?;
    }
    Ok(())
}

fn read(file: &Checkpoint, network: &mut PointwiseNetwork<f32>) -> Result<(), Error> {
    for entry in network.layout.entries() {
        let into = entry.slot.of_mut(&mut network.params);
        file.read_f32(&format!("network.{}", entry.name), [entry.slot.rows, entry.slot.cols], into)?;
    }
    for (name, table) in network.tables_mut() {
        let shape = [table.rows(), table.dim()];
        file.read_f32(&format!("rows.{name}"), shape, &mut table.values)?;
    }
    Ok(())
}
