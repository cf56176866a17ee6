//! Guardrails: is treatment at most a relative margin worse than control?
//!
//! FDA, Non-Inferiority Clinical Trials (2016), section IV; spotify/confidence. The margin `m` of a metric that should not fall tests
//! `mean_t <= (1 - m) mean_c`. The random margin carries the variance of `(1 - m) mean_c`; the fixed one takes control's mean as known.

use crate::distribution::{normal_upper, normal_upper_quantile};
use crate::error::{Error, Result, finite, fraction};
use crate::estimate::Sample;
use serde::{Deserialize, Serialize};

/// What is good for a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// It should not fall.
    Increase,
    /// It should not rise.
    Decrease,
}

/// Statistic and one-sided p-value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    /// Distance to the margin in standard errors; positive is good.
    pub z: f64,
    /// Against the hypothesis that the margin is exceeded.
    pub p: f64,
}

/// Result of [`non_inferiority`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NonInferiority {
    /// With the margin's own variance.
    pub random_margin: Tested,
    /// With control's mean taken as known.
    pub fixed_margin: Tested,
    /// One-sided bound of treatment minus control: lower for a metric that should not fall, upper for one that should not rise.
    pub bound: f64,
    /// The margin in units of the metric.
    pub margin_absolute: f64,
}

/// Tests a guardrail.
///
/// # Errors
/// [`Error::OutOfRange`] for a negative margin or an alpha outside 0..1, [`Error::Undefined`] when nothing varies.
pub fn non_inferiority(
    control: &Sample,
    treatment: &Sample,
    margin: f64,
    direction: Direction,
    alpha: f64,
) -> Result<NonInferiority> {
    if !(finite("the margin", margin)? >= 0.0) {
        return Err(Error::OutOfRange { what: "the margin", got: margin, expected: "a number from 0" });
    }
    let quantile = normal_upper_quantile(fraction("alpha", alpha)?);
    let (vc, vt) = (control.variance / control.n, treatment.variance / treatment.n);
    let good = if direction == Direction::Increase { 1.0 } else { -1.0 };
    let margin_absolute = margin * control.value.abs();
    let slack = good * (treatment.value - control.value) + margin_absolute;
    let factor = 1.0 - good * margin * control.value.signum();
    let tested = |variance: f64| {
        if !(variance > 0.0) {
            return Err(Error::Undefined {
                what: "the non-inferiority test",
                why: "no unit differs from another in its arm",
            });
        }
        let z = slack / variance.sqrt();
        Ok(Tested { z, p: normal_upper(z) })
    };
    Ok(NonInferiority {
        random_margin: tested(vt + factor * factor * vc)?,
        fixed_margin: tested(vt + vc)?,
        bound: treatment.value - control.value - good * quantile * (vc + vt).sqrt(),
        margin_absolute,
    })
}
