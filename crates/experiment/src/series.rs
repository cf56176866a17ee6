//! Effects by day since exposure, and over segments.
//!
//! Novelty: weighted regression of the effect on `ln(1 + day)`. Segments: Cochran's Q (Biometrics 1954), I2, and the variance between
//! segments of DerSimonian & Laird (Controlled Clinical Trials 1986). Weights `1 / se^2`; standard errors are not rescaled.

use crate::distribution::chi_square_upper;
use crate::error::{Error, Result, all_finite, positive, same_length};
use crate::estimate::Effect;

fn weights(effects: &[f64], se: &[f64], needed: usize) -> Result<Vec<f64>> {
    same_length("the list of standard errors", se.len(), effects.len())?;
    if effects.len() < needed {
        return Err(Error::TooFew { what: "the list of effects", got: effects.len(), needed });
    }
    all_finite("an effect", effects)?;
    se.iter().map(|&se| Ok(positive("a standard error", se)?.powi(-2))).collect()
}

/// A line through effects by day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Effect on day 0.
    pub intercept: f64,
    /// Change per unit of `ln(1 + day)`; its p-value tests for novelty or learning.
    pub slope: Effect,
    centre: f64,
    mean: f64,
    mean_variance: f64,
}

impl Trend {
    /// The effect on a day, also beyond the data.
    pub fn at(&self, day: f64) -> Effect {
        let gap = day.ln_1p() - self.centre;
        let variance = self.mean_variance + (gap * self.slope.se).powi(2);
        Effect { value: self.mean + gap * self.slope.value, se: variance.sqrt(), df: None }
    }
}

/// Fits effects of day 0, 1, 2, ….
///
/// # Errors
/// [`Error::TooFew`] below two days, [`Error::Length`], [`Error::OutOfRange`] for a standard error that is not positive.
pub fn trend(effects: &[f64], se: &[f64]) -> Result<Trend> {
    let weights = weights(effects, se, 2)?;
    let total: f64 = weights.iter().sum();
    let x: Vec<f64> = (0..effects.len()).map(|day| (day as f64).ln_1p()).collect();
    let average = |values: &[f64]| weights.iter().zip(values).map(|(w, v)| w * v).sum::<f64>() / total;
    let (centre, mean) = (average(&x), average(effects));
    let spread: f64 = weights.iter().zip(&x).map(|(w, x)| w * (x - centre).powi(2)).sum();
    let product: f64 = weights.iter().zip(&x).zip(effects).map(|((w, x), y)| w * (x - centre) * y).sum();
    let slope = Effect { value: product / spread, se: spread.sqrt().recip(), df: None };
    Ok(Trend { intercept: mean - slope.value * centre, slope, centre, mean, mean_variance: 1.0 / total })
}

/// Do segments differ?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heterogeneity {
    /// Mean effect, weighted.
    pub pooled: Effect,
    /// Cochran's Q.
    pub q: f64,
    /// Segments less 1.
    pub df: f64,
    /// p-value of Q.
    pub p: f64,
    /// Share of Q beyond its expectation.
    pub i2: f64,
    /// Variance between segments.
    pub tau2: f64,
}

/// Tests effects of disjoint segments.
///
/// # Errors
/// [`Error::TooFew`] below two segments, [`Error::Length`], [`Error::OutOfRange`] for a standard error that is not positive.
pub fn heterogeneity(effects: &[f64], se: &[f64]) -> Result<Heterogeneity> {
    let weights = weights(effects, se, 2)?;
    let total: f64 = weights.iter().sum();
    let value = weights.iter().zip(effects).map(|(w, e)| w * e).sum::<f64>() / total;
    let q: f64 = weights.iter().zip(effects).map(|(w, e)| w * (e - value).powi(2)).sum();
    let df = effects.len() as f64 - 1.0;
    let squares: f64 = weights.iter().map(|w| w * w).sum();
    Ok(Heterogeneity {
        pooled: Effect { value, se: total.sqrt().recip(), df: None },
        q,
        df,
        p: chi_square_upper(q, df),
        i2: if q > df { (q - df) / q } else { 0.0 },
        tau2: ((q - df) / (total - squares / total)).max(0.0),
    })
}
