//! [`Attention`] for inference: nothing is kept for a backward pass, and the sums of a query stay in registers.

use crate::attention::{LANE, transpose};
use crate::{Attention, Scalar, kernel};

/// Columns of the output that are summed at once.
const BLOCK: usize = 32;

/// Buffers of one sequence and head; reuse them.
#[derive(Debug, Clone, Default)]
pub struct InferenceScratch<T> {
    keys: Vec<T>,
    row: Vec<T>,
}

impl Attention {
    /// Writes `y`, as [`Attention::forward`] without dropout does, up to rounding.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn infer<T: Scalar>(
        &self,
        offsets: &[usize],
        qkv: &[T],
        scratch: &mut InferenceScratch<T>,
        y: &mut [T],
    ) {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        for w in offsets.windows(2) {
            let (qkv, y) = (&qkv[w[0] * inputs..w[1] * inputs], &mut y[w[0] * outputs..w[1] * outputs]);
            infer_sequence(self, qkv, scratch, y);
        }
    }
}

kernel! {
    fn infer_sequence<T: Scalar>(shape: &Attention, qkv: &[T], scratch: &mut InferenceScratch<T>, y: &mut [T]) {
        let (width, scale, inputs, outputs) = (shape.width, shape.scale(), shape.inputs(), shape.outputs());
        let len = y.len() / outputs;
        let InferenceScratch { keys, row } = scratch;
        for head in 0..shape.heads {
            let [q, k, v] = shape.columns(head);
            let padded = transpose(qkv, inputs, k, width, keys);
            row.resize(padded, T::ZERO);
            for i in 0..len {
                let seen = shape.visible(i, len);
                let scores = &mut row[..seen.next_multiple_of(LANE)];
                let query = &qkv[i * inputs + q..][..width];
                crate::attention::inner_products(query, keys, padded, scale, scores);
                let inverse = softmax_weights(seen, scores);
                let out = &mut y[i * outputs + head * width..][..width];
                let rows = qkv.chunks_exact(inputs).map(|row| &row[v..v + width]);
                weighted_sum(&scores[..seen], inverse, rows, out);
            }
        }
    }
}

/// Replaces the first `seen` scores by their exponentials, the others by 0; returns 1 / sum.
#[inline(always)]
fn softmax_weights<T: Scalar>(seen: usize, scores: &mut [T]) -> T {
    let mut top = [T::NEG_INFINITY; LANE];
    scores[seen..].fill(T::NEG_INFINITY);
    for scores in scores.chunks_exact(LANE) {
        top.iter_mut().zip(scores).for_each(|(top, &score)| *top = top.larger(score));
    }
    let top = top.iter().fold(T::NEG_INFINITY, |a, &b| a.larger(b));
    let mut totals = [T::ZERO; LANE];
    for scores in scores.chunks_exact_mut(LANE) {
        for (score, total) in scores.iter_mut().zip(&mut totals) {
            *score = (*score - top).exp();
            *total += *score;
        }
    }
    let mut total = T::ZERO;
    totals.iter().for_each(|&part| total += part);
    T::ONE / total
}

/// `out = factor · sum of weight_j · row_j`.
#[inline(always)]
fn weighted_sum<'a, T: Scalar>(
    weights: &[T],
    factor: T,
    rows: impl Iterator<Item = &'a [T]> + Clone,
    out: &mut [T],
) {
    let whole = out.len() - out.len() % BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        let mut sums = [T::ZERO; BLOCK];
        for (&weight, row) in weights.iter().zip(rows.clone()) {
            sums.iter_mut().zip(&row[at..at + BLOCK]).for_each(|(sum, &value)| *sum += weight * value);
        }
        out[at..at + BLOCK].iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * factor);
    }
    for (column, out) in out.iter_mut().enumerate().skip(whole) {
        let mut sum = T::ZERO;
        weights.iter().zip(rows.clone()).for_each(|(&weight, row)| sum += weight * row[column]);
        *out = sum * factor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionScratch, Dropout};

    #[test]
    fn agrees_with_the_forward_pass_of_training() {
        let offsets = [0, 20, 20, 21, 40];
        for shape in [
            Attention { heads: 2, kv_heads: 2, width: 32, causal: false },
            Attention { heads: 4, kv_heads: 2, width: 35, causal: true },
        ] {
            let qkv: Vec<f64> =
                (0..40 * shape.inputs()).map(|i| ((i * 37) % 101) as f64 / 30.0 - 1.5).collect();
            let (mut weights, mut want) =
                (vec![0.0; shape.weights_len(&offsets)], vec![0.0; 40 * shape.outputs()]);
            let scratch = &mut AttentionScratch::default();
            shape.forward(&offsets, &qkv, Dropout::off(), scratch, &mut weights, &mut want);
            let mut got = vec![9.0; want.len()];
            shape.infer(&offsets, &qkv, &mut InferenceScratch::default(), &mut got);
            for (got, want) in got.iter().zip(&want) {
                assert!((got - want).abs() < 1e-12, "{got} {want}");
            }
        }
    }
}
