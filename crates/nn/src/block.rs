//! One pre-norm transformer block (Xiong et al. 2020, arXiv 2002.04745): attention and a GELU feed-forward net, each
//! on a residual branch.
//!
//! `x1 = x + drop(attention(norm(x)))`, `y = x1 + drop(feed_forward(norm(x1)))`.

use crate::{
    Attention, AttentionScratch, Dropout, Init, LayerNorm, Layout, Linear, NormSaved, Scalar, gelu,
    gelu_backward, kernel,
};

/// Sizes of a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockConfig {
    /// D.
    pub dim: usize,
    /// Attention heads, a divisor of D.
    pub heads: usize,
    /// Width of the feed-forward net, as a multiple of D.
    pub expansion: usize,
    /// Dropout on attention weights and on both residual branches.
    pub dropout: f64,
}

/// A transformer block over packed sequences. Shapes: x and y `[T x D]`.
#[derive(Debug, Clone)]
pub struct Block {
    config: BlockConfig,
    attention: Attention,
    norm_1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm_2: LayerNorm,
    up: Linear,
    down: Linear,
}

/// What one forward pass leaves for its backward pass. Reuse it: buffers keep their capacity.
#[derive(Debug, Clone, Default)]
pub struct BlockSaved<T> {
    input: Vec<T>,
    norm_1: NormSaved<T>,
    normed_1: Vec<T>,
    qkv: Vec<T>,
    attention: AttentionScratch<T>,
    weights: Vec<T>,
    mixed: Vec<T>,
    middle: Vec<T>,
    norm_2: NormSaved<T>,
    normed_2: Vec<T>,
    up: Vec<T>,
    activated: Vec<T>,
    scratch: [Vec<T>; 3],
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
    /// When `heads` does not divide `dim`.
    pub fn new(layout: &mut Layout, name: &str, config: BlockConfig) -> Self {
        let BlockConfig { dim, heads, expansion, .. } = config;
        assert!(heads > 0 && dim % heads == 0, "{heads} heads do not divide a width of {dim}");
        let init = Init::Normal(0.02);
        Self {
            config,
            attention: Attention::causal(dim, heads),
            norm_1: LayerNorm::new(layout, &format!("{name}.norm_1"), dim),
            // A key's bias would shift all scores of a query alike and never learn: no biases here.
            qkv: Linear::without_bias(layout, &format!("{name}.qkv"), dim, 3 * dim, init),
            out: Linear::new(layout, &format!("{name}.out"), dim, dim, init),
            norm_2: LayerNorm::new(layout, &format!("{name}.norm_2"), dim),
            up: Linear::new(layout, &format!("{name}.up"), dim, expansion * dim, init),
            down: Linear::new(layout, &format!("{name}.down"), expansion * dim, dim, init),
        }
    }

    /// Replaces `x` by the block's output. `key` seeds this pass's dropout; `None` evaluates.
    pub fn forward<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        key: Option<u64>,
        saved: &mut BlockSaved<T>,
        x: &mut [T],
    ) {
        saved.input.clear();
        saved.input.extend_from_slice(x);
        self.attend(params, offsets, key, saved, x);
        self.feed_forward(params, key, saved, x);
    }

    /// As [`Block::forward`] without dropout, but keeps only the last position of each sequence that has one: `x`
    /// shrinks to one row a sequence, and three quarters of the arithmetic go.
    pub fn forward_last<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        saved: &mut BlockSaved<T>,
        x: &mut Vec<T>,
    ) {
        self.attend(params, offsets, None, saved, x);
        keep_last(offsets, self.config.dim, &mut saved.mixed);
        keep_last(offsets, self.config.dim, x);
        self.feed_forward(params, None, saved, x);
    }

    /// From `x` to the mixed values of the attention.
    fn attend<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        key: Option<u64>,
        saved: &mut BlockSaved<T>,
        x: &[T],
    ) {
        let n = x.len();
        let [attention, ..] = self.dropouts(key);
        self.norm_1.forward(params, x, &mut saved.norm_1, sized(&mut saved.normed_1, n));
        self.qkv.forward(params, &saved.normed_1, sized(&mut saved.qkv, 3 * n));
        let weights = sized(&mut saved.weights, self.attention.weights_len(offsets));
        let mixed = sized(&mut saved.mixed, n);
        self.attention.forward(offsets, &saved.qkv, attention, &mut saved.attention, weights, mixed);
    }

    /// Both residual branches, from the mixed values on.
    fn feed_forward<T: Scalar>(
        &self,
        params: &[T],
        key: Option<u64>,
        saved: &mut BlockSaved<T>,
        x: &mut [T],
    ) {
        let n = x.len();
        let [_, branch_1, branch_2] = self.dropouts(key);
        let branch = sized(&mut saved.scratch[0], n);
        self.out.forward(params, &saved.mixed, branch);
        branch_1.apply(0, branch);
        kernel::add(branch, x);
        saved.middle.clear();
        saved.middle.extend_from_slice(x);

        self.norm_2.forward(params, x, &mut saved.norm_2, sized(&mut saved.normed_2, n));
        let wide = n / self.config.dim * self.up.weight.cols;
        self.up.forward(params, &saved.normed_2, sized(&mut saved.up, wide));
        gelu(&saved.up, sized(&mut saved.activated, wide));
        self.down.forward(params, &saved.activated, branch);
        branch_2.apply(0, branch);
        kernel::add(branch, x);
    }

    /// Replaces `dy` by `dx` and adds the parameters' gradients. Arguments as in the forward pass.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        key: Option<u64>,
        saved: &mut BlockSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        let n = dy.len();
        let [attention, branch_1, branch_2] = self.dropouts(key);
        let [narrow, wide, dmixed] = &mut saved.scratch;
        let narrow = sized(narrow, n);

        narrow.copy_from_slice(dy);
        branch_2.apply(0, narrow);
        let dup = sized(wide, saved.up.len());
        self.down.backward(params, &saved.activated, narrow, grads, dup);
        gelu_backward(&saved.up, dup);
        self.up.backward(params, &saved.normed_2, dup, grads, narrow);
        self.norm_2.backward(params, &saved.middle, &saved.norm_2, narrow, grads, dy);

        narrow.copy_from_slice(dy);
        branch_1.apply(0, narrow);
        let dmixed = sized(dmixed, n);
        self.out.backward(params, &saved.mixed, narrow, grads, dmixed);
        let dqkv = sized(wide, 3 * n);
        let scratch = &mut saved.attention;
        self.attention.backward(offsets, &saved.qkv, attention, scratch, &saved.weights, dmixed, dqkv);
        self.qkv.backward(params, &saved.normed_1, dqkv, grads, narrow);
        self.norm_1.backward(params, &saved.input, &saved.norm_1, narrow, grads, dy);
    }

    fn dropouts(&self, key: Option<u64>) -> [Dropout; 3] {
        std::array::from_fn(|site| match key {
            Some(key) => Dropout::new(
                self.config.dropout,
                key.wrapping_add(site as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            ),
            None => Dropout::off(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_check::check;

    #[test]
    fn the_last_positions_alone_are_those_of_all_positions() {
        let mut layout = Layout::new();
        let block =
            Block::new(&mut layout, "block", BlockConfig { dim: 6, heads: 2, expansion: 2, dropout: 0.3 });
        let params: Vec<f64> = layout.init(&semrank_core::Rng::new(4, "init"));
        let offsets = [0, 3, 3, 5];
        let mut all: Vec<f64> = (0..30).map(|i| f64::from(i * 7 % 11) / 5.0 - 1.0).collect();
        let mut last = all.clone();
        block.forward(&params, &offsets, None, &mut BlockSaved::default(), &mut all);
        block.forward_last(&params, &offsets, &mut BlockSaved::default(), &mut last);
        keep_last(&offsets, 6, &mut all);
        assert_eq!(last.len(), 12);
        assert!(last.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut layout = Layout::new();
        let config = BlockConfig { dim: 6, heads: 2, expansion: 2, dropout: 0.3 };
        let block = Block::new(&mut layout, "block", config);
        let offsets = [0, 3, 5];
        for key in [None, Some(3)] {
            check(
                &layout,
                5 * 6,
                5 * 6,
                |params, x, y| {
                    y.copy_from_slice(x);
                    block.forward(params, &offsets, key, &mut BlockSaved::default(), y);
                },
                |params, x, dy, grads, dx| {
                    let mut saved = BlockSaved::default();
                    block.forward(params, &offsets, key, &mut saved, &mut x.to_vec());
                    dx.copy_from_slice(dy);
                    block.backward(params, &offsets, key, &mut saved, grads, dx);
                },
            );
        }
    }
}
