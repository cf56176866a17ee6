//! `y = activation(x W + b)` for inference in f32: W is packed once into panels of 48 columns, and a tile of 8 rows by one
//! panel stays in registers while the inputs pass by (Goto & van de Geijn 2008, "Anatomy of high-performance matrix
//! multiplication").
//!
//! Every value is the same chain of fused multiply-adds, whatever the other rows and whatever the instruction set: a row's
//! bytes depend on nothing else. The chain is cut where that of [`matmul`](crate::matmul()) is, so a map without activation has the
//! bytes of [`Linear::forward`]. Without such an instruction (x86-64 before 2013) the chain is slow.

use super::tiles::{PANEL, Rows, Tile, padded, run_tiles};
use crate::kernel::{Level, level};
use crate::product::DEPTH;
use crate::{Gelu, Linear};

/// 16 values on one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// One input's weights to the columns of a panel.
type PanelRow = [Line; 3];

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

    /// All tiles; `tile` adds to one the inner products of up to 8 rows and a block of a panel.
    #[inline(always)]
    fn run(
        &self,
        x: &[f32],
        gelu: Option<Gelu>,
        y: &mut [f32],
        tile: impl Fn(Rows<f32>, &[PanelRow], &mut Tile),
    ) {
        let depth = self.inputs.div_ceil(self.inputs.div_ceil(DEPTH).max(1)).max(1);
        let tile = |rows: Rows<f32>, panel: &[PanelRow], sums: &mut Tile| {
            for first in (0..panel.len()).step_by(depth) {
                let block = &panel[first..panel.len().min(first + depth)];
                tile(Rows { x: &rows.x[first..], ..rows }, block, sums);
            }
        };
        run_tiles([self.inputs, self.outputs], x, &self.panels, self.inputs, &self.bias, gelu, y, tile);
    }
}

fn tile_portable(rows: Rows<f32>, panel: &[PanelRow], sums: &mut Tile) {
    for (x, sums) in rows.x.chunks(rows.stride).zip(sums).take(rows.count) {
        let mut block = [0.0; PANEL];
        for (&x, weights) in x.iter().zip(panel) {
            let weights = weights.iter().flat_map(|line| &line.0);
            block.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum = x.mul_add(weight, *sum));
        }
        sums.iter_mut().zip(block).for_each(|(sum, block)| *sum += block);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
    pub(super) fn forward_avx512(linear: &PackedLinear, x: &[f32], gelu: Option<Gelu>, y: &mut [f32]) {
        linear.run(x, gelu, y, |rows, panel, sums| match rows.count {
            8 => tile_avx512::<8>(rows, panel, sums),
            7 => tile_avx512::<7>(rows, panel, sums),
            6 => tile_avx512::<6>(rows, panel, sums),
            5 => tile_avx512::<5>(rows, panel, sums),
            4 => tile_avx512::<4>(rows, panel, sums),
            3 => tile_avx512::<3>(rows, panel, sums),
            2 => tile_avx512::<2>(rows, panel, sums),
            _ => tile_avx512::<1>(rows, panel, sums),
        });
    }

    #[target_feature(enable = "avx512f")]
    fn tile_avx512<const R: usize>(rows: Rows<f32>, panel: &[PanelRow], sums: &mut Tile) {
        let Rows { x, stride, .. } = rows;
        assert!(x.len() >= (R - 1) * stride + panel.len());
        let mut acc = [[_mm512_setzero_ps(); 3]; R];
        for (k, weights) in panel.iter().enumerate() {
            // SAFETY: a line is 64 bytes, aligned to 64.
            let weights: [__m512; 3] =
                std::array::from_fn(|c| unsafe { _mm512_load_ps(weights[c].0.as_ptr()) });
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: r < R and k is below the panel's length: by the assertion `x` holds that value.
                let x = _mm512_set1_ps(unsafe { *x.get_unchecked(r * stride + k) });
                for (acc, &weights) in acc.iter_mut().zip(&weights) {
                    *acc = _mm512_fmadd_ps(x, weights, *acc);
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

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn forward_avx2(linear: &PackedLinear, x: &[f32], gelu: Option<Gelu>, y: &mut [f32]) {
        linear.run(x, gelu, y, |rows, panel, sums| {
            for (first, sums) in (0..rows.count).step_by(4).zip(sums.chunks_mut(4)) {
                let rows = Rows { x: &rows.x[first * rows.stride..], ..rows };
                match rows.count - first {
                    1 => tile_avx2::<1>(rows, panel, sums),
                    2 => tile_avx2::<2>(rows, panel, sums),
                    3 => tile_avx2::<3>(rows, panel, sums),
                    _ => tile_avx2::<4>(rows, panel, sums),
                }
            }
        });
    }

    /// Half a panel at a time: 12 accumulators of the 16 registers.
    #[target_feature(enable = "avx2,fma")]
    fn tile_avx2<const R: usize>(rows: Rows<f32>, panel: &[PanelRow], sums: &mut [[f32; PANEL]]) {
        let Rows { x, stride, .. } = rows;
        assert!(x.len() >= (R - 1) * stride + panel.len());
        for half in 0..2 {
            let mut acc = [[_mm256_setzero_ps(); 3]; R];
            for (k, weights) in panel.iter().enumerate() {
                let weights: [__m256; 3] = std::array::from_fn(|c| {
                    let eighth = half * 3 + c;
                    // SAFETY: a line is two times 32 bytes, aligned to 64.
                    unsafe { _mm256_load_ps(weights[eighth / 2].0.as_ptr().add(eighth % 2 * 8)) }
                });
                for (r, acc) in acc.iter_mut().enumerate() {
                    // SAFETY: r < R and k is below the panel's length: by the assertion `x` holds that value.
                    let x = _mm256_set1_ps(unsafe { *x.get_unchecked(r * stride + k) });
                    for (acc, &weights) in acc.iter_mut().zip(&weights) {
                        *acc = _mm256_fmadd_ps(x, weights, *acc);
                    }
                }
            }
            for (acc, sums) in acc.iter().zip(sums.iter_mut()) {
                for (acc, sums) in acc.iter().zip(sums[half * 24..].as_chunks_mut::<8>().0) {
                    let at = sums.as_mut_ptr();
                    // SAFETY: 8 values.
                    unsafe { _mm256_storeu_ps(at, _mm256_add_ps(_mm256_loadu_ps(at), *acc)) };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
