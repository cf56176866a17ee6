//! Relative effects (lift): delta method, log delta method, Fieller.
//!
//! Fieller, JRSS-B 1954: all lifts that the test of `mean_t = (1 + lift) mean_c` does not reject. With few conversions the delta interval
//! is too short on one side; Fieller's is a finite interval, the complement of one, or everything. The verdict comes from the absolute test.

use crate::distribution::normal_upper_quantile;
use crate::error::{Error, Result, finite, fraction};
use crate::estimate::{Alternative, Effect, Interval, Sample, welch_df};
use serde::{Deserialize, Serialize};

const NO_BASE: Error = Error::Undefined { what: "the relative effect", why: "the mean of control is 0" };

/// Lift by the delta method; degrees of freedom from the raw variances (as gbstats).
///
/// # Errors
/// [`Error::Undefined`] when control's mean is 0.
pub fn relative_delta(control: &Sample, treatment: &Sample) -> Result<Effect> {
    let base = control.value;
    if base == 0.0 {
        return Err(NO_BASE);
    }
    let ratio = treatment.value / base;
    let variance = treatment.variance / treatment.n + ratio * ratio * control.variance / control.n;
    let value = (treatment.value - base) / base.abs();
    let se = finite("the standard error", variance.sqrt() / base.abs())?;
    Ok(Effect { value, se, df: Some(welch_df(control, treatment)) })
}

/// The logarithm of the ratio of two means with its delta standard error; degrees of freedom from the relative variances (as tea-tasting).
///
/// # Errors
/// [`Error::Undefined`] unless both means have the same sign.
pub fn log_ratio(control: &Sample, treatment: &Sample) -> Result<Effect> {
    if !(control.value * treatment.value > 0.0) {
        let why = "the means must both lie above 0, or both below";
        return Err(Error::Undefined { what: "the log interval", why });
    }
    let scaled =
        |sample: &Sample| Sample { variance: sample.variance / (sample.value * sample.value), ..*sample };
    let (control_log, treatment_log) = (scaled(control), scaled(treatment));
    let variance = control_log.variance / control.n + treatment_log.variance / treatment.n;
    let value = (treatment.value / control.value).ln();
    Ok(Effect { value, se: variance.sqrt(), df: Some(welch_df(&control_log, &treatment_log)) })
}

/// Interval of the lift from a [`log_ratio`].
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1.
pub fn lift_interval(log_ratio: &Effect, alpha: f64, alternative: Alternative) -> Result<Interval> {
    Ok(log_ratio.interval(alpha, alternative)?.map(f64::exp_m1))
}

/// What Fieller's method leaves of the line of lifts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Fieller {
    /// A finite interval: control differs from 0.
    Interval {
        /// The lifts that are not rejected.
        ci: Interval,
    },
    /// All lifts but these: control does not differ from 0, the difference of the arms does.
    Outside {
        /// The lifts that are rejected.
        excluded: Interval,
    },
    /// No lift is rejected.
    Everything,
}

/// Fieller's confidence set of the lift of independent means, with normal quantiles.
///
/// # Errors
/// [`Error::OutOfRange`] for an alpha outside 0..1, [`Error::Undefined`] when nothing varies, [`Error::NotFinite`].
pub fn fieller(control: (f64, f64), treatment: (f64, f64), alpha: f64) -> Result<Fieller> {
    let z2 = normal_upper_quantile(fraction("alpha", alpha)? / 2.0).powi(2);
    let ((mc, sc), (mt, st)) = (control, treatment);
    // (mt - r mc)^2 <= z^2 (st^2 + r^2 sc^2), r = 1 + lift
    let square = finite("control", mc * mc - z2 * sc * sc)?;
    let constant = finite("treatment", mt * mt - z2 * st * st)?;
    let half = mt * mc;
    if square == 0.0 && half == 0.0 {
        return if constant <= 0.0 { Ok(Fieller::Everything) } else { Err(NO_BASE) };
    }
    if square == 0.0 {
        let end = constant / (2.0 * half) - 1.0;
        let excluded = if half > 0.0 { (f64::NEG_INFINITY, end) } else { (end, f64::INFINITY) };
        return Ok(Fieller::Outside { excluded: Interval { low: excluded.0, high: excluded.1 } });
    }
    let discriminant = z2 * (mc * mc * st * st + mt * mt * sc * sc - z2 * sc * sc * st * st);
    if discriminant < 0.0 {
        return Ok(Fieller::Everything);
    }
    // The stable form of the quadratic's roots.
    let sum = half + discriminant.sqrt().copysign(half);
    let roots = if sum == 0.0 { (0.0, 0.0) } else { (sum / square, constant / sum) };
    let ci = Interval { low: roots.0.min(roots.1) - 1.0, high: roots.0.max(roots.1) - 1.0 };
    Ok(if square > 0.0 { Fieller::Interval { ci } } else { Fieller::Outside { excluded: ci } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fieller_is_an_interval_its_complement_or_everything() {
        let kind = |control, treatment| fieller(control, treatment, 0.05).expect("defined");
        assert!(matches!(kind((10.0, 1.0), (12.0, 1.0)), Fieller::Interval { ci } if ci.contains(0.2)));
        assert!(
            matches!(kind((0.2, 0.15), (0.9, 0.2)), Fieller::Outside { excluded } if !excluded.contains(3.5))
        );
        assert_eq!(kind((0.1, 1.0), (0.1, 1.0)), Fieller::Everything);
        assert!(fieller((0.0, 0.0), (1.0, 0.1), 0.05).is_err());
        assert!(fieller((f64::NAN, 0.1), (1.0, 0.1), 0.05).is_err());
    }
}
