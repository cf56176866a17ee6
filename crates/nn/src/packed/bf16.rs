//! `y = activation(x W + b)` with inputs and weights in bfloat16 and sums in f32: with AVX-512 BF16 a multiplication takes two
//! inputs at once, so that a map takes half the time of one in f32.
//!
//! A sum is one chain: of every pair of inputs first the second product is added, then the first (the order of `vdpbf16ps`).
//! A product of two bfloat16 is exact in f32, so each addition rounds once; numbers below the least normal one count as zero, as
//! the instruction has it. The portable twin gives the same bytes.

use super::tiles::{PANEL, ROWS, Rows, Tile, padded, run_tiles};
use crate::kernel::{Level, level};
use crate::weights::{bf16_to_f32, f32_to_bf16};
use crate::{Gelu, Linear};

/// The weights of two inputs to 16 columns: one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([Pair; 16]);

/// Two bfloat16: the first input's, then the second's.
type Pair = [u16; 2];
/// Two inputs' weights to the columns of a panel.
type PanelRow = [Line; 3];

/// An affine map with weights in bfloat16.
///
/// # Shapes
/// x `[T x inputs]`, y `[T x outputs]`.
#[derive(Debug, Clone)]
pub(crate) struct Bf16Linear {
    pairs: usize,
    outputs: usize,
    /// Panel after panel, each `[pairs x 48 x 2]`; columns beyond the outputs are zero.
    panels: Vec<PanelRow>,
    bias: Vec<[f32; PANEL]>,
}

/// Rows of bfloat16, in pairs; reuse it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bf16Rows {
    pairs: usize,
    values: Vec<Pair>,
}

impl Bf16Rows {
    /// Rounds rows of `inputs` values.
    pub(crate) fn convert(&mut self, inputs: usize, x: &[f32]) {
        self.pairs = inputs.div_ceil(2);
        self.values.resize(x.len() / inputs.max(1) * self.pairs, [0; 2]);
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::convert_avx512(inputs, x, self) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::convert_avx2(inputs, x, self) },
            _ => convert(inputs, x, self),
        }
    }
}

#[inline(always)]
fn convert(inputs: usize, x: &[f32], out: &mut Bf16Rows) {
    for (x, values) in x.chunks_exact(inputs).zip(out.values.chunks_exact_mut(out.pairs)) {
        values.as_flattened_mut().iter_mut().zip(x).for_each(|(out, &x)| *out = normal(x));
    }
}

/// The nearest bfloat16; 0 where it is not a normal number.
#[inline(always)]
fn normal(value: f32) -> u16 {
    let bits = f32_to_bf16(value);
    if bits & 0x7f80 == 0 { bits & 0x8000 } else { bits }
}

impl Bf16Linear {
    /// Rounds and packs a map of `params`.
    pub(crate) fn new(linear: &Linear, params: &[f32]) -> Self {
        let (inputs, outputs) = (linear.weight.rows, linear.weight.cols);
        let pairs = inputs.div_ceil(2);
        let mut panels = vec![[Line([[0; 2]; 16]); 3]; outputs.div_ceil(PANEL) * pairs];
        for (input, row) in linear.weight.of(params).chunks_exact(outputs).enumerate() {
            for (column, &value) in row.iter().enumerate() {
                let (panel, column) = (column / PANEL, column % PANEL);
                panels[panel * pairs + input / 2][column / 16].0[column % 16][input % 2] = normal(value);
            }
        }
        Self { pairs, outputs, panels, bias: padded(linear, params) }
    }

    /// Width of a row of `y`.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes `y`.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub(crate) fn forward(&self, x: &Bf16Rows, gelu: Option<Gelu>, y: &mut [f32]) {
        let rows = x.values.len() / self.pairs;
        assert_eq!((x.pairs, y.len()), (self.pairs, rows * self.outputs));
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features, and the others are asked for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if is_x86_feature_detected!("avx512bf16") && is_x86_feature_detected!("fma") => unsafe {
                x86::forward_bf16(self, x, gelu, y);
            },
            _ => self.run(x, gelu, y, tile_portable),
        }
    }

    #[inline(always)]
    fn run(
        &self,
        x: &Bf16Rows,
        gelu: Option<Gelu>,
        y: &mut [f32],
        tile: impl Fn(Rows<Pair>, &[PanelRow], &mut Tile),
    ) {
        run_tiles([self.pairs, self.outputs], &x.values, &self.panels, self.pairs, &self.bias, gelu, y, tile);
    }
}

/// The portable twin of the kernel below.
fn tile_portable(rows: Rows<Pair>, panel: &[PanelRow], sums: &mut Tile) {
    for (x, sums) in rows.x.chunks(rows.stride).zip(sums).take(rows.count) {
        let mut chain = [0.0; PANEL];
        for (x, weights) in x.iter().zip(panel) {
            for (sum, weights) in chain.iter_mut().zip(weights.iter().flat_map(|line| &line.0)) {
                for i in [1, 0] {
                    *sum = flushed(*sum + bf16_to_f32(x[i]) * bf16_to_f32(weights[i]));
                }
            }
        }
        sums.iter_mut().zip(chain).for_each(|(sum, chain)| *sum += chain);
    }
}

#[inline(always)]
fn flushed(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0f32.copysign(value) } else { value }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
    pub(super) fn convert_avx512(inputs: usize, x: &[f32], out: &mut Bf16Rows) {
        convert(inputs, x, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn convert_avx2(inputs: usize, x: &[f32], out: &mut Bf16Rows) {
        convert(inputs, x, out);
    }

    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq,avx512bf16")]
    pub(super) fn forward_bf16(linear: &Bf16Linear, x: &Bf16Rows, gelu: Option<Gelu>, y: &mut [f32]) {
        linear.run(x, gelu, y, |rows, panel, sums| match rows.count {
            8 => tile_bf16::<8>(rows, panel, sums),
            7 => tile_bf16::<7>(rows, panel, sums),
            6 => tile_bf16::<6>(rows, panel, sums),
            5 => tile_bf16::<5>(rows, panel, sums),
            4 => tile_bf16::<4>(rows, panel, sums),
            3 => tile_bf16::<3>(rows, panel, sums),
            2 => tile_bf16::<2>(rows, panel, sums),
            _ => tile_bf16::<1>(rows, panel, sums),
        });
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    fn tile_bf16<const R: usize>(rows: Rows<Pair>, panel: &[PanelRow], sums: &mut Tile) {
        let Rows { x, stride, .. } = rows;
        assert!(x.len() >= (R - 1) * stride + panel.len() && R <= ROWS);
        let mut acc = [[_mm512_setzero_ps(); 3]; R];
        for (k, weights) in panel.iter().enumerate() {
            let weights: [__m512bh; 3] = std::array::from_fn(|c| {
                // SAFETY: a line is 64 bytes, aligned to 64; any bits are bfloat16.
                unsafe { *weights[c].0.as_ptr().cast::<__m512bh>() }
            });
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: r < R and k is below the panel's length: by the assertion `x` holds that pair.
                let [first, second] = unsafe { *x.get_unchecked(r * stride + k) };
                let pair = _mm512_set1_epi32((u32::from(second) << 16 | u32::from(first)) as i32);
                // SAFETY: both are 512 bits.
                let x = unsafe { std::mem::transmute::<__m512i, __m512bh>(pair) };
                for (acc, &weights) in acc.iter_mut().zip(&weights) {
                    *acc = _mm512_dpbf16_ps(*acc, x, weights);
                }
            }
        }
        for (acc, sums) in acc.iter().zip(sums) {
            for (acc, sums) in acc.iter().zip(sums.as_chunks_mut::<16>().0) {
                let at = sums.as_mut_ptr();
                // SAFETY: 16 values.
                unsafe { _mm512_storeu_ps(at, _mm512_add_ps(_mm512_loadu_ps(at), *acc)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Layout, kernel::limit};
    use semrank_core::Rng;

    fn values(len: usize, name: &str) -> Vec<f32> {
        let mut rng = Rng::new(7, name);
        // Some so small that products and sums are not normal.
        let mut size = move || if rng.below(8) == 0 { 1e-20 } else { 1.0 } * rng.normal() as f32;
        (0..len).map(|_| size()).collect()
    }

    #[test]
    fn the_instruction_gives_the_bytes_of_the_portable_twin_near_the_exact_map() {
        for (rows, inputs, outputs) in [(1, 3, 1), (8, 64, 48), (21, 41, 100), (13, 700, 49)] {
            let mut layout = Layout::new();
            let linear = Linear::new(&mut layout, "map", inputs, outputs, Init::Normal(0.1));
            let (params, x) = (values(layout.len(), "params"), values(rows * inputs, "x"));
            let map = Bf16Linear::new(&linear, &params);
            let run = |most| {
                limit(most);
                let (mut input, mut y) = (Bf16Rows::default(), vec![f32::NAN; rows * outputs]);
                input.convert(inputs, &x);
                map.forward(&input, None, &mut y);
                limit(Level::Avx512);
                y
            };
            let portable = run(Level::Portable);
            assert!(run(Level::Avx512) == portable && run(Level::Avx2) == portable);
            let mut want = vec![0.0; rows * outputs];
            linear.forward(&params, &x, &mut want);
            for (got, want) in portable.iter().zip(&want) {
                assert!((got - want).abs() < 0.02 * (inputs as f32).sqrt(), "{got} {want}");
            }
        }
    }

    #[test]
    fn products_and_sums_that_are_not_normal_count_as_zero() {
        let mut layout = Layout::new();
        let linear = Linear::without_bias(&mut layout, "map", 2, 1, Init::Constant(0.0));
        let run = |most, weights: [f32; 2], x: [f32; 2]| {
            limit(most);
            let (mut input, mut y) = (Bf16Rows::default(), [f32::NAN]);
            input.convert(2, &x);
            Bf16Linear::new(&linear, &weights).forward(&input, None, &mut y);
            limit(Level::Avx512);
            y[0]
        };
        for (weights, x) in
            [([1e-20, 0.0], [1e-20, 0.0]), ([1e-39, 1.0], [1e30, 0.0]), ([2e-38, -1.5e-38], [1.0, 1.0])]
        {
            for most in [Level::Portable, Level::Avx512] {
                assert_eq!(run(most, weights, x), 0.0, "{weights:?} {x:?} {}", most.name());
            }
        }
    }
}
