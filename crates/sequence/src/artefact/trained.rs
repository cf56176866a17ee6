//! A trained model: everything that scores an item, given a history and the items' content vectors.

use crate::newcomers::WordWeights;
use crate::{Blend, Chosen, EpochReport, ItemItem, LiveReport, Network, NewItems, Shape, TrainedContent};
use semrank_nn::checkpoint::Checkpoint;
use semrank_store::{read_json, write_json};
use semrank_tokens::SemanticIds;
use semrank_tower::artefact::{Error, Tensors, same};
use semrank_tower::{ModelSettings, PrefixRows};
use serde::{Deserialize, Serialize};
use std::path::Path;

const TENSORS: &str = "model.safetensors";
const FACTS: &str = "model.json";
/// What names of the network's tensors begin with.
const NETWORK: &str = "network";
const PREFIX_KEYS: &str = "network.prefixes.keys";

/// A trained model with what was chosen on validation.
#[derive(Debug, Clone)]
pub struct Trained {
    /// The best epoch's network.
    pub network: Network<f32>,
    /// The item-item term.
    pub item_item: ItemItem,
    /// The weighted popularity prior, one number per item.
    pub prior: Vec<f32>,
    /// The order of items without training events, where places are kept for them.
    pub new_items: Option<NewItems>,
    /// Content vectors and encoder, where they were trained with the ranker.
    pub content: Option<TrainedContent>,
    /// Everything that is no tensor.
    pub facts: TrainedFacts,
}

impl Trained {
    /// Takes over what was chosen on validation.
    pub fn choose(&mut self, chosen: Chosen) {
        let Chosen { blend, prior, ndcg_10, .. } = chosen;
        (self.prior, self.facts.blend, self.facts.validation_ndcg_10) = (prior, blend, ndcg_10);
        if blend.new_places == 0 {
            self.new_items = None;
        }
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
    /// One entry per epoch.
    pub curve: Vec<EpochReport>,
}

/// Writes a model into an existing folder.
///
/// # Errors
/// When a file cannot be written.
pub fn save_trained(dir: &Path, trained: &Trained) -> Result<(), Error> {
    let Trained { network, item_item, prior, new_items, content, facts } = trained;
    let mut tensors = Tensors::default();
    network.weights.save([NETWORK; 2], &mut tensors);
    network.prefixes.iter().for_each(|rows| tensors.u64s(PREFIX_KEYS, rows.keys().iter().copied()));
    tensors.u64s("item_item.offsets", item_item.offsets.iter().map(|&offset| offset as u64));
    tensors.u32s("item_item.candidates", item_item.candidates.iter().copied());
    tensors.row("item_item.weights", &item_item.weights);
    tensors.row("prior", prior);
    if let Some(new) = new_items {
        tensors.u32s("new_items.items", new.items.iter().copied());
        tensors.row("new_items.predicted", &new.predicted);
        tensors.u32s("new_items.words", new.words.buckets.iter().copied());
        tensors.row("new_items.weights", &new.words.weights);
        tensors.row("new_items.scales", &new.words.scales);
    }
    if let Some(content) = content {
        tensors.row("content.vectors", &content.vectors);
        tensors.row("content.encoder", &content.params);
    }
    tensors.save(&dir.join(TENSORS))?;
    Ok(write_json(&dir.join(FACTS), &Facts::of(item_item, facts))?)
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
    let weights = file.f32s("item_item.weights", [1, entries])?;
    let candidates = file.read_u32("item_item.candidates", entries)?;
    let offsets: Vec<usize> = offsets.into_iter().map(|offset| offset as usize).collect();
    let sound = offsets.is_sorted()
        && offsets.last() == Some(&entries)
        && candidates.iter().all(|&candidate| (candidate as usize) < shape.items);
    same(&path, "whether the item-item rows are sound", sound, true)?;
    let prior = file.f32s("prior", [1, shape.items])?;
    let new_items =
        (facts.blend.new_places > 0).then(|| load_new_items(&file, &path, shape.items)).transpose()?;
    facts.model.check().map_err(|error| Error::Foreign {
        path,
        what: error.key,
        got: error.got,
        expected: error.expected,
    })?;
    let prefixes = tokens.filter(|_| facts.model.prefixes).map(|tokens| -> Result<PrefixRows, Error> {
        let keys = file.read_u64(PREFIX_KEYS, file.len_of(PREFIX_KEYS)?)?;
        Ok(PrefixRows::with_keys(tokens, keys, facts.model.prefix_rows))
    });
    let mut network = Network::planned(&facts.model, shape, prefixes.transpose()?);
    network.weights.read(&file, [NETWORK; 2])?;
    let item_item = ItemItem { offsets, candidates, weights, recent, decay };
    let content = facts.live.map(|report| load_content(&file, report, shape)).transpose()?;
    Ok(Trained { network, item_item, prior, new_items, content, facts })
}

/// The vectors are those of all items; the length of the encoder is compared with the encoder when that is opened.
fn load_content(file: &Checkpoint, report: LiveReport, shape: Shape) -> Result<TrainedContent, Error> {
    let vectors = file.f32s("content.vectors", [1, shape.items * shape.content])?;
    let params = file.f32s("content.encoder", [1, file.len_of("content.encoder")?])?;
    Ok(TrainedContent { vectors, params, report })
}

fn load_new_items(file: &Checkpoint, path: &Path, count: usize) -> Result<NewItems, Error> {
    let items = file.read_u32("new_items.items", file.len_of("new_items.items")?)?;
    let buckets = file.read_u32("new_items.words", file.len_of("new_items.words")?)?;
    let scales = file.f32s("new_items.scales", [1, file.len_of("new_items.scales")?])?;
    let members = scales.len() / 2;
    let predicted = file.f32s("new_items.predicted", [1, items.len() * members])?;
    let weights = file.f32s("new_items.weights", [1, members * (buckets.len() + 1)])?;
    let ascends = |values: &[u32]| values.is_sorted_by(|a, b| a < b);
    let sound = ascends(&items)
        && ascends(&buckets)
        && items.iter().all(|&item| (item as usize) < count)
        && members > 0
        && scales.len().is_multiple_of(2);
    same(path, "whether the list of new items is sound", sound, true)?;
    let words = WordWeights { buckets, weights, scales };
    Ok(NewItems { in_catalogue: items.len(), items, predicted, words })
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
            assert_eq!(read.network.weights.snapshot(), trained.network.weights.snapshot());
            for (name, table) in read.network.weights.tower.tables() {
                let moments = table.first.len() + table.second.len();
                assert_eq!(moments, 0, "{name}: nothing is kept for training");
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

    /// What is said of trained content of these lengths, for 3 items of width 2.
    fn read(vectors: usize, encoder: usize) -> Result<TrainedContent, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TENSORS);
        let values = vec![0.5; vectors.max(encoder)];
        let mut tensors = Tensors::default();
        tensors.row("content.vectors", &values[..vectors]);
        tensors.row("content.encoder", &values[..encoder]);
        tensors.save(&path).unwrap();
        let report = LiveReport {
            encoder_passes: 1.0,
            backward_passes: 1.0,
            bytes_cached: 0,
            most_steps_old: 0,
            staleness: 0.0,
        };
        let shape = Shape { items: 3, content: 2, actions: 1, timed: false };
        load_content(&Checkpoint::open(&path).unwrap(), report, shape)
    }

    #[test]
    fn trained_vectors_are_those_of_all_items() {
        let content = read(6, 5).unwrap();
        assert_eq!((content.vectors.len(), content.params.len()), (6, 5));
        for len in [0, 5, 7, 12] {
            let said = read(len, 5).unwrap_err().to_string();
            assert!(said.contains(&format!("`content.vectors` is F32 [1, {len}]")), "{said}");
            assert!(said.contains("expects F32 [1, 6]"), "{said}");
        }
    }
}
