//! One content vector an item, in `vectors.safetensors`; without content the file is absent and the width 0.

use super::{Error, Tensors, same};
use semrank_embed::ItemFeatures;
use semrank_nn::checkpoint::Checkpoint;
use semrank_store::{read_json, write_json};
use serde::{Deserialize, Serialize};
use std::path::Path;

const VECTORS: &str = "vectors.safetensors";
const FACTS: &str = "features.json";

#[derive(Serialize, Deserialize)]
struct Facts {
    items: usize,
    dim: usize,
    fingerprint: String,
}

/// Writes features into an existing folder.
///
/// # Errors
/// When a file cannot be written.
pub fn save_features(dir: &Path, features: &ItemFeatures) -> Result<(), Error> {
    let dim = features.dim;
    let items = features.values.len().checked_div(dim).unwrap_or(0);
    if dim > 0 {
        let mut tensors = Tensors::default();
        tensors.matrix("vectors", [items, dim], &features.values);
        tensors.save(&dir.join(VECTORS))?;
    }
    let facts = Facts { items, dim, fingerprint: features.fingerprint.clone() };
    Ok(write_json(&dir.join(FACTS), &facts)?)
}

/// Reads the features of a catalogue of `items`.
///
/// # Errors
/// A missing or damaged file, or features of another number of items.
pub fn load_features(dir: &Path, items: usize) -> Result<ItemFeatures, Error> {
    let path = dir.join(FACTS);
    let facts: Facts = read_json(&path)?;
    let mut values = Vec::new();
    if facts.dim > 0 {
        same(&path, "the number of items", facts.items, items)?;
        values = Checkpoint::open(&dir.join(VECTORS))?.f32s("vectors", [items, facts.dim])?;
    }
    Ok(ItemFeatures { dim: facts.dim, values, fingerprint: facts.fingerprint })
}
