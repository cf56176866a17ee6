//! Sample-ratio mismatch: overall, by day, and sequentially for daily use.
//!
//! Chi-square goodness of fit, alarm below p = .001 (Fabijan et al., KDD 2019). Sequential: Lindon & Malek, arXiv 2011.03567, a Dirichlet
//! mixture against the multinomial null. An arm of weight 0 is left out of the degrees of freedom and is a leak when it has units.
//!
//! ```
//! let test = semrank_experiment::srm::sample_ratio(&[9463.0, 7681.0], &[0.5, 0.5])?;
//! assert!(test.alarm && (test.p / 3.50219227305e-42 - 1.0).abs() < 1e-9);
//! # Ok::<(), semrank_experiment::Error>(())
//! ```

use crate::distribution::chi_square_upper;
use crate::error::{Error, Result, all_finite, positive, same_length};
use crate::multiplicity::{Method, adjust};
use crate::special::ln_gamma;
use serde::{Deserialize, Serialize};

/// p-values below this raise the alarm.
pub const ALARM: f64 = 0.001;
/// Default concentration of the Dirichlet mixture.
pub const CONCENTRATION: f64 = 10_000.0;

/// Result of [`sample_ratio`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Srm {
    /// Chi-square statistic.
    pub chi2: f64,
    /// Arms of positive weight less 1.
    pub df: f64,
    /// p-value.
    pub p: f64,
    /// Whether it lies below [`ALARM`].
    pub alarm: bool,
    /// Arms of weight 0 that have units: arm and units.
    pub leaks: Vec<(usize, f64)>,
}

fn check(users: &[f64], weights: &[f64]) -> Result<()> {
    same_length("the list of weights", weights.len(), users.len())?;
    all_finite("a weight", weights)?;
    all_finite("the number of units", users)?;
    if let Some(&got) = users.iter().chain(weights).find(|&&value| value < 0.0) {
        return Err(Error::OutOfRange {
            what: "a number of units or a weight",
            got,
            expected: "a number from 0",
        });
    }
    positive("the sum of the weights", weights.iter().sum()).map(drop)
}

/// Tests the units of the arms against their weights, which need not sum to 1.
///
/// # Errors
/// [`Error::Length`], [`Error::OutOfRange`] for negative numbers or weights that are all 0.
pub fn sample_ratio(users: &[f64], weights: &[f64]) -> Result<Srm> {
    check(users, weights)?;
    let arms: Vec<(f64, f64)> =
        users.iter().copied().zip(weights.iter().copied()).filter(|(_, weight)| *weight > 0.0).collect();
    let total: f64 = arms.iter().map(|(n, _)| n).sum();
    let whole: f64 = arms.iter().map(|(_, weight)| weight).sum();
    let cell = |(n, weight): &(f64, f64)| {
        let expected = total * weight / whole;
        if expected > 0.0 { (n - expected).powi(2) / expected } else { 0.0 }
    };
    let chi2: f64 = arms.iter().map(cell).sum();
    let df = arms.len() as f64 - 1.0;
    let p = if df > 0.0 { chi_square_upper(chi2, df) } else { 1.0 };
    let leak = |(arm, (&n, &weight)): (usize, (&f64, &f64))| (weight == 0.0 && n > 0.0).then_some((arm, n));
    let leaks = users.iter().zip(weights).enumerate().filter_map(leak).collect();
    Ok(Srm { chi2, df, p, alarm: p < ALARM, leaks })
}

/// Sample ratio of every day and of all days together.
#[derive(Debug, Clone, PartialEq)]
pub struct ByDay {
    /// p-value of each day.
    pub p: Vec<f64>,
    /// The same, corrected by Holm.
    pub p_holm: Vec<f64>,
    /// p-value of all days together.
    pub p_all: f64,
    /// Days whose corrected p-value raises the alarm.
    pub alarm_days: Vec<usize>,
}

/// Tests every day.
///
/// # Errors
/// As [`sample_ratio`].
pub fn by_day(users_by_day: &[Vec<f64>], weights: &[f64]) -> Result<ByDay> {
    let p =
        users_by_day.iter().map(|users| Ok(sample_ratio(users, weights)?.p)).collect::<Result<Vec<f64>>>()?;
    let sums: Vec<f64> =
        (0..weights.len()).map(|arm| users_by_day.iter().map(|users| users[arm]).sum()).collect();
    let adjusted = adjust(&p.iter().copied().map(Some).collect::<Vec<_>>(), Method::Holm)?;
    let p_holm: Vec<f64> = adjusted.into_iter().flatten().collect();
    let alarm_days = p_holm.iter().enumerate().filter(|(_, p)| **p < ALARM).map(|(day, _)| day).collect();
    Ok(ByDay { p, p_holm, p_all: sample_ratio(&sums, weights)?.p, alarm_days })
}

/// The sequential test; safe to look at after every batch.
#[derive(Debug, Clone, PartialEq)]
pub struct SequentialSrm {
    weights: Vec<f64>,
    posterior: Vec<f64>,
    ln_bayes: f64,
    p: f64,
}

impl SequentialSrm {
    /// Starts with a prior of `concentration` times the weights; arms of weight 0 are left out.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a concentration that is not positive or weights that are all 0.
    pub fn new(weights: &[f64], concentration: f64) -> Result<Self> {
        check(weights, weights)?;
        positive("the concentration", concentration)?;
        let whole: f64 = weights.iter().sum();
        let weights: Vec<f64> = weights.iter().map(|weight| weight / whole).collect();
        let posterior = weights.iter().map(|weight| weight * concentration).collect();
        Ok(Self { weights, posterior, ln_bayes: 0.0, p: 1.0 })
    }

    /// Adds the new units of each arm; returns the Bayes factor against the weights and the p-value so far.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::OutOfRange`] for negative numbers.
    pub fn add(&mut self, batch: &[f64]) -> Result<(f64, f64)> {
        check(batch, &self.weights)?;
        let arms =
            || self.weights.iter().zip(&self.posterior).zip(batch).filter(|((weight, _), _)| **weight > 0.0);
        let whole: f64 = arms().map(|((_, a), _)| a).sum();
        let n: f64 = arms().map(|(_, x)| x).sum();
        let arm = |((weight, a), x): ((&f64, &f64), &f64)| ln_gamma(a + x) - ln_gamma(*a) - x * weight.ln();
        self.ln_bayes += ln_gamma(whole) - ln_gamma(whole + n) + arms().map(arm).sum::<f64>();
        self.posterior.iter_mut().zip(batch).for_each(|(a, x)| *a += x);
        self.p = self.p.min((-self.ln_bayes).exp());
        Ok((self.ln_bayes.exp(), self.p))
    }
}
