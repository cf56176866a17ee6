//! Exact search of the rows with the largest score `<query, row> + bias`: rows in memory, no index structure.
//!
//! A search reads all rows in 4-bit integers first (`sieve`), an eighth of the bytes. These products come with a proved bound, and only
//! rows that can still be among the best within it are scored exactly. With [`Precision::Int8`] there are four bits more of every row,
//! which are read for the rows that are left and leave a hundredth of those. So every precision and plan gives the same rows with the
//! same scores, bit by bit, on every machine.
//!
//! | bytes per row | f32 | 4 bits | bias | 4 bits more | sum at width 64 | at 384 |
//! |---|---|---|---|---|---|---|
//! | [`Precision::F32`] | 4 D | D / 2 + 6 | 4 | – | 298 | 1,738 |
//! | [`Precision::Int8`] | 4 D | D / 2 + 6 | 4 | D / 2 + 4 per 128 values | 334 | 1,942 |
//!
//! - A **score** is the f32 inner product as [`kernel::dot`](crate::kernel::dot()) adds it, plus the bias. Of equal scores the lower row is
//!   first. A row whose score is NaN is never found.
//! - **Rows** are appended and deleted, never moved: a row number never changes. A [`Bitmap`] says which rows a search may
//!   return; the result depends on these rows only.
//! - **Plans** go by the share of rows that may be returned: few rows are gathered and scored exactly, otherwise all rows pass by, in
//!   integers or, where the machine has no instructions for those, in f32.
//! - **Segments**: [`Arena::begin`], [`Scan::search_into`] for each of several sets of rows, [`Arena::finish`] search all of them with
//!   one threshold.
//!
//! ```
//! use semrank_nn::scan::{Arena, Bitmap, Hit, Precision, Scan};
//! let mut scan = Scan::new(2, Precision::Int8);
//! for row in [[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]] {
//!     scan.push(&row, 0.0);
//! }
//! let mut arena = Arena::default();
//! assert_eq!(scan.search(&[1.0, 0.0], 2, None, &mut arena), [Hit { score: 1.0, row: 0 }, Hit { score: 0.8, row: 1 }]);
//! let eligible: Bitmap = [false, true, true].into_iter().collect();
//! assert_eq!(scan.search(&[1.0, 0.0], 1, Some(&eligible), &mut arena)[0].row, 1);
//! scan.delete(1);
//! assert_eq!(scan.search(&[1.0, 0.0], 1, Some(&eligible), &mut arena)[0].row, 2);
//! ```

mod arena;
mod bitmap;
mod exact;
mod filter;
mod nearest;
mod search;
mod sieve;

pub use arena::{Arena, Hit};
pub use bitmap::Bitmap;
pub use nearest::Nearest;

use crate::kernel::dot;
use crate::{QuantLinear, huge};
use sieve::{Fine, Sieve};

/// Half the distance of 1 from the next larger f32.
const ROUNDING: f32 = 1.0 / (1 << 24) as f32;
/// Longer rows and queries are scored exactly at once: their products could overflow in the bound.
const LONGEST: f32 = 1e15;

/// How rows are scored before the exact scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// In 4-bit integers.
    F32,
    /// In 4-bit integers, and in 8-bit ones those that are left.
    Int8,
}

impl Precision {
    /// Integers where the machine has an instruction for their products.
    pub fn fastest() -> Self {
        if QuantLinear::has_instruction() { Self::Int8 } else { Self::F32 }
    }
}

/// Rows to search.
#[derive(Debug, Clone)]
pub struct Scan {
    dim: usize,
    /// `[N x D]`.
    values: huge::Numbers<f32>,
    bias: Vec<f32>,
    largest_bias: f32,
    alive: Bitmap,
    /// Rows that have no bound, because a value is not finite or enormous; ascending.
    unbounded: Vec<u32>,
    sieve: Sieve,
    fine: Option<Fine>,
}

impl Scan {
    /// No rows yet, of width `dim`.
    ///
    /// # Panics
    /// When `dim` is 0 or above 65,536, where sums of 8-bit products would not fit into 32 bits.
    pub fn new(dim: usize, precision: Precision) -> Self {
        assert!((1..=1 << 16).contains(&dim), "rows have a width, of at most 65,536");
        Self {
            dim,
            values: huge::Numbers::default(),
            bias: Vec::new(),
            largest_bias: 0.0,
            alive: Bitmap::default(),
            unbounded: Vec::new(),
            sieve: Sieve::new(dim),
            fine: (precision == Precision::Int8).then(|| Fine::new(dim)),
        }
    }

    /// The same, with room for so many rows: appending them moves none.
    ///
    /// # Panics
    /// When `dim` is 0, or above 65,536 in 8 bits.
    pub fn with_capacity(dim: usize, precision: Precision, rows: usize) -> Self {
        let mut out = Self::new(dim, precision);
        out.values.reserve(rows * dim);
        huge::reserve(&mut out.bias, rows);
        out.sieve.reserve(rows);
        if let Some(fine) = &mut out.fine {
            fine.reserve(rows);
        }
        out
    }

    /// Rows `[N x dim]` with their biases.
    ///
    /// # Panics
    /// When there is not one bias per row.
    pub fn from_rows(dim: usize, precision: Precision, rows: &[f32], bias: &[f32]) -> Self {
        assert_eq!(rows.len(), bias.len() * dim, "{} biases for rows of {dim}", bias.len());
        let mut out = Self::with_capacity(dim, precision, bias.len());
        rows.chunks_exact(dim).zip(bias).for_each(|(row, &bias)| _ = out.push(row, bias));
        out
    }

    /// Appends a row and returns its number.
    ///
    /// # Panics
    /// When the row has another width, or there are 2³² - 1 rows already.
    pub fn push(&mut self, row: &[f32], bias: f32) -> u32 {
        assert_eq!(row.len(), self.dim, "the width of a row");
        let number = u32::try_from(self.len()).ok().filter(|&number| number < u32::MAX);
        let number = number.expect("at most 2^32 - 1 rows");
        self.values.extend_zeros(self.dim);
        huge::push(&mut self.bias, 0.0);
        self.alive.push(false);
        self.set(number, row, bias);
        number
    }

    /// Puts other values in the place of a row, which is found again if it was deleted.
    ///
    /// # Panics
    /// When there is no such row, or it has another width.
    pub fn set(&mut self, row: u32, values: &[f32], bias: f32) {
        let at = row as usize;
        self.values[at * self.dim..][..self.dim].copy_from_slice(values);
        self.bias[at] = bias;
        self.alive.set(row, true);
        let length = length(values);
        let is_bounded = length < LONGEST && bias.abs() < LONGEST;
        match (self.unbounded.binary_search(&row), is_bounded) {
            (Ok(place), true) => _ = self.unbounded.remove(place),
            (Err(place), false) => self.unbounded.insert(place, row),
            _ => {}
        }
        if is_bounded {
            self.largest_bias = self.largest_bias.max(bias.abs());
        }
        let zeros = if is_bounded { Vec::new() } else { vec![0.0; self.dim] };
        let (values, length, bias) = if is_bounded { (values, length, bias) } else { (&*zeros, 0.0, 0.0) };
        self.sieve.set(at, values, length, bias);
        if let Some(fine) = &mut self.fine {
            fine.set(at, values);
        }
    }

    /// Deletes a row: it is not found any more, and its number stays taken. Returns whether it was there.
    pub fn delete(&mut self, row: u32) -> bool {
        self.alive.set(row, false)
    }

    /// Number of rows, deleted ones included: the number of the next one.
    pub fn len(&self) -> usize {
        self.bias.len()
    }

    /// Whether no row was ever appended.
    pub fn is_empty(&self) -> bool {
        self.bias.is_empty()
    }

    /// Rows that are not deleted.
    pub fn alive(&self) -> &Bitmap {
        &self.alive
    }

    /// Width of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Bytes that were allocated: of the rows and of their copies in small integers.
    pub fn bytes(&self) -> usize {
        let copies = self.sieve.bytes() + self.fine.as_ref().map_or(0, Fine::bytes);
        self.values.bytes() + huge::bytes(&self.bias) + copies
    }

    /// All rows, `[N x D]`, deleted ones included.
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

    /// The score of a row, deleted or not.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn score(&self, query: &[f32], row: u32) -> f32 {
        dot(query, self.row(row)) + self.bias[row as usize]
    }
}

/// At least the length of values; NaN where one is not a number.
fn length(values: &[f32]) -> f32 {
    1.001 * values.iter().map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt() as f32
}

#[cfg(test)]
mod tests;
