//! One post-norm transformer block, as in BERT (Devlin et al. 2019, arXiv 1810.04805; Vaswani et al. 2017, section 3.1):
//! attention and a GELU feed-forward net, each normalised after its residual sum.
//!
//! `h = norm_1(x + out(attention(qkv(x))))`, `y = norm_2(h + down(gelu(up(h))))`. Every position sees its whole sequence.

use crate::block::sized;
use crate::{
    Attention, AttentionScratch, DistanceBias, Dropout, Init, LayerNorm, Layout, Linear, NormSaved, Scalar,
    gelu, gelu_backward, gelu_erf, gelu_erf_backward, kernel,
};

/// Which GELU a model was trained with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gelu {
    /// [`gelu_erf`].
    Exact,
    /// [`gelu`].
    Tanh,
}

impl Gelu {
    fn forward<T: Scalar>(self, u: &[T], y: &mut [T]) {
        match self {
            Gelu::Exact => gelu_erf(u, y),
            Gelu::Tanh => gelu(u, y),
        }
    }

    fn backward<T: Scalar>(self, u: &[T], dy: &mut [T]) {
        match self {
            Gelu::Exact => gelu_erf_backward(u, dy),
            Gelu::Tanh => gelu_backward(u, dy),
        }
    }
}

/// Sizes of an [`EncoderBlock`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderBlockConfig {
    /// D.
    pub dim: usize,
    /// Attention heads, a divisor of D.
    pub heads: usize,
    /// Width of the feed-forward net.
    pub hidden: usize,
    /// Added to the variance in both norms.
    pub epsilon: f64,
    /// Activation of the feed-forward net.
    pub gelu: Gelu,
}

/// A transformer block over packed sequences. Shapes: x and y `[T x D]`.
#[derive(Debug, Clone)]
pub struct EncoderBlock {
    /// How heads are laid out in the fused projection.
    pub attention: Attention,
    /// Queries, keys and values in one map, `[D x 3 D]`.
    pub qkv: Linear,
    /// After attention, `[D x D]`.
    pub out: Linear,
    /// Norm of the attention's residual sum.
    pub norm_1: LayerNorm,
    /// Into the feed-forward net, `[D x hidden]`.
    pub up: Linear,
    /// Out of the feed-forward net, `[hidden x D]`.
    pub down: Linear,
    /// Norm of the feed-forward net's residual sum.
    pub norm_2: LayerNorm,
    gelu: Gelu,
}

/// What one forward pass leaves for its backward pass. Reuse it: buffers keep their capacity.
#[derive(Debug, Clone, Default)]
pub struct EncoderBlockSaved<T> {
    input: Vec<T>,
    qkv: Vec<T>,
    attention: AttentionScratch<T>,
    weights: Vec<T>,
    mixed: Vec<T>,
    sum_1: Vec<T>,
    norm_1: NormSaved<T>,
    normed_1: Vec<T>,
    up: Vec<T>,
    activated: Vec<T>,
    sum_2: Vec<T>,
    norm_2: NormSaved<T>,
    scratch: [Vec<T>; 3],
}

impl EncoderBlock {
    /// Adds the block's tensors under `name`.
    ///
    /// # Panics
    /// When `heads` does not divide `dim`.
    pub fn new(layout: &mut Layout, name: &str, config: EncoderBlockConfig) -> Self {
        let EncoderBlockConfig { dim, heads, hidden, epsilon, gelu } = config;
        assert!(heads > 0 && dim % heads == 0, "{heads} heads do not divide a width of {dim}");
        let init = Init::Normal(0.02);
        Self {
            attention: Attention { heads, kv_heads: heads, width: dim / heads, causal: false },
            qkv: Linear::new(layout, &format!("{name}.qkv"), dim, 3 * dim, init),
            out: Linear::new(layout, &format!("{name}.out"), dim, dim, init),
            norm_1: LayerNorm::new(layout, &format!("{name}.norm_1"), dim).with_epsilon(epsilon),
            up: Linear::new(layout, &format!("{name}.up"), dim, hidden, init),
            down: Linear::new(layout, &format!("{name}.down"), hidden, dim, init),
            norm_2: LayerNorm::new(layout, &format!("{name}.norm_2"), dim).with_epsilon(epsilon),
            gelu,
        }
    }

    /// Which GELU the block has.
    pub fn gelu(&self) -> Gelu {
        self.gelu
    }

    /// Replaces `x` by the block's output; `bias`, where there is one, is added to the attention's scores.
    pub fn forward<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        bias: Option<&DistanceBias<T>>,
        saved: &mut EncoderBlockSaved<T>,
        x: &mut [T],
    ) {
        let (n, wide) = (x.len(), x.len() / self.up.weight.rows * self.up.weight.cols);
        saved.input.clear();
        saved.input.extend_from_slice(x);
        self.qkv.forward(params, x, sized(&mut saved.qkv, 3 * n));
        let weights = sized(&mut saved.weights, self.attention.weights_len(offsets));
        let (mixed, scratch) = (sized(&mut saved.mixed, n), &mut saved.attention);
        self.attention.forward_biased(offsets, &saved.qkv, bias, Dropout::off(), scratch, weights, mixed);
        self.out.forward(params, &saved.mixed, sized(&mut saved.sum_1, n));
        kernel::add(x, &mut saved.sum_1);
        self.norm_1.forward(params, &saved.sum_1, &mut saved.norm_1, sized(&mut saved.normed_1, n));

        self.up.forward(params, &saved.normed_1, sized(&mut saved.up, wide));
        self.gelu.forward(&saved.up, sized(&mut saved.activated, wide));
        self.down.forward(params, &saved.activated, sized(&mut saved.sum_2, n));
        kernel::add(&saved.normed_1, &mut saved.sum_2);
        self.norm_2.forward(params, &saved.sum_2, &mut saved.norm_2, x);
    }

    /// Replaces `dy` by `dx` and adds the parameters' gradients; `saved` is that of the forward pass.
    pub fn backward<T: Scalar>(
        &self,
        params: &[T],
        offsets: &[usize],
        saved: &mut EncoderBlockSaved<T>,
        grads: &mut [T],
        dy: &mut [T],
    ) {
        let n = dy.len();
        let [dsum, wide, narrow] = &mut saved.scratch;
        let (dsum, narrow) = (sized(dsum, n), sized(narrow, n));

        dsum.fill(T::ZERO);
        self.norm_2.backward(params, &saved.sum_2, &saved.norm_2, dy, grads, dsum);
        let dup = sized(wide, saved.up.len());
        self.down.backward(params, &saved.activated, dsum, grads, dup);
        self.gelu.backward(&saved.up, dup);
        self.up.backward(params, &saved.normed_1, dup, grads, narrow);
        kernel::add(dsum, narrow);

        dsum.fill(T::ZERO);
        self.norm_1.backward(params, &saved.sum_1, &saved.norm_1, narrow, grads, dsum);
        self.out.backward(params, &saved.mixed, dsum, grads, narrow);
        let (dqkv, scratch) = (sized(wide, 3 * n), &mut saved.attention);
        let weights = &saved.weights;
        self.attention.backward(offsets, &saved.qkv, Dropout::off(), scratch, weights, narrow, dqkv);
        self.qkv.backward(params, &saved.input, dqkv, grads, dy);
        kernel::add(dsum, dy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_check::check;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let offsets = [0, 3, 3, 5];
        for gelu in [Gelu::Exact, Gelu::Tanh] {
            let mut layout = Layout::new();
            let config = EncoderBlockConfig { dim: 6, heads: 2, hidden: 10, epsilon: 1e-12, gelu };
            let block = EncoderBlock::new(&mut layout, "block", config);
            check(
                &layout,
                5 * 6,
                5 * 6,
                |params, x, y| {
                    y.copy_from_slice(x);
                    block.forward(params, &offsets, None, &mut EncoderBlockSaved::default(), y);
                },
                |params, x, dy, grads, dx| {
                    let mut saved = EncoderBlockSaved::default();
                    block.forward(params, &offsets, None, &mut saved, &mut x.to_vec());
                    dx.copy_from_slice(dy);
                    block.backward(params, &offsets, &mut saved, grads, dx);
                },
            );
        }
    }
}
