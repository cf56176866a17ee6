//! A [`BertModel`] for inference: packed maps, nothing kept for a backward pass.
//!
//! A vector's bytes depend on its own tokens alone: every step works row by row or text by text.

use super::BertModel;
use super::model::distances;
use semrank_nn::{DistanceBias, NormSaved, PackedBuffers, PackedStack, Precision};
use std::ops::Range;

/// Some layers of a network, ready to run, and its embeddings.
#[derive(Debug)]
pub(crate) struct Engine {
    model: BertModel,
    /// Parameters of the embeddings, the front of the flat vector.
    embeddings: Vec<f32>,
    /// Of sequences as long as the model reads.
    bias: Option<DistanceBias<f32>>,
    stack: PackedStack,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    summed: Vec<f32>,
    norm: NormSaved<f32>,
    stack: PackedBuffers,
}

impl Engine {
    /// Packs the first layers of `model`; `params` are those of the whole model, or as far as these layers go.
    pub(crate) fn new(
        model: BertModel,
        mut params: Vec<f32>,
        layers: Range<usize>,
        precision: Precision,
    ) -> Self {
        assert_eq!(layers.start, 0, "the embeddings lead to the first layer");
        let bias = model.distance_bias(&params, model.config().positions);
        params.truncate(model.tail(layers.end).start);
        let stack = PackedStack::new(&model.stack.part(layers), &mut params, precision);
        params.truncate(model.tail(0).start);
        Self { model, embeddings: params, bias, stack }
    }

    /// Writes the hidden states `[T x D]` of packed `tokens` behind the last packed layer.
    pub(crate) fn hidden(
        &self,
        tokens: &[u32],
        offsets: &[usize],
        buffers: &mut Buffers,
        hidden: &mut Vec<f32>,
    ) {
        let Buffers { summed, norm, stack } = buffers;
        summed.resize(tokens.len() * self.model.config().dim, 0.0);
        hidden.resize(summed.len(), 0.0);
        self.model.sum_embeddings(&self.embeddings, tokens, offsets, summed);
        self.model.norm.forward(&self.embeddings, summed, norm, hidden);
        self.stack.forward(offsets, distances(self.bias.as_ref()), stack, hidden);
    }
}
