//! Principal components: the coordinates of vectors on their principal axes.

use super::{gram, singular};
use crate::{Mat, matmul};
use rayon::prelude::*;

/// Rows a task projects.
const BLOCK_ROWS: usize = 256;

/// Centres `x`, `[rows x width]`, and rotates it to its principal axes, the longest first: the coordinates on the first
/// `dim`, `[rows x dim]`, and the share of the variance that they hold (1 where there is none to lose).
///
/// An axis has two directions; the one is chosen in which the coordinate of the largest magnitude is positive.
pub fn principal_components(mut x: Vec<f32>, width: usize, dim: usize) -> (Vec<f32>, f64) {
    centre(&mut x, width);
    let (lengths, axes) = singular(&gram(&x, width), width);
    let axes: Vec<f32> = axes[..dim * width].iter().map(|&value| value as f32).collect();
    let mut scores = vec![0.0; x.len() / width * dim];
    let blocks = scores.par_chunks_mut(BLOCK_ROWS * dim).zip(x.par_chunks(BLOCK_ROWS * width));
    blocks.for_each(|(scores, x)| {
        matmul(scores, 0.0, Mat::new(x, x.len() / width, width), Mat::new(&axes, dim, width).t(), 1.0);
    });
    fix_signs(&mut scores, dim);
    let variance = |lengths: &[f64]| lengths.iter().map(|length| length * length).sum::<f64>();
    let total = variance(&lengths);
    (scores, if total > 0.0 { variance(&lengths[..dim]) / total } else { 1.0 })
}

/// Subtracts the mean row.
fn centre(x: &mut [f32], width: usize) {
    let mut mean = vec![0.0f64; width];
    for row in x.chunks(width) {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value));
    }
    let rows = (x.len() / width) as f64;
    mean.iter_mut().for_each(|mean| *mean /= rows);
    for row in x.chunks_mut(width) {
        row.iter_mut().zip(&mean).for_each(|(value, mean)| *value = (f64::from(*value) - mean) as f32);
    }
}

fn fix_signs(scores: &mut [f32], dim: usize) {
    let mut largest = vec![0.0f32; dim];
    for row in scores.chunks(dim) {
        let longer = |largest: &mut f32, &value: &f32| {
            if value.abs() > largest.abs() {
                *largest = value;
            }
        };
        largest.iter_mut().zip(row).for_each(|(largest, value)| longer(largest, value));
    }
    for row in scores.chunks_mut(dim) {
        row.iter_mut().zip(&largest).for_each(|(value, largest)| *value *= largest.signum());
    }
}
