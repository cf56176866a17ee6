//! [`BertModel`] for inference only: packed maps, nothing kept for a backward pass.
//!
//! A vector's bytes depend on its own tokens alone: every step works row by row or text by text.

use super::{BertModel, Pool};
use semrank_nn::{
    Attention, DistanceBias, Gelu, InferenceScratch, LayerNorm, Linear, NormSaved, PackedLinear, QuantLinear,
    QuantRows, residual_norm,
};

/// How the maps are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    F32,
    Int8,
}

/// An affine map at the chosen precision.
#[derive(Debug)]
enum Map {
    F32(PackedLinear),
    Int8(QuantLinear),
}

/// Gain, bias and epsilon of a norm.
#[derive(Debug)]
struct Norm {
    gain: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f64,
}

#[derive(Debug)]
struct Layer {
    qkv: Map,
    out: Map,
    norm_1: Norm,
    up: Map,
    down: Map,
    norm_2: Norm,
}

/// The network, ready to run.
#[derive(Debug)]
pub(super) struct Engine {
    model: BertModel,
    /// Parameters of the embeddings, the front of the flat vector.
    embeddings: Vec<f32>,
    /// Of sequences as long as the model reads.
    bias: Option<DistanceBias<f32>>,
    layers: Vec<Layer>,
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    summed: Vec<f32>,
    norm: NormSaved<f32>,
    hidden: Vec<f32>,
    qkv: Vec<f32>,
    mixed: Vec<f32>,
    branch: Vec<f32>,
    wide: Vec<f32>,
    attention: InferenceScratch<f32>,
    quant: QuantRows,
}

/// Sets a buffer's length; the values are overwritten by the caller.
fn sized(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    buffer.resize(len, 0.0);
    buffer
}

impl Map {
    fn new(precision: Precision, linear: &Linear, params: &[f32]) -> Self {
        match precision {
            Precision::F32 => Map::F32(PackedLinear::new(linear, params)),
            Precision::Int8 => Map::Int8(QuantLinear::new(linear, params)),
        }
    }

    /// Writes `y` for rows of `inputs` values, quantised into `quant` first where the map wants them so.
    fn forward(&self, inputs: usize, x: &[f32], gelu: Option<Gelu>, quant: &mut QuantRows, y: &mut [f32]) {
        match self {
            Map::F32(map) => map.forward(x, gelu, y),
            Map::Int8(map) => {
                quant.quantize(inputs, x);
                map.forward(quant, gelu, y);
            }
        }
    }

    fn outputs(&self) -> usize {
        match self {
            Map::F32(map) => map.outputs(),
            Map::Int8(map) => map.outputs(),
        }
    }
}

impl Norm {
    fn new(norm: &LayerNorm, params: &[f32]) -> Self {
        Self {
            gain: norm.gain.of(params).to_vec(),
            bias: norm.bias.of(params).to_vec(),
            epsilon: norm.epsilon,
        }
    }

    /// `x = norm(x + branch)`.
    fn apply(&self, branch: &[f32], x: &mut [f32]) {
        residual_norm(branch, &self.gain, &self.bias, self.epsilon, x);
    }
}

impl Engine {
    /// Packs `params` of `model`.
    pub(super) fn new(model: BertModel, mut params: Vec<f32>, precision: Precision) -> Self {
        let map = |linear| Map::new(precision, linear, &params);
        let layers = model.blocks.iter().map(|block| Layer {
            qkv: map(&block.qkv),
            out: map(&block.out),
            norm_1: Norm::new(&block.norm_1, &params),
            up: map(&block.up),
            down: map(&block.down),
            norm_2: Norm::new(&block.norm_2, &params),
        });
        let layers = layers.collect::<Vec<_>>();
        let bias = model.distance_bias(&params, model.config().positions);
        params.truncate(model.tail(0).start);
        params.shrink_to_fit();
        Self { model, embeddings: params, bias, layers }
    }

    /// Writes text vectors `[B x D]` of packed `tokens`.
    pub(super) fn encode(
        &self,
        tokens: &[u32],
        offsets: &[usize],
        pool: Pool,
        buffers: &mut Buffers,
        out: &mut [f32],
    ) {
        let dim = self.model.config().dim;
        let summed = sized(&mut buffers.summed, tokens.len() * dim);
        self.model.sum_embeddings(&self.embeddings, tokens, offsets, summed);
        let hidden = sized(&mut buffers.hidden, tokens.len() * dim);
        self.model.norm.forward(&self.embeddings, &buffers.summed, &mut buffers.norm, hidden);
        for (layer, block) in self.layers.iter().zip(&self.model.blocks) {
            layer.forward(&block.attention, self.bias.as_ref(), block.gelu(), offsets, buffers);
        }
        pool.forward(dim, offsets, &buffers.hidden, out);
    }
}

impl Layer {
    /// Replaces `buffers.hidden` by the layer's output.
    fn forward(
        &self,
        attention: &Attention,
        bias: Option<&DistanceBias<f32>>,
        gelu: Gelu,
        offsets: &[usize],
        buffers: &mut Buffers,
    ) {
        let Buffers { hidden, qkv, mixed, branch, wide, attention: scratch, quant, .. } = buffers;
        let (tokens, dim) = (offsets[offsets.len() - 1], attention.outputs());
        let qkv = sized(qkv, tokens * attention.inputs());
        self.qkv.forward(dim, hidden, None, quant, qkv);
        let mixed = sized(mixed, hidden.len());
        attention.infer_biased(offsets, qkv, bias, scratch, mixed);
        let branch = sized(branch, hidden.len());
        self.out.forward(dim, mixed, None, quant, branch);
        self.norm_1.apply(branch, hidden);

        let wide = sized(wide, tokens * self.up.outputs());
        self.up.forward(dim, hidden, Some(gelu), quant, wide);
        self.down.forward(self.up.outputs(), wide, None, quant, branch);
        self.norm_2.apply(branch, hidden);
    }
}
