//! [`Attention`] for inference: nothing is kept for a backward pass, and the sums of a query stay in registers.

use crate::attention::LANE;
use crate::{Attention, DistanceBias, Scalar, kernel};

/// Queries that are answered at once: enough independent sums to hide the latency of an addition.
const QUERIES: usize = 4;
/// Columns of the output that are summed at once.
const BLOCK: usize = 32;

/// Buffers of one sequence and head; reuse them.
#[derive(Debug, Clone, Default)]
pub struct InferenceScratch<T> {
    keys: Vec<T>,
    rows: Vec<T>,
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
        self.infer_biased(offsets, qkv, None, scratch, y);
    }

    /// Writes `y`, as [`Attention::forward_biased`] without dropout does, up to rounding.
    ///
    /// # Panics
    /// When lengths do not fit.
    pub fn infer_biased<T: Scalar>(
        &self,
        offsets: &[usize],
        qkv: &[T],
        bias: Option<&DistanceBias<T>>,
        scratch: &mut InferenceScratch<T>,
        y: &mut [T],
    ) {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        for w in offsets.windows(2).filter(|w| w[0] < w[1]) {
            let (qkv, y) = (&qkv[w[0] * inputs..w[1] * inputs], &mut y[w[0] * outputs..w[1] * outputs]);
            infer_sequence(self, qkv, bias, scratch, y);
        }
    }
}

kernel! {
    fn infer_sequence<T: Scalar>(
        shape: &Attention, qkv: &[T], bias: Option<&DistanceBias<T>>, scratch: &mut InferenceScratch<T>, y: &mut [T],
    ) {
        let (width, inputs, outputs) = (shape.width, shape.inputs(), shape.outputs());
        let len = y.len() / outputs;
        let padded = len.next_multiple_of(LANE);
        let InferenceScratch { keys, rows } = scratch;
        keys.resize(width * padded, T::ZERO);
        rows.resize(QUERIES * padded, T::ZERO);
        for head in 0..shape.heads {
            let [q, k, v] = shape.columns(head);
            transpose(qkv, inputs, k, padded, keys);
            for (first, y) in y.chunks_mut(QUERIES * outputs).enumerate().map(|(i, y)| (i * QUERIES, y)) {
                // Beyond the end the last query is repeated, and its result dropped.
                let at = std::array::from_fn(|r| (first + r).min(len - 1));
                let queries = at.map(|at| &qkv[at * inputs + q..][..width]);
                let seen = shape.visible(at[QUERIES - 1], len);
                scores(queries, keys, padded, seen.next_multiple_of(LANE), shape.scale(), rows);
                if let Some(bias) = bias {
                    for (scores, at) in rows.chunks_exact_mut(padded).zip(at) {
                        let bias = bias.of(head, at, seen);
                        scores.iter_mut().zip(bias).for_each(|(score, &bias)| *score += bias);
                    }
                }
                let mut inverse = [T::ZERO; QUERIES];
                for ((scores, inverse), at) in rows.chunks_exact_mut(padded).zip(&mut inverse).zip(at) {
                    *inverse = softmax_weights(shape.visible(at, len), &mut scores[..seen.next_multiple_of(LANE)]);
                }
                let values = qkv.chunks_exact(inputs).take(seen).map(|row| &row[v..v + width]);
                let weights = std::array::from_fn(|r| &rows[r * padded..][..seen]);
                weighted_sums(weights, inverse, values, y, outputs, head * width);
            }
        }
    }
}

/// Writes the keys, columns `from..` of `rows`, transposed, `[width x padded]`, in blocks of 4 by 4; the padding keeps
/// what it has.
#[inline(always)]
fn transpose<T: Scalar>(rows: &[T], stride: usize, from: usize, padded: usize, out: &mut [T]) {
    let (len, width) = (rows.len() / stride, out.len() / padded);
    let at = |row: usize, column: usize| row * stride + from + column;
    let whole = (len - len % 4, width - width % 4);
    for row in (0..whole.0).step_by(4) {
        for column in (0..whole.1).step_by(4) {
            let block: [[T; 4]; 4] =
                std::array::from_fn(|r| std::array::from_fn(|c| rows[at(row + r, column)..][..4][c]));
            for c in 0..4 {
                out[(column + c) * padded + row..][..4].copy_from_slice(&block.map(|values| values[c]));
            }
        }
    }
    for row in 0..len {
        for column in if row < whole.0 { whole.1..width } else { 0..width } {
            out[column * padded + row] = rows[at(row, column)];
        }
    }
}

/// Scores of four queries with the first `columns` (a multiple of [`LANE`]) keys, `padded` apart in `out`.
#[inline(always)]
fn scores<T: Scalar>(
    queries: [&[T]; QUERIES],
    keys: &[T],
    padded: usize,
    columns: usize,
    scale: T,
    out: &mut [T],
) {
    for block in (0..columns).step_by(LANE) {
        let mut sums = [[T::ZERO; LANE]; QUERIES];
        for (c, keys) in keys.chunks_exact(padded).enumerate() {
            let keys = &keys[block..block + LANE];
            for (sums, query) in sums.iter_mut().zip(&queries) {
                let query = query[c];
                sums.iter_mut().zip(keys).for_each(|(sum, &key)| *sum += query * key);
            }
        }
        for (sums, out) in sums.iter().zip(out.chunks_exact_mut(padded)) {
            out[block..block + LANE].iter_mut().zip(sums).for_each(|(out, &sum)| *out = sum * scale);
        }
    }
}

/// Replaces the first `seen` scores by their exponentials, the others by 0; returns 1 / sum.
#[inline(always)]
fn softmax_weights<T: Scalar>(seen: usize, scores: &mut [T]) -> T {
    scores[seen..].fill(T::NEG_INFINITY);
    let mut tops = [T::NEG_INFINITY; LANE];
    for scores in scores.chunks_exact(LANE) {
        tops.iter_mut().zip(scores).for_each(|(top, &score)| *top = top.larger(score));
    }
    let top = halve(tops, T::larger);
    let mut totals = [T::ZERO; LANE];
    for scores in scores.chunks_exact_mut(LANE) {
        for (score, total) in scores.iter_mut().zip(&mut totals) {
            *score = (*score - top).exp();
            *total += *score;
        }
    }
    T::ONE / halve(totals, |a, b| a + b)
}

/// Folds lanes pairwise.
#[inline(always)]
fn halve<T: Scalar>(mut lanes: [T; LANE], fold: impl Fn(T, T) -> T) -> T {
    let mut width = LANE / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = fold(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Writes `factor · sum of weight_j · row_j` of every query that there is into columns `from..` of `y`, whose rows are
/// `stride` apart.
#[inline(always)]
fn weighted_sums<'a, T: Scalar>(
    weights: [&[T]; QUERIES],
    factors: [T; QUERIES],
    rows: impl Iterator<Item = &'a [T]> + Clone,
    y: &mut [T],
    stride: usize,
    from: usize,
) {
    let width = rows.clone().next().map_or(0, <[T]>::len);
    let whole = width - width % BLOCK;
    for at in (0..whole).step_by(BLOCK) {
        let mut sums = [[T::ZERO; BLOCK]; QUERIES];
        for (j, row) in rows.clone().enumerate() {
            let row = &row[at..at + BLOCK];
            for (sums, weights) in sums.iter_mut().zip(&weights) {
                let weight = weights[j];
                sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += weight * value);
            }
        }
        for ((sums, &factor), y) in sums.iter().zip(&factors).zip(y.chunks_exact_mut(stride)) {
            y[from + at..][..BLOCK].iter_mut().zip(sums).for_each(|(y, &sum)| *y = sum * factor);
        }
    }
    for column in whole..width {
        for ((weights, &factor), y) in weights.iter().zip(&factors).zip(y.chunks_exact_mut(stride)) {
            let mut sum = T::ZERO;
            weights.iter().zip(rows.clone()).for_each(|(&weight, row)| sum += weight * row[column]);
            y[from + column] = sum * factor;
        }
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
            let bias = DistanceBias::new(4, 20, |head, distance| (head as f64 + distance as f64).sin());
            for bias in [None, Some(&bias)] {
                let off = Dropout::off();
                shape.forward_biased(&offsets, &qkv, bias, off, scratch, &mut weights, &mut want);
                let mut got = vec![9.0; want.len()];
                shape.infer_biased(&offsets, &qkv, bias, &mut InferenceScratch::default(), &mut got);
                for (got, want) in got.iter().zip(&want) {
                    assert!((got - want).abs() < 1e-12, "{got} {want}");
                }
            }
        }
    }
}
