//! The network of the BERT family (Devlin et al. 2019, arXiv 1810.04805): token, position and segment embeddings, a norm,
//! and post-norm blocks ([`Stack`]), forward and backward over packed sequences. MPNet (Song et al. 2020, arXiv 2004.09297) adds to
//! every attention score a value of its head and of the distance, in [`BUCKETS`] that widen with it; training leaves these
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

use semrank_nn::{
    Biases, Block, BlockConfig, DistanceBias, FeedForward, Init, LayerNorm, Layout, NormKind, NormSaved,
    Pass, PositionTable, Positions, Scalar, Slot, Stack, StackSaved, kernel,
};
use std::ops::Range;

pub use semrank_nn::Gelu as Activation;

/// Buckets of distances, one half for keys before the query and one for those after it, as T5 and MPNet have them.
pub(super) const BUCKETS: usize = 32;
/// Distances from here on share the last bucket.
const FARTHEST: f64 = 128.0;

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
    summed: Vec<T>,
    norm: NormSaved<T>,
    blocks: StackSaved<T>,
    scratch: Vec<T>,
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

    /// Writes the normalised sum of the embeddings, the input of layer 0.
    ///
    /// # Panics
    /// On a token beyond the table or a sequence longer than the position table.
    pub fn embed<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        x: &mut [T],
    ) {
        saved.summed.resize(x.len(), T::ZERO);
        self.sum_embeddings(params, tokens, offsets, &mut saved.summed);
        self.norm.forward(params, &saved.summed, &mut saved.norm, x);
    }

    /// The sum of token, position and segment embeddings, before the norm.
    pub(super) fn sum_embeddings<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        sum: &mut [T],
    ) {
        let dim = self.config.dim;
        for ((slots, token), sum) in self.rows(offsets).zip(tokens).zip(sum.chunks_exact_mut(dim)) {
            let (position, kind) = slots;
            sum.copy_from_slice(row(self.words, params, *token as usize));
            kernel::add(row(self.positions, params, position), sum);
            if let Some(types) = kind {
                kernel::add(row(types, params, 0), sum);
            }
        }
    }

    /// The position row and the segment table of every packed token.
    fn rows<'a>(&'a self, offsets: &'a [usize]) -> impl Iterator<Item = (usize, Option<Slot>)> + 'a {
        let first = self.config.first_position;
        offsets.windows(2).flat_map(move |w| (0..w[1] - w[0]).map(move |at| (first + at, self.types)))
    }

    /// Adds the embeddings' gradients; `dx` is that of the input of layer 0, and is overwritten.
    pub fn embed_backward<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        grads: &mut [T],
        dx: &mut [T],
    ) {
        let dim = self.config.dim;
        let dsum = &mut saved.scratch;
        dsum.clear();
        dsum.resize(dx.len(), T::ZERO);
        self.norm.backward(params, &saved.summed, &saved.norm, dx, grads, dsum);
        for (((position, kind), token), dsum) in self.rows(offsets).zip(tokens).zip(dsum.chunks_exact(dim)) {
            kernel::add(dsum, row_mut(self.words, grads, *token as usize));
            kernel::add(dsum, row_mut(self.positions, grads, position));
            if let Some(types) = kind {
                kernel::add(dsum, row_mut(types, grads, 0));
            }
        }
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

/// The bucket of a distance, key minus query: one for each of the nearest, then wider and wider ones.
fn bucket(distance: isize) -> usize {
    const HALF: usize = BUCKETS / 2;
    const EXACT: usize = HALF / 2;
    let first = if distance > 0 { HALF } else { 0 };
    let away = distance.unsigned_abs();
    if away < EXACT {
        return first + away;
    }
    let exact = EXACT as f64;
    let share = (away as f64 / exact).log2() / (FARTHEST / exact).log2();
    first + (EXACT + (share * exact) as usize).min(HALF - 1)
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

fn row<T>(slot: Slot, params: &[T], at: usize) -> &[T] {
    &slot.of(params)[at * slot.cols..(at + 1) * slot.cols]
}

fn row_mut<T>(slot: Slot, grads: &mut [T], at: usize) -> &mut [T] {
    &mut slot.of_mut(grads)[at * slot.cols..(at + 1) * slot.cols]
}

#[cfg(test)]
mod tests {
    use super::super::Pool;
    use super::*;
    use semrank_core::Rng;
    use semrank_nn::gradient_check::{compare, compare_all, slope_at};

    const TOKENS: [u32; 7] = [1, 4, 2, 1, 2, 5, 3];
    const OFFSETS: [usize; 4] = [0, 3, 3, 7];

    fn tiny() -> BertModel {
        BertModel::new(BertConfig {
            vocabulary: 7,
            positions: 6,
            first_position: 2,
            types: 2,
            dim: 6,
            heads: 2,
            layers: 2,
            hidden: 8,
            epsilon: 1e-12,
            activation: Activation::Exact,
        })
    }

    fn params(model: &BertModel) -> Vec<f64> {
        let mut rng = Rng::new(3, "bert test");
        let mut params: Vec<f64> = model.layout().init(&rng.fork(0));
        params.iter_mut().for_each(|value| *value += 0.3 * rng.normal());
        params
    }

    fn weights(len: usize) -> Vec<f64> {
        let mut rng = Rng::new(4, "loss weights");
        (0..len).map(|_| rng.normal()).collect()
    }

    /// `<r, pool(model(tokens))>`, and its gradients.
    fn loss(model: &BertModel, params: &[f64], grads: Option<&mut [f64]>) -> f64 {
        let dim = model.config().dim;
        let r = weights(3 * dim);
        let (mut saved, mut hidden) = (BertSaved::default(), vec![0.0; TOKENS.len() * dim]);
        model.forward(params, &TOKENS, &OFFSETS, &mut saved, &mut hidden);
        let mut pooled = vec![0.0; 3 * dim];
        Pool::Mean.forward(dim, &OFFSETS, &hidden, &mut pooled);
        if let Some(grads) = grads {
            let mut dhidden = vec![0.0; hidden.len()];
            Pool::Mean.backward(dim, &OFFSETS, &hidden, &r, &mut dhidden);
            model.backward(params, &TOKENS, &OFFSETS, &mut saved, grads, &mut dhidden);
        }
        r.iter().zip(&pooled).map(|(r, y)| r * y).sum()
    }

    /// From `MPNetEncoder.relative_position_bucket` of transformers 5.24.
    #[test]
    fn distances_fall_into_the_buckets_of_the_reference() {
        let distances = [0, -1, -7, -8, -11, -12, -15, -16, -31, -32, -63, -64, -90, -91, -127, -128, -500];
        let want = [0, 1, 7, 8, 8, 9, 9, 10, 11, 12, 13, 14, 14, 15, 15, 15, 15];
        assert_eq!(distances.map(bucket), want);
        assert_eq!(
            distances[1..].iter().map(|&away| bucket(-away)).collect::<Vec<_>>(),
            want[1..].iter().map(|&low| low + 16).collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_tensor_gets_the_gradient_of_finite_differences() {
        let model = tiny();
        let mut params = params(&model);
        let mut grads = vec![0.0; params.len()];
        loss(&model, &params, Some(&mut grads));
        // Fails too when a tensor gets none.
        compare_all(model.layout(), &mut params, &grads, |params| loss(&model, params, None));
    }

    #[test]
    fn the_upper_layers_train_alone_on_the_cached_output_of_the_lower() {
        let model = tiny();
        let mut params = params(&model);
        let r = weights(TOKENS.len() * 6);
        let mut cached = vec![0.0; TOKENS.len() * 6];
        let mut saved = BertSaved::default();
        model.embed(&params, &TOKENS, &OFFSETS, &mut saved, &mut cached);
        model.forward_layers(0..1, &params, &OFFSETS, &mut saved, &mut cached);

        let (mut upper, mut x) = (BertSaved::default(), cached.clone());
        model.forward_layers(1..2, &params, &OFFSETS, &mut upper, &mut x);
        let (mut grads, mut dx) = (vec![0.0; params.len()], r.clone());
        model.backward_layers(1..2, &params, &OFFSETS, &mut upper, &mut grads, &mut dx);
        let tail = model.tail(1);
        assert!(grads[..tail.start].iter().all(|&g| g == 0.0) && model.tail(2).is_empty());
        let top = |params: &[f64]| {
            let mut x = cached.clone();
            model.forward_layers(1..2, params, &OFFSETS, &mut BertSaved::default(), &mut x);
            x.iter().zip(&r).map(|(x, r)| x * r).sum::<f64>()
        };
        for i in tail {
            let slope = slope_at(&mut params, i, top);
            compare(&format!("parameter {i}"), grads[i], slope);
        }
    }
}
