//! `y = activation(x W + b)` for inference in f32: W is packed once into panels of 48 columns, and a tile of 8 rows by one
//! panel stays in registers while the inputs pass by (Goto & van de Geijn 2008, "Anatomy of high-performance matrix
//! multiplication").
//!
//! Every value is the same chain of fused multiply-adds, whatever the other rows and whatever the instruction set: a row's
//! bytes depend on nothing else. Without such an instruction (x86-64 before 2013) the chain is slow.

use crate::activation::gelu_inline;
use crate::kernel::{Level, level};
use crate::scalar::erf_f32;
use crate::{Gelu, Linear};

/// Columns of a panel: three AVX-512 registers.
pub(crate) const PANEL: usize = 48;
/// Rows of a tile: with three registers each, 24 accumulators of the 32 registers.
pub(crate) const ROWS: usize = 8;

/// 16 values on one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// One input's weights to the columns of a panel.
type PanelRow = [Line; 3];
type Tile = [[f32; PANEL]; ROWS];

/// An affine map that is never trained.
///
/// # Shapes
/// x `[T x inputs]`, y `[T x outputs]`.
#[derive(Debug, Clone)]
pub struct PackedLinear {
    inputs: usize,
    outputs: usize,
    /// Panel after panel, each `[inputs x 48]`; columns beyond the outputs are zero.
    panels: Vec<PanelRow>,
    bias: Vec<[f32; PANEL]>,
}

impl PackedLinear {
    /// Packs a map of `params`.
    pub fn new(linear: &Linear, params: &[f32]) -> Self {
        let (inputs, outputs) = (linear.weight.rows, linear.weight.cols);
        let weight = linear.weight.of(params);
        let mut panels = vec![[Line([0.0; 16]); 3]; outputs.div_ceil(PANEL) * inputs];
        for (input, row) in weight.chunks_exact(outputs).enumerate() {
            for (column, &value) in row.iter().enumerate() {
                let (panel, column) = (column / PANEL, column % PANEL);
                panels[panel * inputs + input][column / 16].0[column % 16] = value;
            }
        }
        Self { inputs, outputs, panels, bias: padded(linear, params) }
    }

    /// Width of a row of `x`.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of a row of `y`.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Writes `y`.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn forward(&self, x: &[f32], gelu: Option<Gelu>, y: &mut [f32]) {
        let rows = x.len() / self.inputs;
        assert!(
            x.len() == rows * self.inputs && y.len() == rows * self.outputs,
            "{} and {}",
            x.len(),
            y.len()
        );
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if is_x86_feature_detected!("fma") => unsafe {
                x86::forward_avx512(self, x, gelu, y)
            },
            // SAFETY: as above, and the FMA instructions are asked for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if is_x86_feature_detected!("fma") => unsafe {
                x86::forward_avx2(self, x, gelu, y);
            },
            _ => self.run(x, gelu, y, tile_portable),
        }
    }

    /// All tiles; `tile` fills one with the inner products of up to 8 rows and one panel.
    #[inline(always)]
    fn run(
        &self,
        x: &[f32],
        gelu: Option<Gelu>,
        y: &mut [f32],
        tile: impl Fn(&[f32], &[PanelRow], &mut Tile),
    ) {
        let mut sums = [[0.0; PANEL]; ROWS];
        for (index, (panel, bias)) in self.panels.chunks_exact(self.inputs).zip(&self.bias).enumerate() {
            let columns = index * PANEL..self.outputs.min((index + 1) * PANEL);
            let blocks = x.chunks(ROWS * self.inputs).zip(y.chunks_mut(ROWS * self.outputs));
            for (x, y) in blocks {
                tile(x, panel, &mut sums);
                for (sums, y) in sums.iter().zip(y.chunks_exact_mut(self.outputs)) {
                    let y = &mut y[columns.clone()];
                    // The constant length of a whole panel spares a call of `memcpy`.
                    if let Ok(y) = <&mut [f32; PANEL]>::try_from(&mut *y) {
                        finish(sums, bias, gelu, y);
                    } else {
                        let mut values = [0.0; PANEL];
                        finish(sums, bias, gelu, &mut values);
                        y.copy_from_slice(&values[..y.len()]);
                    }
                }
            }
        }
    }
}

/// A map's bias, a panel at a time; zeros where it has none.
pub(crate) fn padded(linear: &Linear, params: &[f32]) -> Vec<[f32; PANEL]> {
    let mut bias = linear.bias.map_or(vec![0.0; linear.weight.cols], |bias| bias.of(params).to_vec());
    bias.resize(bias.len().next_multiple_of(PANEL), 0.0);
    bias.as_chunks().0.to_vec()
}

/// Without `inline(always)` it would not be compiled for the caller's instruction set.
#[inline(always)]
fn finish(sums: &[f32; PANEL], bias: &[f32; PANEL], gelu: Option<Gelu>, y: &mut [f32; PANEL]) {
    y.iter_mut().zip(sums).zip(bias).for_each(|((y, sum), bias)| *y = sum + bias);
    activate(gelu, y);
}

#[inline(always)]
fn activate(gelu: Option<Gelu>, values: &mut [f32; PANEL]) {
    match gelu {
        None => {}
        Some(Gelu::Exact) => values.iter_mut().for_each(|value| *value = gelu_fused(*value)),
        Some(Gelu::Tanh) => values.iter_mut().for_each(|value| *value = gelu_inline(*value)),
    }
}

/// [`crate::gelu_erf`] with fused multiply-adds: two thirds of the time.
#[inline(always)]
fn gelu_fused(u: f32) -> f32 {
    let half = 0.5 * u;
    half.mul_add(erf_f32(u * std::f32::consts::FRAC_1_SQRT_2, f32::mul_add), half)
}

fn tile_portable(x: &[f32], panel: &[PanelRow], sums: &mut Tile) {
    for (x, sums) in x.chunks_exact(panel.len()).zip(sums) {
        *sums = [0.0; PANEL];
        for (&x, weights) in x.iter().zip(panel) {
            let weights = weights.iter().flat_map(|line| &line.0);
            sums.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum = x.mul_add(weight, *sum));
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
    pub(super) fn forward_avx512(linear: &PackedLinear, x: &[f32], gelu: Option<Gelu>, y: &mut [f32]) {
        linear.run(x, gelu, y, |x, panel, sums| match x.len() / panel.len() {
            8 => tile_avx512::<8>(x, panel, sums),
            7 => tile_avx512::<7>(x, panel, sums),
            6 => tile_avx512::<6>(x, panel, sums),
            5 => tile_avx512::<5>(x, panel, sums),
            4 => tile_avx512::<4>(x, panel, sums),
            3 => tile_avx512::<3>(x, panel, sums),
            2 => tile_avx512::<2>(x, panel, sums),
            _ => tile_avx512::<1>(x, panel, sums),
        });
    }

    #[target_feature(enable = "avx512f")]
    fn tile_avx512<const R: usize>(x: &[f32], panel: &[PanelRow], sums: &mut Tile) {
        let inputs = panel.len();
        assert!(x.len() >= R * inputs);
        let mut acc = [[_mm512_setzero_ps(); 3]; R];
        for (k, weights) in panel.iter().enumerate() {
            // SAFETY: a line is 64 bytes, aligned to 64.
            let weights: [__m512; 3] =
                std::array::from_fn(|c| unsafe { _mm512_load_ps(weights[c].0.as_ptr()) });
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: r < R and k < inputs, and `x` holds R · inputs values by the assertion.
                let x = _mm512_set1_ps(unsafe { *x.get_unchecked(r * inputs + k) });
                for (acc, &weights) in acc.iter_mut().zip(&weights) {
                    *acc = _mm512_fmadd_ps(x, weights, *acc);
                }
            }
        }
        for (acc, sums) in acc.iter().zip(sums) {
            for (acc, sums) in acc.iter().zip(sums.as_chunks_mut::<16>().0) {
                // SAFETY: 16 values.
                unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), *acc) };
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn forward_avx2(linear: &PackedLinear, x: &[f32], gelu: Option<Gelu>, y: &mut [f32]) {
        linear.run(x, gelu, y, |x, panel, sums| {
            for (x, sums) in x.chunks(4 * panel.len()).zip(sums.chunks_mut(4)) {
                match x.len() / panel.len() {
                    4 => tile_avx2::<4>(x, panel, sums),
                    3 => tile_avx2::<3>(x, panel, sums),
                    2 => tile_avx2::<2>(x, panel, sums),
                    _ => tile_avx2::<1>(x, panel, sums),
                }
            }
        });
    }

    /// Half a panel at a time: 12 accumulators of the 16 registers.
    #[target_feature(enable = "avx2,fma")]
    fn tile_avx2<const R: usize>(x: &[f32], panel: &[PanelRow], sums: &mut [[f32; PANEL]]) {
        let inputs = panel.len();
        assert!(x.len() >= R * inputs);
        for half in 0..2 {
            let mut acc = [[_mm256_setzero_ps(); 3]; R];
            for (k, weights) in panel.iter().enumerate() {
                let weights: [__m256; 3] = std::array::from_fn(|c| {
                    let eighth = half * 3 + c;
                    // SAFETY: a line is two times 32 bytes, aligned to 64.
                    unsafe { _mm256_load_ps(weights[eighth / 2].0.as_ptr().add(eighth % 2 * 8)) }
                });
                for (r, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: r < R and k < inputs, and `x` holds R · inputs values by the assertion.
                    let x = _mm256_set1_ps(unsafe { *x.get_unchecked(r * inputs + k) });
                    for (acc, &weights) in acc.iter_mut().zip(&weights) {
                        *acc = _mm256_fmadd_ps(x, weights, *acc);
                    }
                }
            }
            for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                for (acc, sums) in acc.iter().zip(sums[half * 24..].as_chunks_mut::<8>().0) {
                    // SAFETY: 8 values.
                    unsafe { _mm256_storeu_ps(sums.as_mut_ptr(), *acc) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Init, Layout, gelu_erf, kernel::limit};
    use semrank_core::Rng;

    fn values(len: usize, name: &str) -> Vec<f32> {
        let mut rng = Rng::new(7, name);
        (0..len).map(|_| rng.normal() as f32).collect()
    }

    #[test]
    fn every_level_gives_the_same_bytes_and_they_agree_with_the_trained_map() {
        for (rows, inputs, outputs) in [(1, 3, 1), (8, 64, 48), (21, 40, 100), (13, 7, 49)] {
            let mut layout = Layout::new();
            let linear = Linear::new(&mut layout, "map", inputs, outputs, Init::Normal(0.1));
            let params = values(layout.len(), "params");
            let x = values(rows * inputs, "x");
            let packed = PackedLinear::new(&linear, &params);
            let run = |most| {
                limit(most);
                let mut y = vec![f32::NAN; rows * outputs];
                packed.forward(&x, Some(Gelu::Exact), &mut y);
                y
            };
            let portable = run(Level::Portable);
            assert!(run(Level::Avx2) == portable && run(Level::Avx512) == portable);
            let mut plain = vec![0.0; rows * outputs];
            linear.forward(&params, &x, &mut plain);
            let mut want = plain.clone();
            gelu_erf(&plain, &mut want);
            for (got, want) in portable.iter().zip(&want) {
                assert!((got - want).abs() < 1e-4, "{got} {want}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let mut layout = Layout::new();
        let linear = Linear::new(&mut layout, "map", 33, 50, Init::Normal(0.1));
        let packed = PackedLinear::new(&linear, &values(layout.len(), "params"));
        let x = values(19 * 33, "x");
        let mut all = vec![0.0; 19 * 50];
        packed.forward(&x, None, &mut all);
        for (x, want) in x.chunks(33).zip(all.chunks(50)) {
            let mut y = vec![0.0; 50];
            packed.forward(x, None, &mut y);
            assert_eq!(y, want);
        }
    }
}
