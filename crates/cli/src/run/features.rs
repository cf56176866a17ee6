//! The stage `features`: item texts in, one content vector an item out.

use super::data::Data;
use super::folder::RunFolder;
use super::stage::{Done, Key, stage};
use crate::config::Config;
use crate::error::Error;
use crate::output::note;
use semrank_embed::hash::{ItemFeatures, build};
use semrank_model::artefact::{load_features, save_features};
use serde_json::json;

/// What decides the features.
pub(crate) fn key(data: &Data, config: &Config, seed: u64) -> Key {
    let config = json!({
        "split": data.split.kind,
        "features": config.features,
        "content": config.model.content,
    });
    Key::new("features", seed, config, &[("dataset", &data.hash)])
}

/// Makes the features, or reads them.
pub(crate) fn run(
    folder: &RunFolder,
    data: &Data,
    config: &Config,
    seed: u64,
) -> Result<(ItemFeatures, Done), Error> {
    let items = data.dataset.catalog.len();
    stage(
        folder,
        &key(data, config, seed),
        |dir| Ok(load_features(dir, items)?),
        |dir, _| {
            let features = make(data, config, seed)?;
            save_features(dir, &features)?;
            Ok(features)
        },
    )
}

fn make(data: &Data, config: &Config, seed: u64) -> Result<ItemFeatures, Error> {
    if !config.model.content || !data.has_text() {
        note("features: none, because items have no text or model.content is false");
        return Ok(ItemFeatures { dim: 0, values: Vec::new(), fingerprint: "none".into() });
    }
    note(&format!("features: texts of {} items", data.dataset.catalog.len()));
    let known = data.split.known(&data.dataset);
    Ok(build(&data.dataset.catalog, &known, &config.features, seed)?)
}
