//! Cross-entropy of the next item against many candidates, without a `[positions x candidates]` matrix.
//!
//! Every position has one target and shares the candidates: a few hundred sampled negatives (Jean et al. 2015, arXiv
//! 1412.2007), corrected by their log-probability where they were not drawn uniformly (Yi et al. 2019, RecSys, eq. 4),
//! or the whole catalogue (full softmax). The target stands apart, and is never corrected; where it also is a
//! candidate, or where a candidate must not count, the candidate is masked at that position.
//!
//! `logit(t, c) = scale · <query_t, candidate_c> + bias_c + seen_bias · [c in the history of t]`
//!
//! Work goes over tiles of at most 256 positions by 1,024 candidates. With one tile of candidates the logits are kept between
//! the two passes; otherwise the second pass computes them again. The gradient overwrites the logits in place.

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

/// For each position a list of candidates: position `t` owns `indices[offsets[t]..offsets[t + 1]]`, ascending.
#[derive(Debug, Clone, Default)]
pub struct Masked {
    /// `T + 1` offsets.
    pub offsets: Vec<usize>,
    /// Candidates.
    pub indices: Vec<u32>,
}

impl Masked {
    /// No position yet.
    pub fn clear(&mut self) {
        self.indices.clear();
        self.offsets.clear();
        self.offsets.push(0);
    }

    /// Ends the list of the next position; sorts and deduplicates it.
    pub fn end_position(&mut self) {
        let start = *self.offsets.last().unwrap_or(&0);
        self.indices[start..].sort_unstable();
        let mut kept = start;
        for at in start..self.indices.len() {
            if at == start || self.indices[at] != self.indices[kept - 1] {
                self.indices[kept] = self.indices[at];
                kept += 1;
            }
        }
        self.indices.truncate(kept);
        self.offsets.push(kept);
    }

    fn of(&self, position: usize) -> &[u32] {
        match self.offsets.get(position..position + 2) {
            Some(ends) => &self.indices[ends[0]..ends[1]],
            None => &[],
        }
    }

    /// The part of a position's list that falls into a tile, relative to the tile.
    fn in_tile(&self, position: usize, first: usize, len: usize) -> impl Iterator<Item = usize> {
        let list = self.of(position);
        let start = list.partition_point(|&c| (c as usize) < first);
        list[start..].iter().map(move |&c| c as usize - first).take_while(move |&c| c < len)
    }
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
        for (start, len) in tiles() {
            self.logits(first, rows, start, len, scratch);
            for (logits, running) in scratch.chunks_exact(len).zip(&mut running) {
                absorb(running, logits);
            }
        }
        let query_grads = &mut grads.queries[first * dim..(first + rows) * dim];
        query_grads.fill(T::ZERO);
        for (start, len) in tiles() {
            if count > TILE_CANDIDATES {
                self.logits(first, rows, start, len, scratch);
            }
            for (r, logits) in scratch.chunks_exact_mut(len).enumerate() {
                // A row of logits becomes d loss / d logit.
                softmax_row(
                    running[r].top,
                    self.weight * self.weight_of(first + r) / running[r].total,
                    logits,
                );
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
        for (r, logits) in scratch.chunks_exact_mut(len).enumerate() {
            kernel::add(bias, logits);
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

/// Online softmax: takes a row of logits into the running maximum and total.
fn absorb<T: Scalar>(running: &mut Running<T>, logits: &[T]) {
    let top = running.top.larger(kernel::max(logits));
    running.total = running.total * (running.top - top).exp() + exp_total(top, logits);
    running.top = top;
}

kernel! {
    fn exp_total<T: Scalar>(shift: T, x: &[T]) -> T {
        let mut lanes = [T::ZERO; kernel::LANES];
        let chunks = x.chunks_exact(kernel::LANES);
        let rest: T = chunks.remainder().iter().map(|&x| (x - shift).exp()).sum();
        for x in chunks {
            for i in 0..kernel::LANES {
                lanes[i] += (x[i] - shift).exp();
            }
        }
        kernel::fold(lanes) + rest
    }
}

kernel! {
    /// `logits = factor · exp(logits - top)`.
    fn softmax_row<T: Scalar>(top: T, factor: T, logits: &mut [T]) {
        for logit in logits.iter_mut() {
            *logit = (*logit - top).exp() * factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gradient_check::{compare, slope_at};
    use semrank_core::Rng;

    const DIM: usize = 3;
    const POSITIONS: usize = 4;
    const ITEMS: usize = 6;
    const WEIGHTS: [f64; POSITIONS] = [1.0, 0.5, 2.0, 1.0];

    struct Case {
        masked: Masked,
        seen: Masked,
        candidates: usize,
    }

    fn case(candidates: usize) -> Case {
        let (mut masked, mut seen) = (Masked::default(), Masked::default());
        masked.clear();
        seen.clear();
        for t in 0..POSITIONS {
            masked.indices.extend([t as u32, 0, t as u32]);
            masked.end_position();
            seen.indices.extend([4, 5, (candidates - 1) as u32]);
            seen.end_position();
        }
        Case { masked, seen, candidates }
    }

    impl Case {
        /// Values: queries, items, candidate vectors, candidate biases, scale, seen bias.
        fn len(&self) -> usize {
            (POSITIONS + ITEMS + self.candidates) * DIM + 2
        }

        fn run(&self, x: &[f64], grads: Option<&mut Vec<f64>>) -> f64 {
            let (queries, rest) = x.split_at(POSITIONS * DIM);
            let (items, rest) = rest.split_at(ITEMS * DIM);
            let (vectors, rest) = rest.split_at(self.candidates * DIM);
            let bias: Vec<f64> = (0..self.candidates).map(|c| (c % 5) as f64 / 10.0).collect();
            let loss = SoftmaxLoss {
                dim: DIM,
                queries,
                targets: &[1, 5, 0, 1],
                items,
                candidates: Candidates { vectors, bias: &bias },
                masked: &self.masked,
                seen: &self.seen,
                target_seen: &[false, true, false, true],
                scale: rest[0],
                seen_bias: rest[1],
                weight: 0.25,
                weights: &WEIGHTS,
            };
            let (mut dq, mut di, mut dc) =
                (vec![9.0; queries.len()], vec![0.0; items.len()], vec![0.0; vectors.len()]);
            let mut out = SoftmaxGrads {
                queries: &mut dq,
                items: &mut di,
                candidates: &mut dc,
                scale: 0.0,
                seen_bias: 0.0,
            };
            let value = loss.forward_backward(&mut out, &mut Vec::new()) * 0.25;
            let tail = [out.scale, out.seen_bias];
            if let Some(grads) = grads {
                *grads = [&dq[..], &di, &dc, &tail].concat();
            }
            value
        }

        /// The textbook formula.
        fn reference(&self, x: &[f64]) -> f64 {
            let at = |i: usize| &x[i * DIM..(i + 1) * DIM];
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let tail = &x[x.len() - 2..];
            let mut loss = 0.0;
            for (t, target) in [1, 5, 0, 1].into_iter().enumerate() {
                let seen = if t % 2 == 1 { tail[1] } else { 0.0 };
                let positive = (tail[0] * dot(at(t), at(POSITIONS + target)) + seen).exp();
                let mut total = positive;
                for c in 0..self.candidates {
                    if self.masked.of(t).contains(&(c as u32)) {
                        continue;
                    }
                    let seen = if self.seen.of(t).contains(&(c as u32)) { tail[1] } else { 0.0 };
                    let inner = dot(at(t), at(POSITIONS + ITEMS + c));
                    total += (tail[0] * inner + (c % 5) as f64 / 10.0 + seen).exp();
                }
                loss -= 0.25 * WEIGHTS[t] * (positive / total).ln();
            }
            loss
        }
    }

    #[test]
    fn a_scale_near_zero_has_the_gradient_of_the_textbook() {
        for scale in [0.0, 1e-12, -1e-12] {
            let case = case(8);
            let mut rng = Rng::new(6, "softmax test");
            let mut x: Vec<f64> = (0..case.len()).map(|_| rng.normal()).collect();
            let scale_at = x.len() - 2;
            x[scale_at] = scale;
            let mut grads = Vec::new();
            case.run(&x, Some(&mut grads));
            assert!(grads.iter().all(|grad| grad.is_finite()), "{grads:?}");
            let slope = slope_at(&mut x, scale_at, |x| case.reference(x));
            compare("the scale", grads[scale_at], slope);
        }
    }

    #[test]
    fn loss_and_gradients_agree_with_the_textbook_for_one_and_for_several_tiles() {
        for candidates in [8, TILE_CANDIDATES + 9] {
            let case = case(candidates);
            let mut rng = Rng::new(5, "softmax test");
            let mut x: Vec<f64> = (0..case.len()).map(|_| rng.normal()).collect();
            let scale_at = x.len() - 2;
            x[scale_at] = 1.7;
            let mut grads = Vec::new();
            let loss = case.run(&x, Some(&mut grads));
            assert!((loss - case.reference(&x)).abs() < 1e-10);
            for i in (0..x.len()).step_by(candidates / 8) {
                let slope = slope_at(&mut x, i, |x| case.reference(x));
                compare(&format!("value {i}"), grads[i], slope);
            }
            for i in [x.len() - 2, x.len() - 1] {
                let slope = slope_at(&mut x, i, |x| case.reference(x));
                compare(&format!("value {i}"), grads[i], slope);
            }
        }
    }
}
