//! Always-valid inference: asymptotic confidence sequences and the mixture sequential probability ratio test.
//!
//! Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, arXiv 2103.06476v7: equations 9 (interval), 155 (p-value), 161 (tuning), 134 (one-sided).
//! `N` counts the units of both arms. Johari, Koomen, Pekelis & Walsh, KDD 2017, equation 11 (mSPRT), which is the same with
//! `rho^2 N = n tau^2 / V`.
//!
//! ```
//! use semrank_experiment::{estimate::{Alternative, Sample, difference}, sequential::ConfidenceSequence};
//! let effect = difference(&Sample::proportion(1000.0, 20000.0)?, &Sample::proportion(1130.0, 20000.0)?)?;
//! let sequence = ConfidenceSequence::new(0.05, 20000.0, Alternative::TwoSided)?;
//! assert!((sequence.p(&effect, 40000.0)? - 0.0796665631).abs() < 1e-9);
//! # Ok::<(), semrank_experiment::Error>(())
//! ```

use crate::error::{Result, fraction, positive};
use crate::estimate::{Alternative, Effect, Interval};
use serde::{Deserialize, Serialize};

/// Fewest conversions an arm from which the asymptotics hold well enough to stop a test.
pub const MIN_CONVERSIONS: f64 = 20.0;

/// A confidence sequence, fixed before the first look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceSequence {
    /// Error rate over all looks together.
    pub alpha: f64,
    /// Units of both arms at which the sequence is tightest.
    pub tuned_for: f64,
    /// Sides.
    pub alternative: Alternative,
}

impl ConfidenceSequence {
    /// # Errors
    /// [`crate::Error::OutOfRange`] for an alpha outside 0..1 (one-sided: 0..1/2) or a tuning that is not positive.
    pub fn new(alpha: f64, tuned_for: f64, alternative: Alternative) -> Result<Self> {
        let sides = if alternative == Alternative::TwoSided { 1.0 } else { 2.0 };
        fraction("alpha times the sides of the sequence", alpha * sides)?;
        positive("the number of units that the sequence is tuned for", tuned_for)?;
        Ok(Self { alpha, tuned_for, alternative })
    }

    /// The tuning parameter rho.
    pub fn rho(&self) -> f64 {
        let alpha = if self.alternative == Alternative::TwoSided { self.alpha } else { 2.0 * self.alpha };
        let twice = -2.0 * alpha.ln();
        ((twice + twice.ln_1p()) / self.tuned_for).sqrt()
    }

    /// Half width of the interval in standard errors at `n` units of both arms.
    pub fn width(&self, n: f64) -> f64 {
        let scale = n * self.rho().powi(2);
        let log = match self.alternative {
            Alternative::TwoSided => 0.5 * scale.ln_1p() - self.alpha.ln(),
            _ => ((scale + 1.0).sqrt() / (2.0 * self.alpha)).ln_1p(),
        };
        (2.0 * (scale + 1.0) / scale * log).sqrt()
    }

    /// The interval at a look with `n` units of both arms.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] for an `n` that is not positive.
    pub fn interval(&self, effect: &Effect, n: f64) -> Result<Interval> {
        let half = effect.se * self.width(positive("the number of units", n)?);
        let both = Interval::around(effect.value, half);
        Ok(match self.alternative {
            Alternative::TwoSided => both,
            Alternative::Greater => Interval { high: f64::INFINITY, ..both },
            Alternative::Less => Interval { low: f64::NEG_INFINITY, ..both },
        })
    }

    /// The p-value at a look; it falls below alpha exactly where the interval leaves 0.
    ///
    /// # Errors
    /// [`crate::Error::Undefined`] when the standard error is 0, [`crate::Error::OutOfRange`] for an `n` that is not positive.
    pub fn p(&self, effect: &Effect, n: f64) -> Result<f64> {
        let scale = positive("the number of units", n)? * self.rho().powi(2);
        let z = effect.statistic()?;
        let exponent = scale * z * z / (2.0 * (scale + 1.0));
        let side = if self.alternative == Alternative::Less { -z } else { z };
        Ok(match self.alternative {
            Alternative::TwoSided => (0.5 * scale.ln_1p() - exponent).exp().min(1.0),
            _ if side <= 0.0 => 1.0,
            _ => ((scale + 1.0).sqrt() / (2.0 * exponent.exp_m1())).min(1.0),
        })
    }
}

/// One look of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// Interval of this look alone.
    pub interval: Interval,
    /// p-value of this look alone.
    pub p: f64,
    /// Intersection of all intervals so far.
    pub running: Interval,
    /// Smallest p-value so far.
    pub running_p: f64,
}

/// The sequence at every look (effect, units of both arms), with running intersection, and the first look whose interval leaves 0;
/// a look without a standard error has p 1 and all numbers as its interval.
///
/// # Errors
/// As [`ConfidenceSequence::interval`] and [`ConfidenceSequence::p`].
pub fn path(sequence: &ConfidenceSequence, looks: &[(Effect, f64)]) -> Result<(Vec<Look>, Option<usize>)> {
    let mut running = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
    let mut running_p = 1.0_f64;
    let mut out = Vec::with_capacity(looks.len());
    for (effect, n) in looks {
        let nothing = (Interval { low: f64::NEG_INFINITY, high: f64::INFINITY }, 1.0);
        let informed = *n > 0.0 && effect.statistic().is_ok();
        let (interval, p) =
            if informed { (sequence.interval(effect, *n)?, sequence.p(effect, *n)?) } else { nothing };
        running = Interval { low: running.low.max(interval.low), high: running.high.min(interval.high) };
        running_p = running_p.min(p);
        out.push(Look { interval, p, running, running_p });
    }
    let crossing = out.iter().position(|look| !look.interval.contains(0.0));
    Ok((out, crossing))
}

/// Likelihood ratio of the mixture `N(0, tau2)` at a look: `n` units an arm, their mean difference, the variance of one difference.
///
/// # Errors
/// [`crate::Error::OutOfRange`] unless all three of `n`, `variance` and `tau2` are positive.
pub fn msprt(n: f64, difference: f64, variance: f64, tau2: f64) -> Result<f64> {
    positive("the number of units an arm", n)?;
    let spread = positive("the variance", variance)? + n * positive("tau^2", tau2)?;
    Ok((0.5 * (variance / spread).ln() + n * n * tau2 * difference * difference / (2.0 * variance * spread))
        .exp())
}

/// Always-valid p-values of a sequence of likelihood ratios: the smallest inverse so far, at most 1.
pub fn running_p(ratios: &[f64]) -> Vec<f64> {
    let step = |least: &mut f64, ratio: &f64| {
        *least = least.min(1.0 / ratio);
        Some(*least)
    };
    ratios.iter().scan(1.0_f64, step).collect()
}
