//! Encoders whose upper layers are trained: texts in, vectors and the gradients of their parameters out.
//!
//! `bert:PATH` and `llama:PATH` behind one interface. The layers below the trained ones never change, so their output is made
//! once for every item and kept ([`Kept`]); a training step runs the upper layers alone.
//!
//! ```no_run
//! use semrank_embed::{Kept, Trainable, UpperSaved};
//! # fn example(catalog: &semrank_core::Catalog) -> Result<(), semrank_embed::Error> {
//! let encoder = Trainable::open("bert:models/minilm", Some(2), 64)?; // two layers, texts of at most 64 tokens
//! let kept = Kept::make(&encoder, catalog, 1 << 30, std::path::Path::new("cache"))?;
//! let (offsets, lower) = kept.of(&encoder, &[7, 3])?; // two items
//! let (mut saved, mut vectors) = (UpperSaved::default(), vec![0.0; 2 * encoder.width()]);
//! encoder.forward(&offsets, lower, &mut saved, &mut vectors);
//! let (dvectors, mut grads) = (vec![0.1; vectors.len()], vec![0.0; encoder.params().len()]);
//! encoder.backward(&offsets, &mut saved, &dvectors, &mut grads);
//! # Ok(()) }
//! ```

pub(crate) mod click;
pub(crate) mod finetune;
mod kept;
mod lora;
pub(crate) mod tasks;
pub mod testing;
mod updates;

pub use kept::Kept;
pub use lora::Lora;

use crate::bert::{Buffers, Engine, TrainableBert, distances, longest};
use crate::forward::FORWARD;
use crate::llama::{LlamaModel, LoadOptions, Pool as LlamaPool};
use crate::prompt::Prompt;
use crate::{Document, Error, ModelFolder, Spec};
use semrank_core::counted;
use semrank_nn::{
    Layout, PackedBuffers, PackedStack, Pass, PositionTable, Precision, Stack, StackSaved, unit_rows,
    unit_rows_backward,
};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

/// An encoder with trained upper layers.
#[derive(Debug)]
pub struct Trainable {
    net: Net,
    layout: Layout,
    /// The trained layers as a stack of their own.
    stack: Stack,
    /// The trained layers.
    layers: Range<usize>,
    params: Vec<f32>,
    fingerprint: String,
}

#[derive(Debug)]
enum Net {
    Bert { model: Box<TrainableBert>, lower: OnceLock<Box<Engine>> },
    Llama { model: Box<LlamaModel>, lower: OnceLock<Box<PackedStack>>, pool: LlamaPool, prompt: Prompt },
}

/// A matrix among the trained parameters: where it begins, rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matrix {
    /// Index of its first value in [`Trainable::params`].
    pub start: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
}

/// State of a forward pass for its backward pass. Reuse it: buffers keep their capacity.
#[derive(Debug, Default)]
pub struct UpperSaved {
    stack: StackSaved<f32>,
    hidden: Vec<f32>,
    unit: Vec<f32>,
    inverse: Vec<f32>,
}

impl Trainable {
    /// Whether `name` is that of an encoder that can be trained.
    pub fn is_possible(name: &str) -> bool {
        ["bert:", "llama:"].iter().any(|kind| name.starts_with(kind))
    }

    /// Opens an encoder to train its last `layers` (all where `None`) on texts of at most `max_tokens`. Token and position
    /// embeddings stay as they are: rows of words that no item has would not move with the others.
    ///
    /// # Errors
    /// Another kind of encoder, more layers than it has, or whatever opening it refuses.
    pub fn open(name: &str, layers: Option<usize>, max_tokens: usize) -> Result<Self, Error> {
        let mut spec = Spec::parse(name)?;
        let kind = spec.kind().to_owned();
        let max_tokens = max_tokens.min(spec.take("max_tokens", max_tokens)?);
        match kind.as_str() {
            "bert" => {
                // Weights are trained in f32, whatever the frozen encoder runs in.
                spec.choice("precision", &Precision::NAMES)?;
                let bert = TrainableBert::open(&mut spec, max_tokens)?;
                let all = bert.model.stack.blocks().len();
                let trained = all - count(&spec, layers, all)?..all;
                spec.finish(&["precision", "max_tokens", "prompt"])?;
                let hash = hash(&bert.params);
                let fingerprint = format!("bert:{hash}?layers={trained:?}&max_tokens={max_tokens}&{FORWARD}");
                let (layout, stack) = bert.model.top(trained.start);
                let params = bert.params[bert.model.tail(trained.start)].to_vec();
                let net = Net::Bert { model: Box::new(bert), lower: OnceLock::new() };
                Ok(Self { net, layout, stack, layers: trained, params, fingerprint })
            }
            "llama" => {
                let pool = LlamaPool::of(spec.choice("pool", &LlamaPool::NAMES)?);
                // As above.
                spec.choice("precision", &Precision::NAMES)?;
                let used = spec.take("layers", 0usize)?;
                let path = spec.path().to_owned();
                let options = LoadOptions { max_tokens, layers: (used > 0).then_some(used) };
                let model = LlamaModel::open(Path::new(&path), options)?;
                let all = model.config().layers;
                let trained = all - count(&spec, layers, all)?..all;
                let prompt = Prompt::take(&mut spec, ModelFolder::open(Path::new(&path)).ok().as_ref())?;
                spec.finish_with(&crate::llama::OPTIONS)?;
                let fingerprint =
                    format!("llama:{}?layers={trained:?}&max_tokens={max_tokens}&{FORWARD}", model.hash());
                let (layout, stack, params) = model.top(trained.len());
                let net = Net::Llama { model: Box::new(model), lower: OnceLock::new(), pool, prompt };
                Ok(Self { net, layout, stack, layers: trained, params, fingerprint })
            }
            _ => Err(spec.error("only bert: and llama: can be trained")),
        }
    }

    /// Names the output of the frozen layers: weights, layers and longest text.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Width of a vector, and of the hidden states.
    pub fn width(&self) -> usize {
        match &self.net {
            Net::Bert { model, .. } => model.model.config().dim,
            Net::Llama { model, .. } => model.dim(),
        }
    }

    /// The trained parameters.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// The trained parameters, to write into.
    pub fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    /// The matrices among the trained parameters.
    pub fn matrices(&self) -> Vec<Matrix> {
        let slots = self.layout.entries().iter().map(|entry| entry.slot);
        let matrices = slots.filter(|slot| slot.rows > 1 && slot.cols > 1);
        matrices.map(|slot| Matrix { start: slot.range().start, rows: slot.rows, cols: slot.cols }).collect()
    }

    /// Writes the whole encoder, as it is now, into an existing folder, in Hugging Face layout.
    ///
    /// # Errors
    /// Files that cannot be read or written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        match &self.net {
            Net::Bert { model, .. } => {
                let mut params = model.params.clone();
                params[model.model.tail(self.layers.start)].copy_from_slice(&self.params);
                model.write(&params, dir)
            }
            Net::Llama { model, prompt, .. } => {
                let mut model = model.clone();
                model.set_top(&self.params);
                model.write(dir)?;
                prompt.write(None, dir)
            }
        }
    }

    /// Remarks for the user: which prompt stands before every text.
    pub fn notes(&self) -> Vec<String> {
        match &self.net {
            Net::Bert { model, .. } => model.notes(),
            Net::Llama { prompt, .. } => prompt.notes(),
        }
    }

    /// Token ids of a document.
    ///
    /// # Errors
    /// A text that cannot be tokenized.
    pub fn tokens(&self, document: &Document) -> Result<Vec<u32>, Error> {
        match &self.net {
            Net::Bert { model, .. } => model.tokens(document),
            Net::Llama { model, prompt, .. } => {
                model.tokenizer().encode(document.id, &prompt.before(document))
            }
        }
    }

    /// Input of the trained layers for packed texts, `[tokens x D]`.
    pub fn lower(&self, tokens: &[u32], offsets: &[usize]) -> Vec<f32> {
        let below = 0..self.layers.start;
        let precision = Precision::F32;
        match &self.net {
            Net::Bert { model: bert, lower } => {
                let packed = || Engine::new(bert.model.clone(), bert.params.clone(), below, precision);
                let mut x = Vec::new();
                lower.get_or_init(|| Box::new(packed())).hidden(
                    tokens,
                    offsets,
                    &mut Buffers::default(),
                    &mut x,
                );
                x
            }
            Net::Llama { model, lower, .. } => {
                let (mut x, positions) = (model.embed(tokens), PositionTable::Rotary(model.rotary()));
                let lower = lower.get_or_init(|| Box::new(model.packed(below, precision)));
                lower.forward(offsets, positions, &mut PackedBuffers::default(), &mut x);
                x
            }
        }
    }

    /// Vectors of packed texts, `[texts x D]`, from what [`Trainable::lower`] gives.
    pub fn forward(&self, offsets: &[usize], mut x: Vec<f32>, saved: &mut UpperSaved, out: &mut [f32]) {
        let dim = self.width();
        let mut pooled = vec![0.0; out.len()];
        let normalised = match &self.net {
            Net::Bert { model: bert, .. } => {
                let bias = bert.model.distance_bias(&bert.params, longest(offsets));
                let pass = Pass { positions: distances(bias.as_ref()), ..Pass::new(&self.params, offsets) };
                self.stack.forward(self.stack.layers(), &pass, &mut saved.stack, &mut x);
                bert.pool.forward(dim, offsets, &x, &mut pooled);
                bert.is_normalised
            }
            Net::Llama { model, pool, .. } => {
                let positions = PositionTable::Rotary(model.rotary());
                let pass = Pass { positions, ..Pass::new(&self.params, offsets) };
                self.stack.forward(self.stack.layers(), &pass, &mut saved.stack, &mut x);
                pool.forward(offsets, dim, &x, &mut pooled);
                true
            }
        };
        saved.hidden = x;
        saved.unit.clear();
        if normalised {
            saved.inverse.resize(offsets.len() - 1, 0.0);
            unit_rows(dim, &pooled, &mut saved.inverse, out);
            saved.unit.extend_from_slice(out);
        } else {
            out.copy_from_slice(&pooled);
        }
    }

    /// Adds the gradients of the trained parameters, given those of the vectors of the last forward pass.
    pub fn backward(&self, offsets: &[usize], saved: &mut UpperSaved, dvectors: &[f32], grads: &mut [f32]) {
        let dim = self.width();
        let mut dpooled = dvectors.to_vec();
        if !saved.unit.is_empty() {
            unit_rows_backward(dim, &saved.unit, &saved.inverse, &mut dpooled);
        }
        let mut dx = vec![0.0; saved.hidden.len()];
        let mut pass = Pass::new(&self.params, offsets);
        match &self.net {
            Net::Bert { model: bert, .. } => {
                bert.pool.backward(dim, offsets, &saved.hidden, &dpooled, &mut dx);
            }
            Net::Llama { model, pool, .. } => {
                pool.backward(offsets, dim, &dpooled, &mut dx);
                pass.positions = PositionTable::Rotary(model.rotary());
            }
        }
        self.stack.backward(self.stack.layers(), &pass, &mut saved.stack, grads, &mut dx);
    }
}

fn count(spec: &Spec, wanted: Option<usize>, all: usize) -> Result<usize, Error> {
    match wanted.unwrap_or(all) {
        count if (1..=all).contains(&count) => Ok(count),
        count => {
            let layers = counted(count, "layer", "layers");
            Err(spec.error(format!("{layers} cannot be trained: the model has {all}")))
        }
    }
}

fn hash(params: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    params.iter().for_each(|value| _ = hasher.update(&value.to_le_bytes()));
    hasher.finalize().to_hex()[..32].to_owned()
}
