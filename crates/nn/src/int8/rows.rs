//! Quantises rows of f32 to 8-bit integers; each row has its own step and zero point.

use crate::Scalar;
use crate::kernel::{Level, level};

/// Steps of an input row's range: the zero point is rounded up, which takes the 255th.
const STEPS: f32 = 254.0;
/// Adding 1.5 · 2^23 leaves the nearest integer in the low bits.
const ROUND: f32 = 12_582_912.0;
/// Values that are scanned for their range at once.
const LANES: usize = 32;

/// Quantised rows, the input of [`QuantLinear`](super::QuantLinear); reuse it.
#[derive(Debug, Clone, Default)]
pub struct QuantRows {
    /// Groups of four inputs in a row.
    pub(super) groups: usize,
    pub(super) values: Vec<[u8; 4]>,
    pub(super) rows: Vec<RowScale>,
}

/// `x ≈ step · q - offset`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowScale {
    pub(super) step: f32,
    pub(super) offset: f32,
}

impl QuantRows {
    /// Quantises rows of `inputs` finite values.
    pub fn quantize(&mut self, inputs: usize, x: &[f32]) {
        self.groups = inputs.div_ceil(4);
        let rows = x.len() / inputs;
        self.values.resize(rows * self.groups, [0; 4]);
        self.rows.resize(rows, RowScale::default());
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::quantize_avx512(inputs, x, self) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::quantize_avx2(inputs, x, self) },
            _ => quantize(inputs, x, self),
        }
    }
}

#[inline(always)]
fn quantize(inputs: usize, x: &[f32], out: &mut QuantRows) {
    let rows = x.chunks_exact(inputs).zip(out.values.chunks_exact_mut(out.groups)).zip(&mut out.rows);
    for ((x, values), row) in rows {
        let (low, high) = range(x);
        let span = high - low;
        let inverse = if span < 1e-30 { 0.0 } else { STEPS / span };
        let zero = (-low * inverse).ceil();
        let step = span / STEPS;
        *row = RowScale { step, offset: step * zero };
        let shift = zero + ROUND;
        // The sum lies in ROUND + 0..=255, so its low byte is the rounded value.
        let values = &mut values.as_flattened_mut()[..inputs];
        values.iter_mut().zip(x).for_each(|(q, &x)| *q = (x * inverse + shift).to_bits() as u8);
    }
}

/// Smallest and largest value, 0 included.
#[inline(always)]
fn range(x: &[f32]) -> (f32, f32) {
    let (mut low, mut high) = ([0f32; LANES], [0f32; LANES]);
    let (chunks, rest) = x.as_chunks::<LANES>();
    for x in chunks {
        for i in 0..LANES {
            high[i] = high[i].larger(x[i]);
            low[i] = if x[i] < low[i] { x[i] } else { low[i] };
        }
    }
    let low = low.iter().chain(rest).fold(0f32, |a, &b| if b < a { b } else { a });
    (low, high.iter().chain(rest).fold(0f32, |a, &b| a.larger(b)))
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
    pub(super) fn quantize_avx512(inputs: usize, x: &[f32], out: &mut QuantRows) {
        quantize(inputs, x, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn quantize_avx2(inputs: usize, x: &[f32], out: &mut QuantRows) {
        quantize(inputs, x, out);
    }
}
