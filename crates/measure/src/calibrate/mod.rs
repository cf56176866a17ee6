//! Scores to calibrated probabilities: maps that are fitted on later rows, which training has not seen.
//!
//! In: scores in log odds, which do not round to certainty, and labels ([`Sample`]). Out: a [`Calibration`] from log odds to log
//! odds, saved with the model and applied to every score. Two shapes: [`Platt`] has two parameters and needs few rows;
//! [`Isotonic`] follows any monotone shape and needs thousands. Both keep the mean of the fitting slice and the order of scores.
//! [`Calibration::Sampling`] undoes the dropping of negatives in training (`pointwise.keep_negatives`; He et al. 2014, §6.3), before
//! anything is fitted.
//!
//! ```
//! use semrank_measure::calibrate::Calibration;
//! // One negative in ten was kept: a model that says 50 % means 1 in 11.
//! let undo = Calibration::Sampling { kept: 0.1 };
//! assert!((undo.apply(0.0) - (0.1f64).ln()).abs() < 1e-12);
//! ```

mod isotonic;
mod logistic;
mod platt;
#[cfg(test)]
mod tests;

pub use isotonic::Isotonic;
pub use logistic::Logistic;
pub use platt::{MOST_SLOPE, Platt};

use semrank_core::{counted, plural};
use serde::{Deserialize, Serialize};

/// Scores nearer to 0 or 1 than this are taken as this near before their logit: about 16 either way.
const LOGIT_CLIP: f64 = 1e-7;

/// The rows that a calibration is fitted on.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Scores in log odds.
    pub scores: &'a [f64],
    /// One label per score.
    pub labels: &'a [bool],
    /// One weight above 0 per score; all 1 where absent.
    pub weights: Option<&'a [f64]>,
}

/// Why nothing can be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// All labels are alike, so no probability but 0 or 1 would fit.
    #[error(
        "{positives} of {} {} positive: a calibration needs rows of both labels; fit it on a longer slice",
        counted(*rows, "row", "rows"), plural(*positives, "is", "are")
    )]
    OneClass {
        /// Rows of the slice.
        rows: usize,
        /// Positive ones.
        positives: usize,
    },
    /// A score that nothing can be fitted on.
    #[error(
        "the score of row {row} of the calibration's slice is {score}: expected log odds, a finite number"
    )]
    NotFinite {
        /// From 0.
        row: usize,
        /// What it is.
        score: f64,
    },
}

/// A monotone map from log odds to log odds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Calibration {
    /// Leaves scores as they are.
    #[default]
    None,
    /// Logistic in the logit.
    Platt(Platt),
    /// Monotone steps, joined by lines.
    Isotonic(Isotonic),
    /// Undoes the dropping of negatives.
    Sampling {
        /// Share of negatives that training kept, in (0, 1].
        kept: f64,
    },
}

impl Calibration {
    /// The calibrated log odds of a score in log odds.
    pub fn apply(&self, score: f64) -> f64 {
        match self {
            Calibration::None => score,
            Calibration::Platt(platt) => platt.apply(score),
            Calibration::Isotonic(isotonic) => isotonic.apply(score),
            Calibration::Sampling { kept } => score + kept.ln(),
        }
    }
}

impl Sample<'_> {
    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |weights| weights[row])
    }

    fn check(&self) -> Result<(), CalibrationError> {
        let rows = self.scores.len();
        assert_eq!(rows, self.labels.len(), "one label per score");
        assert!(self.weights.is_none_or(|weights| weights.len() == rows), "one weight per score");
        if let Some(row) = self.scores.iter().position(|score| !score.is_finite()) {
            return Err(CalibrationError::NotFinite { row, score: self.scores[row] });
        }
        let positives = self.labels.iter().filter(|&&label| label).count();
        if positives == 0 || positives == rows {
            return Err(CalibrationError::OneClass { rows, positives });
        }
        Ok(())
    }
}

/// The log odds of a probability.
pub(crate) fn logit(p: f64) -> f64 {
    let p = p.clamp(LOGIT_CLIP, 1.0 - LOGIT_CLIP);
    (p / (1.0 - p)).ln()
}

/// The inverse of [`logit`].
pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}
