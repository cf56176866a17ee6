//! Multi-head self-attention over packed sequences (Vaswani et al. 2017, arXiv 1706.03762, section 3.2), causal or not,
//! with as many key and value heads as query heads or fewer (grouped-query attention, Ainslie et al. 2023, arXiv
//! 2305.13245).
//!
//! Every sequence is one pass over its own rows: no padding, no mask. One core serves training and inference: small
//! products that stay in registers (`tile`), over keys that are transposed once per head (`heads`). A sequence may follow
//! positions that were passed before ([`PastHeads`]); what it computes then has the bytes of the whole sequence's pass.

mod backward;
mod bias;
mod forward;
mod heads;
mod tile;

pub use bias::DistanceBias;
pub use heads::PastHeads;

use crate::kernel::{Level, level};
use crate::{Dropout, Scalar, vector};
use forward::Sequence;
use heads::LANE;

/// Self-attention without parameters of its own: queries, keys and values come in, mixed values go out.
///
/// # Shapes
/// qkv `[T x (H + 2 G) W]`: H query heads, then G key heads, then G value heads; output `[T x H W]`. Query head `h`
/// reads key and value head `h / (H / G)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    /// H.
    pub heads: usize,
    /// G, a divisor of H.
    pub kv_heads: usize,
    /// W, the width of a head.
    pub width: usize,
    /// Whether position `i` sees only `0..=i` of its sequence.
    pub causal: bool,
}

/// Input of attention.
#[derive(Debug, Clone, Copy)]
pub struct AttentionInput<'a, T> {
    /// Where each sequence begins, and at the end T.
    pub offsets: &'a [usize],
    /// Queries, keys and values.
    pub qkv: &'a [T],
    /// Added to the scores.
    pub bias: Option<&'a DistanceBias<T>>,
    /// Of attention weights.
    pub dropout: Dropout,
}

impl<'a, T> AttentionInput<'a, T> {
    /// Without bias and dropout.
    pub fn new(offsets: &'a [usize], qkv: &'a [T]) -> Self {
        Self { offsets, qkv, bias: None, dropout: Dropout::off() }
    }
}

/// Which queries of a sequence are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queries {
    /// All of them.
    All,
    /// The last one.
    Last,
}

/// Buffers of a sequence and head; reuse them.
#[derive(Debug, Clone, Default)]
pub struct Scratch<T> {
    keys: Vec<T>,
    values: Vec<T>,
    rows: Vec<T>,
    mixed: Vec<T>,
    queries: Vec<T>,
    dy: Vec<T>,
    kept: Vec<T>,
    dscores: Vec<T>,
    sums: Vec<T>,
}

impl Attention {
    /// Causal attention with as many key as query heads over rows of `dim` values.
    pub fn causal(dim: usize, heads: usize) -> Self {
        Self { heads, kv_heads: heads, width: dim / heads, causal: true }
    }

    /// Room for the attention weights of sequences with these offsets: H · L rows each, of L values and some padding.
    pub fn weights_len(&self, offsets: &[usize]) -> usize {
        filled(offsets).map(|ends| self.sequence_weights(ends[1] - ends[0])).sum()
    }

    fn sequence_weights(&self, len: usize) -> usize {
        self.heads * len * len.next_multiple_of(LANE)
    }

    /// Width of a row of `qkv`.
    pub fn inputs(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.width
    }

    /// Width of a row of the output.
    pub fn outputs(&self) -> usize {
        self.heads * self.width
    }

    /// Writes `y`, and into `weights` the attention weights before dropout (see [`Attention::weights_len`]).
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn forward<T: Scalar>(
        &self,
        input: &AttentionInput<T>,
        scratch: &mut Scratch<T>,
        weights: &mut [T],
        y: &mut [T],
    ) {
        assert_eq!(weights.len(), self.weights_len(input.offsets));
        let (outputs, mut at) = (self.outputs(), 0);
        for ends in filled(input.offsets) {
            let sequence = self.sequence(input, ends, at);
            let size = self.sequence_weights(ends[1] - ends[0]);
            let y = &mut y[ends[0] * outputs..ends[1] * outputs];
            T::attend(&sequence, scratch, Some(&mut weights[at..at + size]), y);
            at += size;
        }
    }

    /// Writes `y`, the bytes that [`Attention::forward`] writes without dropout, and keeps no weights; with [`Queries::Last`] one
    /// row for each sequence that has a position.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn infer<T: Scalar>(
        &self,
        input: &AttentionInput<T>,
        queries: Queries,
        scratch: &mut Scratch<T>,
        y: &mut [T],
    ) {
        self.infer_after(&mut std::iter::repeat(&[][..]), input, queries, scratch, y);
    }

    /// As [`Attention::infer`], where the queries of every sequence that has a position also see its next `past`, whatever the
    /// mask. Sequences may share one, and never see each other.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn infer_after<'a, T: Scalar>(
        &self,
        past: &mut dyn Iterator<Item = &'a [&'a PastHeads<T>]>,
        input: &AttentionInput<T>,
        queries: Queries,
        scratch: &mut Scratch<T>,
        mut y: &mut [T],
    ) {
        for (ends, past) in filled(input.offsets).zip(past) {
            let len = ends[1] - ends[0];
            let first_query = if queries == Queries::Last { len - 1 } else { 0 };
            let (mine, rest) = y.split_at_mut((len - first_query) * self.outputs());
            let sequence = Sequence { past, first_query, ..self.sequence(input, ends, 0) };
            T::attend(&sequence, scratch, None, mine);
            y = rest;
        }
        assert!(y.is_empty(), "a row per query");
    }

    /// Writes `dqkv`; `weights` are those of the forward pass.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn backward<T: Scalar>(
        &self,
        input: &AttentionInput<T>,
        scratch: &mut Scratch<T>,
        weights: &[T],
        dy: &[T],
        dqkv: &mut [T],
    ) {
        assert_eq!(weights.len(), self.weights_len(input.offsets));
        let (inputs, outputs, mut at) = (self.inputs(), self.outputs(), 0);
        for ends in filled(input.offsets) {
            let sequence = self.sequence(input, ends, at);
            let size = self.sequence_weights(ends[1] - ends[0]);
            let dy = &dy[ends[0] * outputs..ends[1] * outputs];
            let dqkv = &mut dqkv[ends[0] * inputs..ends[1] * inputs];
            T::attend_backward(&sequence, scratch, &weights[at..at + size], dy, dqkv);
            at += size;
        }
    }

    fn sequence<'a, T>(
        &self,
        input: &AttentionInput<'a, T>,
        ends: [usize; 2],
        first_weight: usize,
    ) -> Sequence<'a, T> {
        let inputs = self.inputs();
        let AttentionInput { qkv, bias, dropout, .. } = *input;
        let qkv = &qkv[ends[0] * inputs..ends[1] * inputs];
        Sequence { shape: *self, qkv, past: &[], bias, dropout, first_weight, first_query: 0 }
    }

    fn scale<T: Scalar>(&self) -> T {
        T::from_f64(1.0 / (self.width as f64).sqrt())
    }

    /// Columns of a query head's query, key and value in a row of `qkv`.
    fn columns(&self, head: usize) -> [usize; 3] {
        let group = head / (self.heads / self.kv_heads);
        [head, self.heads + group, self.heads + self.kv_heads + group].map(|part| part * self.width)
    }

    /// Heads that rotary positions turn: queries and keys, not values.
    pub(crate) fn turned_heads(&self) -> usize {
        self.heads + self.kv_heads
    }

    /// How many positions position `i` of a sequence of `len` sees.
    fn visible(&self, i: usize, len: usize) -> usize {
        if self.causal { i + 1 } else { len }
    }
}

/// The ends of the sequences that have a position.
fn filled(offsets: &[usize]) -> impl Iterator<Item = [usize; 2]> + '_ {
    offsets.windows(2).map(|ends| [ends[0], ends[1]]).filter(|ends| ends[0] < ends[1])
}

/// A type of numbers that attention is compiled for.
pub trait Attend: Sized {
    /// `attention::forward` with the instructions of a level.
    fn attend(
        sequence: &Sequence<Self>,
        scratch: &mut Scratch<Self>,
        weights: Option<&mut [Self]>,
        y: &mut [Self],
    );

    /// `attention::backward` with the instructions of a level.
    fn attend_backward(
        sequence: &Sequence<Self>,
        scratch: &mut Scratch<Self>,
        weights: &[Self],
        dy: &[Self],
        dqkv: &mut [Self],
    );
}

/// Compiles a function of a vector type for every level, and calls the one of this machine.
macro_rules! for_level {
    ($type:ty: $avx512:ident, $avx2:ident, $portable:ident; $module:ident::$function:ident, ($($arg:ident: $arg_type:ty),*)) => {{
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
        fn avx512($($arg: $arg_type),*) {
            // SAFETY: the instructions are there.
            unsafe { $module::$function::<vector::x86::$avx512>($($arg),*) }
        }

        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma")]
        fn avx2($($arg: $arg_type),*) {
            // SAFETY: as above.
            unsafe { $module::$function::<vector::x86::$avx2>($($arg),*) }
        }

        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features, and the FMA instructions are asked for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if is_x86_feature_detected!("fma") => unsafe { avx512($($arg),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if is_x86_feature_detected!("fma") => unsafe { avx2($($arg),*) },
            // SAFETY: arrays need no instructions.
            _ => unsafe { $module::$function::<vector::$portable>($($arg),*) },
        }
    }};
}

macro_rules! attend {
    ($type:ty: $avx512:ident, $avx2:ident, $portable:ident) => {
        impl Attend for $type {
            fn attend(
                sequence: &Sequence<Self>,
                scratch: &mut Scratch<Self>,
                weights: Option<&mut [Self]>,
                y: &mut [Self],
            ) {
                for_level!($type: $avx512, $avx2, $portable; forward::forward, (
                    sequence: &Sequence<$type>, scratch: &mut Scratch<$type>, weights: Option<&mut [$type]>, y: &mut [$type]
                ))
            }

            fn attend_backward(
                sequence: &Sequence<Self>,
                scratch: &mut Scratch<Self>,
                weights: &[Self],
                dy: &[Self],
                dqkv: &mut [Self],
            ) {
                for_level!($type: $avx512, $avx2, $portable; backward::backward, (
                    sequence: &Sequence<$type>, scratch: &mut Scratch<$type>, weights: &[$type], dy: &[$type],
                    dqkv: &mut [$type]
                ))
            }
        }
    };
}

attend!(f32: F32x16, F32x8, PortableF32);
attend!(f64: F64x8, F64x4, PortableF64);

#[cfg(test)]
mod tests;
