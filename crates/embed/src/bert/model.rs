//! The network of the BERT family (Devlin et al. 2019, arXiv 1810.04805): token, position and segment embeddings, a norm,
//! and post-norm blocks ([`Stack`]). MPNet (Song et al. 2020, arXiv 2004.09297) adds to
//! every attention score a value of its head and of the distance, in buckets that widen with it; training leaves these
//! values as they are, because all layers share them.
//!
//! Parameters are one flat vector, embeddings first and then layer after layer, so the parameters of the layers from `k` on
//! are its tail ([`BertModel::tail`]): the lower layers can be packed and run once, and only the upper ones trained
//! ([`BertModel::top`]).
//!
//! ```
//! use semrank_embed::bert::{Activation, BertConfig, BertModel};
//! let model = BertModel::new(BertConfig {
//!     vocabulary: 10, positions: 8, first_position: 0, types: 2, dim: 4, heads: 2, layers: 3, hidden: 8,
//!     epsilon: 1e-12, activation: Activation::Exact,
//! });
//! let (upper, _) = model.top(2);
//! assert_eq!(model.tail(2).len(), upper.len());
//! ```

use super::distances::{BUCKETS, bucket};
use semrank_nn::{
    Biases, Block, BlockConfig, DistanceBias, FeedForward, Init, LayerNorm, Layout, NormKind, PositionTable,
    Positions, Slot, Stack, kernel,
};
use std::ops::Range;

pub use semrank_nn::Gelu as Activation;

/// Sizes of a [`BertModel`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BertConfig {
    /// V, rows of the token table.
    pub vocabulary: usize,
    /// P, rows of the position table.
    pub positions: usize,
    /// Row of a text's first position; not 0 in RoBERTa and its relatives.
    pub first_position: usize,
    /// Rows of the segment table, of which row 0 is used; 0 where there is none.
    pub types: usize,
    /// D.
    pub dim: usize,
    /// Attention heads, a divisor of D.
    pub heads: usize,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the feed-forward nets.
    pub hidden: usize,
    /// Added to the variance in every norm.
    pub epsilon: f64,
    /// Activation of the feed-forward nets.
    pub activation: Activation,
}

/// The network: where its tensors are, and its passes. It holds no parameters.
#[derive(Debug, Clone)]
pub struct BertModel {
    config: BertConfig,
    layout: Layout,
    /// Token embeddings, `[V x D]`.
    pub words: Slot,
    /// Position embeddings, `[P x D]`.
    pub positions: Slot,
    /// Segment embeddings.
    pub types: Option<Slot>,
    /// Added to attention scores by distance, `[BUCKETS x heads]`; MPNet only.
    pub distances: Option<Slot>,
    /// Norm of the summed embeddings.
    pub norm: LayerNorm,
    /// The blocks.
    pub stack: Stack,
}

impl BertModel {
    /// Lays the tensors out.
    ///
    /// # Panics
    /// When `heads` does not divide `dim`.
    pub fn new(config: BertConfig) -> Self {
        Self::laid_out(config, false)
    }

    /// As [`BertModel::new`], for MPNet.
    ///
    /// # Panics
    /// When `heads` does not divide `dim`.
    pub fn with_distances(config: BertConfig) -> Self {
        Self::laid_out(config, true)
    }

    fn laid_out(config: BertConfig, has_distances: bool) -> Self {
        let (mut layout, dim, init) = (Layout::new(), config.dim, Init::Normal(0.02));
        let words = layout.tensor("words", config.vocabulary, dim, init);
        let positions = layout.tensor("positions", config.positions, dim, init);
        let types = (config.types > 0).then(|| layout.tensor("types", config.types, dim, init));
        let distances = has_distances.then(|| layout.tensor("distances", BUCKETS, config.heads, init));
        let norm = LayerNorm::new(&mut layout, "norm", dim).with_epsilon(config.epsilon);
        let stack = stack(&config, 0..config.layers, &mut layout);
        Self { config, layout, words, positions, types, distances, norm, stack }
    }

    /// The layers from `layer` on as a stack of their own, whose parameters are those of [`BertModel::tail`].
    pub fn top(&self, layer: usize) -> (Layout, Stack) {
        let mut layout = Layout::new();
        let stack = stack(&self.config, layer..self.config.layers, &mut layout);
        (layout, stack)
    }

    /// Its sizes.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// Its tensors.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Places of the parameters of the layers from `layer` on.
    pub fn tail(&self, layer: usize) -> Range<usize> {
        let start = self.stack.blocks().get(layer).map_or(self.layout.len(), Block::start);
        start..self.layout.len()
    }

    /// Values added to attention scores by distance, for sequences of at most `positions`; `None` for models without them.
    pub fn distance_bias(&self, params: &[f32], positions: usize) -> Option<DistanceBias<f32>> {
        let (heads, table) = (self.config.heads, self.distances?.of(params));
        let value = |head: usize, distance: isize| table[bucket(distance) * heads + head];
        Some(DistanceBias::new(heads, positions.max(1), value))
    }

    /// The sum of token, position and segment embeddings, the input of the first norm.
    ///
    /// # Panics
    /// On a token beyond the table or a sequence longer than the position table.
    pub(super) fn sum_embeddings(&self, params: &[f32], tokens: &[u32], offsets: &[usize], sum: &mut [f32]) {
        let positions =
            offsets.windows(2).flat_map(|w| (0..w[1] - w[0]).map(|at| self.config.first_position + at));
        for ((position, token), sum) in positions.zip(tokens).zip(sum.chunks_exact_mut(self.config.dim)) {
            sum.copy_from_slice(row(self.words, params, *token as usize));
            kernel::add(row(self.positions, params, position), sum);
            if let Some(types) = self.types {
                kernel::add(row(types, params, 0), sum);
            }
        }
    }
}

/// Positions of the longest of packed sequences.
pub(crate) fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

/// The table of a pass: values of distances, where the model has them.
pub(crate) fn distances(bias: Option<&DistanceBias<f32>>) -> PositionTable<'_, f32> {
    bias.map_or(PositionTable::None, PositionTable::Distance)
}

fn stack(config: &BertConfig, layers: Range<usize>, layout: &mut Layout) -> Stack {
    let block = BlockConfig {
        norm: NormKind::Layer,
        norm_first: false,
        epsilon: config.epsilon,
        feed_forward: FeedForward::Gelu(config.activation),
        biases: Biases::All,
        positions: Positions::Distance,
        causal: false,
        ..BlockConfig::new(config.dim, config.heads, config.hidden)
    };
    Stack::new(layout, "layer", block, layers, None)
}

fn row(slot: Slot, params: &[f32], at: usize) -> &[f32] {
    &slot.of(params)[at * slot.cols..(at + 1) * slot.cols]
}
