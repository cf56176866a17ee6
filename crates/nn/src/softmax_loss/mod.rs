//! Cross-entropy of the next item against many candidates, without a `[positions x candidates]` matrix.
//!
//! Every position has one target and shares the candidates: a few hundred sampled negatives (Jean et al. 2015, arXiv
//! 1412.2007), corrected by their log-probability where they were not drawn uniformly (Yi et al. 2019, RecSys, eq. 4),
//! or the whole catalogue (full softmax). The target stands apart, and is never corrected; where it also is a
//! candidate, or where a candidate must not count, the candidate is masked at that position.
//!
//! `logit(t, c) = scale · <query_t, candidate_c> + bias_c + seen_bias · [c in the history of t]`
//!
//! Work goes over tiles of at most 256 positions by 1,024 candidates. With one tile of candidates a row of logits becomes a row
//! of gradients while it is in the nearest cache; otherwise a second pass computes the logits again. The gradient overwrites the
//! logits in place.

mod masked;
#[cfg(test)]
mod tests;

pub use masked::Masked;

use crate::{Mat, Scalar, kernel, matmul};

const TILE_POSITIONS: usize = 256;
const TILE_CANDIDATES: usize = 1024;

/// The candidates that all positions share.
#[derive(Debug, Clone, Copy)]
pub struct Candidates<'a, T> {
    /// `[N x D]`.
    pub vectors: &'a [T],
    /// `[N]`, added to each candidate's logits: `-ln(expected count)` for sampled negatives, else 0.
    pub bias: &'a [T],
}

/// One batch of positions.
#[derive(Debug, Clone, Copy)]
pub struct SoftmaxLoss<'a, T> {
    /// D.
    pub dim: usize,
    /// `[T x D]`.
    pub queries: &'a [T],
    /// `[T]`: each position's target, a row of `items`.
    pub targets: &'a [u32],
    /// `[U x D]`: vectors that targets point into.
    pub items: &'a [T],
    /// The shared candidates.
    pub candidates: Candidates<'a, T>,
    /// Candidates that do not count at a position: its target, and whatever the caller excludes.
    pub masked: &'a Masked,
    /// Candidates that are already in a position's history and get `seen_bias`.
    pub seen: &'a Masked,
    /// `[T]`: whether the target is already in the history; empty means never.
    pub target_seen: &'a [bool],
    /// Factor of the inner products, 1 / temperature.
    pub scale: T,
    /// Added to logits of seen candidates and seen targets.
    pub seen_bias: T,
    /// Factor of all gradients: 1 / sum of `weights` for a mean.
    pub weight: T,
    /// `[T]`: each position's weight; empty means 1.
    pub weights: &'a [T],
}

/// Where gradients are added.
#[derive(Debug)]
pub struct SoftmaxGrads<'a, T> {
    /// `[T x D]`, overwritten.
    pub queries: &'a mut [T],
    /// `[U x D]`, added.
    pub items: &'a mut [T],
    /// `[N x D]`, added.
    pub candidates: &'a mut [T],
    /// d loss / d scale, added.
    pub scale: T,
    /// d loss / d seen_bias, added.
    pub seen_bias: T,
}

/// Softmax statistics of one position while candidates stream by.
#[derive(Clone, Copy)]
struct Running<T> {
    top: T,
    total: T,
}

impl<T: Scalar> SoftmaxLoss<'_, T> {
    /// Returns the sum of `weights · -ln p(target)` over positions and adds the gradients.
    ///
    /// `scratch` is reused between calls.
    ///
    /// # Panics
    /// When lengths do not fit together.
    pub fn forward_backward(&self, grads: &mut SoftmaxGrads<T>, scratch: &mut Vec<T>) -> f64 {
        let (positions, dim) = (self.targets.len(), self.dim);
        assert_eq!(self.queries.len(), positions * dim);
        assert_eq!(grads.queries.len(), positions * dim);
        assert_eq!(self.candidates.vectors.len(), self.candidates.bias.len() * dim);
        // Tiles of about the same size: a small last one would waste a matrix product's set-up.
        let rows = positions.div_ceil(positions.div_ceil(TILE_POSITIONS).max(1)).max(1);
        (0..positions)
            .step_by(rows)
            .map(|first| self.positions_tile(first, rows.min(positions - first), grads, scratch))
            .sum()
    }

    fn positions_tile(
        &self,
        first: usize,
        rows: usize,
        grads: &mut SoftmaxGrads<T>,
        scratch: &mut Vec<T>,
    ) -> f64 {
        let dim = self.dim;
        let count = self.candidates.bias.len();
        let inner: Vec<T> = (first..first + rows)
            .map(|t| kernel::dot(self.query(t), row(self.items, self.targets[t] as usize, dim)))
            .collect();
        let target_logit = |t: usize| {
            let bias = if self.is_target_seen(t) { self.seen_bias } else { T::ZERO };
            self.scale * inner[t - first] + bias
        };
        let mut running: Vec<Running<T>> =
            (first..first + rows).map(|t| Running { top: target_logit(t), total: T::ONE }).collect();

        let tiles = || (0..count).step_by(TILE_CANDIDATES).map(|c| (c, TILE_CANDIDATES.min(count - c)));
        let one_tile = count <= TILE_CANDIDATES;
        for (start, len) in tiles().filter(|_| !one_tile) {
            self.logits(first, rows, start, len, scratch);
            for (logits, running) in scratch.chunks_exact_mut(len).zip(&mut running) {
                absorb(running, logits);
            }
        }
        let query_grads = &mut grads.queries[first * dim..(first + rows) * dim];
        query_grads.fill(T::ZERO);
        for (start, len) in tiles() {
            self.logits(first, rows, start, len, scratch);
            for (r, (logits, running)) in scratch.chunks_exact_mut(len).zip(&mut running).enumerate() {
                // A row of logits becomes d loss / d logit.
                if one_tile {
                    absorb(running, logits);
                } else {
                    exp_total(running.top, logits);
                }
                kernel::scale(self.weight * self.weight_of(first + r) / running.total, logits);
                let seen = self.seen.in_tile(first + r, start, len);
                grads.seen_bias += seen.map(|c| logits[c]).sum();
            }
            let g = Mat::new(scratch, rows, len);
            let vectors = Mat::new(&self.candidates.vectors[start * dim..(start + len) * dim], len, dim);
            matmul(query_grads, T::ONE, g, vectors, T::ONE);
            let queries = Mat::new(&self.queries[first * dim..(first + rows) * dim], rows, dim);
            let into = &mut grads.candidates[start * dim..(start + len) * dim];
            matmul(into, T::ONE, g.t(), queries, self.scale);
        }

        let mut loss = 0.0;
        for (r, t) in (first..first + rows).enumerate() {
            let Running { top, total } = running[r];
            let logit = target_logit(t);
            let weight = self.weight_of(t);
            loss += weight.to_f64() * (total.to_f64().ln() + (top - logit).to_f64());
            let g = ((logit - top).exp() / total - T::ONE) * self.weight * weight;
            let target = self.targets[t] as usize;
            kernel::axpy(g, row(self.items, target, dim), &mut query_grads[r * dim..(r + 1) * dim]);
            kernel::axpy(g * self.scale, self.query(t), &mut grads.items[target * dim..(target + 1) * dim]);
            if self.is_target_seen(t) {
                grads.seen_bias += g;
            }
        }
        // Up to here without the scale, whose gradient is the sum of <query, gradient>: no division by a scale of 0.
        let queries = &self.queries[first * dim..(first + rows) * dim];
        for (query, grad) in queries.chunks_exact(dim).zip(query_grads.chunks_exact(dim)) {
            grads.scale += kernel::dot(query, grad);
        }
        kernel::scale(self.scale, query_grads);
        loss
    }

    /// Fills `scratch` with the logits of a tile, `[rows x len]`; masked ones are negative infinity.
    fn logits(&self, first: usize, rows: usize, start: usize, len: usize, scratch: &mut Vec<T>) {
        let dim = self.dim;
        scratch.resize(rows * len, T::ZERO);
        let queries = Mat::new(&self.queries[first * dim..(first + rows) * dim], rows, dim);
        let vectors = Mat::new(&self.candidates.vectors[start * dim..(start + len) * dim], len, dim);
        matmul(scratch, T::ZERO, queries, vectors.t(), self.scale);
        let bias = &self.candidates.bias[start..start + len];
        let is_biased = bias.iter().any(|&bias| bias != T::ZERO);
        for (r, logits) in scratch.chunks_exact_mut(len).enumerate() {
            if is_biased {
                kernel::add(bias, logits);
            }
            self.seen.in_tile(first + r, start, len).for_each(|c| logits[c] += self.seen_bias);
            self.masked.in_tile(first + r, start, len).for_each(|c| logits[c] = T::NEG_INFINITY);
        }
    }

    fn query(&self, t: usize) -> &[T] {
        row(self.queries, t, self.dim)
    }

    fn weight_of(&self, t: usize) -> T {
        self.weights.get(t).copied().unwrap_or(T::ONE)
    }

    fn is_target_seen(&self, t: usize) -> bool {
        self.target_seen.get(t).copied().unwrap_or(false)
    }
}

fn row<T>(matrix: &[T], at: usize, dim: usize) -> &[T] {
    &matrix[at * dim..(at + 1) * dim]
}

/// Online softmax: takes a row of logits into the running maximum and total, and replaces it by the exponentials of its distance
/// from the maximum.
fn absorb<T: Scalar>(running: &mut Running<T>, logits: &mut [T]) {
    let top = running.top.larger(kernel::max(logits));
    running.total = running.total * (running.top - top).exp() + exp_total(top, logits);
    running.top = top;
}

kernel! {
    /// Replaces `x` by `exp(x - shift)`; returns the sum.
    fn exp_total<T: Scalar>(shift: T, x: &mut [T]) -> T {
        let mut lanes = [T::ZERO; kernel::LANES];
        let (chunks, rest) = x.as_chunks_mut::<{ kernel::LANES }>();
        for x in chunks {
            for i in 0..kernel::LANES {
                x[i] = (x[i] - shift).exp();
                lanes[i] += x[i];
            }
        }
        rest.iter_mut().for_each(|x| *x = (*x - shift).exp());
        kernel::fold(lanes) + rest.iter().copied().sum::<T>()
    }
}
