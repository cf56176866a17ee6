//! Calibration of probabilities: reliability bins and their mean gap.

use super::{BINS, check, order};
use serde::{Deserialize, Serialize};

/// One bin of a reliability plot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Rows in it.
    pub rows: usize,
    /// Lowest score.
    pub low: f64,
    /// Highest score.
    pub high: f64,
    /// Mean score.
    pub predicted: f64,
    /// Share of positive labels.
    pub observed: f64,
}

/// Bins of equal count by ascending score; fewer than `bins` where there are fewer rows.
///
/// # Panics
/// When the lengths differ, a score is not in [0, 1], or `bins` is 0.
pub fn reliability(scores: &[f64], labels: &[bool], bins: usize) -> Vec<Bin> {
    check(scores, labels);
    assert!(bins > 0, "at least one bin");
    let order = order::ascending(scores, labels);
    parts(&order, bins)
        .map(|part| {
            let (predicted, observed) = sums(scores, labels, part);
            let (low, high) = (scores[part[0] as usize], scores[part[part.len() - 1] as usize]);
            let rows = part.len();
            Bin { rows, low, high, predicted: predicted / rows as f64, observed: observed / rows as f64 }
        })
        .collect()
}

/// Expected calibration error: the mean over rows of |predicted - observed| of the row's bin, with [`BINS`] bins of
/// equal count (Naeini et al. 2015, with quantile bins). Among equal scores negatives come first, as in a sorted file of
/// (score, label), so that another program finds the same number; columns of few different scores, such as baselines and
/// isotonic steps, look worse than they are: the base rate alone does not get 0.
///
/// # Panics
/// When the lengths differ or a score is not in [0, 1].
pub fn expected_calibration_error(scores: &[f64], labels: &[bool]) -> f64 {
    check(scores, labels);
    ece_sorted(scores, labels, &order::ascending(scores, labels))
}

pub(crate) fn ece_sorted(scores: &[f64], labels: &[bool], order: &[u32]) -> f64 {
    let rows = order.len().max(1) as f64;
    let gap = |part| {
        let (predicted, observed) = sums(scores, labels, part);
        (predicted - observed).abs() / rows
    };
    parts(order, BINS).map(gap).sum()
}

fn parts(order: &[u32], bins: usize) -> impl Iterator<Item = &[u32]> {
    let n = order.len();
    (0..bins).map(move |bin| &order[bin * n / bins..(bin + 1) * n / bins]).filter(|part| !part.is_empty())
}

fn sums(scores: &[f64], labels: &[bool], part: &[u32]) -> (f64, f64) {
    let predicted = part.iter().map(|&row| scores[row as usize]).sum();
    let observed = part.iter().filter(|&&row| labels[row as usize]).count();
    (predicted, observed as f64)
}
