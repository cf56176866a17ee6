//! The tensors of a model, by their names in either file format, and their places in the parameters.
//!
//! Queries, keys and values of a block are one matrix here, gates and factors another one, and all matrices are
//! `[inputs x outputs]`: a file's `[outputs x inputs]` tensor becomes a range of columns.
//!
//! **Rotary order.** Two values of a head turn together. Hugging Face files (and `semrank_nn::Rotary`) pair the values
//! `i` and `i + W/2`; GGUF files pair `2i` and `2i + 1`, because llama.cpp's converter reorders the rows of the query
//! and key matrices. Row `2i + j` of such a head is put back to `j · W/2 + i`, so that one layer serves both.

use super::LlamaConfig;
use super::weights::{Shard, TensorInfo};
use crate::Error;
use semrank_nn::{Linear, Slot, Stack};
use std::collections::BTreeMap;
use std::path::Path;

/// Parts of a layer: query, key, value, attention output, gate, factor, down; then both norms.
const PARTS: usize = 9;

/// How a file format names tensors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming {
    /// Stands before every name but the head's.
    prefix: &'static str,
    tokens: &'static str,
    norm: &'static str,
    head: &'static str,
    layer: &'static str,
    parts: [&'static str; PARTS],
    /// Whether values that turn together are neighbours.
    is_interleaved: bool,
}

/// Names in a GGUF file.
pub(super) const GGUF: Naming = Naming {
    prefix: "",
    tokens: "token_embd",
    norm: "output_norm",
    head: "output",
    layer: "blk",
    parts: [
        "attn_q",
        "attn_k",
        "attn_v",
        "attn_output",
        "ffn_gate",
        "ffn_up",
        "ffn_down",
        "attn_norm",
        "ffn_norm",
    ],
    is_interleaved: true,
};

/// Names in a Hugging Face folder.
pub(super) const HUGGING_FACE: Naming = Naming {
    prefix: "model.",
    tokens: "embed_tokens",
    norm: "norm",
    head: "lm_head",
    layer: "layers",
    parts: [
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.o_proj",
        "mlp.gate_proj",
        "mlp.up_proj",
        "mlp.down_proj",
        "input_layernorm",
        "post_attention_layernorm",
    ],
    is_interleaved: false,
};

/// The same without the prefix: a model that was saved without its head.
pub(super) const HUGGING_FACE_BASE: Naming = Naming { prefix: "", ..HUGGING_FACE };

impl Naming {
    /// Name of the token table.
    pub(super) fn tokens(&self) -> String {
        format!("{}{}.weight", self.prefix, self.tokens)
    }

    /// Name of the output head.
    pub(super) fn head(&self) -> String {
        format!("{}.weight", self.head)
    }
}

/// Where a tensor goes.
#[derive(Debug, Clone, Copy)]
enum Target {
    Tokens,
    Gain(Slot),
    /// Columns of a matrix, from this one on; `Some(width)` puts the rows of heads of that width back into order.
    Columns(Slot, usize, Option<usize>),
    /// A layer that is left out, or the output head.
    Skip,
}

/// A tensor that the model has.
#[derive(Debug)]
struct Expected {
    shape: [usize; 2],
    target: Target,
}

/// All tensors that a model's files must have, and those that they may have.
#[derive(Debug)]
pub(super) struct Plan {
    tensors: BTreeMap<String, Expected>,
    /// Shape of the token table.
    table: [usize; 2],
    /// Name of the output head, which a file may lack.
    head: String,
}

/// A model's numbers.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// `[vocabulary x D]`.
    pub(super) tokens: Vec<f32>,
    /// In the order of the stack's layout.
    pub(super) params: Vec<f32>,
}

impl Plan {
    /// For a model of `file_layers` layers in the file, of which `stack` holds the first.
    pub(super) fn new(
        config: &LlamaConfig,
        file_layers: usize,
        stack: &Stack,
        vocabulary: usize,
        naming: &Naming,
    ) -> Plan {
        let mut tensors = BTreeMap::new();
        let dim = config.block.dim;
        let mut add = |name: String, shape, target| {
            tensors.insert(name, Expected { shape, target });
        };
        add(naming.tokens(), [vocabulary, dim], Target::Tokens);
        add(naming.head(), [vocabulary, dim], Target::Skip);
        let norm = stack.norm().map_or(Target::Skip, |norm| Target::Gain(norm.gain()));
        add(format!("{}{}.weight", naming.prefix, naming.norm), [1, dim], norm);
        for layer in 0..file_layers {
            let targets = layer_targets(config, stack, layer, naming.is_interleaved);
            for ((part, shape), target) in naming.parts.iter().zip(layer_shapes(config)).zip(targets) {
                add(format!("{}{}.{layer}.{part}.weight", naming.prefix, naming.layer), shape, target);
            }
        }
        Plan { tensors, table: [vocabulary, dim], head: naming.head() }
    }

    /// Checks that the files have every tensor in its shape, and none that this architecture does not know.
    pub(super) fn check(&self, path: &Path, shards: &[Shard]) -> Result<(), Error> {
        let mut found = BTreeMap::new();
        for tensor in shards.iter().flat_map(|shard| &shard.tensors) {
            if found.insert(tensor.name.as_str(), tensor).is_some() {
                return Err(damaged(path, format!("the tensor `{}` is there twice", tensor.name)));
            }
        }
        for (name, expected) in &self.tensors {
            match found.remove(name.as_str()) {
                Some(tensor) => expected.check(path, tensor)?,
                None if *name == self.head => {}
                None => return Err(damaged(path, format!("it has no tensor `{name}`"))),
            }
        }
        match found.keys().find(|name| !name.ends_with("rotary_emb.inv_freq")) {
            None => Ok(()),
            Some(name) => Err(Error::Unsupported {
                path: path.to_owned(),
                what: "a tensor of the model".into(),
                got: format!("`{name}`"),
                supported: "the Llama architecture without biases, adapters and rotary factors".into(),
            }),
        }
    }

    /// Zeros, of the sizes of the checked files.
    pub(super) fn zeros(&self, params: usize) -> Weights {
        Weights { tokens: vec![0.0; self.table[0] * self.table[1]], params: vec![0.0; params] }
    }

    /// Puts rows of a tensor, from row `first` on, where they belong.
    pub(super) fn place(&self, tensor: &TensorInfo, first: usize, rows: &[f32], weights: &mut Weights) {
        let cols = tensor.place.cols;
        let at = first * cols;
        match self.tensors.get(&tensor.name).map(|expected| expected.target) {
            Some(Target::Tokens) => weights.tokens[at..at + rows.len()].copy_from_slice(rows),
            Some(Target::Gain(slot)) => slot.of_mut(&mut weights.params).copy_from_slice(rows),
            Some(Target::Columns(slot, column, heads)) => {
                let column_of = |row: usize| column + heads.map_or(row, |width| ordered_row(row, width));
                let columns: Vec<usize> = (first..first + rows.len() / cols).map(column_of).collect();
                transpose(rows, &columns, slot.cols, slot.of_mut(&mut weights.params));
            }
            Some(Target::Skip) | None => {}
        }
    }
}

impl Plan {
    /// Names, shapes (`[outputs x inputs]`; a gain's `[inputs]`) and values of all tensors that are loaded, by name: what
    /// [`Plan::place`] was given, for a naming whose heads are in order.
    pub(super) fn into_values(
        self,
        weights: &Weights,
    ) -> impl Iterator<Item = (String, Vec<usize>, Vec<f32>)> {
        self.tensors.into_iter().filter_map(|(name, Expected { shape, target })| {
            let values = match target {
                Target::Tokens => weights.tokens.clone(),
                Target::Gain(slot) => slot.of(&weights.params).to_vec(),
                Target::Columns(slot, column, _) => {
                    let matrix = slot.of(&weights.params);
                    let rows = column..column + shape[0];
                    rows.flat_map(|row| matrix[row..].iter().step_by(slot.cols)).copied().collect()
                }
                Target::Skip => return None,
            };
            // A matrix of one row stays a matrix: other tools refuse a vector in its place.
            let is_vector = matches!(target, Target::Gain(_));
            Some((name, shape[usize::from(is_vector)..].to_vec(), values))
        })
    }
}

impl Expected {
    fn check(&self, path: &Path, tensor: &TensorInfo) -> Result<(), Error> {
        let got = [tensor.place.rows, tensor.place.cols];
        if got == self.shape {
            return Ok(());
        }
        Err(Error::Mismatch {
            path: path.to_owned(),
            what: format!("the tensor `{}`", tensor.name),
            got: format!("[{} x {}]", got[0], got[1]),
            expected: format!("[{} x {}]", self.shape[0], self.shape[1]),
        })
    }
}

/// Shapes `[outputs x inputs]` in the order of [`Naming::parts`].
fn layer_shapes(config: &LlamaConfig) -> [[usize; 2]; PARTS] {
    let block = &config.block;
    let (dim, queries, keys) = (block.dim, block.heads * block.head_width, block.kv_heads * block.head_width);
    let hidden = block.hidden;
    [
        [queries, dim],
        [keys, dim],
        [keys, dim],
        [dim, queries],
        [hidden, dim],
        [hidden, dim],
        [dim, hidden],
        [1, dim],
        [1, dim],
    ]
}

fn layer_targets(config: &LlamaConfig, stack: &Stack, layer: usize, is_interleaved: bool) -> [Target; PARTS] {
    let Some(block) = stack.blocks().get(layer) else { return [Target::Skip; PARTS] };
    let sizes = &config.block;
    let (queries, keys) = (sizes.heads * sizes.head_width, sizes.kv_heads * sizes.head_width);
    let heads = is_interleaved.then_some(sizes.head_width);
    let columns = |linear: &Linear, from, heads| Target::Columns(linear.weight, from, heads);
    [
        columns(&block.qkv, 0, heads),
        columns(&block.qkv, queries, heads),
        columns(&block.qkv, queries + keys, None),
        columns(&block.out, 0, None),
        columns(&block.up, 0, None),
        columns(&block.up, sizes.hidden, None),
        columns(&block.down, 0, None),
        Target::Gain(block.norm_1.gain()),
        Target::Gain(block.norm_2.gain()),
    ]
}

/// Where a row of a GGUF file's query or key matrix belongs.
fn ordered_row(row: usize, width: usize) -> usize {
    let (head, at) = (row / width, row % width);
    head * width + at % 2 * (width / 2) + at / 2
}

/// Writes row `r` of `rows` into column `columns[r]` of `out`, whose rows have `stride` values.
fn transpose(rows: &[f32], columns: &[usize], stride: usize, out: &mut [f32]) {
    let width = rows.len() / columns.len().max(1);
    for (input, out) in out.chunks_exact_mut(stride).enumerate() {
        for (row, &column) in columns.iter().enumerate() {
            out[column] = rows[row * width + input];
        }
    }
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), expected: "the weights of a Llama model", reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_two_heads_are_put_back() {
        let order: Vec<usize> = (0..8).map(|row| ordered_row(row, 4)).collect();
        assert_eq!(order, [0, 2, 1, 3, 4, 6, 5, 7]);
    }

    #[test]
    fn rows_become_columns() {
        let mut out = [0.0; 6];
        transpose(&[1.0, 2.0, 3.0, 4.0], &[2, 0], 3, &mut out);
        assert_eq!(out, [3.0, 0.0, 1.0, 4.0, 0.0, 2.0]);
    }
}
