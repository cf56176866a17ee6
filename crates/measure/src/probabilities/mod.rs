//! Quality of click and conversion probabilities: ranking (AUC), log loss, NE, and calibration.
//!
//! In: one score and one label per row, and for grouped measures one key per row. Out: [`Scores`], tables by segment,
//! reliability bins, and a [`Bootstrap`] over users that says which differences are significant. Everything is computed in
//! `f64` and in a fixed order, so that a file of predictions read by another program gives the same digits.
//!
//! ```
//! use semrank_measure::probabilities::Scores;
//! let scores = Scores::of(&[0.9, 0.2, 0.6, 0.3], &[true, false, false, true]);
//! assert_eq!((scores.rows, scores.auc), (4, Some(0.75))); // 3 of 4 pairs in order
//! assert_eq!(scores.base_rate, 0.5);
//! assert!((scores.ne.unwrap() - scores.log_loss.unwrap() / std::f64::consts::LN_2).abs() < 1e-12);
//! ```

mod bootstrap;
mod calibration;
mod order;
mod segments;
#[cfg(test)]
mod tests;

pub use bootstrap::{Bootstrap, BootstrapSettings, Interval, Measure};
pub use calibration::{Bin, expected_calibration_error, reliability};
pub use order::{GroupedAuc, auc, average_precision, grouped_auc};
pub use segments::{by_segment, worst_calibration};

use serde::{Deserialize, Serialize};

/// A score nearer to 0 or 1 than this counts as this near in the log loss: the loss of a single row stays below 28.
pub const CLIP: f64 = 1e-12;

/// Bins of the expected calibration error.
pub const BINS: usize = 10;

/// The key of a row that belongs to no group.
pub const NO_GROUP: u32 = u32::MAX;

/// Quality of a set of scores. A measure that the labels do not define (one class only, no row) is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Number of rows.
    pub rows: usize,
    /// Share of positive labels.
    pub base_rate: f64,
    /// Mean score.
    pub mean_score: f64,
    /// Probability that a positive row scores above a negative one, ties half.
    pub auc: Option<f64>,
    /// Average precision, tied scores taken together.
    pub pr_auc: Option<f64>,
    /// Mean negative log likelihood in nats, scores clipped by [`CLIP`].
    pub log_loss: Option<f64>,
    /// Normalised entropy: log loss over the entropy of the base rate (He et al. 2014, §3). 1 is the base rate.
    pub ne: Option<f64>,
    /// Sum of scores over sum of labels; 1 is right on average.
    pub calibration: Option<f64>,
    /// Expected calibration error over [`BINS`] bins of equal count.
    pub ece: Option<f64>,
}

impl Scores {
    /// Measures probabilities against labels.
    ///
    /// # Panics
    /// When the lengths differ or a score is not in [0, 1].
    pub fn of(scores: &[f64], labels: &[bool]) -> Scores {
        check(scores, labels);
        if scores.is_empty() {
            return Scores::default();
        }
        let order = order::ascending(scores, labels);
        let sums = Sums::of(scores, labels);
        Scores {
            rows: scores.len(),
            base_rate: sums.base_rate(),
            mean_score: sums.scores / sums.rows,
            auc: order::auc_sorted(scores, labels, &order),
            pr_auc: order::average_precision_sorted(scores, labels, &order),
            log_loss: Some(sums.log_loss()),
            ne: sums.ne(),
            calibration: sums.calibration(),
            ece: Some(calibration::ece_sorted(scores, labels, &order)),
        }
    }
}

/// Sums over rows that the additive measures are made of; sums of disjoint rows add up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) rows: f64,
    pub(crate) positives: f64,
    pub(crate) scores: f64,
    pub(crate) losses: f64,
}

impl Sums {
    pub(crate) fn of(scores: &[f64], labels: &[bool]) -> Sums {
        let mut sums = Sums::default();
        scores.iter().zip(labels).for_each(|(&score, &label)| sums.push(score, label));
        sums
    }

    pub(crate) fn push(&mut self, score: f64, label: bool) {
        self.rows += 1.0;
        self.positives += f64::from(label);
        self.scores += score;
        self.losses += log_loss(score, label);
    }

    /// Adds `times` copies of `other`.
    pub(crate) fn add(&mut self, other: &Sums, times: f64) {
        self.rows += times * other.rows;
        self.positives += times * other.positives;
        self.scores += times * other.scores;
        self.losses += times * other.losses;
    }

    pub(crate) fn base_rate(&self) -> f64 {
        self.positives / self.rows
    }

    pub(crate) fn log_loss(&self) -> f64 {
        self.losses / self.rows
    }

    pub(crate) fn ne(&self) -> Option<f64> {
        let entropy = entropy(self.base_rate());
        (entropy > 0.0).then(|| self.log_loss() / entropy)
    }

    pub(crate) fn calibration(&self) -> Option<f64> {
        (self.positives > 0.0).then(|| self.scores / self.positives)
    }
}

/// The loss of one row in nats: minus the log of the probability of the observed label.
pub fn log_loss(score: f64, label: bool) -> f64 {
    let given = if label { score } else { 1.0 - score };
    -given.max(CLIP).ln()
}

/// Entropy of a coin in nats; 0 for a certain one.
pub fn entropy(rate: f64) -> f64 {
    [rate, 1.0 - rate].iter().filter(|&&p| p > 0.0).map(|p| -p * p.ln()).sum()
}

fn check(scores: &[f64], labels: &[bool]) {
    assert_eq!(scores.len(), labels.len(), "one label per score");
    let bad = scores.iter().position(|score| !(0.0..=1.0).contains(score));
    assert!(bad.is_none(), "row {bad:?}: a score is not a probability");
}
