//! Streaming means and co-moments that merge over shards.
//!
//! Chan, Golub & LeVeque, Algorithms for computing the sample variance (The American Statistician 1983), equations 1.5 and 2.1.
//! Sums of squares of raw values would lose every digit of revenue in micros.
//!
//! ```
//! use semrank_experiment::moments::Moments;
//! let mut one = Moments::of_rows(1, [[1e9 + 4.0], [1e9 + 7.0]])?;
//! let other = Moments::of_rows(1, [[1e9 + 13.0], [1e9 + 16.0]])?;
//! one.merge(&other)?;
//! assert_eq!((one.mean(0), one.variance(0)?), (1e9 + 10.0, 30.0));
//! # Ok::<(), semrank_experiment::Error>(())
//! ```

use crate::error::{Error, Result, all_finite, finite, same_length};
use crate::linalg::{Matrix, dot};
use serde::{Deserialize, Serialize};

/// Count, means and co-moments of rows with a fixed number of columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    n: f64,
    mean: Vec<f64>,
    /// `K x K`: sums of products of deviations from the means.
    comoment: Vec<f64>,
    /// Whether sums of squares took part, which lose the digits that means and values share.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    from_sums: bool,
}

impl Moments {
    /// No rows yet, of `columns` columns.
    pub fn new(columns: usize) -> Self {
        Self { n: 0.0, mean: vec![0.0; columns], comoment: vec![0.0; columns * columns], from_sums: false }
    }

    /// The moments of all rows.
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::NotFinite`], see [`Moments::push`].
    pub fn of_rows<R: AsRef<[f64]>>(columns: usize, rows: impl IntoIterator<Item = R>) -> Result<Self> {
        let mut moments = Self::new(columns);
        rows.into_iter().try_for_each(|row| moments.push(row.as_ref()))?;
        Ok(moments)
    }

    /// The moments of one column.
    ///
    /// # Errors
    /// [`Error::NotFinite`].
    pub fn of_values(values: &[f64]) -> Result<Self> {
        Self::of_rows(1, values.iter().map(std::slice::from_ref))
    }

    /// From the number of rows, the sums and the sums of products (`K x K`, row by row), as other tools export them.
    ///
    /// # Errors
    /// [`Error::TooFew`] without a row, [`Error::Length`], [`Error::NotFinite`].
    pub fn from_sums(n: f64, sums: &[f64], products: &[f64]) -> Result<Self> {
        check_count(n)?;
        let mean: Vec<f64> = sums.iter().map(|sum| sum / n).collect();
        let centred = |i: usize, j: usize, product: f64| product - n * mean[i] * mean[j];
        Ok(Self { from_sums: true, ..Self::from_parts(n, &mean, products, centred)? })
    }

    /// From the number of rows, the means and the covariances over `n - 1` (`K x K`, row by row).
    ///
    /// # Errors
    /// [`Error::TooFew`] without a row, [`Error::Length`], [`Error::NotFinite`].
    pub fn from_covariance(n: f64, mean: &[f64], covariance: &[f64]) -> Result<Self> {
        check_count(n)?;
        Self::from_parts(n, mean, covariance, |_, _, value| value * (n - 1.0))
    }

    fn from_parts(
        n: f64,
        mean: &[f64],
        square: &[f64],
        f: impl Fn(usize, usize, f64) -> f64,
    ) -> Result<Self> {
        let k = mean.len();
        same_length("the matrix of products", square.len(), k * k)?;
        all_finite("a mean", mean)?;
        all_finite("a product", square)?;
        let comoment = (0..k * k).map(|at| f(at / k, at % k, square[at])).collect();
        Ok(Self { n, mean: mean.to_vec(), comoment, from_sums: false })
    }

    /// Adds one row.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of columns, [`Error::NotFinite`] for NaN and infinity; the moments stay as they were.
    pub fn push(&mut self, row: &[f64]) -> Result<()> {
        let k = self.columns();
        same_length("the row", row.len(), k)?;
        all_finite("a value", row)?;
        self.n += 1.0;
        let before: Vec<f64> = row.iter().zip(&self.mean).map(|(value, mean)| value - mean).collect();
        let share = (self.n - 1.0) / self.n;
        for i in 0..k {
            self.mean[i] += before[i] / self.n;
            for j in 0..k {
                self.comoment[i * k + j] += share * before[i] * before[j];
            }
        }
        Ok(())
    }

    /// Adds the rows of another shard.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of columns.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let k = self.columns();
        same_length("the other shard's row", other.columns(), k)?;
        if other.n == 0.0 {
            return Ok(());
        }
        let n = self.n + other.n;
        let shift: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(there, here)| there - here).collect();
        for i in 0..k {
            for j in 0..k {
                self.comoment[i * k + j] +=
                    other.comoment[i * k + j] + shift[i] * shift[j] * (self.n / n) * other.n;
            }
        }
        for (mean, shift) in self.mean.iter_mut().zip(&shift) {
            *mean += shift * (other.n / n);
        }
        self.n = n;
        self.from_sums |= other.from_sums;
        Ok(())
    }

    /// Whether a column's spread is no more than rounding.
    pub fn is_constant(&self, column: usize) -> bool {
        let rounding = if self.from_sums { 1e-13 } else { 1e-28 };
        self.comoment(column, column) <= rounding * self.n * self.mean[column].powi(2)
    }

    /// Both shards together.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of columns.
    pub fn merged(&self, other: &Self) -> Result<Self> {
        let mut all = self.clone();
        all.merge(other)?;
        Ok(all)
    }

    /// Rows.
    pub fn n(&self) -> f64 {
        self.n
    }

    /// Columns.
    pub fn columns(&self) -> usize {
        self.mean.len()
    }

    /// Mean of a column; 0 without rows.
    pub fn mean(&self, column: usize) -> f64 {
        self.mean[column]
    }

    /// Means of all columns.
    pub fn means(&self) -> &[f64] {
        &self.mean
    }

    /// Variance of a column over `n - 1`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two rows.
    pub fn variance(&self, column: usize) -> Result<f64> {
        self.covariance(column, column)
    }

    /// Covariance of two columns over `n - 1`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two rows.
    pub fn covariance(&self, i: usize, j: usize) -> Result<f64> {
        if self.n < 2.0 {
            return Err(Error::TooFew { what: "an arm", got: self.n as usize, needed: 2 });
        }
        Ok(self.comoment[i * self.columns() + j] / (self.n - 1.0))
    }

    /// Sum of products of deviations from the means.
    pub fn comoment(&self, i: usize, j: usize) -> f64 {
        self.comoment[i * self.columns() + j]
    }

    /// The covariance matrix over `n - 1`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two rows.
    pub fn covariances(&self) -> Result<Matrix> {
        self.covariance(0, 0)?;
        let k = self.columns();
        Ok((0..k).map(|i| (0..k).map(|j| self.comoment(i, j) / (self.n - 1.0)).collect()).collect())
    }

    /// Covariance of two linear functions of a row: `left' S right`. With a gradient it is the delta method.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two rows, [`Error::Length`].
    pub fn covariance_of(&self, left: &[f64], right: &[f64]) -> Result<f64> {
        same_length("the gradient", left.len(), self.columns())?;
        same_length("the gradient", right.len(), self.columns())?;
        let rows = self.covariances()?;
        Ok(left.iter().zip(&rows).map(|(weight, row)| weight * dot(row, right)).sum())
    }

    /// Variance of a linear function of a row, at least 0.
    ///
    /// # Errors
    /// As [`Moments::covariance_of`].
    pub fn variance_of(&self, gradient: &[f64]) -> Result<f64> {
        Ok(self.covariance_of(gradient, gradient)?.max(0.0))
    }
}

fn check_count(n: f64) -> Result<()> {
    if finite("the number of units", n)? < 1.0 {
        return Err(Error::TooFew { what: "an arm", got: n.max(0.0) as usize, needed: 1 });
    }
    Ok(())
}
