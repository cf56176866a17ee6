//! Causal multi-head self-attention over packed sequences (Vaswani et al. 2017, arXiv 1706.03762, section 3.2).
//!
//! Position `i` of a sequence attends to positions `0..=i` of the same sequence. Sequences are short (tens of events),
//! so each is one pass over contiguous rows without any padding.

use crate::{Dropout, Scalar, kernel, kernel::axpy_inline, kernel::dot_inline};

/// Causal attention without parameters of its own: queries, keys and values come in, mixed values go out.
///
/// # Shapes
/// qkv `[T x 3D]` (query, key, value side by side), output `[T x D]`; head `h` owns columns `h·D/H..(h+1)·D/H`.
#[derive(Debug, Clone, Copy)]
pub struct CausalAttention {
    /// D.
    pub dim: usize,
    /// H, a divisor of D.
    pub heads: usize,
}

impl CausalAttention {
    /// Number of attention weights of sequences with these offsets: H · sum of L².
    pub fn weights_len(&self, offsets: &[usize]) -> usize {
        self.heads * offsets.windows(2).map(|w| (w[1] - w[0]).pow(2)).sum::<usize>()
    }

    /// Writes `y`, and into `weights` the attention weights before dropout.
    pub fn forward<T: Scalar>(
        &self,
        offsets: &[usize],
        qkv: &[T],
        dropout: Dropout,
        weights: &mut [T],
        y: &mut [T],
    ) {
        assert_eq!(weights.len(), self.weights_len(offsets));
        let mut at = 0;
        for w in offsets.windows(2) {
            let (start, len) = (w[0], w[1] - w[0]);
            let size = self.heads * len * len;
            sequence_forward(
                self,
                &qkv[start * 3 * self.dim..(start + len) * 3 * self.dim],
                dropout,
                at,
                &mut weights[at..at + size],
                &mut y[start * self.dim..(start + len) * self.dim],
            );
            at += size;
        }
    }

    /// Writes `dqkv`.
    pub fn backward<T: Scalar>(
        &self,
        offsets: &[usize],
        qkv: &[T],
        dropout: Dropout,
        weights: &[T],
        dy: &[T],
        dqkv: &mut [T],
    ) {
        dqkv.fill(T::ZERO);
        let mut at = 0;
        let mut scratch = Vec::new();
        for w in offsets.windows(2) {
            let (start, len) = (w[0], w[1] - w[0]);
            let size = self.heads * len * len;
            scratch.clear();
            scratch.resize(len, T::ZERO);
            sequence_backward(
                self,
                &qkv[start * 3 * self.dim..(start + len) * 3 * self.dim],
                dropout,
                at,
                &weights[at..at + size],
                &dy[start * self.dim..(start + len) * self.dim],
                &mut scratch,
                &mut dqkv[start * 3 * self.dim..(start + len) * 3 * self.dim],
            );
            at += size;
        }
    }

    fn scale<T: Scalar>(&self) -> T {
        T::from_f64(1.0 / ((self.dim / self.heads) as f64).sqrt())
    }
}

kernel! {
    fn sequence_forward<T: Scalar>(
        shape: &CausalAttention, qkv: &[T], dropout: Dropout, first: usize, weights: &mut [T], y: &mut [T],
    ) {
        let (dim, width, scale) = (shape.dim, shape.dim / shape.heads, shape.scale());
        let len = y.len() / dim;
        y.fill(T::ZERO);
        for head in 0..shape.heads {
            let row = |position: usize, part: usize| {
                let start = position * 3 * dim + part * dim + head * width;
                &qkv[start..start + width]
            };
            for i in 0..len {
                let base = (head * len + i) * len;
                let weights = &mut weights[base..base + len];
                let (query, mut top) = (row(i, 0), T::NEG_INFINITY);
                for (j, weight) in weights[..=i].iter_mut().enumerate() {
                    *weight = dot_inline(query, row(j, 1)) * scale;
                    top = top.larger(*weight);
                }
                let mut total = T::ZERO;
                for weight in &mut weights[..=i] {
                    *weight = (*weight - top).exp();
                    total += *weight;
                }
                weights[i + 1..].fill(T::ZERO);
                let out = &mut y[i * dim + head * width..i * dim + (head + 1) * width];
                for (j, weight) in weights[..=i].iter_mut().enumerate() {
                    *weight = *weight / total;
                    let kept = *weight * dropout.factor(first + base + j);
                    axpy_inline(kept, row(j, 2), out);
                }
            }
        }
    }
}

kernel! {
    fn sequence_backward<T: Scalar>(
        shape: &CausalAttention, qkv: &[T], dropout: Dropout, first: usize, weights: &[T], dy: &[T],
        dweights: &mut [T], dqkv: &mut [T],
    ) {
        let (dim, width, scale) = (shape.dim, shape.dim / shape.heads, shape.scale());
        let len = dy.len() / dim;
        for head in 0..shape.heads {
            let at = |position: usize, part: usize| {
                let start = position * 3 * dim + part * dim + head * width;
                start..start + width
            };
            for i in 0..len {
                let base = (head * len + i) * len;
                let dy = &dy[i * dim + head * width..i * dim + (head + 1) * width];
                let mut along = T::ZERO;
                for j in 0..=i {
                    let factor: T = dropout.factor(first + base + j);
                    let weight = weights[base + j];
                    dweights[j] = factor * dot_inline(dy, &qkv[at(j, 2)]);
                    along += weight * dweights[j];
                    axpy_inline(weight * factor, dy, &mut dqkv[at(j, 2)]);
                }
                for j in 0..=i {
                    let dscore = weights[base + j] * (dweights[j] - along) * scale;
                    axpy_inline(dscore, &qkv[at(j, 1)], &mut dqkv[at(i, 0)]);
                    axpy_inline(dscore, &qkv[at(i, 0)], &mut dqkv[at(j, 1)]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Layout, gradient_check::check};

    const SHAPE: CausalAttention = CausalAttention { dim: 6, heads: 2 };
    const OFFSETS: [usize; 4] = [0, 4, 4, 7];

    fn run(qkv: &[f64], dropout: Dropout) -> (Vec<f64>, Vec<f64>) {
        let mut weights = vec![0.0; SHAPE.weights_len(&OFFSETS)];
        let mut y = vec![0.0; 7 * 6];
        SHAPE.forward(&OFFSETS, qkv, dropout, &mut weights, &mut y);
        (weights, y)
    }

    #[test]
    fn gradients_agree_with_finite_differences_with_and_without_dropout() {
        for dropout in [Dropout::off(), Dropout::new(0.4, 5)] {
            check(
                &Layout::new(),
                7 * 18,
                7 * 6,
                |_, qkv, y| y.copy_from_slice(&run(qkv, dropout).1),
                |_, qkv, dy, _, dqkv| {
                    SHAPE.backward(&OFFSETS, qkv, dropout, &run(qkv, dropout).0, dy, dqkv);
                },
            );
        }
    }

    #[test]
    fn the_future_and_other_sequences_are_invisible() {
        let mut qkv: Vec<f64> = (0..7 * 18).map(|i| ((i * 7) % 13) as f64 / 6.0 - 1.0).collect();
        let before = run(&qkv, Dropout::off()).1;
        qkv[3 * 18..].iter_mut().for_each(|x| *x += 1.0);
        let after = run(&qkv, Dropout::off()).1;
        assert_eq!(before[..3 * 6], after[..3 * 6]);
        assert_ne!(before[3 * 6..], after[3 * 6..]);
    }
}
