//! One transformer block, forward and backward: attention and a feed-forward net, each on a residual branch.
//!
//! Six switches make it the block of a GPT, of BERT or of Llama ([`BlockConfig`]). With the norms before the branches
//! (Xiong et al. 2020, arXiv 2002.04745) it computes `h = x + attend(norm_1(x))`, `y = h + feed_forward(norm_2(h))`; with the
//! norms after the sums (Vaswani et al. 2017, arXiv 1706.03762, section 3.1) `h = norm_1(x + attend(x))`,
//! `y = norm_2(h + feed_forward(h))`.
//!
//! ```
//! use semrank_nn::{Block, BlockConfig, BlockSaved, Layout, Pass};
//! let mut layout = Layout::new();
//! let block = Block::new(&mut layout, "block", BlockConfig::new(4, 2, 16));
//! let params: Vec<f32> = layout.init(&semrank_core::Rng::new(1, "init"));
//! let one = [0.1f32, 0.4, -0.3, 0.2];
//! let mut x = one.repeat(3); // a sequence of one position and one of two
//! block.forward(&Pass::new(&params, &[0, 1, 3]), &mut BlockSaved::default(), &mut x);
//! assert!(x[..4] == x[4..8] && x[..4] != one);
//! ```

mod config;
mod pass;

pub use config::{Biases, BlockConfig, FeedForward, Positions};
pub use pass::{Pass, PositionTable};

use crate::{
    Attention, AttentionInput, AttentionScratch, Dropout, Init, Layout, Linear, Norm, NormState, Queries,
    Scalar, kernel, swiglu, swiglu_backward,
};

/// A transformer block over packed sequences. Shapes: x and y `[T x D]`.
#[derive(Debug, Clone)]
pub struct Block {
    config: BlockConfig,
    attention: Attention,
    /// Of the attention's input, or of its sum.
    pub norm_1: Norm,
    /// Queries, keys and values in one map, `[D x (H + 2 G) W]`.
    pub qkv: Linear,
    /// After attention, `[H W x D]`.
    pub out: Linear,
    /// Of the feed-forward net's input, or of its sum.
    pub norm_2: Norm,
    /// Into the feed-forward net, `[D x F]`; with SwiGLU `[D x 2 F]`, gates, then factors.
    pub up: Linear,
    /// Out of the feed-forward net, `[F x D]`.
    pub down: Linear,
}

/// State of a forward pass for its backward pass; without a backward pass one serves all blocks. Reuse it: buffers keep
/// their capacity.
#[derive(Debug, Clone, Default)]
pub struct BlockSaved<T> {
    input: Vec<T>,
    /// The input of `qkv`, where it is normalised first.
    source_1: Vec<T>,
    state_1: NormState<T>,
    qkv: Vec<T>,
    attention: AttentionScratch<T>,
    weights: Vec<T>,
    mixed: Vec<T>,
    /// The sum of input and attention.
    middle: Vec<T>,
    /// The input of `up`.
    source_2: Vec<T>,
    up: Vec<T>,
    activated: Vec<T>,
    /// The sum of both branches, where it is normalised last.
    sum: Vec<T>,
    state_2: NormState<T>,
    scratch: [Vec<T>; 4],
}

/// Sets a buffer's length; the values are overwritten by the caller.
pub(crate) fn sized<T: Scalar>(buffer: &mut Vec<T>, len: usize) -> &mut [T] {
    buffer.resize(len, T::ZERO);
    buffer
}

/// Keeps the last row of each sequence that has one, of `[T x dim]`.
pub fn keep_last<T: Copy>(offsets: &[usize], dim: usize, rows: &mut Vec<T>) {
    let mut kept = 0;
    for ends in offsets.windows(2).filter(|ends| ends[1] > ends[0]) {
        rows.copy_within((ends[1] - 1) * dim..ends[1] * dim, kept * dim);
        kept += 1;
    }
    rows.truncate(kept * dim);
}

impl Block {
    /// Adds the block's tensors under `name`.
    ///
    /// # Panics
    /// When `kv_heads` does not divide `heads`.
    pub fn new(layout: &mut Layout, name: &str, config: BlockConfig) -> Self {
        let BlockConfig { dim, hidden, norm, norm_first, epsilon, biases, .. } = config;
        let attention = config.attention();
        let map = |layout: &mut Layout, part: &str, inputs, outputs| {
            let has_bias = biases == Biases::All || biases == Biases::AfterAttention && part != "qkv";
            let make = if has_bias { Linear::new } else { Linear::without_bias };
            make(layout, &format!("{name}.{part}"), inputs, outputs, Init::Normal(0.02))
        };
        let norm = |layout: &mut Layout, part: &str| {
            Norm::new(layout, &format!("{name}.{part}"), dim, norm, epsilon)
        };
        let (up_name, up_width) = match config.feed_forward {
            FeedForward::Gelu(_) => ("up", hidden),
            FeedForward::SwiGlu => ("gate_up", 2 * hidden),
        };
        // Tensors lie in the order of their use.
        let before = norm_first.then(|| norm(layout, "norm_1"));
        let qkv = map(layout, "qkv", dim, attention.inputs());
        let out = map(layout, "out", attention.outputs(), dim);
        let between = norm(layout, if norm_first { "norm_2" } else { "norm_1" });
        let up = map(layout, up_name, dim, up_width);
        let down = map(layout, "down", hidden, dim);
        let (norm_1, norm_2) = match before {
            Some(before) => (before, between),
            None => (between, norm(layout, "norm_2")),
        };
        Self { config, attention, norm_1, qkv, out, norm_2, up, down }
    }

    /// Its sizes and switches.
    pub fn config(&self) -> &BlockConfig {
        &self.config
    }

    /// Index of the block's first parameter.
    pub fn start(&self) -> usize {
        let first = if self.config.norm_first { self.norm_1.gain() } else { self.qkv.weight };
        first.range().start
    }

    /// Replaces `x` by the block's output.
    ///
    /// # Panics
    /// When the positions' table is not that of the configuration.
    pub fn forward<T: Scalar>(&self, pass: &Pass<T>, saved: &mut BlockSaved<T>, x: &mut [T]) {
        self.project(pass, saved, x);
        let input = self.attention_input(pass, &saved.qkv);
        let weights = sized(&mut saved.weights, self.attention.weights_len(pass.offsets));
        let mixed = sized(&mut saved.mixed, x.len() / self.config.dim * self.attention.outputs());
        self.attention.forward(&input, &mut saved.attention, weights, mixed);
        self.finish(pass, saved, x);
    }

    /// As [`Block::forward`] without dropout, but computes only the last position of each sequence that has one: `x` shrinks to
    /// one row per such sequence. No backward pass may follow.
    pub fn forward_last<T: Scalar>(&self, pass: &Pass<T>, saved: &mut BlockSaved<T>, x: &mut Vec<T>) {
        let pass = &Pass { key: None, ..*pass };
        self.project(pass, saved, x);
        keep_last(pass.offsets, self.config.dim, x);
        let input = self.attention_input(pass, &saved.qkv);
        let mixed = sized(&mut saved.mixed, x.len() / self.config.dim * self.attention.outputs());
        self.attention.infer(&input, Queries::Last, &mut saved.attention, mixed);
        self.finish(pass, saved, x);
    }

    /// From `x` to queries, keys and values.
    fn project<T: Scalar>(&self, pass: &Pass<T>, saved: &mut BlockSaved<T>, x: &[T]) {
        pass.positions.check(self.config.positions);
        saved.input.clear();
        saved.input.extend_from_slice(x);
        if self.config.norm_first {
            self.norm_1.forward(pass.params, x, &mut saved.state_1, sized(&mut saved.source_1, x.len()));
        }
        let qkv = sized(&mut saved.qkv, x.len() / self.config.dim * self.attention.inputs());
        let source = if self.config.norm_first { &saved.source_1 } else { &saved.input };
        self.qkv.forward(pass.params, source, qkv);
        if let PositionTable::Rotary(rotary) = pass.positions {
            rotary.rotate(pass.offsets, self.attention.turned_heads(), self.attention.inputs(), qkv);
        }
    }

    fn attention_input<'a, T: Scalar>(&self, pass: &Pass<'a, T>, qkv: &'a [T]) -> AttentionInput<'a, T> {
        let dropout = self.dropout(pass, 0);
        AttentionInput { offsets: pass.offsets, qkv, bias: pass.positions.bias(), dropout }
    }

    /// From the mixed values on: both sums.
    fn finish<T: Scalar>(&self, pass: &Pass<T>, saved: &mut BlockSaved<T>, x: &mut [T]) {
        let (params, n, norm_first) = (pass.params, x.len(), self.config.norm_first);
        let branch = sized(&mut saved.scratch[0], n);
        self.out.forward(params, &saved.mixed, branch);
        self.dropout(pass, 1).apply(0, branch);
        kernel::add(branch, x);
        saved.middle.clear();
        saved.middle.extend_from_slice(x);

        let (norm, state) =
            if norm_first { (&self.norm_2, &mut saved.state_2) } else { (&self.norm_1, &mut saved.state_1) };
        norm.forward(params, x, state, sized(&mut saved.source_2, n));
        let rows = n / self.config.dim;
        self.up.forward(params, &saved.source_2, sized(&mut saved.up, rows * self.up.weight.cols));
        let activated = sized(&mut saved.activated, rows * self.config.hidden);
        match self.config.feed_forward {
            FeedForward::Gelu(gelu) => gelu.forward(&saved.up, activated),
            FeedForward::SwiGlu => swiglu(self.config.hidden, &saved.up, activated),
        }
        self.down.forward(params, &saved.activated, branch);
        self.dropout(pass, 2).apply(0, branch);
        if norm_first {
            kernel::add(branch, x);
        } else {
            kernel::add(&saved.source_2, branch);
            saved.sum.clear();
            saved.sum.extend_from_slice(branch);
            self.norm_2.forward(params, &saved.sum, &mut saved.state_2, x);
        }
    }

    /// Replaces `dy` by `dx` and adds the parameters' gradients, after [`Block::forward`] of the same pass.
    pub fn backward<T: Scalar>(
        &self,
        pass: &Pass<T>,
        saved: &mut BlockSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        self.feed_forward_backward(pass, saved, grads, dy);
        self.attention_backward(pass, saved, grads, dy);
    }

    /// Replaces the gradient of the output by that of the first sum.
    fn feed_forward_backward<T: Scalar>(
        &self,
        pass: &Pass<T>,
        saved: &mut BlockSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        let (params, n) = (pass.params, dy.len());
        let [narrow, wide, inner, dsum] = &mut saved.scratch;
        let narrow = sized(narrow, n);
        if !self.config.norm_first {
            let dsum = sized(dsum, n);
            dsum.fill(T::ZERO);
            self.norm_2.backward(params, &saved.sum, &saved.state_2, dy, grads, dsum);
            dy.copy_from_slice(dsum);
        }
        narrow.copy_from_slice(dy);
        self.dropout(pass, 2).apply(0, narrow);
        let dup = sized(wide, saved.up.len());
        match self.config.feed_forward {
            FeedForward::Gelu(gelu) => {
                self.down.backward(params, &saved.activated, narrow, grads, dup);
                gelu.backward(&saved.up, dup);
            }
            FeedForward::SwiGlu => {
                let dactivated = sized(inner, saved.activated.len());
                self.down.backward(params, &saved.activated, narrow, grads, dactivated);
                swiglu_backward(self.config.hidden, &saved.up, dactivated, dup);
            }
        }
        self.up.backward(params, &saved.source_2, dup, grads, narrow);
        if self.config.norm_first {
            self.norm_2.backward(params, &saved.middle, &saved.state_2, narrow, grads, dy);
        } else {
            kernel::add(dy, narrow);
            dy.fill(T::ZERO);
            self.norm_1.backward(params, &saved.middle, &saved.state_1, narrow, grads, dy);
        }
    }

    /// Replaces the gradient of the first sum by that of the input.
    fn attention_backward<T: Scalar>(
        &self,
        pass: &Pass<T>,
        saved: &mut BlockSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        let params = pass.params;
        let input = self.attention_input(pass, &saved.qkv);
        let [narrow, wide, inner, _] = &mut saved.scratch;
        let narrow = sized(narrow, dy.len());
        narrow.copy_from_slice(dy);
        self.dropout(pass, 1).apply(0, narrow);
        let dmixed = sized(inner, saved.mixed.len());
        self.out.backward(params, &saved.mixed, narrow, grads, dmixed);
        let dqkv = sized(wide, saved.qkv.len());
        self.attention.backward(&input, &mut saved.attention, &saved.weights, dmixed, dqkv);
        if let PositionTable::Rotary(rotary) = pass.positions {
            rotary.rotate_back(pass.offsets, self.attention.turned_heads(), self.attention.inputs(), dqkv);
        }
        let source = if self.config.norm_first { &saved.source_1 } else { &saved.input };
        self.qkv.backward(params, source, dqkv, grads, narrow);
        if self.config.norm_first {
            self.norm_1.backward(params, &saved.input, &saved.state_1, narrow, grads, dy);
        } else {
            kernel::add(narrow, dy);
        }
    }

    /// The dropout of one of the three sites: attention weights, both branches.
    fn dropout<T>(&self, pass: &Pass<T>, site: u64) -> Dropout {
        match pass.key {
            Some(key) => {
                Dropout::new(self.config.dropout, key.wrapping_add(site).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            }
            None => Dropout::off(),
        }
    }
}

#[cfg(test)]
mod tests;
