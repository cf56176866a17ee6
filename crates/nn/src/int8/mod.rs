//! `y = activation(x W + b)` with 8-bit integers: inputs are quantised per row at run time, weights once per
//! column (dynamic quantisation: Jacob et al. 2018, arXiv 1712.05877, section 2, and its supplement on zero points).
//!
//! Input row: `x ≈ s (q - z)`, `q` in 0..=255, the row's range (with 0 in it) over 254 steps. Weight column: `W ≈ t v`, `v` in
//! -127..=127. Then `y = s t (sum of q v) + (b - s z (t sum of v))`, where both sums are exact: AVX-512 VNNI, AVX2 and
//! portable code give the same bytes, and a row's bytes do not depend on its neighbours.
//!
//! ```
//! use semrank_nn::{Init, Layout, Linear, QuantLinear, QuantRows};
//! let mut layout = Layout::new();
//! let linear = Linear::new(&mut layout, "map", 2, 1, Init::Constant(0.0));
//! let map = QuantLinear::new(&linear, &[1.0, -0.5, 3.0]); // two weights and the bias
//! let (mut rows, mut y) = (QuantRows::default(), [0.0]);
//! rows.quantize(2, &[2.0, 1.0]);
//! map.forward(&rows, None, &mut y);
//! assert!((y[0] - 4.5).abs() < 0.02);
//! ```

mod bound;
mod rows;
mod tile;

use crate::kernel::{Level, level};
use crate::packed::{PANEL, ROWS, padded};
use crate::{Gelu, Linear, Scalar, huge};
use rows::RowScale;
use std::ops::Range;
#[cfg(target_arch = "x86_64")]
use tile::x86;
use tile::{Line, PanelRow, Tile, tile_portable};

pub use bound::Bound;
pub use rows::QuantRows;

/// An affine map with 8-bit weights.
///
/// # Shapes
/// x `[T x inputs]`, y `[T x outputs]`.
#[derive(Debug, Clone)]
pub struct QuantLinear {
    groups: usize,
    outputs: usize,
    /// Panel after panel, each `[groups x 48 x 4]`; columns beyond the outputs are zero.
    weights: Vec<PanelRow>,
    columns: Vec<Columns>,
}

/// What turns a panel's sums into values.
#[derive(Debug, Clone, Copy)]
struct Columns {
    step: [f32; PANEL],
    /// `t · sum of v`.
    sum: [f32; PANEL],
    bias: [f32; PANEL],
}

impl QuantLinear {
    /// Quantises and packs a map of `params`, whose values are finite.
    pub fn new(linear: &Linear, params: &[f32]) -> Self {
        let (inputs, outputs) = (linear.weight.rows, linear.weight.cols);
        let weight = linear.weight.of(params);
        let mut columns = vec![0.0; weight.len()];
        for (output, column) in columns.chunks_exact_mut(inputs.max(1)).enumerate() {
            let values = weight.iter().skip(output).step_by(outputs);
            column.iter_mut().zip(values).for_each(|(column, &value)| *column = value);
        }
        Self::pack(inputs, outputs, &columns, &padded(linear, params))
    }

    /// Quantises and packs a map given column by column: `columns` is W transposed, `[outputs x inputs]`.
    ///
    /// # Panics
    /// When `columns` does not hold `inputs` values for each of `bias`.
    pub fn from_columns(inputs: usize, columns: &[f32], bias: &[f32]) -> Self {
        assert_eq!(columns.len(), inputs * bias.len(), "{} columns of {inputs} weights", bias.len());
        let mut padded = bias.to_vec();
        padded.resize(bias.len().next_multiple_of(PANEL), 0.0);
        Self::pack(inputs, bias.len(), columns, padded.as_chunks().0)
    }

    fn pack(inputs: usize, outputs: usize, weight: &[f32], bias: &[[f32; PANEL]]) -> Self {
        let groups = inputs.div_ceil(4);
        let columns = Vec::with_capacity(bias.len());
        let mut out = Self { groups, outputs: 0, weights: Vec::with_capacity(bias.len() * groups), columns };
        let bias = &bias.as_flattened()[..outputs];
        weight
            .chunks_exact(inputs.max(1))
            .zip(bias)
            .for_each(|(values, &bias)| out.push_column(values, bias));
        out
    }

    /// Appends an output: a column of weights, quantised as the others are, and its bias.
    ///
    /// # Panics
    /// When the column has another width.
    fn push_column(&mut self, values: &[f32], bias: f32) {
        if self.outputs.is_multiple_of(PANEL) {
            huge::reserve(&mut self.weights, self.groups);
            self.weights.extend(std::iter::repeat_n([Line([[0; 4]; 16]); 3], self.groups));
            let empty = Columns { step: [0.0; PANEL], sum: [0.0; PANEL], bias: [0.0; PANEL] };
            huge::push(&mut self.columns, empty);
        }
        self.outputs += 1;
        self.set_column(self.outputs - 1, values, bias);
    }

    /// Puts another column of weights and its bias in the place of an output.
    ///
    /// # Panics
    /// When there is no such output, or the column has another width.
    fn set_column(&mut self, output: usize, values: &[f32], bias: f32) {
        assert_eq!(values.len().div_ceil(4), self.groups, "a column of {} weights", values.len());
        assert!(output < self.outputs, "output {output} of {}", self.outputs);
        let (panel, column) = (output / PANEL, output % PANEL);
        let step = column_step(values);
        let mut sum = 0;
        for (input, &value) in values.iter().enumerate() {
            let q = quantize_weight(value, step);
            sum += i32::from(q);
            let line = &mut self.weights[panel * self.groups + input / 4][column / 16];
            line.0[column % 16][input % 4] = q;
        }
        let columns = &mut self.columns[panel];
        (columns.step[column], columns.sum[column]) = (step, step * sum as f32);
        columns.bias[column] = bias;
    }

    /// Width of a row of `y`.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether this machine has an instruction for it, which makes it four times as fast as a product in f32.
    pub fn has_instruction() -> bool {
        #[cfg(target_arch = "x86_64")]
        return level() == Level::Avx512 && is_x86_feature_detected!("avx512vnni");
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    /// Writes `y`, through [`fast_gelu`] where there is an activation.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn forward(&self, x: &QuantRows, gelu: Option<Gelu>, y: &mut [f32]) {
        self.forward_panels(x, 0..self.columns.len(), gelu, y);
    }

    /// As [`QuantLinear::forward`] for some panels of 48 outputs only: y `[T x their outputs]`.
    pub(crate) fn forward_panels(
        &self,
        x: &QuantRows,
        panels: Range<usize>,
        gelu: Option<Gelu>,
        y: &mut [f32],
    ) {
        let outputs = self.outputs.min(panels.end * PANEL) - panels.start * PANEL;
        assert_eq!((x.groups, y.len()), (self.groups, x.rows.len() * outputs));
        let part = Part { map: self, panels, outputs };
        let gelu = gelu.is_some();
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features, and VNNI is asked for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if is_x86_feature_detected!("avx512vnni") => unsafe {
                if gelu {
                    x86::forward_vnni::<true>(&part, x, y)
                } else {
                    x86::forward_vnni::<false>(&part, x, y)
                }
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx2 => unsafe {
                if gelu {
                    x86::forward_avx2::<true>(&part, x, y)
                } else {
                    x86::forward_avx2::<false>(&part, x, y)
                }
            },
            _ if gelu => part.run::<true>(x, y, tile_portable),
            _ => part.run::<false>(x, y, tile_portable),
        }
    }
}

/// Some panels of a map, and their outputs.
struct Part<'a> {
    map: &'a QuantLinear,
    panels: Range<usize>,
    outputs: usize,
}

impl Part<'_> {
    /// All tiles; `tile` fills one with the sums of up to 8 rows and one panel.
    #[inline(always)]
    fn run<const GELU: bool>(
        &self,
        x: &QuantRows,
        y: &mut [f32],
        tile: impl Fn(&[[u8; 4]], &[PanelRow], &mut Tile),
    ) {
        let mut sums = [[0; PANEL]; ROWS];
        let groups = self.map.groups;
        let weights = &self.map.weights[self.panels.start * groups..self.panels.end * groups];
        let panels = weights.chunks_exact(groups).zip(&self.map.columns[self.panels.clone()]);
        for (index, (panel, columns)) in panels.enumerate() {
            let first = index * PANEL;
            let len = PANEL.min(self.outputs - first);
            let blocks = x.values.chunks(ROWS * groups).zip(x.rows.chunks(ROWS));
            for ((x, rows), y) in blocks.zip(y.chunks_mut(ROWS * self.outputs)) {
                tile(x, panel, &mut sums);
                for ((sums, &row), y) in sums.iter().zip(rows).zip(y.chunks_exact_mut(self.outputs)) {
                    let y = &mut y[first..first + len];
                    // As in `PackedLinear`.
                    if let Ok(y) = <&mut [f32; PANEL]>::try_from(&mut *y) {
                        columns.finish::<GELU>(sums, row, y);
                    } else {
                        let mut values = [0.0; PANEL];
                        columns.finish::<GELU>(sums, row, &mut values);
                        y.copy_from_slice(&values[..y.len()]);
                    }
                }
            }
        }
    }
}

/// The step of a column of weights: its largest value is 127 steps.
fn column_step(values: &[f32]) -> f32 {
    values.iter().fold(0f32, |top, value| top.larger(value.abs())) / 127.0
}

fn quantize_weight(value: f32, step: f32) -> i8 {
    if step > 0.0 { (value / step).round() as i8 } else { 0 }
}

impl Columns {
    #[inline(always)]
    fn finish<const GELU: bool>(&self, sums: &[i32; PANEL], row: RowScale, y: &mut [f32; PANEL]) {
        for i in 0..PANEL {
            let rest = self.bias[i] - row.offset * self.sum[i];
            let value = sums[i] as f32 * (row.step * self.step[i]) + rest;
            y[i] = if GELU { fast_gelu(value) } else { value };
        }
    }
}

/// GELU within 5e-4: `u (1/2 + c p(c²))`, where `c` is `u` cut at ±3.7 and `p` a least-maximum polynomial with
/// `3.7 p(3.7²) = 1/2`. Quantised, the next map's input has steps at least ten times as wide.
#[inline(always)]
pub fn fast_gelu(u: f32) -> f32 {
    let c = u.clamp(-3.7, 3.7);
    let s = c * c;
    let mut p = -4.900_026_4e-7;
    p = p * s + 2.688_988_2e-5;
    p = p * s - 6.175_176e-4;
    p = p * s + 7.848_797e-3;
    p = p * s - 6.258_798e-2;
    p = p * s + 3.964_753e-1;
    u * (0.5 + c * p)
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

    fn map(inputs: usize, outputs: usize) -> (Linear, Vec<f32>) {
        let mut layout = Layout::new();
        let linear = Linear::new(&mut layout, "map", inputs, outputs, Init::Normal(0.1));
        let params = values(layout.len(), "params");
        (linear, params)
    }

    fn run(map: &QuantLinear, inputs: usize, gelu: Option<Gelu>, x: &[f32]) -> Vec<f32> {
        let mut rows = QuantRows::default();
        rows.quantize(inputs, x);
        let mut y = vec![f32::NAN; x.len() / inputs * map.outputs()];
        map.forward(&rows, gelu, &mut y);
        y
    }

    #[test]
    fn every_level_gives_the_same_bytes_and_they_are_near_the_exact_map() {
        for (rows, inputs, outputs) in [(1, 3, 1), (8, 64, 48), (21, 40, 100), (13, 7, 49)] {
            let (linear, params) = map(inputs, outputs);
            let quant = QuantLinear::new(&linear, &params);
            let x = values(rows * inputs, "x");
            let [portable, avx2, avx512] = [Level::Portable, Level::Avx2, Level::Avx512].map(|most| {
                limit(most);
                run(&quant, inputs, Some(Gelu::Exact), &x)
            });
            assert!(avx2 == portable && avx512 == portable);
            let (mut plain, mut want) = (vec![0.0; rows * outputs], vec![0.0; rows * outputs]);
            linear.forward(&params, &x, &mut plain);
            gelu_erf(&plain, &mut want);
            for (got, want) in portable.iter().zip(&want) {
                assert!((got - want).abs() < 0.05 * (inputs as f32).sqrt(), "{got} {want}");
            }
        }
    }

    #[test]
    fn the_largest_products_do_not_saturate() {
        let (linear, mut params) = map(1536, 48);
        params.fill(1.0);
        let quant = QuantLinear::new(&linear, &params);
        for most in [Level::Portable, Level::Avx2, Level::Avx512] {
            limit(most);
            let y = run(&quant, 1536, None, &[2.0; 1536]);
            assert!(y.iter().all(|y| (y - 3073.0).abs() < 0.1), "{}", y[0]);
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours_and_zeros_give_the_bias() {
        let (linear, params) = map(33, 50);
        let quant = QuantLinear::new(&linear, &params);
        let mut x = values(19 * 33, "x");
        x[33..66].fill(0.0);
        let all = run(&quant, 33, None, &x);
        for (x, want) in x.chunks(33).zip(all.chunks(50)) {
            assert_eq!(run(&quant, 33, None, x), want);
        }
        assert_eq!(all[50..100], linear.bias.map(|bias| bias.of(&params).to_vec()).unwrap_or_default());
    }

    #[test]
    fn the_fast_gelu_is_near_the_exact_one() {
        let u: Vec<f32> = (-10_000..=10_000).map(|i| i as f32 / 1000.0).collect();
        let mut want = u.clone();
        gelu_erf(&u, &mut want);
        for (&u, want) in u.iter().zip(want) {
            assert!((fast_gelu(u) - want).abs() < 5.1e-4, "gelu({u}) = {}, exact {want}", fast_gelu(u));
        }
    }
}
