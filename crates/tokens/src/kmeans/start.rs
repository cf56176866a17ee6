//! Where k-means starts: codes drawn from the vectors, each with a probability that grows with its squared distance to those
//! drawn before (k-means++, Arthur & Vassilvitskii 2007).

use super::Options;
use crate::vectors::read_all;
use crate::{Error, VectorSource};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::kernel::dot;
use std::borrow::Cow;
use std::ops::Range;

/// Vectors that are drawn from, for each code.
const POINTS_PER_CODE: usize = 16;
/// Vectors of one task.
const CHUNK: usize = 512;

/// Draws the first codes, `[K x D]`, from the first vectors.
pub(super) fn plus_plus(points: &dyn VectorSource, options: &Options) -> Result<Vec<f32>, Error> {
    let dim = points.dim();
    let len = points.len().min(options.codes * POINTS_PER_CODE);
    let values = read_all(&First { source: points, len }, CHUNK)?;
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

/// The first `len` vectors.
struct First<'a> {
    source: &'a dyn VectorSource,
    len: usize,
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
