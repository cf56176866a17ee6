//! A bound on the error of a [`QuantLinear`](super::QuantLinear) against the exact map, per row and column.
//!
//! With `x̂` and `ŵ` for what the integers stand for, `<x, w> - <x̂, ŵ> = <x - x̂, w> + <x̂, w - ŵ>`, so by Cauchy and
//! Schwarz it is at most `|x - x̂| |w| + |x̂| |w - ŵ|`: a sum of two products of a row's and a column's numbers. The two
//! numbers of a row are measured, not estimated, and its error includes the rounding of the f32 arithmetic.
//!
//! ```
//! use semrank_nn::{Bound, QuantLinear, QuantRows};
//! let (x, w) = ([0.3, -1.0, 0.7], [0.11, 0.5, -0.23]);
//! let (mut rows, mut y) = (QuantRows::default(), [0.0]);
//! rows.quantize(3, &x);
//! QuantLinear::from_columns(3, &w, &[0.0]).forward(&rows, None, &mut y);
//! let (row, column) = (rows.bounds(&x)[0], Bound::of_column(&w));
//! let off = (y[0] - (0.3 * 0.11 - 0.5 - 0.7 * 0.23f32)).abs();
//! assert!(off > 0.0 && off <= row.error * column.length + row.length * column.error);
//! ```

use super::{QuantRows, column_step, quantize_weight};
use crate::kernel::{LANES, Level, fold, level};

/// Lengths of what rounding left and of what it took: of a row `x`, or of a column `w`.
///
/// `|y - (<x, w> + b)| <= row.error · column.length + row.length · column.error + 2^-20 |b|`
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bound {
    /// At least `|x̂|` of a row, `|w|` of a column.
    pub length: f32,
    /// At least `|x - x̂|` or `|w - ŵ|`.
    pub error: f32,
}

/// Covers the rounding of sums of squares and roots.
const MARGIN: f32 = 1.001;
/// Rounding of one value, relative to `span · sqrt(D) · |w|`: a value is at most eight f32 operations on numbers below four
/// times that (`|ŵ| <= 2 |w|`, and `s q` and `s z` are at most `1.01 span` each): 33 · 2^-24, rounded up.
const ROUNDING: f32 = 1.0 / (1 << 18) as f32;

impl Bound {
    /// The bound of a column of weights.
    pub fn of_column(values: &[f32]) -> Self {
        let step = column_step(values);
        let square = |value: f32| f64::from(value) * f64::from(value);
        let length: f64 = values.iter().map(|&value| square(value)).sum();
        let error: f64 = values
            .iter()
            .map(|&value| {
                let rest = f64::from(value) - f64::from(step) * f64::from(quantize_weight(value, step));
                rest * rest
            })
            .sum();
        Self { length: length.sqrt() as f32 * MARGIN, error: error.sqrt() as f32 * MARGIN }
    }
}

impl QuantRows {
    /// The bounds of the rows that were quantised last, given the same `x` again.
    ///
    /// # Panics
    /// When `x` does not hold as many rows.
    pub fn bounds(&self, x: &[f32]) -> Vec<Bound> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let inputs = x.len() / self.rows.len();
        assert!(x.len() == self.rows.len() * inputs && inputs.div_ceil(4) == self.groups);
        let mut out = vec![Bound::default(); self.rows.len()];
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::bounds_avx512(self, inputs, x, &mut out) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::bounds_avx2(self, inputs, x, &mut out) },
            _ => bounds(self, inputs, x, &mut out),
        }
        out
    }
}

#[inline(always)]
fn bounds(rows: &QuantRows, inputs: usize, x: &[f32], out: &mut [Bound]) {
    let values = rows.values.chunks_exact(rows.groups).zip(&rows.rows);
    for ((x, (values, row)), out) in x.chunks_exact(inputs).zip(values).zip(out) {
        let values = &values.as_flattened()[..inputs];
        let [length, error] = squares(x, values, row.step, row.offset);
        let rounding = ROUNDING * row.step * 254.0 * (inputs as f32).sqrt();
        *out = Bound { length: length.sqrt() * MARGIN + rounding, error: error.sqrt() * MARGIN + rounding };
    }
}

/// Sums of squares of `x̂` and of `x - x̂`.
#[inline(always)]
fn squares(x: &[f32], values: &[u8], step: f32, offset: f32) -> [f32; 2] {
    let (mut length, mut error) = ([0.0; LANES], [0.0; LANES]);
    let mut add = |lane: usize, x: f32, q: u8| {
        let y = step * f32::from(q) - offset;
        length[lane] += y * y;
        error[lane] += (x - y) * (x - y);
    };
    let ((x, x_rest), (values, rest)) = (x.as_chunks::<LANES>(), values.as_chunks::<LANES>());
    for (x, values) in x.iter().zip(values) {
        (0..LANES).for_each(|lane| add(lane, x[lane], values[lane]));
    }
    x_rest.iter().zip(rest).enumerate().for_each(|(lane, (&x, &q))| add(lane, x, q));
    [fold(length), fold(error)]
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq")]
    pub(super) fn bounds_avx512(rows: &QuantRows, inputs: usize, x: &[f32], out: &mut [Bound]) {
        bounds(rows, inputs, x, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn bounds_avx2(rows: &QuantRows, inputs: usize, x: &[f32], out: &mut [Bound]) {
        bounds(rows, inputs, x, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QuantLinear;
    use crate::kernel::limit;
    use semrank_core::Rng;

    /// Rows and columns of any scale, constant ones and zeros among them.
    fn values(rows: usize, width: usize, name: &str) -> Vec<f32> {
        let mut rng = Rng::new(5, name);
        let mut out = Vec::new();
        for row in 0..rows {
            let scale = 10f64.powi(rng.below(9) as i32 - 4) * f64::from(row % 7 != 0);
            let shift = if row % 3 == 0 { 0.0 } else { 5.0 * rng.normal() };
            out.extend((0..width).map(|_| (scale * (rng.normal() + shift)) as f32));
        }
        out
    }

    #[test]
    fn no_value_is_farther_from_the_exact_one_than_the_bound() {
        for (inputs, outputs) in [(1, 3), (5, 48), (64, 100), (384, 60), (1537, 20)] {
            let (x, w) = (values(50, inputs, "x"), values(outputs, inputs, "w"));
            let bias: Vec<f32> = values(outputs, 1, "bias");
            let quant = QuantLinear::from_columns(inputs, &w, &bias);
            let columns: Vec<Bound> = w.chunks(inputs).map(Bound::of_column).collect();
            let (mut rows, mut y) = (QuantRows::default(), vec![0.0; 50 * outputs]);
            rows.quantize(inputs, &x);
            quant.forward(&rows, None, &mut y);
            let bounds = rows.bounds(&x);
            for (i, y) in y.iter().enumerate() {
                let (row, column) = (i / outputs, i % outputs);
                let products = x[row * inputs..][..inputs].iter().zip(&w[column * inputs..][..inputs]);
                let exact: f64 = products.map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
                let off = (f64::from(*y) - exact - f64::from(bias[column])).abs();
                let (r, c) = (bounds[row], columns[column]);
                let most = r.error * c.length + r.length * c.error + bias[column].abs() / (1 << 20) as f32;
                assert!(off <= f64::from(most), "{off} is above {most} at {inputs} inputs");
            }
        }
    }

    #[test]
    fn every_level_gives_the_same_bounds() {
        let x = values(20, 77, "x");
        let [portable, avx2, avx512] = [Level::Portable, Level::Avx2, Level::Avx512].map(|most| {
            limit(most);
            let mut rows = QuantRows::default();
            rows.quantize(77, &x);
            rows.bounds(&x)
        });
        assert!(portable == avx2 && portable == avx512);
    }
}
