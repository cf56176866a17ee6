//! Triggered analysis: the effect on units whose slate would differ, diluted to all units, and the complement that must show none.
//!
//! Deng & Hu, WSDM 2015, section 3 (diluted effects); Kohavi, Tang & Xu, Trustworthy Online Controlled Experiments (2020), chapter 20;
//! ghost ads: Johnson, Lewis & Nubbemeyer 2017. The trigger is logged in both arms.

use crate::error::Result;
use crate::estimate::{Effect, Sample, difference};
use crate::moments::Moments;
use crate::srm::{Srm, sample_ratio};

/// One arm, split by trigger; the metric is column 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Units whose slate would differ.
    pub triggered: Moments,
    /// All other exposed units.
    pub rest: Moments,
}

impl Arm {
    fn all(&self) -> Result<Sample> {
        Sample::mean(&self.triggered.merged(&self.rest)?, 0)
    }

    fn n(&self) -> f64 {
        self.triggered.n() + self.rest.n()
    }
}

/// Result of [`analyze`]; all effects refer to the normal distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct Triggered {
    /// Triggered units over all units, both arms.
    pub share: f64,
    /// Effect on triggered units.
    pub triggered: Effect,
    /// Effect on the others; it must be none, or the counterfactual is wrong and the test invalid.
    pub complement: Effect,
    /// Effect on all units without use of the trigger.
    pub all: Effect,
    /// Effect on triggered units times their share; the standard error includes the share's.
    pub diluted: Effect,
    /// The same with the share taken as known.
    pub diluted_se_share_known: f64,
    /// Diluted effect over control's mean of all units; none when that is 0.
    pub diluted_relative: Option<f64>,
    /// Variance of the effect on all units over that of the diluted effect (share known).
    pub variance_ratio: f64,
    /// Sample ratio of all units.
    pub srm_all: Srm,
    /// Sample ratio of triggered units.
    pub srm_triggered: Srm,
}

/// Analyses two arms whose shares of traffic are `weights` (control, treatment).
///
/// # Errors
/// [`crate::Error::TooFew`] below two units in a part, [`crate::Error::OutOfRange`] for weights that are not positive.
pub fn analyze(control: &Arm, treatment: &Arm, weights: [f64; 2]) -> Result<Triggered> {
    analyze_beside(control, treatment, weights, complement(control, treatment)?)
}

/// The effect of units that all triggered on the others, of which there are none.
pub const UNKNOWN: Effect = Effect { value: f64::NAN, se: f64::NAN, df: None };

fn effect(c: &Moments, t: &Moments) -> Result<Effect> {
    Ok(difference(&Sample::mean(c, 0)?, &Sample::mean(t, 0)?)?.normal())
}

/// The effect on units whose slate would not differ.
///
/// # Errors
/// [`crate::Error::TooFew`] below two such units an arm.
pub fn complement(control: &Arm, treatment: &Arm) -> Result<Effect> {
    effect(&control.rest, &treatment.rest)
}

/// As [`analyze`], with a [`complement`] that may be [`UNKNOWN`].
///
/// # Errors
/// As [`analyze`], for the triggered units alone.
pub fn analyze_beside(
    control: &Arm,
    treatment: &Arm,
    weights: [f64; 2],
    complement: Effect,
) -> Result<Triggered> {
    let (c, t) = (control.all()?, treatment.all()?);
    let total = c.n + t.n;
    let share = (control.triggered.n() + treatment.triggered.n()) / total;
    let triggered = effect(&control.triggered, &treatment.triggered)?;
    let all = difference(&c, &t)?.normal();
    let known = share * triggered.se;
    let spread = triggered.value.powi(2) * share * (1.0 - share) / total;
    let value = share * triggered.value;
    Ok(Triggered {
        share,
        triggered,
        complement,
        all,
        diluted: Effect { value, se: (known * known + spread).sqrt(), df: None },
        diluted_se_share_known: known,
        diluted_relative: (c.value != 0.0).then(|| value / c.value.abs()),
        variance_ratio: (all.se / known).powi(2),
        srm_all: sample_ratio(&[control.n(), treatment.n()], &weights)?,
        srm_triggered: sample_ratio(&[control.triggered.n(), treatment.triggered.n()], &weights)?,
    })
}
