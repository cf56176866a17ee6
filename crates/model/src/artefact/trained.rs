//! A trained model: everything that scores an item, given a history and the items' content vectors.

use super::{Error, read_json, same, write_json};
use crate::{
    Blend, Encoded, EpochReport, ItemItem, LiveReport, ModelSettings, Network, NewItems, PrefixRows, Ranker,
    Shape, SimilarContent, Terms, TrainedContent,
};
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_tokens::SemanticIds;
use serde::{Deserialize, Serialize};
use std::path::Path;

const TENSORS: &str = "model.safetensors";
const FACTS: &str = "model.json";

/// A trained model with what was chosen on validation.
#[derive(Debug)]
pub struct Trained {
    /// The best epoch's network.
    pub network: Network<f32>,
    /// The item-item term.
    pub item_item: ItemItem,
    /// The weighted popularity prior, one number an item.
    pub prior: Vec<f32>,
    /// The order of items without training events, where places are kept for them.
    pub new_items: Option<NewItems>,
    /// Content vectors and encoder, where they were trained with the ranker.
    pub content: Option<TrainedContent>,
    /// Everything that is no tensor.
    pub facts: TrainedFacts,
}

impl Trained {
    /// The whole scorer.
    pub fn ranker<'a>(&'a self, encoded: &'a Encoded<'a>, similar: &'a SimilarContent) -> Ranker<'a> {
        let (item_item, new_items) = (&self.item_item, self.new_items.as_ref());
        let terms = Terms { encoded, item_item, similar, new_items };
        Ranker { terms, prior: &self.prior, blend: self.facts.blend }
    }
}

/// The small part of a trained model, readable by people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedFacts {
    /// Settings of the network.
    pub model: ModelSettings,
    /// What the data set fixed.
    pub shape: Shape,
    /// Weights of the terms and the seen policy, chosen on validation.
    pub blend: Blend,
    /// Validation NDCG@10 of the whole blend.
    #[serde(rename = "validation_ndcg@10")]
    pub validation_ndcg_10: f64,
    /// Whether training masked items of the history: nothing repeats in the training events.
    pub masks_seen_in_training: bool,
    /// The epoch that was kept, from 1.
    pub best_epoch: u64,
    /// What training the content with the ranker cost, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveReport>,
    /// One entry an epoch.
    pub curve: Vec<EpochReport>,
}

/// Writes a model into an existing folder.
///
/// # Errors
/// When a file cannot be written.
pub fn save_trained(dir: &Path, trained: &Trained) -> Result<(), Error> {
    let Trained { network, item_item, prior, new_items, content, facts } = trained;
    let names: Vec<String> =
        network.layout().entries().iter().map(|entry| format!("network.{}", entry.name)).collect();
    let mut tensors: Vec<Tensor> = Vec::new();
    for (name, entry) in names.iter().zip(network.layout().entries()) {
        let shape = [entry.slot.rows, entry.slot.cols];
        tensors.push(Tensor { name, shape, values: Values::F32(entry.slot.of(&network.params)) });
    }
    let tables: Vec<(String, _)> =
        network.tables().map(|(name, table)| (format!("network.{name}"), table)).collect();
    for (name, table) in &tables {
        let values = Values::F32(&table.values);
        tensors.push(Tensor { name, shape: [table.rows(), table.dim()], values });
    }
    if let Some(prefixes) = &network.prefixes {
        let keys = prefixes.rows.keys();
        tensors.push(row("network.prefixes.keys", keys.len(), Values::U64(keys)));
    }
    let offsets: Vec<u64> = item_item.offsets.iter().map(|&offset| offset as u64).collect();
    tensors.extend([
        row("item_item.offsets", offsets.len(), Values::U64(&offsets)),
        row("item_item.candidates", item_item.candidates.len(), Values::U32(&item_item.candidates)),
        row("item_item.weights", item_item.weights.len(), Values::F32(&item_item.weights)),
        row("prior", prior.len(), Values::F32(prior)),
    ]);
    if let Some(new) = new_items {
        tensors.push(row("new_items.items", new.items.len(), Values::U32(&new.items)));
        tensors.push(row("new_items.worth", new.worth.len(), Values::F32(&new.worth)));
    }
    if let Some(content) = content {
        tensors.push(row("content.vectors", content.vectors.len(), Values::F32(&content.vectors)));
        tensors.push(row("content.encoder", content.params.len(), Values::F32(&content.params)));
    }
    checkpoint::save(&dir.join(TENSORS), &tensors)?;
    write_json(&dir.join(FACTS), &Facts::of(item_item, facts))
}

/// Reads a model of a data set with this shape, whose items have these semantic ids.
///
/// # Errors
/// A missing or damaged file, or a model of another shape.
pub fn load_trained(dir: &Path, shape: Shape, tokens: Option<&SemanticIds>) -> Result<Trained, Error> {
    let path = dir.join(FACTS);
    let Facts { recent, decay, trained: facts } = read_json(&path)?;
    same(&path, "the shape of the data", facts.shape, shape)?;
    let file = Checkpoint::open(&dir.join(TENSORS))?;
    let offsets = file.read_u64("item_item.offsets", shape.items + 1)?;
    let entries = file.len_of("item_item.weights")?;
    let mut weights = vec![0.0; entries];
    file.read_f32("item_item.weights", [1, entries], &mut weights)?;
    let candidates = file.read_u32("item_item.candidates", entries)?;
    let offsets: Vec<usize> = offsets.into_iter().map(|offset| offset as usize).collect();
    let sound = offsets.is_sorted()
        && offsets.last() == Some(&entries)
        && candidates.iter().all(|&candidate| (candidate as usize) < shape.items);
    same(&path, "whether the item-item rows are sound", sound, true)?;
    let mut prior = vec![0.0; shape.items];
    file.read_f32("prior", [1, shape.items], &mut prior)?;
    let new_items =
        (facts.blend.new_places > 0).then(|| load_new_items(&file, &path, shape.items)).transpose()?;
    let network = load_network(&file, &facts.model, shape, tokens)?;
    let item_item = ItemItem { offsets, candidates, weights, recent, decay };
    let content = facts.live.map(|report| load_content(&file, report)).transpose()?;
    Ok(Trained { network, item_item, prior, new_items, content, facts })
}

fn load_content(file: &Checkpoint, report: LiveReport) -> Result<TrainedContent, Error> {
    let read = |name: &str| -> Result<Vec<f32>, Error> {
        let mut values = vec![0.0; file.len_of(name)?];
        file.read_f32(name, [1, values.len()], &mut values)?;
        Ok(values)
    };
    Ok(TrainedContent { vectors: read("content.vectors")?, params: read("content.encoder")?, report })
}

fn load_new_items(file: &Checkpoint, path: &Path, count: usize) -> Result<NewItems, Error> {
    let items = file.read_u32("new_items.items", file.len_of("new_items.items")?)?;
    let mut worth = vec![0.0; file.len_of("new_items.worth")?];
    let sound = items.is_sorted()
        && items.iter().all(|&item| (item as usize) < count)
        && !worth.is_empty()
        && worth.len().is_multiple_of(items.len());
    same(path, "whether the list of new items is sound", sound, true)?;
    file.read_f32("new_items.worth", [1, worth.len()], &mut worth)?;
    Ok(NewItems { items, worth })
}

fn load_network(
    file: &Checkpoint,
    model: &ModelSettings,
    shape: Shape,
    tokens: Option<&SemanticIds>,
) -> Result<Network<f32>, Error> {
    let prefixes = tokens.filter(|_| model.prefixes).map(|tokens| -> Result<PrefixRows, Error> {
        let keys = file.read_u64("network.prefixes.keys", file.len_of("network.prefixes.keys")?)?;
        Ok(PrefixRows::with_keys(tokens, keys, model.prefix_rows))
    });
    let mut network = Network::blank(model, shape, prefixes.transpose()?);
    let entries: Vec<_> = network.layout().entries().to_vec();
    for entry in entries {
        let into = entry.slot.of_mut(&mut network.params);
        file.read_f32(&format!("network.{}", entry.name), [entry.slot.rows, entry.slot.cols], into)?;
    }
    for (name, table) in network.tables_mut() {
        let shape = [table.rows(), table.dim()];
        file.read_f32(&format!("network.{name}"), shape, &mut table.values)?;
    }
    Ok(network)
}

fn row<'a>(name: &'a str, len: usize, values: Values<'a>) -> Tensor<'a> {
    Tensor { name, shape: [1, len], values }
}

/// `model.json`.
#[derive(Serialize, Deserialize)]
struct Facts {
    /// Newest events of a history that bring item-item candidates.
    recent: usize,
    /// Weight of an event relative to the next newer one.
    decay: f32,
    #[serde(flatten)]
    trained: TrainedFacts,
}

impl Facts {
    fn of(item_item: &ItemItem, trained: &TrainedFacts) -> Self {
        Self { recent: item_item.recent, decay: item_item.decay, trained: trained.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KnownItems, Prior, SeenPolicy};

    #[test]
    fn a_network_is_read_back_bit_by_bit_and_has_no_moments() {
        let tokens = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2, 3, 3]);
        let shape = Shape { items: 4, content: 3, actions: 2, timed: true };
        let known = KnownItems { trained: &[true, true, true, false], tokens: Some(&tokens) };
        for model in [
            ModelSettings { dim: 4, ..ModelSettings::default() },
            ModelSettings { dim: 4, content: false, adapter: 0, ids: false, ..ModelSettings::default() },
            ModelSettings { dim: 4, prefixes: false, id_rows: 3, ..ModelSettings::default() },
        ] {
            let network = Network::new(&model, shape, known, 1);
            let trained = trained(network, model, shape);
            let dir = tempfile::tempdir().unwrap();
            save_trained(dir.path(), &trained).unwrap();
            let read = load_trained(dir.path(), shape, Some(&tokens)).unwrap();
            assert_eq!(read.network.params, trained.network.params);
            assert_eq!(read.network.tables().count(), trained.network.tables().count());
            for ((_, got), (name, table)) in read.network.tables().zip(trained.network.tables()) {
                assert_eq!(got.values, table.values, "{name}");
                assert!(
                    got.first.is_empty() && got.second.is_empty(),
                    "{name}: nothing is kept for training"
                );
            }
            assert_eq!(read.facts, trained.facts);
        }
    }

    fn trained(network: Network<f32>, model: ModelSettings, shape: Shape) -> Trained {
        let item_item = ItemItem {
            offsets: vec![0; shape.items + 1],
            candidates: Vec::new(),
            weights: Vec::new(),
            recent: 8,
            decay: 0.5,
        };
        let blend = Blend {
            alpha: 0.0,
            content: 0.0,
            beta: 0.0,
            new_places: 0,
            prior: Prior::Popularity,
            seen: SeenPolicy::None,
        };
        let facts = TrainedFacts {
            model,
            shape,
            blend,
            validation_ndcg_10: 0.5,
            masks_seen_in_training: false,
            best_epoch: 1,
            live: None,
            curve: Vec::new(),
        };
        let prior = vec![0.0; shape.items];
        Trained { network, item_item, prior, new_items: None, content: None, facts }
    }
}
