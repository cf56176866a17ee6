//! The stage `tokens`: content vectors and training histories in; the alignment tower, a codebook, aligned vectors and
//! semantic ids out.
//!
//! | file | holds |
//! |---|---|
//! | `tower.json`, `tower.safetensors` | the tower; absent where nothing was aligned |
//! | `codebook.json`, `codebook.safetensors` | the frozen codebook |
//! | `vectors.safetensors`, `features.json` | one aligned vector per item |
//! | `ids.safetensors` | L codes per item |

use crate::config::Config;
use crate::data::Data;
use crate::ids_file::{IDS, load_ids, save_ids};
use crate::stage::{Key, Stage, Timing};
use crate::{Context, Error};
use semrank_core::counted;
use semrank_embed::ItemFeatures;
use semrank_sequence::{BlendSettings, SimilarContent};
use semrank_tokens::{Codebook, Rows, SemanticIds, TokenSettings, Tower, encode_all, fit};
use semrank_tower::artefact::{load_features, save_features};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// With fewer items per code, codes would name single items instead of groups.
const ITEMS_PER_CODE: usize = 4;

/// Content vectors and ids of the items.
pub struct Content {
    /// One vector per item: content, followed by the part aligned with behaviour.
    pub features: ItemFeatures,
    /// Where the aligned part of a vector begins; its width where nothing was aligned.
    pub aligned: usize,
    /// Semantic ids, where items have contents.
    pub tokens: Option<SemanticIds>,
}

impl Content {
    /// The content neighbours: of the vectors that were quantised.
    pub fn similar(&self, settings: &BlendSettings) -> SimilarContent {
        let (values, dim) = self.quantised();
        SimilarContent::new(values, dim, settings)
    }

    /// Whether vectors were aligned with behaviour before they were quantised.
    pub fn is_aligned(&self) -> bool {
        self.aligned < self.features.dim
    }

    /// Content vectors `[items x width]` and their width.
    pub fn texts(&self) -> (Vec<f32>, usize) {
        self.columns(0..self.aligned)
    }

    /// The vectors that ids are made from, `[items x width]`, and their width: the aligned part, or all where nothing was
    /// aligned.
    pub fn quantised(&self) -> (Vec<f32>, usize) {
        let dim = self.features.dim;
        self.columns(if self.is_aligned() { self.aligned..dim } else { 0..dim })
    }

    fn columns(&self, columns: Range<usize>) -> (Vec<f32>, usize) {
        let dim = columns.len();
        let rows = self.features.values.chunks_exact(self.features.dim.max(1));
        (rows.flat_map(|row| &row[columns.clone()]).copied().collect(), dim)
    }
}

/// The vectors to quantise of items that are not in the catalogue, from their content vectors.
///
/// # Errors
/// Those of the tower: another encoder's features, a damaged file.
pub(crate) fn quantised(
    dir: &Path,
    content: &Content,
    features: ItemFeatures,
) -> Result<ItemFeatures, Error> {
    if !content.is_aligned() {
        return Ok(features);
    }
    Ok(aligned(&Tower::open(dir, &features.fingerprint)?, &features))
}

/// The stage.
pub struct Tokens<'a> {
    /// What is divided.
    pub data: &'a Data,
    /// All settings.
    pub config: &'a Config,
    /// Of every random choice.
    pub seed: u64,
    /// Output of the stage `features`.
    pub features: &'a ItemFeatures,
    /// Hash of that stage.
    pub features_hash: &'a str,
}

/// What the stage makes.
#[derive(Debug)]
pub struct Made {
    aligned: ItemFeatures,
    ids: Option<SemanticIds>,
}

impl Made {
    /// Next to the content vectors.
    pub fn content(self, mut features: ItemFeatures) -> Content {
        let at = features.dim;
        if self.aligned.dim > 0 {
            features.append(&self.aligned);
        }
        Content { features, aligned: at, tokens: self.ids }
    }
}

impl Stage for Tokens<'_> {
    type Output = Made;
    const ID: &'static str = "tokens";
    const VERSION: u32 = 1;

    fn settings(config: &Config) -> Value {
        json!({
            "reads_text": config.model.reads_text(),
            "align": config.align,
            "tokens": config.tokens,
        })
    }

    fn key(&self) -> Key {
        let inputs = [("dataset", self.data.hash.as_str()), ("features", self.features_hash)];
        Key::new::<Self>((self.config, self.seed), json!({ "scope": self.data.scope_key() }), &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, timing: &mut Timing) -> Result<Made, Error> {
        let mut timed = |part: &str, started: Instant| {
            timing.parts.insert(part.into(), started.elapsed().as_secs_f64());
        };
        let started = Instant::now();
        let aligned = self.align(dir, context)?;
        timed("align", started);
        let started = Instant::now();
        let ids = self.tokenize(dir, aligned.as_ref().unwrap_or(self.features), context)?;
        timed("tokenize", started);
        let none = || ItemFeatures { dim: 0, values: Vec::new(), fingerprint: "none".into() };
        let made = Made { aligned: aligned.unwrap_or_else(none), ids };
        save_features(dir, &made.aligned)?;
        if let Some(ids) = &made.ids {
            save_ids(&dir.join(IDS), ids)?;
        }
        Ok(made)
    }

    fn read(&self, dir: &Path) -> Result<Made, Error> {
        let items = self.data.dataset.catalog.len();
        let aligned = load_features(dir, items)?;
        let path = dir.join(IDS);
        let ids = if path.exists() { Some(load_ids(&path, items)?) } else { None };
        Ok(Made { aligned, ids })
    }
}

impl Tokens<'_> {
    /// Trains and writes the tower; `None` where there is nothing to align.
    fn align(&self, dir: &Path, context: &Context) -> Result<Option<ItemFeatures>, Error> {
        let (features, settings) = (self.features, &self.config.align);
        let pairs = self.data.training(&features.values, None).pairs(settings.gap);
        if features.dim == 0 || !settings.enabled || pairs.is_empty() {
            return Ok(None);
        }
        context.note(&format!(
            "tokens: aligning contents with behaviour, {}",
            counted(pairs.len(), "pair of items", "pairs of items")
        ));
        let mut losses = Vec::new();
        let say = |loss: f64| losses.push(loss);
        let tower = Tower::fit(&features.values, features.dim, &pairs, settings, self.seed, say)?;
        if let [first, .., last] = losses[..] {
            context.note(&format!(
                "tokens: contrastive loss {first:.3} in the first epoch, {last:.3} in the last"
            ));
        }
        tower.write(dir, settings, &features.fingerprint)?;
        Ok(Some(aligned(&tower, features)))
    }

    /// Fits a codebook on the items that were known at the cut, writes it, and encodes all items.
    fn tokenize(
        &self,
        dir: &Path,
        vectors: &ItemFeatures,
        context: &Context,
    ) -> Result<Option<SemanticIds>, Error> {
        let known = self.data.scope.known();
        let rows = vectors.values.chunks_exact(vectors.dim.max(1)).zip(known).filter(|(_, known)| **known);
        let known: Vec<f32> = rows.flat_map(|(row, _)| row).copied().collect();
        let Some(settings) = self.fitting(known.len().checked_div(vectors.dim).unwrap_or(0), context) else {
            return Ok(None);
        };
        let tokenizer = fit(&settings, &Rows::new(&known, vectors.dim), self.seed)?;
        let ids = encode_all(&tokenizer, &Rows::new(&vectors.values, vectors.dim))?;
        Codebook::new(tokenizer, settings, 1, &vectors.fingerprint).write(dir)?;
        Ok(Some(ids))
    }

    /// The settings with as many codes as the catalogue has room for; `None` where it has room for none.
    fn fitting(&self, items: usize, context: &Context) -> Option<TokenSettings> {
        let wanted = self.config.tokens.codes;
        let codes = wanted.min(items / ITEMS_PER_CODE);
        if codes < 2 {
            context.note("tokens: none, because there are too few items with content");
            return None;
        }
        if codes < wanted {
            context.note(&format!(
                "tokens: {} per level instead of {wanted}: too few items ({items})",
                counted(codes, "code", "codes")
            ));
        }
        Some(TokenSettings { codes, ..self.config.tokens.clone() })
    }
}

/// Content vectors, aligned with behaviour.
pub(crate) fn aligned(tower: &Tower<f32>, features: &ItemFeatures) -> ItemFeatures {
    let dim = tower.width();
    let mut values = vec![0.0; features.values.len() / features.dim.max(1) * dim];
    tower.forward(&features.values, &mut values);
    ItemFeatures { dim, values, fingerprint: aligned_fingerprint(tower, &features.fingerprint) }
}

/// Of aligned vectors: they depend on the features and on every parameter of the tower.
pub(crate) fn aligned_fingerprint(tower: &Tower<f32>, features: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    tower.params.iter().for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    format!("aligned-1:{}:{features}", &hasher.finalize().to_hex()[..16])
}
