//! The best row of each of many queries, such as the nearest code of every vector: queries share the pass over the rows.
//!
//! All scores come from one product, in 8-bit integers or in f32, with a proved bound ([`Bound`]). Only rows that can still be the best
//! within it are scored exactly.

use super::filter::{TINY, collect, upper_bounds};
use super::{Arena, LONGEST, Precision, ROUNDING};
use crate::kernel::dot;
use crate::{Bound, Mat, QuantLinear, QuantRows, matmul};

/// Queries that are scored at once: their scores stay in the second-level cache.
const QUERIES: usize = 128;
/// Scores that are held at most.
const SCORES: usize = 1 << 21;

/// Rows, few enough to score all of them for every query. A score is that of a [`Scan`](super::Scan), whatever the precision.
///
/// ```
/// use semrank_nn::scan::{Arena, Nearest, Precision};
/// let codes = Nearest::new(2, Precision::Int8, &[1.0, 0.0, 0.0, 1.0], &[0.0; 2]);
/// let mut best = [0; 3];
/// codes.best_rows(&[0.1, 0.2, 3.0, 1.0, -1.0, 0.5], &mut Arena::default(), &mut best);
/// assert_eq!(best, [1, 0, 1]);
/// ```
#[derive(Debug, Clone)]
pub struct Nearest {
    dim: usize,
    /// `[N x D]`.
    values: Vec<f32>,
    bias: Vec<f32>,
    largest_bias: f32,
    /// Of [`Bound::of_column`], apart for the vectorised loop.
    lengths: Vec<f32>,
    errors: Vec<f32>,
    /// Rows that have no bound, because a value is not finite or enormous; ascending.
    unbounded: Vec<u32>,
    /// Rows as columns, whose inner products with a query come all at once.
    quant: Option<QuantLinear>,
}

impl Nearest {
    /// Rows `[N x dim]` with their biases.
    ///
    /// # Panics
    /// When `dim` is 0 or above 65,536, where sums of 8-bit products would not fit into 32 bits, or there is not one bias per row.
    pub fn new(dim: usize, precision: Precision, values: &[f32], bias: &[f32]) -> Self {
        assert!((1..=1 << 16).contains(&dim), "rows have a width, of at most 65,536");
        assert_eq!(values.len(), bias.len() * dim, "{} biases for rows of {dim}", bias.len());
        let (values, bias) = (values.to_vec(), bias.to_vec());
        let mut out = Self {
            dim,
            values,
            bias,
            largest_bias: 0.0,
            lengths: Vec::new(),
            errors: Vec::new(),
            unbounded: Vec::new(),
            quant: None,
        };
        let (mut columns, mut biases) = (out.values.clone(), out.bias.clone());
        for (row, (column, bias)) in columns.chunks_exact_mut(dim).zip(&mut biases).enumerate() {
            let mut bound = Bound::of_column(column);
            if !(bound.length < LONGEST && bound.error < LONGEST && bias.abs() < LONGEST) {
                out.unbounded.push(row as u32);
                column.fill(0.0);
                (*bias, bound) = (0.0, Bound::default());
            }
            out.lengths.push(bound.length);
            out.errors.push(bound.error);
            out.largest_bias = out.largest_bias.max(bias.abs());
        }
        out.quant = (precision == Precision::Int8).then(|| QuantLinear::from_columns(dim, &columns, &biases));
        out
    }

    /// Width of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.bias.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.bias.is_empty()
    }

    /// All rows, `[N x D]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The bias of every row.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// A row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dim..][..self.dim]
    }

    /// The score of a row.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn score(&self, query: &[f32], row: u32) -> f32 {
        dot(query, self.row(row)) + self.bias[row as usize]
    }

    /// How far approximate scores of a query with this bound may be off: `(a, b)` for `a · length of the row + b`, beside the
    /// rows' own errors.
    fn slack(&self, bound: Bound) -> (f32, f32) {
        // A lane of `dot` adds D/32 products, then 5 levels of pairs, then up to 31 products that are left.
        let terms = (self.dim / 32 + 64) as f32;
        // The integers' bound has 2^-20 of the bias; a product adds it anew with every 512 inputs, the exact score once.
        let bias = ROUNDING * (32 + self.dim / 512) as f32 * self.largest_bias;
        (bound.error + ROUNDING * terms * (bound.length + bound.error), bias + TINY)
    }

    /// Writes for each query of `[Q x D]` the row of the largest score, of equal ones the lowest; row 0 where a query or all scores
    /// are NaN.
    ///
    /// # Panics
    /// When there are no rows or lengths do not fit.
    pub fn best_rows(&self, queries: &[f32], arena: &mut Arena, out: &mut [u32]) {
        assert_eq!(queries.len(), out.len() * self.dim, "{} queries of {}", out.len(), self.dim);
        assert!(!self.is_empty(), "no rows");
        let block = (SCORES / self.len()).clamp(1, QUERIES);
        for (queries, out) in queries.chunks(block * self.dim).zip(out.chunks_mut(block)) {
            let bounds = self.approximate(queries, arena);
            let Arena { scores, pending, .. } = arena;
            let rows = queries.chunks_exact(self.dim).zip(scores.chunks_exact_mut(self.len()));
            for (((query, scores), bound), out) in rows.zip(bounds).zip(out) {
                pending.clear();
                if bound.length + bound.error < LONGEST {
                    let (error, rest) = self.slack(bound);
                    self.unbounded.iter().for_each(|&row| scores[row as usize] = f32::NEG_INFINITY);
                    let least = upper_bounds(error, bound.length, rest, &self.lengths, &self.errors, scores);
                    collect(least, scores, pending);
                    pending.extend(&self.unbounded);
                } else {
                    pending.extend(0..self.len() as u32);
                }
                *out = self.best_of(query, pending);
            }
        }
    }

    fn best_of(&self, query: &[f32], rows: &[u32]) -> u32 {
        let [first, rest @ ..] = rows else { return 0 };
        let mut best = *first;
        if !rest.is_empty() {
            let mut top = self.score(query, best);
            for &row in rest {
                let score = self.score(query, row);
                // Rows without a bound come last and may be lower ones.
                if score > top || score == top && row < best || top.is_nan() && !score.is_nan() {
                    (best, top) = (row, score);
                }
            }
        }
        best
    }

    /// Fills `arena.scores` with about the scores of queries, and says how far they may be off.
    fn approximate(&self, queries: &[f32], arena: &mut Arena) -> Vec<Bound> {
        let (count, rows) = (queries.len() / self.dim, self.len());
        arena.scores.resize(count * rows, 0.0);
        if let Some(quant) = &self.quant {
            let mut rows = QuantRows::default();
            rows.quantize(self.dim, queries);
            quant.forward(&rows, None, &mut arena.scores);
            return rows.bounds(queries);
        }
        arena.scores.chunks_exact_mut(rows).for_each(|scores| scores.copy_from_slice(&self.bias));
        let values = Mat::new(&self.values, rows, self.dim);
        matmul(&mut arena.scores, 1.0, Mat::new(queries, count, self.dim), values.t(), 1.0);
        let terms = (self.dim + 8) as f32;
        let bound = |query: &[f32]| {
            let length = 1.001 * dot(query, query).sqrt();
            // Twice the bound of a sum in any order (Higham 2002, section 3.1), and all of it in `error`.
            Bound { length: 0.0, error: 2.0 * terms * ROUNDING * length }
        };
        queries.chunks_exact(self.dim).map(bound).collect()
    }
}
