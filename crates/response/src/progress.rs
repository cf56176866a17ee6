//! Reports of a training: predict-then-train sums by day, and the curve of epochs.

use super::delay::cross_entropy;
use super::loss::{HEADS, Head, HeadSum};
use serde::{Deserialize, Serialize};

/// Sums over predictions and labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows.
    pub rows: usize,
    /// Positive labels.
    pub positives: usize,
    /// Sum of the probabilities.
    pub predicted: f64,
    /// Sum of the cross entropies (nats).
    pub loss: f64,
}

impl Tally {
    pub(crate) fn push(&mut self, logit: f64, label: bool) {
        self.rows += 1;
        self.positives += usize::from(label);
        self.predicted += super::delay::sigmoid(logit);
        self.loss += cross_entropy(logit, label, 1.0).0;
    }

    /// Mean log loss over the entropy of the base rate; none where one class is absent.
    pub fn normalised_entropy(&self) -> Option<f64> {
        let base = self.positives as f64 / self.rows.max(1) as f64;
        let entropy = -base * base.ln() - (1.0 - base) * (1.0 - base).ln();
        (entropy > 0.0).then(|| self.loss / self.rows as f64 / entropy)
    }

    /// Predicted over observed; none without a positive label.
    pub fn calibration(&self) -> Option<f64> {
        (self.positives > 0).then(|| self.predicted / self.positives as f64)
    }
}

/// One day of a training that reads the log once: each row that is learned from, predicted before it was, without a correction
/// for rows that are passed over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DayReport {
    /// From 0, the day of the first row.
    pub day: i64,
    /// Clicks.
    pub clicks: Tally,
    /// Conversions of clicks, against the labels at the end of the log; only clicks whose window is over.
    pub conversions: Tally,
}

/// One head in a stretch of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeadReport {
    /// `click`, `conversion`, `delay` or `dwell`.
    pub head: String,
    /// Samples about it; runs keep the number under its first name.
    #[serde(rename = "lessons")]
    pub samples: usize,
    /// Mean loss.
    pub loss: f64,
    /// Root mean square length of the weighted gradient in the last hidden layer.
    pub gradient: f64,
}

pub(crate) fn head_reports(sums: &[HeadSum; HEADS]) -> Vec<HeadReport> {
    let heads = Head::NAMES.iter().zip(sums).filter(|(_, sum)| sum.samples > 0);
    heads
        .map(|(name, sum)| HeadReport {
            head: (*name).to_owned(),
            samples: sum.samples,
            loss: sum.loss / sum.samples as f64,
            gradient: (sum.squared / sum.samples as f64).sqrt(),
        })
        .collect()
}

pub(crate) fn add(sums: &mut [HeadSum; HEADS], other: &[HeadSum; HEADS]) {
    for (sum, other) in sums.iter_mut().zip(other) {
        sum.loss += other.loss;
        sum.samples += other.samples;
        sum.squared += other.squared;
    }
}

/// One pass over the training rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PassReport {
    /// From 1.
    pub epoch: usize,
    /// Each head.
    pub heads: Vec<HeadReport>,
    /// Mean loss of the validation rows, the heads by their weights; none without such rows.
    pub validation_loss: Option<f64>,
}
