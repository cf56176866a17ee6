//! Platt scaling (Platt 1999; on the logit as in Guo et al. 2017, §4): `slope · logit + intercept`.
//!
//! The slope is kept within 0 and [`MOST_SLOPE`]: scores that hardly differ say little about it, and a few hundred rows can ask
//! for a slope of 60, which makes noise look certain. The intercept is then the most likely one for that slope.

use super::{CalibrationError, Sample, logistic, sigmoid};
use serde::{Deserialize, Serialize};

/// Largest slope. A model that needs a larger one is undertrained: it needs more steps, not a map.
pub const MOST_SLOPE: f64 = 3.0;

/// Bisections of the intercept's range, more than the bits of an f64.
const HALVINGS: usize = 80;

/// A fitted line in log odds; slope 1 and intercept 0 change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// Below 1 where the scores are overconfident; never below 0, never above [`MOST_SLOPE`].
    pub slope: f64,
    /// Log odds added to all scores.
    pub intercept: f64,
    /// The unbounded estimate of the slope, where it is outside of these bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unbounded: Option<f64>,
}

impl Platt {
    /// The likeliest line whose slope is within bounds. Unlike Platt's own targets, labels are not smoothed: the calibrated
    /// scores add up to the (weighted) labels. Scores that order the rows the wrong way round get slope 0, the base rate.
    ///
    /// # Errors
    /// [`CalibrationError::OneClass`], [`CalibrationError::NotFinite`].
    ///
    /// # Panics
    /// When the sample's lengths differ.
    pub fn fit(sample: &Sample<'_>) -> Result<Platt, CalibrationError> {
        sample.check()?;
        let weight = |row| sample.weight(row);
        let line = logistic::fit(&[sample.scores], sample.labels, &weight, &[1.0])?;
        let (likeliest, slope) = (line.coefficients[0], line.coefficients[0].clamp(0.0, MOST_SLOPE));
        if slope == likeliest {
            return Ok(Platt { slope, intercept: line.intercept, unbounded: None });
        }
        Ok(Platt { slope, intercept: intercept(sample, slope), unbounded: Some(likeliest) })
    }

    /// The calibrated log odds.
    pub fn apply(&self, score: f64) -> f64 {
        self.slope * score + self.intercept
    }
}

/// The intercept with which probabilities add up to the labels, given the slope: the likeliest. Their sum rises with it, so its
/// range is halved.
fn intercept(sample: &Sample<'_>, slope: f64) -> f64 {
    let scaled: Vec<f64> = sample.scores.iter().map(|score| slope * score).collect();
    let excess = |intercept: f64| -> f64 {
        let row = |(row, score): (usize, &f64)| {
            sample.weight(row) * (sigmoid(score + intercept) - f64::from(sample.labels[row]))
        };
        scaled.iter().enumerate().map(row).sum()
    };
    // Beyond this far on either side every probability is 0 or 1.
    let widest = scaled.iter().fold(40.0f64, |widest, score| widest.max(score.abs() + 40.0));
    let (mut low, mut high) = (-widest, widest);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        if excess(middle) < 0.0 { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
