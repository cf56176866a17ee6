//! The loop over tiles that all packed maps share, and what happens to a finished tile: bias and activation.

use crate::activation::gelu_inline;
use crate::scalar::erf_f32;
use crate::{Gelu, Linear};

/// Columns of a panel: three AVX-512 registers.
pub(crate) const PANEL: usize = 48;
/// Rows of a tile: with three registers each, 24 accumulators of the 32 registers.
pub(crate) const ROWS: usize = 8;

pub(super) type Tile = [[f32; PANEL]; ROWS];

/// Up to 8 rows of an input, `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub(super) x: &'a [T],
    pub(super) count: usize,
    pub(super) stride: usize,
}

/// Writes `y` for all rows of `x` and all panels, each of `depth` weights; `tile` adds the products to the bias.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(super) fn run_tiles<X, W>(
    [stride, outputs]: [usize; 2],
    x: &[X],
    panels: &[W],
    depth: usize,
    bias: &[[f32; PANEL]],
    gelu: Option<Gelu>,
    y: &mut [f32],
    tile: impl Fn(Rows<X>, &[W], &mut Tile),
) {
    for (index, (panel, bias)) in panels.chunks_exact(depth).zip(bias).enumerate() {
        let columns = index * PANEL..outputs.min((index + 1) * PANEL);
        let blocks = x.chunks(ROWS * stride).zip(y.chunks_mut(ROWS * outputs));
        for (x, y) in blocks {
            let mut sums = [*bias; ROWS];
            tile(Rows { x, count: x.len() / stride, stride }, panel, &mut sums);
            for (sums, y) in sums.iter().zip(y.chunks_exact_mut(outputs)) {
                let y = &mut y[columns.clone()];
                // The constant length of a whole panel spares a call of `memcpy`.
                if let Ok(y) = <&mut [f32; PANEL]>::try_from(&mut *y) {
                    *y = *sums;
                    activate(gelu, y);
                } else {
                    let mut values = *sums;
                    activate(gelu, &mut values);
                    y.copy_from_slice(&values[..y.len()]);
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
