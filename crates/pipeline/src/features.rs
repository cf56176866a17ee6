//! The stage `features`: item texts in, one content vector per item out.

use crate::config::Config;
use crate::data::Data;
use crate::stage::{Key, Stage, Timing};
use crate::{Context, Error};
use semrank_core::counted;
use semrank_embed::{Embedder, Fit, ItemFeatures, Source, is_fitted, open};
use semrank_tower::artefact::{load_features, save_features};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Among the counts of the stage: texts that encoders saw, so that the stage's times leave out the others.
pub const ENCODED: &str = "texts_encoded";
/// And those whose vectors came from the cache.
pub const CACHED: &str = "texts_cached";

/// The stage.
pub struct Features<'a> {
    data: &'a Data,
    config: &'a Config,
    seed: u64,
    /// Those that are not fitted; their fingerprints are inputs.
    encoders: Mutex<Vec<(String, Embedder)>>,
    fingerprints: Vec<[String; 2]>,
}

impl<'a> Features<'a> {
    /// To be read: no encoder is opened.
    pub fn to_read(data: &'a Data, (config, seed): (&'a Config, u64)) -> Features<'a> {
        Features { data, config, seed, encoders: Mutex::default(), fingerprints: Vec::new() }
    }

    /// To be made.
    ///
    /// # Errors
    /// An encoder that cannot be opened.
    pub fn to_make(data: &'a Data, (config, seed): (&'a Config, u64)) -> Result<Features<'a>, Error> {
        let (mut encoders, mut fingerprints) = (Vec::new(), Vec::new());
        if config.model.reads_text() && data.has_text() {
            // A fitted encoder follows from data and settings; any other may have changed behind its name.
            for name in config.content.encoder.names().iter().filter(|name| !is_fitted(name)) {
                let encoder = open(name, &fit(data, config, seed))?;
                fingerprints.push([format!("encoder {name}"), encoder.fingerprint().to_owned()]);
                encoders.push((name.clone(), Embedder::cached(encoder, &config.content.cache_dir())?));
            }
        }
        Ok(Features { data, config, seed, encoders: Mutex::new(encoders), fingerprints })
    }
}

impl Stage for Features<'_> {
    type Output = ItemFeatures;
    const ID: &'static str = "features";
    const VERSION: u32 = 1;

    fn settings(config: &Config) -> Value {
        json!({
            "features": config.features,
            "reads_text": config.model.reads_text(),
            "encoder": config.content.encoder,
        })
    }

    fn key(&self) -> Key {
        let mut inputs = vec![("dataset", self.data.hash.as_str())];
        inputs.extend(self.fingerprints.iter().map(|[name, hash]| (name.as_str(), hash.as_str())));
        Key::new::<Self>((self.config, self.seed), json!({ "scope": self.data.scope_key() }), &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, timing: &mut Timing) -> Result<ItemFeatures, Error> {
        let mut encoders = self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        let features = self.encode_all(&mut encoders, context)?;
        for (_, embedder) in encoders.iter() {
            let stats = embedder.stats();
            *timing.counts.entry(ENCODED.into()).or_default() += stats.encoded as f64;
            *timing.counts.entry(CACHED.into()).or_default() += stats.cached as f64;
        }
        save_features(dir, &features)?;
        Ok(features)
    }

    fn read(&self, dir: &Path) -> Result<ItemFeatures, Error> {
        Ok(load_features(dir, self.data.dataset.catalog.len())?)
    }
}

impl Features<'_> {
    fn encode_all(
        &self,
        opened: &mut [(String, Embedder)],
        context: &Context,
    ) -> Result<ItemFeatures, Error> {
        let Features { data, config, seed, .. } = *self;
        if !config.model.reads_text() || !data.has_text() {
            context.note("features: none, because items have no text, or the model reads none");
            return Ok(ItemFeatures { dim: 0, values: Vec::new(), fingerprint: "none".into() });
        }
        let catalog = &data.dataset.catalog;
        let mut parts = Vec::new();
        for name in config.content.encoder.names() {
            context
                .note(&format!("features: texts of {} by {name}", counted(catalog.len(), "item", "items")));
            parts.push(match opened.iter_mut().find(|(opened, _)| opened == name) {
                Some((_, embedder)) => encode(data, embedder, context)?,
                None => encode(data, &mut Embedder::new(open(name, &fit(data, config, seed))?), context)?,
            });
        }
        Ok(ItemFeatures::concatenate(&parts))
    }
}

/// A run's encoders, for items that are not in its catalogue: the same texts give the same vectors as there.
pub(crate) struct Encoders(Vec<Embedder>);

impl Encoders {
    /// Opens them; those that are fitted are fitted on the catalogue again.
    ///
    /// # Errors
    /// An encoder that cannot be opened.
    pub(crate) fn open(data: &Data, (config, seed): (&Config, u64)) -> Result<Self, Error> {
        let open = |name: &String| {
            let encoder = open(name, &fit(data, config, seed))?;
            Ok(Embedder::cached(encoder, &config.content.cache_dir())?)
        };
        config.content.encoder.names().iter().map(open).collect::<Result<_, Error>>().map(Self)
    }

    /// Of the vectors.
    pub(crate) fn fingerprint(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|embedder| embedder.encoder().fingerprint()).collect();
        names.join(" + ")
    }

    /// One vector for each item.
    ///
    /// # Errors
    /// A text that an encoder refuses.
    pub(crate) fn encode(&mut self, items: &dyn Source, context: &Context) -> Result<ItemFeatures, Error> {
        let mut parts = Vec::new();
        for embedder in &mut self.0 {
            parts.push(ItemFeatures::encode(items, embedder)?);
            embedder.encoder().notes().iter().for_each(|remark| context.note(&format!("features: {remark}")));
        }
        Ok(ItemFeatures::concatenate(&parts))
    }
}

fn fit<'a>(data: &'a Data, config: &'a Config, seed: u64) -> Fit<'a> {
    let known = Some(data.scope.known());
    Fit { source: &data.dataset.catalog, known, settings: &config.features, seed }
}

fn encode(data: &Data, embedder: &mut Embedder, context: &Context) -> Result<ItemFeatures, Error> {
    let features = ItemFeatures::encode(&data.dataset.catalog, embedder)?;
    let stats = embedder.stats();
    if stats.cached > 0 {
        context.note(&format!(
            "features: {} of {} came from the cache",
            stats.cached,
            counted(stats.items, "text", "texts")
        ));
    }
    embedder.encoder().notes().iter().for_each(|remark| context.note(&format!("features: {remark}")));
    Ok(features)
}
