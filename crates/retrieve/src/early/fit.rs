//! Ridge regression (Hoerl & Kennard 1970) of a click ranker's log odds on products of fused queries and rows.
//!
//! ```text
//! minimise  sum over samples and their items of (y - a s - <D q + b, r> - d bias)²  +  penalty (|D|² + |b|² + d²)
//! ```
//!
//! `y` are log odds, `s = <q, r> + bias` the next-item score, all less their mean over the sample's items. `a` is fitted first, so the penalty
//! draws towards the next-item order and not towards none: `A = a I + D`, `c = a + d`. The normal equations are solved by conjugate
//! gradients (Golub & Van Loan 2013, section 11.3) without being formed. Sums are in f64, over fixed blocks of samples that are added in
//! order: the result has the same bits for any number of threads and on any machine.

use super::{Early, ItemRows};
use rayon::prelude::*;

/// A user at a moment, and what a click ranker says of some items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// The fused query, `[W]`.
    pub query: Vec<f32>,
    /// Items.
    pub items: Vec<u32>,
    /// The ranker's log odds of each.
    pub log_odds: Vec<f32>,
}

/// Penalties that are tried, in mean squares of a column of the regression.
const PENALTIES: [f64; 4] = [0.1, 1.0, 10.0, 100.0];
/// Most steps of the conjugate gradients, and the share of the first residual at which they end.
const STEPS: usize = 60;
const PRECISION: f64 = 1e-3;
/// Samples that are added one after another.
const BLOCK: usize = 32;
/// The least `c`: the order is then that of `<A q + b, r>` alone, or nearly.
const LEAST_PRIOR: f64 = 1e-3;

impl Early {
    /// Fits on `samples` with the penalty that is best on `held_out`; returns also the share of the variance of the log odds there,
    /// within samples, that it explains. `width` is that of rows.
    ///
    /// # Panics
    /// When a query has another width, or a sample another number of log odds than of items.
    pub fn fit(samples: &[Sample], held_out: &[Sample], rows: &ItemRows, width: usize) -> (Self, f64) {
        let fit = Ridge::new(samples, rows, width);
        let tried = PENALTIES.map(|penalty| {
            let early = fit.solve(penalty);
            let explained = explained(&early, held_out, rows);
            (early, explained)
        });
        let best = tried.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
        best.unwrap_or_else(|| (fit.solve(1.0), 0.0))
    }
}

/// The share of the variance within samples that a model explains.
fn explained(early: &Early, samples: &[Sample], rows: &ItemRows) -> f64 {
    let (mut row, mut left, mut whole) = (vec![0.0; early.width()], 0.0, 0.0);
    for sample in samples {
        let query = early.query(&sample.query);
        let score = |&item: &u32| {
            let bias = rows(item, &mut row);
            let product: f64 = query.iter().zip(&row).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            (product + f64::from(bias)) * f64::from(early.prior)
        };
        let scores = centred(sample.items.iter().map(score).collect());
        let wanted = centred(sample.log_odds.iter().map(|&value| f64::from(value)).collect());
        left += scores.iter().zip(&wanted).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        whole += square(&wanted);
    }
    if whole > 0.0 { 1.0 - left / whole } else { 0.0 }
}

/// The regression, its queries scaled to a mean square of 1.
struct Ridge<'a> {
    samples: &'a [Sample],
    rows: &'a ItemRows<'a>,
    width: usize,
    /// What queries are divided by.
    scale: f64,
    /// `a`.
    plain: f64,
    /// Log odds less what `a s` explains, of each sample.
    targets: Vec<Vec<f64>>,
    /// Mean square of a column.
    mean_square: f64,
}

/// A sample's rows in memory.
struct Block {
    /// `[items x W]`.
    rows: Vec<f32>,
    biases: Vec<f64>,
    query: Vec<f64>,
}

impl<'a> Ridge<'a> {
    fn new(samples: &'a [Sample], rows: &'a ItemRows<'a>, width: usize) -> Self {
        let norms: f64 = samples.iter().flat_map(|sample| &sample.query).map(|&x| f64::from(x).powi(2)).sum();
        let scale = (norms / samples.len().max(1) as f64).sqrt().max(f64::MIN_POSITIVE);
        let mut out = Self { samples, rows, width, scale, plain: 0.0, targets: Vec::new(), mean_square: 0.0 };
        let of_samples: Vec<(Vec<f64>, Vec<f64>, f64)> = samples
            .par_iter()
            .map(|sample| {
                let block = out.block(sample);
                let mut scores: Vec<f64> =
                    block.rows.chunks_exact(width).map(|row| dot(row, &block.query)).collect();
                scores.iter_mut().zip(&block.biases).for_each(|(score, bias)| *score = *score * scale + bias);
                let wanted = sample.log_odds.iter().map(|&value| f64::from(value)).collect();
                let lengths = block.rows.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
                (centred(scores), centred(wanted), lengths * square(&block.query))
            })
            .collect();
        let products = of_samples.iter().map(|(s, y, _)| s.iter().zip(y).map(|(s, y)| s * y).sum::<f64>());
        let squares = of_samples.iter().map(|(s, ..)| square(s)).sum::<f64>();
        out.plain = if squares > 0.0 { products.sum::<f64>() / squares } else { 0.0 };
        out.mean_square = of_samples.iter().map(|sample| sample.2).sum::<f64>() / (width * width) as f64;
        let rest =
            |(s, y, _): (Vec<f64>, Vec<f64>, f64)| s.iter().zip(&y).map(|(s, y)| y - out.plain * s).collect();
        out.targets = of_samples.into_iter().map(rest).collect();
        out
    }

    fn block(&self, sample: &Sample) -> Block {
        assert_eq!(
            (sample.query.len(), sample.items.len()),
            (self.width, sample.log_odds.len()),
            "a sample's sizes"
        );
        let mut rows = vec![0.0; sample.items.len() * self.width];
        let each = sample.items.iter().zip(rows.chunks_exact_mut(self.width));
        let biases = each.map(|(&item, row)| f64::from((self.rows)(item, row))).collect();
        let query = sample.query.iter().map(|&x| f64::from(x) / self.scale).collect();
        Block { rows, biases, query }
    }

    /// Numbers that are fitted: `D` transposed, `b`, `d`.
    fn size(&self) -> usize {
        self.width * self.width + self.width + 1
    }

    /// `X^T values` of all samples; `values` are those of a sample's items.
    fn transposed(&self, values: impl Fn(usize, &Block) -> Vec<f64> + Sync) -> Vec<f64> {
        let (width, size) = (self.width, self.size());
        let of_block = |(number, samples): (usize, &[Sample])| {
            let mut out = vec![0.0; size];
            for (at, sample) in samples.iter().enumerate() {
                let block = self.block(sample);
                let values = centred(values(number * BLOCK + at, &block));
                let mut sum = vec![0.0; width];
                let rows = block.rows.chunks_exact(width).zip(&values);
                rows.for_each(|(row, &value)| add(value, row.iter().map(|&x| f64::from(x)), &mut sum));
                let (matrix, rest) = out.split_at_mut(width * width);
                let rows = matrix.chunks_exact_mut(width).zip(&block.query);
                rows.for_each(|(row, &value)| add(value, sum.iter().copied(), row));
                add(1.0, sum.iter().copied(), &mut rest[..width]);
                rest[width] += values.iter().zip(&block.biases).map(|(a, b)| a * b).sum::<f64>();
            }
            out
        };
        let blocks: Vec<Vec<f64>> = self.samples.par_chunks(BLOCK).enumerate().map(of_block).collect();
        let mut out = vec![0.0; size];
        blocks.iter().for_each(|block| add(1.0, block.iter().copied(), &mut out));
        out
    }

    /// `X direction` of a sample.
    fn image(&self, direction: &[f64], block: &Block) -> Vec<f64> {
        let (matrix, rest) = direction.split_at(self.width * self.width);
        let mut query = rest[..self.width].to_vec();
        let rows = matrix.chunks_exact(self.width).zip(&block.query);
        rows.for_each(|(row, &value)| add(value, row.iter().copied(), &mut query));
        let rows = block.rows.chunks_exact(self.width).zip(&block.biases);
        rows.map(|(row, bias)| dot(row, &query) + rest[self.width] * bias).collect()
    }

    fn solve(&self, penalty: f64) -> Early {
        let penalty = penalty * self.mean_square;
        let mut residual = self.transposed(|at, _| self.targets[at].clone());
        let (mut weights, mut direction) = (vec![0.0; residual.len()], residual.clone());
        let mut length = square(&residual);
        let enough = length * PRECISION * PRECISION;
        for _ in 0..STEPS {
            if length <= enough {
                break;
            }
            let mut image = self.transposed(|_, block| self.image(&direction, block));
            add(penalty, direction.iter().copied(), &mut image);
            let step = length / image.iter().zip(&direction).map(|(a, b)| a * b).sum::<f64>();
            add(step, direction.iter().copied(), &mut weights);
            add(-step, image.iter().copied(), &mut residual);
            let next = square(&residual);
            direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / length * *d);
            length = next;
        }
        let (matrix, rest) = weights.split_at(self.width * self.width);
        let mut matrix: Vec<f32> = matrix.iter().map(|value| (value / self.scale) as f32).collect();
        (0..self.width).for_each(|at| matrix[at * self.width + at] += self.plain as f32);
        let offset = rest[..self.width].iter().map(|&value| value as f32).collect();
        Early { matrix, offset, prior: (self.plain + rest[self.width]).max(LEAST_PRIOR) as f32 }
    }
}

fn centred(mut values: Vec<f64>) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|value| *value -= mean);
    values
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

/// In 8 partial sums, so that it is vectorised in the same order everywhere.
fn dot(row: &[f32], query: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    for (row, query) in row.chunks(8).zip(query.chunks(8)) {
        lanes.iter_mut().zip(row).zip(query).for_each(|((lane, &a), b)| *lane += f64::from(a) * b);
    }
    lanes.iter().sum()
}

fn add(factor: f64, x: impl Iterator<Item = f64>, y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y += factor * x);
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Rng;

    const WIDTH: usize = 6;
    const ITEMS: usize = 200;

    /// A ranker whose log odds are such products, with a level for each user.
    fn world() -> (Vec<f32>, Early, Vec<Sample>) {
        let mut rng = Rng::new(5, "early");
        let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.normal() as f32).collect() };
        let truth = Early { matrix: draw(WIDTH * WIDTH), offset: draw(WIDTH), prior: 0.7 };
        let rows = draw(ITEMS * (WIDTH + 1));
        let samples = (0..240).map(|user| {
            let query = draw(WIDTH);
            let items: Vec<u32> = (0..30).map(|at| (user * 31 + at * 7) % ITEMS as u32).collect();
            let wanted = truth.query(&query);
            let score = |&item: &u32| {
                let row = &rows[item as usize * (WIDTH + 1)..][..WIDTH + 1];
                let product: f32 = wanted.iter().zip(row).map(|(a, b)| a * b).sum();
                truth.prior * (product + row[WIDTH]) + user as f32
            };
            Sample { log_odds: items.iter().map(score).collect(), query, items }
        });
        let samples = samples.collect();
        (rows, truth, samples)
    }

    fn fitted(threads: usize) -> (Early, f64) {
        let (rows, _, samples) = world();
        let rows = |item: u32, out: &mut [f32]| {
            let row = &rows[item as usize * (WIDTH + 1)..][..WIDTH + 1];
            out.copy_from_slice(&row[..WIDTH]);
            row[WIDTH]
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Early::fit(&samples[..200], &samples[200..], &rows, WIDTH))
    }

    #[test]
    fn a_ranker_that_is_such_a_product_is_found_whatever_the_users_levels_and_the_threads() {
        let (_, truth, _) = world();
        let (early, explained) = fitted(1);
        // The least penalty that is tried still draws a little towards the next-item order.
        assert!(early.is_valid() && explained > 0.98, "{explained}");
        assert!((early.prior - truth.prior).abs() < 0.2, "{}", early.prior);
        let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let of = |a: &Early, b: &Early| product(&a.matrix, &b.matrix);
        let cosine = of(&early, &truth) / (of(&early, &early) * of(&truth, &truth)).sqrt();
        assert!(cosine > 0.99, "{cosine}");
        let bits = |early: &Early| early.matrix.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let other = fitted(3);
        assert_eq!(
            (bits(&early), early.offset, explained),
            (bits(&other.0), other.0.offset.clone(), other.1)
        );
    }

    #[test]
    fn without_samples_it_is_defined() {
        let (early, explained) = Early::fit(&[], &[], &|_, _| 0.0, 2);
        assert!(early.is_valid() && explained == 0.0 && early.query(&[1.0, 2.0]) == [0.0, 0.0]);
    }
}
