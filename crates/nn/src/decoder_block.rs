//! One block of a Llama decoder (Touvron et al. 2023, arXiv 2302.13971, section 2.2): RMS norms, grouped-query
//! attention with rotary positions, and a SwiGLU feed-forward net, each on a residual branch.
//!
//! `x1 = x + attention(norm(x))`, `y = x1 + feed_forward(norm(x1))`; no biases, no dropout.

use crate::block::sized;
use crate::{
    Attention, AttentionScratch, Dropout, Init, Layout, Linear, RmsNorm, RmsSaved, Rotary, Scalar, kernel,
    swiglu, swiglu_backward,
};

/// Sizes of a [`DecoderBlock`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecoderBlockConfig {
    /// D, the width of a position.
    pub dim: usize,
    /// H, query heads.
    pub heads: usize,
    /// G, key and value heads: a divisor of H.
    pub kv_heads: usize,
    /// W, the width of a head.
    pub head_width: usize,
    /// F, the width of the feed-forward net.
    pub hidden: usize,
    /// Of both RMS norms.
    pub epsilon: f64,
}

/// A decoder block over packed sequences. Shapes: x and y `[T x D]`.
#[derive(Debug, Clone)]
pub struct DecoderBlock {
    attention: Attention,
    /// Before attention.
    pub norm_1: RmsNorm,
    /// `[D x (H + 2 G) W]`: all queries, all keys, all values.
    pub qkv: Linear,
    /// `[H W x D]`.
    pub out: Linear,
    /// Before the feed-forward net.
    pub norm_2: RmsNorm,
    /// `[D x 2 F]`: gates, then factors.
    pub gate_up: Linear,
    /// `[F x D]`.
    pub down: Linear,
}

/// What one forward pass leaves for its backward pass; where none follows, one is enough for all blocks. Reuse it:
/// buffers keep their capacity.
#[derive(Debug, Clone, Default)]
pub struct DecoderBlockSaved<T> {
    input: Vec<T>,
    norm_1: RmsSaved<T>,
    normed_1: Vec<T>,
    qkv: Vec<T>,
    attention: AttentionScratch<T>,
    weights: Vec<T>,
    mixed: Vec<T>,
    middle: Vec<T>,
    norm_2: RmsSaved<T>,
    normed_2: Vec<T>,
    gate_up: Vec<T>,
    activated: Vec<T>,
    scratch: [Vec<T>; 3],
}

impl DecoderBlock {
    /// Adds the block's tensors under `name`.
    ///
    /// # Panics
    /// When `kv_heads` does not divide `heads`.
    pub fn new(layout: &mut Layout, name: &str, config: DecoderBlockConfig) -> Self {
        let DecoderBlockConfig { dim, heads, kv_heads, head_width, hidden, epsilon } = config;
        assert!(kv_heads > 0 && heads % kv_heads == 0, "{kv_heads} key heads do not divide {heads} heads");
        let attention = Attention { heads, kv_heads, width: head_width, causal: true };
        let linear = |layout: &mut Layout, part: &str, inputs, outputs| {
            Linear::without_bias(layout, &format!("{name}.{part}"), inputs, outputs, Init::Normal(0.02))
        };
        Self {
            attention,
            norm_1: RmsNorm::new(layout, &format!("{name}.norm_1"), dim, epsilon),
            qkv: linear(layout, "qkv", dim, attention.inputs()),
            out: linear(layout, "out", attention.outputs(), dim),
            norm_2: RmsNorm::new(layout, &format!("{name}.norm_2"), dim, epsilon),
            gate_up: linear(layout, "gate_up", dim, 2 * hidden),
            down: linear(layout, "down", hidden, dim),
        }
    }

    /// Replaces `x` by the block's output.
    pub fn forward<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        rotary: &Rotary<T>,
        saved: &mut DecoderBlockSaved<T>,
        x: &mut [T],
    ) {
        self.forward_attention(params, offsets, rotary, saved, x);
        let (n, positions) = (x.len(), x.len() / self.norm_1.gain.cols);
        saved.middle.clear();
        saved.middle.extend_from_slice(x);

        self.norm_2.forward(params, x, &mut saved.norm_2, sized(&mut saved.normed_2, n));
        let hidden = self.down.weight.rows;
        self.gate_up.forward(params, &saved.normed_2, sized(&mut saved.gate_up, positions * 2 * hidden));
        swiglu(hidden, &saved.gate_up, sized(&mut saved.activated, positions * hidden));
        let branch = sized(&mut saved.scratch[0], n);
        self.down.forward(params, &saved.activated, branch);
        kernel::add(branch, x);
    }

    fn forward_attention<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        rotary: &Rotary<T>,
        saved: &mut DecoderBlockSaved<T>,
        x: &mut [T],
    ) {
        let (n, positions) = (x.len(), x.len() / self.norm_1.gain.cols);
        let (inputs, outputs) = (self.attention.inputs(), self.attention.outputs());
        saved.input.clear();
        saved.input.extend_from_slice(x);
        self.norm_1.forward(params, x, &mut saved.norm_1, sized(&mut saved.normed_1, n));
        self.qkv.forward(params, &saved.normed_1, sized(&mut saved.qkv, positions * inputs));
        rotary.rotate(offsets, self.turned_heads(), inputs, &mut saved.qkv);
        let weights = sized(&mut saved.weights, self.attention.weights_len(offsets));
        let mixed = sized(&mut saved.mixed, positions * outputs);
        self.attention.forward(offsets, &saved.qkv, Dropout::off(), &mut saved.attention, weights, mixed);
        let branch = sized(&mut saved.scratch[0], n);
        self.out.forward(params, &saved.mixed, branch);
        kernel::add(branch, x);
    }

    /// Replaces `dy` by `dx` and adds the parameters' gradients. Arguments as in the forward pass.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        rotary: &Rotary<T>,
        saved: &mut DecoderBlockSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        let [narrow, wide, inner] = &mut saved.scratch;
        let narrow = sized(narrow, dy.len());

        let hidden = self.down.weight.rows;
        let dactivated = sized(inner, saved.activated.len());
        self.down.backward(params, &saved.activated, dy, grads, dactivated);
        let dgate_up = sized(wide, saved.gate_up.len());
        swiglu_backward(hidden, &saved.gate_up, dactivated, dgate_up);
        self.gate_up.backward(params, &saved.normed_2, dgate_up, grads, narrow);
        self.norm_2.backward(params, &saved.middle, &saved.norm_2, narrow, grads, dy);

        let dmixed = sized(inner, saved.mixed.len());
        self.out.backward(params, &saved.mixed, dy, grads, dmixed);
        let dqkv = sized(wide, saved.qkv.len());
        let (scratch, weights) = (&mut saved.attention, &saved.weights);
        self.attention.backward(offsets, &saved.qkv, Dropout::off(), scratch, weights, dmixed, dqkv);
        rotary.rotate_back(offsets, self.turned_heads(), self.attention.inputs(), dqkv);
        self.qkv.backward(params, &saved.normed_1, dqkv, grads, narrow);
        self.norm_1.backward(params, &saved.input, &saved.norm_1, narrow, grads, dy);
    }

    /// Queries and keys turn, values do not.
    fn turned_heads(&self) -> usize {
        self.attention.heads + self.attention.kv_heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RotaryConfig, gradient_check::check};

    const CONFIG: DecoderBlockConfig =
        DecoderBlockConfig { dim: 6, heads: 4, kv_heads: 2, head_width: 2, hidden: 5, epsilon: 1e-5 };

    #[test]
    fn gradients_agree_with_finite_differences() {
        let mut layout = Layout::new();
        let block = DecoderBlock::new(&mut layout, "block", CONFIG);
        let rotary = Rotary::new(RotaryConfig { width: 2, theta: 10.0, factor: 1.0 }, 3);
        let offsets = [0, 3, 5];
        check(
            &layout,
            5 * 6,
            5 * 6,
            |params, x, y| {
                y.copy_from_slice(x);
                block.forward(params, &offsets, &rotary, &mut DecoderBlockSaved::default(), y);
            },
            |params, x, dy, grads, dx| {
                let mut saved = DecoderBlockSaved::default();
                block.forward(params, &offsets, &rotary, &mut saved, &mut x.to_vec());
                dx.copy_from_slice(dy);
                block.backward(params, &offsets, &rotary, &mut saved, grads, dx);
            },
        );
    }
}
