//! Platt scaling (Platt 1999; on the logit as in Guo et al. 2017, §4): `slope · logit + intercept`.

use super::{CalibrationError, Sample, logistic};
use serde::{Deserialize, Serialize};

/// A fitted line in log odds; slope 1 and intercept 0 change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Platt {
    /// Below 1 where the scores are too sure; never below 0.
    pub slope: f64,
    /// Log odds added to all scores.
    pub intercept: f64,
}

impl Platt {
    /// The likeliest line. Unlike Platt's own targets, labels are not smoothed: the calibrated scores add up to the
    /// (weighted) labels. Scores that order the rows the wrong way round get slope 0, the base rate.
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
        match line.coefficients[0] {
            slope if slope >= 0.0 => Ok(Platt { slope, intercept: line.intercept }),
            _ => {
                let flat = logistic::fit(&[], sample.labels, &weight, &[])?;
                Ok(Platt { slope: 0.0, intercept: flat.intercept })
            }
        }
    }

    /// The calibrated log odds.
    pub fn apply(&self, score: f64) -> f64 {
        self.slope * score + self.intercept
    }
}
