//! Normal posterior of an effect with a flat or normal prior, chance to win and expected loss (growthbook, "statistical details").

use crate::distribution::{normal_density, normal_lower, normal_upper};
use crate::error::{Result, positive};
use crate::estimate::{Effect, Interval};

/// A normal prior of the effect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// Mean.
    pub mean: f64,
    /// Variance.
    pub variance: f64,
}

/// Posterior of the effect and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Posterior {
    /// Mean and standard deviation.
    pub effect: Effect,
    /// Probability that treatment is better.
    pub chance_to_win: f64,
    /// Expected loss of staying with control.
    pub risk_control: f64,
    /// Expected loss of taking treatment.
    pub risk_treatment: f64,
}

/// Combines an estimate with a prior; none is the flat prior.
///
/// # Errors
/// [`crate::Error::Undefined`] when the standard error is 0, [`crate::Error::OutOfRange`] for a prior variance that is not positive.
pub fn posterior(estimate: &Effect, prior: Option<Prior>) -> Result<Posterior> {
    estimate.statistic()?;
    let precision = estimate.se.powi(-2);
    let (mean, precision) = match prior {
        None => (estimate.value, precision),
        Some(prior) => {
            let own = 1.0 / positive("the prior variance", prior.variance)?;
            ((estimate.value * precision + prior.mean * own) / (precision + own), precision + own)
        }
    };
    let sd = precision.sqrt().recip();
    let z = mean / sd;
    Ok(Posterior {
        effect: Effect { value: mean, se: sd, df: None },
        chance_to_win: normal_upper(-z),
        risk_control: mean * normal_upper(-z) + sd * normal_density(z),
        risk_treatment: sd * normal_density(z) - mean * normal_lower(-z),
    })
}

impl Posterior {
    /// Credible interval of level `1 - alpha`.
    ///
    /// # Errors
    /// [`crate::Error::OutOfRange`] for an alpha outside 0..1.
    pub fn interval(&self, alpha: f64) -> Result<Interval> {
        self.effect.interval(alpha, crate::estimate::Alternative::TwoSided)
    }
}
