//! Sizes of a block, and the six switches by which blocks of GPT, BERT and Llama differ.

use crate::{Attention, Gelu, NormKind};

/// Sizes and switches of a [`Block`](crate::Block).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockConfig {
    /// D, the width of a position.
    pub dim: usize,
    /// H, query heads.
    pub heads: usize,
    /// G, key and value heads: a divisor of H (switch 6, head groups).
    pub kv_heads: usize,
    /// W, the width of a head.
    pub head_width: usize,
    /// F, the width of the feed-forward net.
    pub hidden: usize,
    /// Switch 1: kind and place of the norms.
    pub norm: NormKind,
    /// Whether norms stand before the branches, or else after the sums.
    pub norm_first: bool,
    /// Added to the variance or mean square in both norms.
    pub epsilon: f64,
    /// Switch 2.
    pub feed_forward: FeedForward,
    /// Switch 3.
    pub biases: Biases,
    /// Switch 4: how positions enter the attention.
    pub positions: Positions,
    /// Switch 5: whether position `i` sees only `0..=i` of its sequence.
    pub causal: bool,
    /// Of attention weights and of both residual branches, in training.
    pub dropout: f64,
}

/// The feed-forward net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedForward {
    /// `gelu(x U) V`.
    Gelu(Gelu),
    /// `(silu(x G) ∘ x U) V`; `G` and `U` are one map.
    SwiGlu,
}

/// Which maps have a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Biases {
    /// None.
    None,
    /// All but that of queries, keys and values. (A key's bias shifts all scores of a query alike, so it never learns.)
    AfterAttention,
    /// All.
    All,
}

/// How positions enter the attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Positions {
    /// Not at all: they are part of the input.
    None,
    /// Queries and keys are turned ([`Rotary`](crate::Rotary)).
    Rotary,
    /// Scores get a value for the distance ([`DistanceBias`](crate::DistanceBias)), where the model has one.
    Distance,
}

impl BlockConfig {
    /// A causal block as in GPT-2: layer norms first, tanh GELU, positions in the input; no bias for queries, keys and values.
    pub fn new(dim: usize, heads: usize, hidden: usize) -> Self {
        Self {
            dim,
            heads,
            kv_heads: heads,
            head_width: dim / heads.max(1),
            hidden,
            norm: NormKind::Layer,
            norm_first: true,
            epsilon: 1e-5,
            feed_forward: FeedForward::Gelu(Gelu::Tanh),
            biases: Biases::AfterAttention,
            positions: Positions::None,
            causal: true,
            dropout: 0.0,
        }
    }

    /// The attention of the block.
    ///
    /// # Panics
    /// When the key heads do not divide the query heads.
    pub fn attention(&self) -> Attention {
        let Self { heads, kv_heads, head_width, causal, .. } = *self;
        assert!(kv_heads > 0 && heads % kv_heads == 0, "{kv_heads} key heads do not divide {heads} heads");
        Attention { heads, kv_heads, width: head_width, causal }
    }
}
