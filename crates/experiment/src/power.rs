//! Power, smallest detectable effect and units needed; power and effect are exact inverses.
//!
//! Two-sample t: noncentral t with pooled variance (statsmodels `TTestIndPower`, tea-tasting). Normal: Chow, Shao & Wang, Sample Size
//! Calculations in Clinical Research (2008), chapter 3. During a test: the factor by which the units must grow (growthbook).

use crate::distribution::{
    noncentral_student_upper, normal_lower, normal_upper, normal_upper_quantile, student_upper_quantile,
};
use crate::error::{Error, Result, finite, fraction, positive};
use crate::estimate::{Alternative, Effect};
use crate::sequential::ConfidenceSequence;
use crate::special::root_above;
use crate::spending::{Spending, bounds};

/// What a power calculation fixes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Error rate.
    pub alpha: f64,
    /// Probability to detect the effect.
    pub power: f64,
    /// 1 or 2.
    pub sides: f64,
}

impl Goal {
    fn check(&self) -> Result<()> {
        fraction("alpha", self.alpha)?;
        fraction("power", self.power)?;
        if self.power <= self.alpha / self.sides {
            return Err(Error::OutOfRange {
                what: "power",
                got: self.power,
                expected: "a number above alpha",
            });
        }
        Ok(())
    }
}

/// Power of the two-sample t test for an effect in standard deviations; two-sided counts both tails.
pub fn student_power(effect_size: f64, control: f64, treatment: f64, alpha: f64, sides: f64) -> f64 {
    let df = control + treatment - 2.0;
    let shift = effect_size.abs() / (1.0 / control + 1.0 / treatment).sqrt();
    let critical = student_upper_quantile(alpha / sides, df);
    let upper = noncentral_student_upper(critical, df, shift);
    if sides == 1.0 { upper } else { upper + noncentral_student_upper(critical, df, -shift) }
}

/// Control units for an effect in standard deviations when treatment has `ratio` times as many.
///
/// # Errors
/// [`Error::OutOfRange`], [`Error::NoRoot`].
pub fn student_units(effect_size: f64, ratio: f64, goal: &Goal) -> Result<f64> {
    goal.check()?;
    if finite("the effect size", effect_size)? == 0.0 {
        return Err(Error::OutOfRange {
            what: "the effect size",
            got: 0.0,
            expected: "a number other than 0",
        });
    }
    // One degree of freedom.
    let least = 3.0 / (1.0 + positive("the ratio", ratio)?);
    let missing = |n: f64| student_power(effect_size, n, ratio * n, goal.alpha, goal.sides) - goal.power;
    if missing(least) >= 0.0 {
        return Ok(least);
    }
    root_above("the number of units", least, 10.0, missing)
}

/// The effect in standard deviations that is detected with the goal's power.
///
/// # Errors
/// [`Error::OutOfRange`], [`Error::NoRoot`].
pub fn student_effect(control: f64, treatment: f64, goal: &Goal) -> Result<f64> {
    goal.check()?;
    let missing =
        |effect: f64| student_power(effect, control, treatment, goal.alpha, goal.sides) - goal.power;
    root_above("the effect size", 0.0, (1.0 / control + 1.0 / treatment).sqrt(), missing)
}

/// Power for an effect with a standard error, when the test rejects beyond `critical` standard errors.
pub fn normal_power(effect: f64, se: f64, critical: f64, far_tail: bool) -> f64 {
    let shift = effect.abs() / se;
    normal_upper(critical - shift) + if far_tail { normal_lower(-critical - shift) } else { 0.0 }
}

/// Units an arm from the variances of one unit under the null (none: as under the alternative) and the alternative, both arms summed;
/// the far tail is ignored, which makes it a closed form.
///
/// # Errors
/// [`Error::OutOfRange`].
pub fn normal_units(effect: f64, null_variance: Option<f64>, variance: f64, goal: &Goal) -> Result<f64> {
    goal.check()?;
    if finite("the effect", effect)? == 0.0 {
        return Err(Error::OutOfRange { what: "the effect", got: 0.0, expected: "a number other than 0" });
    }
    let null = positive("the variance", null_variance.unwrap_or(variance))?;
    let z = normal_upper_quantile(goal.alpha / goal.sides) * null.sqrt();
    Ok(((z + normal_upper_quantile(1.0 - goal.power) * variance.sqrt()) / effect).powi(2))
}

/// When a test may stop.
#[derive(Debug, Clone, PartialEq)]
pub enum Rule {
    /// Once, at the end.
    Fixed,
    /// At any time; the number of units of both arms that the sequence is tuned for.
    ConfidenceSequence(f64),
    /// At the given shares of information.
    GroupSequential(Spending, Vec<f64>),
}

/// A rule with its bounds.
enum Ready<'a> {
    Critical(f64, bool),
    Sequence(ConfidenceSequence, bool),
    Looks(Vec<f64>, &'a [f64]),
}

impl Ready<'_> {
    fn power(&self, effect: f64, se: f64, units: f64) -> f64 {
        match self {
            Self::Critical(z, far_tail) => normal_power(effect, se, *z, *far_tail),
            Self::Sequence(sequence, far_tail) => normal_power(effect, se, sequence.width(units), *far_tail),
            Self::Looks(z, looks) => crate::spending::power(z, looks, effect.abs() / se).unwrap_or(f64::NAN),
        }
    }
}

/// A planned test of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Design {
    /// Variance of the effect times the units of both arms: for two arms with shares `a` and `b`, `variance / a + variance / b`.
    pub variance: f64,
    /// Share of that variance that covariates leave (1 without).
    pub kept_by_cuped: f64,
    /// Share of units whose slate would differ (1 for all); the effect is then the diluted one.
    pub trigger_share: f64,
    /// Arms that are compared with control; alpha is divided among them.
    pub comparisons: f64,
    /// Stopping rule.
    pub rule: Rule,
    /// Error rate, power, sides.
    pub goal: Goal,
}

impl Design {
    fn se(&self, units: f64) -> f64 {
        (self.variance * self.kept_by_cuped * self.trigger_share / units).sqrt()
    }

    fn alpha(&self) -> f64 {
        self.goal.alpha / self.comparisons.max(1.0)
    }

    /// Power for an effect on all units with `units` matured units in both arms.
    ///
    /// # Errors
    /// [`Error::OutOfRange`].
    pub fn power(&self, effect: f64, units: f64) -> Result<f64> {
        finite("the effect", effect)?;
        Ok(self.ready()?.power(effect, self.se(positive("the number of units", units)?), units))
    }

    /// Checks the design and computes its bounds once.
    fn ready(&self) -> Result<Ready<'_>> {
        fraction("alpha", self.goal.alpha)?;
        positive("the variance that is left", self.variance * self.kept_by_cuped * self.trigger_share)?;
        let far_tail = self.goal.sides == 2.0;
        Ok(match &self.rule {
            Rule::Fixed => Ready::Critical(normal_upper_quantile(self.alpha() / self.goal.sides), far_tail),
            Rule::ConfidenceSequence(tuned) => {
                let side = if far_tail { Alternative::TwoSided } else { Alternative::Greater };
                Ready::Sequence(ConfidenceSequence::new(self.alpha(), *tuned, side)?, far_tail)
            }
            Rule::GroupSequential(spending, looks) => {
                Ready::Looks(bounds(spending, looks, self.alpha(), self.goal.sides)?.z, looks)
            }
        })
    }

    /// The smallest effect on all units that is detected with the goal's power.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NoRoot`].
    pub fn smallest_effect(&self, units: f64) -> Result<f64> {
        self.goal.check()?;
        let (ready, se) = (self.ready()?, self.se(positive("the number of units", units)?));
        root_above("the smallest effect", 0.0, se, |effect| ready.power(effect, se, units) - self.goal.power)
    }

    /// Matured units of both arms for an effect on all units, at least 2.
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::NoRoot`].
    pub fn units(&self, effect: f64) -> Result<f64> {
        self.goal.check()?;
        positive("the effect", effect.abs())?;
        let ready = self.ready()?;
        let missing = |units: f64| ready.power(effect, self.se(units), units) - self.goal.power;
        if missing(2.0) >= 0.0 {
            return Ok(2.0);
        }
        root_above("the number of units", 2.0, 100.0, missing)
    }

    /// Days until an effect can be decided: days of recruiting, and the days in which the last units mature.
    ///
    /// # Errors
    /// As [`Design::units`].
    pub fn days(&self, effect: f64, units_per_day: f64, days_to_mature: f64) -> Result<f64> {
        Ok((self.units(effect)? / positive("units a day", units_per_day)?).ceil() + days_to_mature)
    }
}

/// How many times the present units must still come until `target` is detected; 0 when there are enough already.
///
/// # Errors
/// [`Error::Undefined`] when the standard error is 0, [`Error::OutOfRange`], [`Error::NoRoot`].
pub fn more_units(
    effect: &Effect,
    units: f64,
    target: f64,
    goal: &Goal,
    tuned_for: Option<f64>,
) -> Result<f64> {
    goal.check()?;
    effect.statistic()?;
    positive("the target effect", target.abs())?;
    let rule = tuned_for.map_or(Rule::Fixed, Rule::ConfidenceSequence);
    let design = Design {
        variance: effect.se * effect.se * units,
        kept_by_cuped: 1.0,
        trigger_share: 1.0,
        comparisons: 1.0,
        rule,
        goal: *goal,
    };
    let ready = design.ready()?;
    let missing = |factor: f64| {
        let all = units * (1.0 + factor);
        ready.power(target, design.se(all), all) - goal.power
    };
    if missing(0.0) >= 0.0 {
        return Ok(0.0);
    }
    root_above("the factor of more units", 0.0, 1.0, missing)
}
