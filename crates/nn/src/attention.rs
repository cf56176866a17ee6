//! Multi-head self-attention over packed sequences (Vaswani et al. 2017, arXiv 1706.03762, section 3.2), causal or not,
//! with as many key and value heads as query heads or fewer (grouped-query attention, Ainslie et al. 2023, arXiv
//! 2305.13245).
//!
//! Every sequence is one pass over its own rows: no padding, no mask. Keys (in the backward pass values too) of a head
//! are transposed into a small buffer first, so that the scores of one query are a vector operation over positions.

use crate::{Dropout, Scalar, kernel, kernel::axpy_inline};

/// Positions in the transposed buffer are a multiple of this, so that no score is computed alone.
pub(crate) const LANE: usize = 16;

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

/// What is added to the score of a query and a key for their distance (Shaw et al. 2018, arXiv 1803.02155; Raffel et al.
/// 2020, arXiv 1910.10683, section 2.1).
///
/// ```
/// use semrank_nn::DistanceBias;
/// // One head, two positions: a key is one before, at, or one after the query.
/// let bias = DistanceBias::new(1, 2, |_, distance| distance as f32);
/// assert_eq!((bias.of(0, 0, 2), bias.of(0, 1, 2)), (&[0.0, 1.0][..], &[-1.0, 0.0][..]));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DistanceBias<T> {
    /// `[H x (2 P - 1)]`: key minus query from `1 - P` to `P - 1`.
    values: Vec<T>,
    positions: usize,
}

impl<T: Scalar> DistanceBias<T> {
    /// For sequences of at most `positions`, from the value of every head and distance, key minus query.
    ///
    /// # Panics
    /// When `positions` is 0.
    pub fn new(heads: usize, positions: usize, value: impl Fn(usize, isize) -> T) -> Self {
        assert!(positions > 0, "a sequence has a position");
        let most = positions as isize - 1;
        let values = (0..heads).flat_map(|head| (-most..=most).map(move |distance| (head, distance)));
        Self { values: values.map(|(head, distance)| value(head, distance)).collect(), positions }
    }

    /// What is added to the scores of query `i` of a head with the keys `0..len`.
    ///
    /// # Panics
    /// When `i` or `len` is beyond the longest sequence.
    #[inline(always)]
    pub fn of(&self, head: usize, i: usize, len: usize) -> &[T] {
        let head = &self.values[head * (2 * self.positions - 1)..][..2 * self.positions - 1];
        &head[self.positions - 1 - i..][..len]
    }
}

/// What attention needs besides its output; reuse it.
#[derive(Debug, Clone, Default)]
pub struct AttentionScratch<T> {
    keys: Vec<T>,
    values: Vec<T>,
    row: Vec<T>,
}

impl Attention {
    /// Causal attention with as many key as query heads over rows of `dim` values.
    pub fn causal(dim: usize, heads: usize) -> Self {
        Self { heads, kv_heads: heads, width: dim / heads, causal: true }
    }

    /// Number of attention weights of sequences with these offsets: H · sum of L².
    pub fn weights_len(&self, offsets: &[usize]) -> usize {
        self.heads * offsets.windows(2).map(|w| (w[1] - w[0]).pow(2)).sum::<usize>()
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
        offsets: &[usize],
        qkv: &[T],
        dropout: Dropout,
        scratch: &mut AttentionScratch<T>,
        weights: &mut [T],
        y: &mut [T],
    ) {
        self.forward_biased(offsets, qkv, None, dropout, scratch, weights, y);
    }

    /// As [`Attention::forward`], with `bias` added to the scores. The backward pass is the same: it reads the weights.
    ///
    /// # Panics
    /// When lengths do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn forward_biased<T: Scalar>(
        &self,
        offsets: &[usize],
        qkv: &[T],
        bias: Option<&DistanceBias<T>>,
        dropout: Dropout,
        scratch: &mut AttentionScratch<T>,
        weights: &mut [T],
        y: &mut [T],
    ) {
        assert_eq!(weights.len(), self.weights_len(offsets));
        let (inputs, outputs) = (self.inputs(), self.outputs());
        let mut at = 0;
        for w in offsets.windows(2) {
            let size = self.heads * (w[1] - w[0]).pow(2);
            let (qkv, y) = (&qkv[w[0] * inputs..w[1] * inputs], &mut y[w[0] * outputs..w[1] * outputs]);
            forward_sequence(self, qkv, bias, dropout, at, scratch, &mut weights[at..at + size], y);
            at += size;
        }
    }

    /// Writes `dqkv`; `weights` are those of the forward pass.
    ///
    /// # Panics
    /// When lengths do not fit.
    #[allow(clippy::too_many_arguments)]
    pub fn backward<T: Scalar>(
        &self,
        offsets: &[usize],
        qkv: &[T],
        dropout: Dropout,
        scratch: &mut AttentionScratch<T>,
        weights: &[T],
        dy: &[T],
        dqkv: &mut [T],
    ) {
        assert_eq!(weights.len(), self.weights_len(offsets));
        let (inputs, outputs) = (self.inputs(), self.outputs());
        dqkv.fill(T::ZERO);
        let mut at = 0;
        for w in offsets.windows(2) {
            let size = self.heads * (w[1] - w[0]).pow(2);
            let (rows, dy) = (w[0] * inputs..w[1] * inputs, &dy[w[0] * outputs..w[1] * outputs]);
            let (qkv, dqkv) = (&qkv[rows.clone()], &mut dqkv[rows]);
            backward_sequence(self, qkv, dropout, at, scratch, &weights[at..at + size], dy, dqkv);
            at += size;
        }
    }

    pub(crate) fn scale<T: Scalar>(&self) -> T {
        T::from_f64(1.0 / (self.width as f64).sqrt())
    }

    /// Columns of a query head's query, key and value in a row of `qkv`.
    pub(crate) fn columns(&self, head: usize) -> [usize; 3] {
        let group = head / (self.heads / self.kv_heads);
        [head, self.heads + group, self.heads + self.kv_heads + group].map(|part| part * self.width)
    }

    /// How many positions position `i` of a sequence of `len` sees.
    pub(crate) fn visible(&self, i: usize, len: usize) -> usize {
        if self.causal { i + 1 } else { len }
    }
}

/// Writes columns `from..from + width` of `rows` transposed, `[width x padded length]`; returns the padded length.
#[inline(always)]
fn transpose<T: Scalar>(rows: &[T], stride: usize, from: usize, width: usize, out: &mut Vec<T>) -> usize {
    let len = rows.len() / stride;
    let padded = len.next_multiple_of(LANE);
    out.clear();
    out.resize(width * padded, T::ZERO);
    for (j, row) in rows.chunks_exact(stride).enumerate() {
        for (c, &value) in row[from..from + width].iter().enumerate() {
            out[c * padded + j] = value;
        }
    }
    padded
}

/// `out[j] = scale · <a, b_j>` for the first `out.len()` (a multiple of [`LANE`]) columns `b_j` of `transposed`.
#[inline(always)]
fn inner_products<T: Scalar>(a: &[T], transposed: &[T], padded: usize, scale: T, out: &mut [T]) {
    for (block, out) in out.chunks_exact_mut(LANE).enumerate() {
        let mut sums = [T::ZERO; LANE];
        for (&a, row) in a.iter().zip(transposed.chunks_exact(padded)) {
            let row = &row[block * LANE..][..LANE];
            for (sum, &b) in sums.iter_mut().zip(row) {
                *sum += a * b;
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum * scale;
        }
    }
}

kernel! {
    fn forward_sequence<T: Scalar>(
        shape: &Attention, qkv: &[T], bias: Option<&DistanceBias<T>>, dropout: Dropout, first: usize,
        scratch: &mut AttentionScratch<T>, weights: &mut [T], y: &mut [T],
    ) {
        let (width, scale, inputs, outputs) = (shape.width, shape.scale(), shape.inputs(), shape.outputs());
        let len = y.len() / outputs;
        let AttentionScratch { keys, row, .. } = scratch;
        y.fill(T::ZERO);
        for head in 0..shape.heads {
            let [q, k, v] = shape.columns(head);
            let padded = transpose(qkv, inputs, k, width, keys);
            row.resize(padded, T::ZERO);
            for i in 0..len {
                let seen = shape.visible(i, len);
                let base = (head * len + i) * len;
                let scores = &mut row[..seen.next_multiple_of(LANE)];
                inner_products(&qkv[i * inputs + q..][..width], keys, padded, scale, scores);
                if let Some(bias) = bias {
                    let bias = bias.of(head, i, seen);
                    scores.iter_mut().zip(bias).for_each(|(score, &bias)| *score += bias);
                }
                let top = scores[..seen].iter().fold(T::NEG_INFINITY, |a, &b| a.larger(b));
                let mut total = T::ZERO;
                for (j, score) in scores.iter_mut().enumerate() {
                    *score = if j < seen { (*score - top).exp() } else { T::ZERO };
                }
                scores[..seen].iter().for_each(|&score| total += score);
                let weights = &mut weights[base..base + len];
                weights[seen..].fill(T::ZERO);
                let out = &mut y[i * outputs + head * width..][..width];
                for (j, weight) in weights[..seen].iter_mut().enumerate() {
                    *weight = scores[j] / total;
                    let kept = *weight * dropout.factor(first + base + j);
                    axpy_inline(kept, &qkv[j * inputs + v..][..width], out);
                }
            }
        }
    }
}

kernel! {
    fn backward_sequence<T: Scalar>(
        shape: &Attention, qkv: &[T], dropout: Dropout, first: usize, scratch: &mut AttentionScratch<T>,
        weights: &[T], dy: &[T], dqkv: &mut [T],
    ) {
        let (width, scale, inputs, outputs): (_, T, _, _) =
            (shape.width, shape.scale(), shape.inputs(), shape.outputs());
        let len = dy.len() / outputs;
        let AttentionScratch { values, row, .. } = scratch;
        for head in 0..shape.heads {
            let [q, k, v] = shape.columns(head);
            let padded = transpose(qkv, inputs, v, width, values);
            row.resize(padded, T::ZERO);
            for i in 0..len {
                let seen = shape.visible(i, len);
                let base = (head * len + i) * len;
                let dy = &dy[i * outputs + head * width..][..width];
                let dweights = &mut row[..seen.next_multiple_of(LANE)];
                inner_products(dy, values, padded, T::ONE, dweights);
                let mut along = T::ZERO;
                for (j, dweight) in dweights[..seen].iter_mut().enumerate() {
                    let factor: T = dropout.factor(first + base + j);
                    let weight = weights[base + j];
                    *dweight *= factor;
                    along += weight * *dweight;
                    axpy_inline(weight * factor, dy, &mut dqkv[j * inputs + v..][..width]);
                }
                for (j, &dweight) in dweights[..seen].iter().enumerate() {
                    let dscore = weights[base + j] * (dweight - along) * scale;
                    axpy_inline(dscore, &qkv[j * inputs + k..][..width], &mut dqkv[i * inputs + q..][..width]);
                    axpy_inline(dscore, &qkv[i * inputs + q..][..width], &mut dqkv[j * inputs + k..][..width]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, gradient_check::check};

    const SHAPES: [Attention; 3] = [
        Attention { heads: 2, kv_heads: 2, width: 3, causal: true },
        Attention { heads: 2, kv_heads: 2, width: 3, causal: false },
        Attention { heads: 4, kv_heads: 2, width: 2, causal: true },
    ];
    const OFFSETS: [usize; 4] = [0, 4, 4, 7];

    fn run(shape: Attention, qkv: &[f64], dropout: Dropout) -> (Vec<f64>, Vec<f64>) {
        let mut weights = vec![0.0; shape.weights_len(&OFFSETS)];
        let mut y = vec![0.0; 7 * shape.outputs()];
        shape.forward(&OFFSETS, qkv, dropout, &mut AttentionScratch::default(), &mut weights, &mut y);
        (weights, y)
    }

    #[test]
    fn gradients_agree_with_finite_differences_with_and_without_dropout() {
        for shape in SHAPES {
            for dropout in [Dropout::off(), Dropout::new(0.4, 5)] {
                check(
                    &Layout::new(),
                    7 * shape.inputs(),
                    7 * shape.outputs(),
                    |_, qkv, y| y.copy_from_slice(&run(shape, qkv, dropout).1),
                    |_, qkv, dy, _, dqkv| {
                        let weights = run(shape, qkv, dropout).0;
                        let scratch = &mut AttentionScratch::default();
                        shape.backward(&OFFSETS, qkv, dropout, scratch, &weights, dy, dqkv);
                    },
                );
            }
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences_under_a_bias_of_distances() {
        let bias = DistanceBias::new(4, 4, |head, distance| (head as f64 - distance as f64 / 2.0).sin());
        for shape in SHAPES {
            let forward = |qkv: &[f64]| {
                let mut weights = vec![0.0; shape.weights_len(&OFFSETS)];
                let mut y = vec![0.0; 7 * shape.outputs()];
                let (off, scratch) = (Dropout::off(), &mut AttentionScratch::default());
                shape.forward_biased(&OFFSETS, qkv, Some(&bias), off, scratch, &mut weights, &mut y);
                (weights, y)
            };
            check(
                &Layout::new(),
                7 * shape.inputs(),
                7 * shape.outputs(),
                |_, qkv, y| y.copy_from_slice(&forward(qkv).1),
                |_, qkv, dy, _, dqkv| {
                    let (weights, scratch) = (forward(qkv).0, &mut AttentionScratch::default());
                    shape.backward(&OFFSETS, qkv, Dropout::off(), scratch, &weights, dy, dqkv);
                },
            );
        }
    }

    #[test]
    fn other_sequences_are_invisible_and_the_future_where_it_is_causal() {
        for shape in SHAPES {
            let (inputs, outputs) = (shape.inputs(), shape.outputs());
            let mut qkv: Vec<f64> = (0..7 * inputs).map(|i| ((i * 7) % 13) as f64 / 6.0 - 1.0).collect();
            let before = run(shape, &qkv, Dropout::off()).1;
            qkv[3 * inputs..4 * inputs].iter_mut().for_each(|x| *x += 1.0);
            let after = run(shape, &qkv, Dropout::off()).1;
            assert_eq!(before[..3 * outputs] == after[..3 * outputs], shape.causal);
            assert_ne!(before[3 * outputs..4 * outputs], after[3 * outputs..4 * outputs]);
            assert_eq!(before[4 * outputs..], after[4 * outputs..]);
        }
    }

    #[test]
    fn one_position_mixes_nothing_and_equal_keys_average() {
        let shape = Attention { heads: 1, kv_heads: 1, width: 1, causal: false };
        let mut weights = [0.0; 4];
        let mut y = [0.0; 2];
        let qkv = [5.0, 1.0, 10.0, -3.0, 1.0, 20.0];
        shape.forward(&[0, 2], &qkv, Dropout::off(), &mut AttentionScratch::default(), &mut weights, &mut y);
        assert_eq!(y, [15.0, 15.0]);
    }
}
