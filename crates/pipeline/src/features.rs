//! The stage `features`: item texts in, one content vector an item out.

use super::data::Data;
use super::folder::RunFolder;
use super::stage::{Done, Key, stage};
use crate::config::Config;
use crate::error::Error;
use crate::output::note;
use semrank_embed::{Embedder, Fit, ItemFeatures, Source, is_fitted, open};
use semrank_model::artefact::{load_features, save_features};
use serde_json::json;

/// Among the counts of the stage: texts that encoders saw, and those whose vectors came from the cache, so that the stage's times
/// leave them out.
pub(crate) const ENCODED: &str = "texts_encoded";
pub(crate) const CACHED: &str = "texts_cached";

/// What decides the features, as far as it can be told without opening an encoder.
pub(crate) fn key(data: &Data, config: &Config, seed: u64) -> Key {
    let config = json!({
        "scope": data.scope_key(),
        "features": config.features,
        "reads_text": config.model.reads_text(),
        "encoder": config.content.encoder,
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
    let mut key = key(data, config, seed);
    let mut encoders = Vec::new();
    if config.model.reads_text() && data.has_text() {
        // A fitted encoder follows from data and settings; any other may have changed behind its name.
        for name in config.content.encoder.names().iter().filter(|name| !is_fitted(name)) {
            let encoder = open(name, &fit(data, config, seed))?;
            key.inputs.insert(format!("encoder {name}"), encoder.fingerprint().to_owned());
            encoders.push((name, Embedder::cached(encoder, &config.content.cache_dir())?));
        }
    }
    stage(
        folder,
        &key,
        |dir| Ok(load_features(dir, items)?),
        |dir, timing| {
            let features = make(data, config, seed, &mut encoders)?;
            for (_, embedder) in &encoders {
                let stats = embedder.stats();
                *timing.counts.entry(ENCODED.into()).or_default() += stats.encoded as f64;
                *timing.counts.entry(CACHED.into()).or_default() += stats.cached as f64;
            }
            save_features(dir, &features)?;
            Ok(features)
        },
    )
}

/// What the run's encoders make of other items, one vector each: the same texts give the same vectors as in the catalogue.
pub(crate) fn of_others(
    data: &Data,
    config: &Config,
    seed: u64,
    items: &dyn Source,
) -> Result<ItemFeatures, Error> {
    let mut parts = Vec::new();
    for name in config.content.encoder.names() {
        let encoder = open(name, &fit(data, config, seed))?;
        let mut embedder = Embedder::cached(encoder, &config.content.cache_dir())?;
        parts.push(ItemFeatures::encode(items, &mut embedder)?);
        embedder.encoder().notes().iter().for_each(|remark| note(&format!("features: {remark}")));
    }
    Ok(ItemFeatures::concatenate(&parts))
}

fn fit<'a>(data: &'a Data, config: &'a Config, seed: u64) -> Fit<'a> {
    let known = Some(data.scope.known());
    Fit { source: &data.dataset.catalog, known, settings: &config.features, seed }
}

fn make(
    data: &Data,
    config: &Config,
    seed: u64,
    opened: &mut [(&String, Embedder)],
) -> Result<ItemFeatures, Error> {
    if !config.model.reads_text() || !data.has_text() {
        note("features: none, because items have no text, or the model reads none");
        return Ok(ItemFeatures { dim: 0, values: Vec::new(), fingerprint: "none".into() });
    }
    let catalog = &data.dataset.catalog;
    let mut parts = Vec::new();
    for name in config.content.encoder.names() {
        note(&format!("features: texts of {} items by {name}", catalog.len()));
        parts.push(match opened.iter_mut().find(|(opened, _)| *opened == name) {
            Some((_, embedder)) => encode(data, embedder)?,
            None => encode(data, &mut Embedder::new(open(name, &fit(data, config, seed))?))?,
        });
    }
    Ok(ItemFeatures::concatenate(&parts))
}

fn encode(data: &Data, embedder: &mut Embedder) -> Result<ItemFeatures, Error> {
    let features = ItemFeatures::encode(&data.dataset.catalog, embedder)?;
    let stats = embedder.stats();
    if stats.cached > 0 {
        note(&format!("features: {} of {} texts came from the cache", stats.cached, stats.items));
    }
    embedder.encoder().notes().iter().for_each(|remark| note(&format!("features: {remark}")));
    Ok(features)
}
