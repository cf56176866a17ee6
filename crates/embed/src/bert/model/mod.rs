//! The network of the BERT family (Devlin et al. 2019, arXiv 1810.04805): token, position and segment embeddings, a norm,
//! and post-norm blocks ([`Stack`]), forward and backward over packed sequences. MPNet (Song et al. 2020, arXiv 2004.09297) adds to
//! every attention score a value of its head and of the distance, in buckets that widen with it; training leaves these
//! values as they are, because all layers share them.
//!
//! Parameters are one flat vector, embeddings first and then layer after layer, so the parameters of the layers from `k` on
//! are its tail ([`BertModel::tail`]). The lower layers can be run once ([`BertModel::forward_layers`]), their output
//! cached, and only the upper ones trained.
//!
//! ```
//! use semrank_core::Rng;
//! use semrank_embed::bert::{Activation, BertConfig, BertModel, BertSaved};
//! let model = BertModel::new(BertConfig {
//!     vocabulary: 10, positions: 8, first_position: 0, types: 2, dim: 4, heads: 2, layers: 3, hidden: 8,
//!     epsilon: 1e-12, activation: Activation::Exact,
//! });
//! let params: Vec<f32> = model.layout().init(&Rng::new(1, "init"));
//! let (tokens, offsets) = ([1, 5, 2, 1, 2], [0, 3, 5]); // two texts
//! let (mut saved, mut hidden) = (BertSaved::default(), vec![0.0; 5 * 4]);
//! model.forward(&params, &tokens, &offsets, &mut saved, &mut hidden);
//!
//! let (mut again, mut x) = (BertSaved::default(), vec![0.0; 5 * 4]);
//! model.embed(&params, &tokens, &offsets, &mut again, &mut x);
//! model.forward_layers(0..2, &params, &offsets, &mut again, &mut x); // x may be cached here
//! model.forward_layers(2..3, &params, &offsets, &mut again, &mut x);
//! assert_eq!(x, hidden);
//! ```

use super::distances::{BUCKETS, bucket};
use semrank_nn::{
    Biases, Block, BlockConfig, DistanceBias, FeedForward, Init, LayerNorm, Layout, NormKind, NormSaved,
    Pass, PositionTable, Positions, Scalar, Slot, Stack, StackSaved,
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
    /// What distances add to attention scores, `[BUCKETS x heads]`; MPNet only.
    pub distances: Option<Slot>,
    /// Norm of the summed embeddings.
    pub norm: LayerNorm,
    /// The blocks.
    pub stack: Stack,
}

/// What a forward pass leaves for its backward pass. Reuse it: buffers keep their capacity.
#[derive(Debug, Clone, Default)]
pub struct BertSaved<T> {
    pub(super) summed: Vec<T>,
    pub(super) norm: NormSaved<T>,
    blocks: StackSaved<T>,
    pub(super) scratch: Vec<T>,
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

    /// What distances add to the attention's scores, for sequences of at most `positions`; `None` where they add nothing.
    pub fn distance_bias<T: Scalar>(&self, params: &[T], positions: usize) -> Option<DistanceBias<T>> {
        let (heads, table) = (self.config.heads, self.distances?.of(params));
        let value = |head: usize, distance: isize| table[bucket(distance) * heads + head];
        Some(DistanceBias::new(heads, positions.max(1), value))
    }

    /// Embeddings and all layers: writes `hidden` `[T x D]` for packed `tokens` `[T]`.
    ///
    /// # Panics
    /// As [`BertModel::embed`].
    pub fn forward<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        hidden: &mut [T],
    ) {
        self.embed(params, tokens, offsets, saved, hidden);
        self.forward_layers(self.stack.layers(), params, offsets, saved, hidden);
    }

    /// Adds all gradients; `dhidden` is overwritten.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        grads: &mut [T],
        dhidden: &mut [T],
    ) {
        self.backward_layers(self.stack.layers(), params, offsets, saved, grads, dhidden);
        self.embed_backward(params, tokens, offsets, saved, grads, dhidden);
    }

    /// Replaces `x`, the input of the first of these layers, by the output of the last.
    pub fn forward_layers<T: Scalar>(
        &self,
        layers: Range<usize>,
        params: &[T],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        x: &mut [T],
    ) {
        let bias = self.distance_bias(params, longest(offsets));
        let pass = Pass { positions: distances(bias.as_ref()), ..Pass::new(params, offsets) };
        self.stack.forward(layers, &pass, &mut saved.blocks, x);
    }

    /// Replaces `dx`, of the last layer's output, by that of the first layer's input, and adds the layers' gradients.
    pub fn backward_layers<T: Scalar>(
        &self,
        layers: Range<usize>,
        params: &[T],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        grads: &mut [T],
        dx: &mut [T],
    ) {
        // It reads the attention weights, not what was added to the scores.
        self.stack.backward(layers, &Pass::new(params, offsets), &mut saved.blocks, grads, dx);
    }
}

/// Positions of the longest of packed sequences.
pub(crate) fn longest(offsets: &[usize]) -> usize {
    offsets.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0)
}

/// The table of a pass: values of distances, where the model has them.
pub(crate) fn distances<T>(bias: Option<&DistanceBias<T>>) -> PositionTable<'_, T> {
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

#[cfg(test)]
mod tests;
