//! A decoder with its tokenizer: files in, layers to run or to train out.

use super::LlamaConfig;
use super::files::Files;
use super::tensors::{Plan, Weights};
use crate::{Error, Tokenizer};
use semrank_nn::{Block, Layout, PackedStack, Precision, Rotary, Stack};
use std::ops::Range;
use std::path::Path;

/// Options of loading a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoadOptions {
    /// Texts are truncated to this many tokens, special tokens included.
    pub max_tokens: usize,
    /// Only the first layers; `None` for all. The final norm stays.
    pub layers: Option<usize>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { max_tokens: 128, layers: None }
    }
}

/// A model of the Llama family in f32.
#[derive(Debug, Clone)]
pub struct LlamaModel {
    config: LlamaConfig,
    tokenizer: Tokenizer,
    stack: Stack,
    weights: Weights,
    rotary: Rotary<f32>,
    hash: blake3::Hash,
}

impl LlamaModel {
    /// Loads a model, tensor by tensor: beside the f32 weights themselves only a few rows are in memory at a time.
    /// `path` is a GGUF file, a Hugging Face folder with safetensors, or a folder, wheel or zip file with one of these.
    ///
    /// # Errors
    /// Files that are missing, damaged, of another architecture or number format, or that do not fit together.
    pub fn open(path: &Path, options: LoadOptions) -> Result<LlamaModel, Error> {
        let mut files = Files::open(path, options.max_tokens)?;
        let vocabulary = files.vocabulary()?;
        files.tokenizer.check_rows(vocabulary)?;
        let (file_layers, config) = (files.config.layers, check_options(&files, options)?);
        // Nothing of a size that only the header claims: the table, which fits the file, has every tensor of a layer.
        let tensors: usize = files.shards.iter().map(|shard| shard.tensors.len()).sum();
        if file_layers > tensors {
            return Err(mismatch(
                &files,
                "the number of layers",
                file_layers,
                format!("at most {tensors} tensors"),
            ));
        }
        let (layout, stack) = stack(&config, 0..config.layers);
        let plan = Plan::new(&config, file_layers, &stack, vocabulary, &files.naming);
        plan.check(&files.path, &files.shards)?;
        let mut weights = plan.zeros(layout.len());
        for shard in &files.shards {
            let hash = shard.read(|tensor, first, rows| plan.place(tensor, first, rows, &mut weights))?;
            files.hash.update(hash.as_bytes());
        }
        let rotary = Rotary::new(config.rotary, options.max_tokens);
        let hash = files.hash.finalize();
        let tokenizer = files.tokenizer;
        Ok(LlamaModel { config, tokenizer, stack, weights, rotary, hash })
    }

    /// Sizes; `layers` are those that were loaded.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Width of a hidden state.
    pub fn dim(&self) -> usize {
        self.config.block.dim
    }

    /// Rows of the token table.
    pub fn vocabulary(&self) -> usize {
        self.weights.tokens.len() / self.dim()
    }

    /// Cosines and sines for texts of the largest length.
    pub fn rotary(&self) -> &Rotary<f32> {
        &self.rotary
    }

    /// Hash of all files, hexadecimal.
    pub fn hash(&self) -> String {
        self.hash.to_hex().to_string()
    }

    /// Token vectors `[T x D]`: what the first layer reads.
    ///
    /// # Panics
    /// When an id is not below [`LlamaModel::vocabulary`]; the tokenizer's ids are.
    pub fn embed(&self, ids: &[u32]) -> Vec<f32> {
        let dim = self.dim();
        ids.iter().flat_map(|&id| &self.weights.tokens[id as usize * dim..][..dim]).copied().collect()
    }

    /// The last `count` layers and the final norm, to be trained: their own stack and a copy of its parameters.
    ///
    /// # Panics
    /// When the model has fewer layers.
    pub fn top(&self, count: usize) -> (Layout, Stack, Vec<f32>) {
        let (layout, stack) = stack(&self.config, self.config.layers - count..self.config.layers);
        let params = self.weights.params[self.weights.params.len() - layout.len()..].to_vec();
        (layout, stack, params)
    }

    /// Packs layers for inference; the final norm is with the last one.
    ///
    /// # Panics
    /// When the model has fewer layers.
    pub fn packed(&self, layers: Range<usize>, precision: Precision) -> PackedStack {
        let end = self.stack.blocks().get(layers.end).map_or(self.weights.params.len(), Block::start);
        PackedStack::new(&self.stack.part(layers), &mut self.weights.params[..end].to_vec(), precision)
    }

    /// As [`LlamaModel::packed`] for all layers, whose own parameters are given up: block by block, so that little more than one
    /// copy is in memory at a time.
    pub(super) fn into_packed(mut self, precision: Precision) -> (Self, PackedStack) {
        let packed = PackedStack::new(&self.stack, &mut self.weights.params, precision);
        (self, packed)
    }

    /// Puts trained parameters of the last layers back; `params` are those of [`LlamaModel::top`].
    ///
    /// # Panics
    /// When there are more than the model has.
    pub fn set_top(&mut self, params: &[f32]) {
        let from = self.weights.params.len() - params.len();
        self.weights.params[from..].copy_from_slice(params);
    }

    /// What [`LlamaModel::write`] needs.
    pub(super) fn parts(&self) -> (&LlamaConfig, &Stack, &Weights) {
        (&self.config, &self.stack, &self.weights)
    }
}

/// Layers of a model, with the final norm after the last one: `layers.N.…` with the layer's number in the whole model, and
/// `norm.gain`.
fn stack(config: &LlamaConfig, layers: Range<usize>) -> (Layout, Stack) {
    let mut layout = Layout::new();
    let norm = (layers.end == config.layers).then_some("norm");
    let stack = Stack::new(&mut layout, "layers", config.block, layers, norm);
    (layout, stack)
}

/// The sizes of what is to be loaded.
fn check_options(files: &Files, options: LoadOptions) -> Result<LlamaConfig, Error> {
    let (layers, positions) = (files.config.layers, files.config.longest_text());
    let wanted = options.layers.unwrap_or(layers);
    if wanted > layers || wanted == 0 {
        return Err(mismatch(files, "layers", wanted, format!("1 to {layers}, the model's layers")));
    }
    if options.max_tokens > positions || options.max_tokens == 0 {
        let expected = format!("1 to {positions}, the positions of the model");
        return Err(mismatch(files, "max_tokens", options.max_tokens, expected));
    }
    Ok(LlamaConfig { layers: wanted, ..files.config })
}

fn mismatch(files: &Files, what: &str, got: usize, expected: String) -> Error {
    Error::Mismatch { path: files.path.clone(), what: what.into(), got: got.to_string(), expected }
}
