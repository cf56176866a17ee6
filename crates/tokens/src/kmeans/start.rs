//! Initial codes of k-means, drawn from the vectors, each with a probability that grows with its squared distance to those
//! drawn before (k-means++, Arthur & Vassilvitskii 2007).

use super::Options;
use crate::vectors::read_all;
use crate::{Error, VectorSource};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::kernel::{axpy, dot, scale};
use std::borrow::Cow;
use std::ops::Range;

/// Vectors that are drawn from, for each code.
const POINTS_PER_CODE: usize = 16;
/// Vectors of one task.
const CHUNK: usize = 512;

/// Draws the first codes, `[K x D]`, from the first vectors.
pub(super) fn plus_plus(points: &dyn VectorSource, options: &Options) -> Result<Vec<f32>, Error> {
    let dim = points.dim();
    let first = First::new(points, options.codes * POINTS_PER_CODE);
    let (len, values) = (first.len, read_all(&first, CHUNK)?);
    let row = |i: usize| &values[i * dim..][..dim];
    let squares: Vec<f32> = values.chunks_exact(dim).map(|x| dot(x, x)).collect();
    let mut rng = Rng::new(options.seed, "tokens/k-means++");
    let mut codes = Vec::with_capacity(options.codes * dim);
    let mut distances = vec![f32::INFINITY; len];
    let mut next = rng.below(len);
    for _ in 1..options.codes {
        codes.extend_from_slice(row(next));
        shorten(&mut distances, &values, &squares, next);
        next = draw(&distances, &mut rng);
    }
    codes.extend_from_slice(row(next));
    Ok(codes)
}

/// The same directions from the mean of the codes, all at the mean distance.
pub(super) fn equally_far(codes: &[f32], dim: usize) -> Vec<f32> {
    let count = (codes.len() / dim) as f32;
    let mut mean = vec![0.0; dim];
    codes.chunks_exact(dim).for_each(|code| axpy(1.0 / count, code, &mut mean));
    let mut out = codes.to_vec();
    out.chunks_exact_mut(dim).for_each(|code| axpy(-1.0, &mean, code));
    let distances: Vec<f32> = out.chunks_exact(dim).map(|code| dot(code, code).sqrt()).collect();
    let distance = distances.iter().sum::<f32>() / count;
    for (code, &own) in out.chunks_exact_mut(dim).zip(&distances) {
        if own > 0.0 {
            scale(distance / own, code);
        }
        axpy(1.0, &mean, code);
    }
    out
}

/// Lowers squared distances to those to vector `to`, where they are less.
fn shorten(distances: &mut [f32], values: &[f32], squares: &[f32], to: usize) {
    let dim = values.len() / distances.len();
    let (code, code_square) = (&values[to * dim..][..dim], squares[to]);
    let chunks = distances.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK * dim));
    chunks.zip(squares.par_chunks(CHUNK)).for_each(|((distances, values), squares)| {
        for ((distance, x), square) in distances.iter_mut().zip(values.chunks_exact(dim)).zip(squares) {
            let squared = square - 2.0 * dot(x, code) + code_square;
            *distance = distance.min(squared.max(0.0));
        }
    });
    distances[to] = 0.0;
}

/// A position with probability in proportion to its value; any one where all are 0.
fn draw(weights: &[f32], rng: &mut Rng) -> usize {
    let total: f64 = weights.iter().map(|&weight| f64::from(weight)).sum();
    let mut rest = rng.unit() * total;
    let last = weights.iter().rposition(|&weight| weight > 0.0);
    let Some(last) = last else { return rng.below(weights.len()) };
    for (position, &weight) in weights.iter().enumerate() {
        rest -= f64::from(weight);
        if rest < 0.0 && weight > 0.0 {
            return position;
        }
    }
    last
}

/// The first vectors of a source.
pub(super) struct First<'a> {
    source: &'a dyn VectorSource,
    len: usize,
}

impl<'a> First<'a> {
    /// At most `len` of them.
    pub(super) fn new(source: &'a dyn VectorSource, len: usize) -> Self {
        Self { source, len: len.min(source.len()) }
    }
}

impl VectorSource for First<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn dim(&self) -> usize {
        self.source.dim()
    }

    fn rows(&self, range: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        self.source.rows(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;

    #[test]
    fn codes_are_moved_to_one_distance_by_hand() {
        // Mean 0, distances 1, 1, 2, 2.
        let moved = equally_far(&[1.0, 0.0, -1.0, 0.0, 0.0, 2.0, 0.0, -2.0], 2);
        assert_eq!(moved, [1.5, 0.0, -1.5, 0.0, 0.0, 1.5, 0.0, -1.5]);
    }

    #[test]
    fn far_points_are_all_drawn() {
        // Three groups of near points: each start has one of each.
        let x: Vec<f32> = (0..30).map(|i| (i % 3) as f32 * 1000.0 + i as f32 * 0.001).collect();
        for seed in 0..20 {
            let options = Options { codes: 3, iterations: 1, balanced: false, block: 8, seed };
            let mut codes = plus_plus(&Rows::new(&x, 1), &options).unwrap();
            codes.sort_by(f32::total_cmp);
            assert!(codes[0] < 1.0 && (999.0..1001.0).contains(&codes[1]) && codes[2] > 1999.0, "{codes:?}");
        }
    }
}
