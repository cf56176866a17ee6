//! A [`Stack`] for inference in f32: maps packed once, at the precision that is asked for, nothing kept for a backward pass.
//!
//! A sequence's values depend on its own positions alone: every step works row by row or sequence by sequence. With
//! [`Precision::F32`] and a tanh GELU or SwiGLU they have the bytes of [`Stack::forward`].

use super::map::{MapInput, PackedMap};
use crate::block::sized;
use crate::{
    Attention, AttentionInput, AttentionScratch, Block, BlockConfig, FeedForward, KvCache, Layout, Norm,
    NormState, PastHeads, PositionTable, Precision, Queries, Stack, keep_last, kernel, residual_norm, swiglu,
};

/// A stack that is never trained.
#[derive(Debug, Clone)]
pub struct PackedStack {
    config: BlockConfig,
    attention: Attention,
    layers: Vec<PackedBlock>,
    norm: Option<PackedNorm>,
}

#[derive(Debug, Clone)]
struct PackedBlock {
    qkv: PackedMap,
    out: PackedMap,
    up: PackedMap,
    down: PackedMap,
    norm_1: PackedNorm,
    norm_2: PackedNorm,
}

/// A norm and its own few parameters.
#[derive(Debug, Clone)]
struct PackedNorm {
    norm: Norm,
    params: Vec<f32>,
}

/// Buffers of a thread; reuse them.
#[derive(Debug, Clone, Default)]
pub struct PackedBuffers {
    state: NormState<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    attention: AttentionScratch<f32>,
    mixed: Vec<f32>,
    branch: Vec<f32>,
    up: Vec<f32>,
    activated: Vec<f32>,
    input: MapInput,
}

/// The positions before the sequences.
enum Past<'a> {
    Nothing,
    /// All of them the same.
    Shared(&'a KvCache<f32>),
    /// Each its own, to which it is appended.
    Append(&'a mut [KvCache<f32>]),
}

impl PackedStack {
    /// Packs the layers of `params`, which are the stack's layout and may hold more in front. Its end is dropped block by block, so
    /// that parameters and packed maps are never in memory twice; what is left are the parameters before the stack.
    pub fn new(stack: &Stack, params: &mut Vec<f32>, precision: Precision) -> Self {
        let norm = stack.norm().map(|norm| PackedNorm::new(norm, params));
        let config = *stack.config();
        let mut layers: Vec<_> = stack
            .blocks()
            .iter()
            .rev()
            .map(|block| {
                let packed = PackedBlock::new(block, params, precision);
                params.truncate(block.start());
                params.shrink_to_fit();
                packed
            })
            .collect();
        layers.reverse();
        Self { config, attention: config.attention(), layers, norm }
    }

    /// Number of layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Replaces `x` `[T x D]` by the output of all layers.
    ///
    /// # Panics
    /// When lengths do not fit, or the table of positions is another than the configuration's.
    pub fn forward(
        &self,
        offsets: &[usize],
        positions: PositionTable<f32>,
        buffers: &mut PackedBuffers,
        x: &mut Vec<f32>,
    ) {
        self.run(offsets, positions, Past::Nothing, Queries::All, buffers, x);
    }

    /// As [`PackedStack::forward`] at the last position of each sequence that has one: `x` shrinks to these rows.
    ///
    /// # Panics
    /// As [`PackedStack::forward`].
    pub fn forward_last(
        &self,
        offsets: &[usize],
        positions: PositionTable<f32>,
        buffers: &mut PackedBuffers,
        x: &mut Vec<f32>,
    ) {
        self.run(offsets, positions, Past::Nothing, Queries::Last, buffers, x);
    }

    /// As [`PackedStack::forward`] for sequences that go on from what their caches remember, and appends them there. The output has
    /// the bytes of the whole sequences' pass.
    ///
    /// # Panics
    /// As [`PackedStack::forward`]; where there is not one cache of these layers per sequence, or the stack is not causal.
    pub fn append(
        &self,
        caches: &mut [KvCache<f32>],
        offsets: &[usize],
        positions: PositionTable<f32>,
        buffers: &mut PackedBuffers,
        x: &mut Vec<f32>,
    ) {
        assert!(self.config.causal && caches.len() + 1 == offsets.len(), "a cache per causal sequence");
        self.run(offsets, positions, Past::Append(caches), Queries::All, buffers, x);
    }

    /// As [`PackedStack::append`] for candidates that all follow the same history, which stays as it is: none sees another, and each
    /// has the bytes that it has alone.
    ///
    /// # Panics
    /// As [`PackedStack::forward`], or where the stack is not causal.
    pub fn attend_shared(
        &self,
        history: &KvCache<f32>,
        offsets: &[usize],
        positions: PositionTable<f32>,
        buffers: &mut PackedBuffers,
        x: &mut Vec<f32>,
    ) {
        assert!(self.config.causal, "a history does not see its candidates");
        self.run(offsets, positions, Past::Shared(history), Queries::All, buffers, x);
    }

    fn run(
        &self,
        offsets: &[usize],
        positions: PositionTable<f32>,
        mut past: Past,
        queries: Queries,
        buffers: &mut PackedBuffers,
        x: &mut Vec<f32>,
    ) {
        positions.check(self.config.positions);
        let starts = match &past {
            Past::Nothing => vec![0; offsets.len() - 1],
            Past::Shared(history) => vec![history.len(); offsets.len() - 1],
            Past::Append(caches) => caches.iter().map(KvCache::len).collect(),
        };
        for (index, layer) in self.layers.iter().enumerate() {
            let queries = if index + 1 == self.layers.len() { queries } else { Queries::All };
            layer.project(&self.config, &self.attention, buffers, x);
            if let PositionTable::Rotary(rotary) = positions {
                let (heads, stride) = (self.attention.turned_heads(), self.attention.inputs());
                rotary.rotate_after(&starts, offsets, heads, stride, &mut buffers.qkv);
            }
            if queries == Queries::Last {
                keep_last(offsets, self.config.dim, x);
            }
            self.attend(index, offsets, positions, &mut past, queries, buffers, x.len() / self.config.dim);
            layer.finish(&self.config, buffers, x);
        }
        if self.layers.is_empty() && queries == Queries::Last {
            keep_last(offsets, self.config.dim, x);
        }
        if let Some(norm) = &self.norm {
            norm.forward(x, &mut buffers.state, sized(&mut buffers.normed, x.len()));
            x.copy_from_slice(&buffers.normed);
        }
    }

    /// Mixes the values of `buffers.qkv` into `buffers.mixed`.
    #[allow(clippy::too_many_arguments)]
    fn attend(
        &self,
        layer: usize,
        offsets: &[usize],
        positions: PositionTable<f32>,
        past: &mut Past,
        queries: Queries,
        buffers: &mut PackedBuffers,
        rows: usize,
    ) {
        let PackedBuffers { qkv, mixed, attention: scratch, .. } = buffers;
        let input = AttentionInput { bias: positions.bias(), ..AttentionInput::new(offsets, qkv) };
        let mixed = sized(mixed, rows * self.attention.outputs());
        match past {
            Past::Nothing => self.attention.infer(&input, queries, scratch, mixed),
            Past::Shared(history) => {
                let segments = history.segments(layer);
                let mut past = std::iter::repeat(&segments[..]);
                self.attention.infer_after(&mut past, &input, queries, scratch, mixed);
            }
            Past::Append(caches) => {
                let segments: Vec<Vec<&PastHeads<f32>>> =
                    caches.iter().map(|cache| cache.segments(layer)).collect();
                let ends = offsets.windows(2);
                let filled = segments.iter().zip(ends.clone()).filter(|(_, ends)| ends[0] < ends[1]);
                let mut past = filled.map(|(segments, _)| &segments[..]);
                self.attention.infer_after(&mut past, &input, queries, scratch, mixed);
                let inputs = self.attention.inputs();
                for (cache, ends) in caches.iter_mut().zip(ends) {
                    cache.append(layer, &self.attention, &qkv[ends[0] * inputs..ends[1] * inputs]);
                }
            }
        }
    }
}

impl PackedBlock {
    fn new(block: &Block, params: &[f32], precision: Precision) -> Self {
        let map = |linear| PackedMap::new(precision, linear, params);
        Self {
            qkv: map(&block.qkv),
            out: map(&block.out),
            up: map(&block.up),
            down: map(&block.down),
            norm_1: PackedNorm::new(&block.norm_1, params),
            norm_2: PackedNorm::new(&block.norm_2, params),
        }
    }

    /// From `x` to queries, keys and values.
    fn project(&self, config: &BlockConfig, attention: &Attention, buffers: &mut PackedBuffers, x: &[f32]) {
        let PackedBuffers { state, normed, qkv, input, .. } = buffers;
        let source = if config.norm_first {
            self.norm_1.forward(x, state, sized(normed, x.len()));
            normed.as_slice()
        } else {
            x
        };
        self.qkv.forward(source, None, input, sized(qkv, x.len() / config.dim * attention.inputs()));
    }

    /// From the mixed values on: both sums.
    fn finish(&self, config: &BlockConfig, buffers: &mut PackedBuffers, x: &mut [f32]) {
        let PackedBuffers { state, normed, mixed, branch, up, activated, input, .. } = buffers;
        let rows = x.len() / config.dim;
        let branch = sized(branch, x.len());
        self.out.forward(mixed, None, input, branch);
        let source = if config.norm_first {
            kernel::add(branch, x);
            self.norm_2.forward(x, state, sized(normed, x.len()));
            normed.as_slice()
        } else {
            self.norm_1.residual(branch, state, normed, x);
            &*x
        };
        let up = sized(up, rows * self.up.outputs());
        let activated = match config.feed_forward {
            FeedForward::Gelu(gelu) => {
                self.up.forward(source, Some(gelu), input, up);
                up
            }
            FeedForward::SwiGlu => {
                self.up.forward(source, None, input, up);
                let activated = sized(activated, rows * config.hidden);
                swiglu(config.hidden, up, activated);
                activated
            }
        };
        self.down.forward(activated, None, input, branch);
        if config.norm_first {
            kernel::add(branch, x);
        } else {
            self.norm_2.residual(branch, state, normed, x);
        }
    }
}

impl PackedNorm {
    fn new(norm: &Norm, params: &[f32]) -> Self {
        let (dim, mut layout) = (norm.gain().cols, Layout::new());
        let own = match norm {
            Norm::Layer(layer) => Norm::new(&mut layout, "norm", dim, crate::NormKind::Layer, layer.epsilon),
            Norm::Rms(rms) => Norm::new(&mut layout, "norm", dim, crate::NormKind::Rms, rms.epsilon),
        };
        let mut out = Self { norm: own, params: vec![0.0; layout.len()] };
        own.gain().of_mut(&mut out.params).copy_from_slice(norm.gain().of(params));
        if let (Some(to), Some(from)) = (own.bias(), norm.bias()) {
            to.of_mut(&mut out.params).copy_from_slice(from.of(params));
        }
        out
    }

    fn forward(&self, x: &[f32], state: &mut NormState<f32>, y: &mut [f32]) {
        self.norm.forward(&self.params, x, state, y);
    }

    /// `x = norm(x + branch)`.
    fn residual(&self, branch: &[f32], state: &mut NormState<f32>, sum: &mut Vec<f32>, x: &mut [f32]) {
        match &self.norm {
            Norm::Layer(norm) => {
                let (gain, bias) = (norm.gain.of(&self.params), norm.bias.of(&self.params));
                residual_norm(branch, gain, bias, norm.epsilon, x);
            }
            Norm::Rms(_) => {
                sum.clear();
                sum.extend_from_slice(x);
                kernel::add(branch, sum);
                self.forward(sum, state, x);
            }
        }
    }
}

#[cfg(test)]
mod tests;
