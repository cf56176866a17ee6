//! Logistic regression on a handful of features by Newton's method: the solver behind [`Platt`](super::Platt), and the
//! blend of baselines.
//!
//! The loss is convex, so a halved step always helps in the end; a very small ridge keeps separable data and features
//! that never change finite. The intercept is free, so predictions add up to the labels of the fitting slice.

use super::{CalibrationError, sigmoid};
use serde::{Deserialize, Serialize};

const MOST_STEPS: usize = 100;
/// In rows: this much evidence holds a standardised coefficient at its prior.
const RIDGE: f64 = 1e-3;

/// A fitted model: `sigmoid(intercept + coefficients · features)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// Log odds where all features are 0.
    pub intercept: f64,
    /// One per feature.
    pub coefficients: Vec<f64>,
}

impl Logistic {
    /// Fits `labels` on `columns` of features.
    ///
    /// # Errors
    /// [`CalibrationError::OneClass`].
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn fit(columns: &[&[f64]], labels: &[bool]) -> Result<Logistic, CalibrationError> {
        fit(columns, labels, &|_| 1.0, &vec![0.0; columns.len()])
    }

    /// The probability of a row of features.
    pub fn apply(&self, features: impl IntoIterator<Item = f64>) -> f64 {
        let terms = self.coefficients.iter().zip(features);
        sigmoid(self.intercept + terms.map(|(coefficient, feature)| coefficient * feature).sum::<f64>())
    }

    /// The probabilities of all rows of `columns`.
    pub fn apply_columns(&self, columns: &[&[f64]]) -> Vec<f64> {
        let rows = columns.first().map_or(0, |column| column.len());
        (0..rows).map(|row| self.apply(columns.iter().map(|column| column[row]))).collect()
    }
}

/// The same with weights and, per coefficient, the value that the ridge pulls to.
pub(super) fn fit(
    columns: &[&[f64]],
    labels: &[bool],
    weight: &dyn Fn(usize) -> f64,
    prior: &[f64],
) -> Result<Logistic, CalibrationError> {
    assert!(columns.iter().all(|column| column.len() == labels.len()), "one feature per label");
    let rows = labels.len();
    let positives = labels.iter().filter(|&&label| label).count();
    if positives == 0 || positives == rows {
        return Err(CalibrationError::OneClass { rows, positives });
    }
    let problem = Problem::new(columns, labels, weight, prior);
    let mut at = problem.start();
    let mut loss = problem.loss(&at);
    for _ in 0..MOST_STEPS {
        let step = problem.newton_step(&at);
        let Some((next, next_loss)) = problem.improve(&at, &step, loss) else { break };
        let gained = loss - next_loss;
        (at, loss) = (next, next_loss);
        // Not a stop at the first small gain: the sums of predictions and labels agree only at the very end.
        if gained <= f64::EPSILON * loss.abs() {
            break;
        }
    }
    Ok(problem.unscaled(&at))
}

/// Features are standardised; parameters are the intercept, then the coefficients.
struct Problem<'a> {
    columns: &'a [&'a [f64]],
    labels: &'a [bool],
    weight: &'a dyn Fn(usize) -> f64,
    means: Vec<f64>,
    deviations: Vec<f64>,
    prior: Vec<f64>,
}

impl<'a> Problem<'a> {
    fn new(
        columns: &'a [&'a [f64]],
        labels: &'a [bool],
        weight: &'a dyn Fn(usize) -> f64,
        prior: &[f64],
    ) -> Self {
        let rows = labels.len() as f64;
        let means: Vec<f64> = columns.iter().map(|column| column.iter().sum::<f64>() / rows).collect();
        let spread = |(column, mean): (&&[f64], &f64)| {
            (column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / rows).sqrt().max(1e-9)
        };
        let deviations: Vec<f64> = columns.iter().zip(&means).map(spread).collect();
        let prior = prior.iter().zip(&deviations).map(|(prior, deviation)| prior * deviation).collect();
        Problem { columns, labels, weight, means, deviations, prior }
    }

    fn start(&self) -> Vec<f64> {
        let mut out = vec![0.0; self.prior.len() + 1];
        out[1..].copy_from_slice(&self.prior);
        out
    }

    fn feature(&self, column: usize, row: usize) -> f64 {
        (self.columns[column][row] - self.means[column]) / self.deviations[column]
    }

    fn logit(&self, at: &[f64], row: usize) -> f64 {
        at[0] + (0..self.columns.len()).map(|column| at[column + 1] * self.feature(column, row)).sum::<f64>()
    }

    fn loss(&self, at: &[f64]) -> f64 {
        let ridge: f64 = at[1..].iter().zip(&self.prior).map(|(a, p)| RIDGE / 2.0 * (a - p).powi(2)).sum();
        let rows = (0..self.labels.len()).map(|row| {
            let x = self.logit(at, row);
            let margin = if self.labels[row] { -x } else { x };
            (self.weight)(row) * (margin.max(0.0) + (-margin.abs()).exp().ln_1p())
        });
        ridge + rows.sum::<f64>()
    }

    fn newton_step(&self, at: &[f64]) -> Vec<f64> {
        let n = at.len();
        let (mut gradient, mut hessian) = (vec![0.0; n], vec![vec![0.0; n]; n]);
        for (i, (a, prior)) in at[1..].iter().zip(&self.prior).enumerate() {
            gradient[i + 1] = RIDGE * (a - prior);
            hessian[i + 1][i + 1] = RIDGE;
        }
        let mut x = vec![1.0; n];
        for row in 0..self.labels.len() {
            (1..n).for_each(|i| x[i] = self.feature(i - 1, row));
            let p = sigmoid(self.logit(at, row));
            let weight = (self.weight)(row);
            for i in 0..n {
                gradient[i] += weight * (p - f64::from(self.labels[row])) * x[i];
                (0..n).for_each(|j| hessian[i][j] += weight * p * (1.0 - p) * x[i] * x[j]);
            }
        }
        // Far out on separable data every p (1 - p) vanishes.
        hessian[0][0] += 1e-12;
        solve(hessian, gradient)
    }

    /// The first of ever smaller steps that lowers the loss.
    fn improve(&self, at: &[f64], step: &[f64], loss: f64) -> Option<(Vec<f64>, f64)> {
        (0..40).find_map(|halvings| {
            let size = 0.5f64.powi(halvings);
            let next: Vec<f64> = at.iter().zip(step).map(|(at, step)| at - size * step).collect();
            let next_loss = self.loss(&next);
            (next_loss < loss).then_some((next, next_loss))
        })
    }

    fn unscaled(&self, at: &[f64]) -> Logistic {
        let coefficients: Vec<f64> = at[1..].iter().zip(&self.deviations).map(|(a, d)| a / d).collect();
        let shift: f64 = coefficients.iter().zip(&self.means).map(|(c, mean)| c * mean).sum();
        Logistic { intercept: at[0] - shift, coefficients }
    }
}

/// Solves a symmetric positive definite system by Gaussian elimination; a row without a pivot gets 0.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for pivot in 0..n {
        for row in pivot + 1..n {
            let factor = matrix[row][pivot] / matrix[pivot][pivot];
            if factor.is_finite() {
                let (above, below) = matrix.split_at_mut(row);
                (pivot..n).for_each(|col| below[0][col] -= factor * above[pivot][col]);
                right[row] -= factor * right[pivot];
            }
        }
    }
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|col| matrix[row][col] * right[col]).sum();
        let value = (right[row] - known) / matrix[row][row];
        right[row] = if value.is_finite() { value } else { 0.0 };
    }
    right
}
