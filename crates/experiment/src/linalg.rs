//! Small dense matrices: a handful of covariates, never more.

use crate::error::{Error, Result};

/// Rows of a matrix.
pub type Matrix = Vec<Vec<f64>>;

/// Inner product.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Matrix times vector.
pub fn times(matrix: &Matrix, vector: &[f64]) -> Vec<f64> {
    matrix.iter().map(|row| dot(row, vector)).collect()
}

/// `vector' matrix vector`.
pub fn quadratic(matrix: &Matrix, vector: &[f64]) -> f64 {
    dot(vector, &times(matrix, vector))
}

/// `X' W X` of rows with weights.
pub fn cross<'a>(rows: impl Iterator<Item = (&'a [f64], f64)>, columns: usize) -> Matrix {
    let mut sum = vec![vec![0.0; columns]; columns];
    for (row, weight) in rows {
        for (i, line) in sum.iter_mut().enumerate() {
            for (j, cell) in line.iter_mut().enumerate() {
                *cell += weight * row[i] * row[j];
            }
        }
    }
    sum
}

/// The inverse, by Gauss-Jordan elimination with partial pivoting on the matrix scaled to a unit diagonal.
///
/// # Errors
/// [`Error::Undefined`] when a column is a combination of others.
pub fn inverse(matrix: &Matrix) -> Result<Matrix> {
    let k = matrix.len();
    let scale: Vec<f64> = (0..k).map(|i| matrix[i][i].abs().sqrt()).collect();
    if scale.iter().any(|&s| !(s > 0.0)) {
        return Err(singular());
    }
    let mut work: Matrix = (0..k)
        .map(|i| {
            let left = (0..k).map(|j| matrix[i][j] / (scale[i] * scale[j]));
            left.chain((0..k).map(|j| f64::from(u8::from(i == j)))).collect()
        })
        .collect();
    for column in 0..k {
        let pivot = (column..k)
            .max_by(|&a, &b| work[a][column].abs().total_cmp(&work[b][column].abs()))
            .unwrap_or(column);
        work.swap(column, pivot);
        let head = work[column][column];
        if !(head.abs() > 1e-12) {
            return Err(singular());
        }
        work[column].iter_mut().for_each(|cell| *cell /= head);
        let row = work[column].clone();
        for (_, other) in work.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = other[column];
            other.iter_mut().zip(&row).for_each(|(cell, value)| *cell -= factor * value);
        }
    }
    Ok((0..k).map(|i| (0..k).map(|j| work[i][k + j] / (scale[i] * scale[j])).collect()).collect())
}

fn singular() -> Error {
    Error::Undefined { what: "the regression", why: "a column is constant or a combination of the others" }
}
