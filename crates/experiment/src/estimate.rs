//! From a metric in two arms to an effect with interval and p-value: proportion, mean and ratio of sums.
//!
//! Every metric becomes a [`Sample`]: units, value, and the variance of one unit's contribution, so that the squared standard error is
//! `variance / n`. Ratios by the delta method at the unit of randomisation: Deng, Knoblich & Lu, KDD 2018, section 3. Degrees of freedom
//! by Welch (1947) and Satterthwaite (1946). The verdict comes from the absolute [`difference`]; [`crate::relative`] is for reading.
//!
//! ```
//! use semrank_experiment::estimate::{Alternative, Sample, difference};
//! let effect = difference(&Sample::proportion(14.0, 28.0)?, &Sample::proportion(16.0, 30.0)?)?.normal();
//! assert!((effect.p(Alternative::TwoSided)? - 0.799510431576).abs() < 1e-12);
//! # Ok::<(), semrank_experiment::Error>(())
//! ```

use crate::distribution::{normal_upper, normal_upper_quantile, student_upper, student_upper_quantile};
use crate::error::{Error, Result, finite, fraction};
use crate::moments::Moments;
use serde::{Deserialize, Serialize};

/// The alternative hypothesis about treatment minus control.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alternative {
    /// The arms differ.
    TwoSided,
    /// Treatment is above control.
    Greater,
    /// Treatment is below control.
    Less,
}

/// An interval; an end may be infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// `value` plus and minus `half`.
    pub fn around(value: f64, half: f64) -> Self {
        Self { low: value - half, high: value + half }
    }

    /// Whether `value` lies inside or on an end.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Both ends mapped by an increasing function.
    #[must_use]
    pub fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { low: f(self.low), high: f(self.high) }
    }
}

/// An estimate with its standard error and reference distribution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// Point estimate.
    pub value: f64,
    /// Standard error.
    pub se: f64,
    /// Degrees of freedom of Student's t; none for the normal distribution.
    pub df: Option<f64>,
}

impl Effect {
    /// The same effect, referred to the normal distribution.
    #[must_use]
    pub fn normal(self) -> Self {
        Self { df: None, ..self }
    }

    /// Estimate over standard error.
    ///
    /// # Errors
    /// [`Error::Undefined`] when the standard error is 0.
    pub fn statistic(&self) -> Result<f64> {
        if self.se > 0.0 && self.se.is_finite() && self.value.is_finite() {
            return Ok(self.value / self.se);
        }
        Err(Error::Undefined {
            what: "the test",
            why: "the standard error is 0: no unit differs from another in its arm",
        })
    }

    /// p-value against no effect.
    ///
    /// # Errors
    /// [`Error::Undefined`] when the standard error is 0.
    pub fn p(&self, alternative: Alternative) -> Result<f64> {
        let statistic = self.statistic()?;
        Ok(match alternative {
            Alternative::TwoSided => (2.0 * self.upper_tail(statistic.abs())).min(1.0),
            Alternative::Greater => self.upper_tail(statistic),
            Alternative::Less => self.upper_tail(-statistic),
        })
    }

    /// Interval of level `1 - alpha`; one-sided alternatives leave the other end infinite.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for an alpha outside 0..1.
    pub fn interval(&self, alpha: f64, alternative: Alternative) -> Result<Interval> {
        let alpha = fraction("alpha", alpha)?;
        let half = |tail: f64| self.quantile(tail) * self.se;
        Ok(match alternative {
            Alternative::TwoSided => Interval::around(self.value, half(alpha / 2.0)),
            Alternative::Greater => Interval { low: self.value - half(alpha), high: f64::INFINITY },
            Alternative::Less => Interval { low: f64::NEG_INFINITY, high: self.value + half(alpha) },
        })
    }

    fn upper_tail(&self, x: f64) -> f64 {
        self.df.map_or_else(|| normal_upper(x), |df| student_upper(x, df))
    }

    fn quantile(&self, tail: f64) -> f64 {
        self.df.map_or_else(|| normal_upper_quantile(tail), |df| student_upper_quantile(tail, df))
    }
}

/// A metric in one arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Units.
    pub n: f64,
    /// The metric.
    pub value: f64,
    /// Variance of one unit's contribution: the squared standard error times `n`.
    pub variance: f64,
}

impl Sample {
    /// Successes of units; variance `p (1 - p)` without Bessel's correction.
    ///
    /// # Errors
    /// [`Error::TooFew`] without units, [`Error::OutOfRange`] for more successes than units.
    pub fn proportion(successes: f64, n: f64) -> Result<Self> {
        if finite("the number of units", n)? < 1.0 {
            return Err(Error::TooFew { what: "an arm", got: 0, needed: 1 });
        }
        let value = finite("the number of successes", successes)? / n;
        if !(0.0..=1.0).contains(&value) {
            let expected = "between 0 and the number of units";
            return Err(Error::OutOfRange { what: "the number of successes", got: successes, expected });
        }
        Ok(Self { n, value, variance: value * (1.0 - value) })
    }

    /// Mean of a column, variance over `n - 1`.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two units.
    pub fn mean(moments: &Moments, column: usize) -> Result<Self> {
        Ok(Self { n: moments.n(), value: moments.mean(column), variance: moments.variance(column)?.max(0.0) })
    }

    /// Sum of one column over the sum of another, by the delta method.
    ///
    /// # Errors
    /// [`Error::TooFew`] below two units, [`Error::Undefined`] when the denominator sums to 0.
    pub fn ratio(moments: &Moments, numerator: usize, denominator: usize) -> Result<Self> {
        let (value, gradient) = ratio_gradient(moments, numerator, denominator)?;
        Ok(Self { n: moments.n(), value, variance: moments.variance_of(&gradient)? })
    }

    /// Standard error of the value.
    pub fn se(&self) -> f64 {
        (self.variance / self.n).sqrt()
    }
}

/// A ratio of two column means and its gradient over all column means.
///
/// # Errors
/// [`Error::Undefined`] when the denominator sums to 0.
pub fn ratio_gradient(moments: &Moments, numerator: usize, denominator: usize) -> Result<(f64, Vec<f64>)> {
    let below = moments.mean(denominator);
    if below == 0.0 {
        return Err(Error::Undefined { what: "the ratio", why: "the denominator sums to 0" });
    }
    let value = moments.mean(numerator) / below;
    let mut gradient = vec![0.0; moments.columns()];
    gradient[numerator] += 1.0 / below;
    gradient[denominator] -= value / below;
    Ok((value, gradient))
}

/// Welch-Satterthwaite degrees of freedom of two samples.
pub fn welch_df(a: &Sample, b: &Sample) -> f64 {
    let (va, vb) = (a.variance / a.n, b.variance / b.n);
    let spread = va * va / (a.n - 1.0) + vb * vb / (b.n - 1.0);
    if spread > 0.0 { (va + vb) * (va + vb) / spread } else { a.n + b.n - 2.0 }
}

/// Treatment minus control with unequal variances (Welch).
///
/// # Errors
/// [`Error::NotFinite`].
pub fn difference(control: &Sample, treatment: &Sample) -> Result<Effect> {
    let value = finite("the difference", treatment.value - control.value)?;
    let se = finite(
        "the standard error",
        (control.variance / control.n + treatment.variance / treatment.n).sqrt(),
    )?;
    Ok(Effect { value, se, df: Some(welch_df(control, treatment)) })
}

/// Treatment minus control with one variance for both arms (Student).
///
/// # Errors
/// [`Error::TooFew`] below three units, [`Error::NotFinite`].
pub fn pooled_difference(control: &Sample, treatment: &Sample) -> Result<Effect> {
    let df = control.n + treatment.n - 2.0;
    if !(df > 0.0) {
        return Err(Error::TooFew { what: "both arms together", got: (df + 2.0) as usize, needed: 3 });
    }
    let variance = ((control.n - 1.0) * control.variance + (treatment.n - 1.0) * treatment.variance) / df;
    let se = (variance / control.n + variance / treatment.n).sqrt();
    let value = finite("the difference", treatment.value - control.value)?;
    Ok(Effect { value, se: finite("the standard error", se)?, df: Some(df) })
}
