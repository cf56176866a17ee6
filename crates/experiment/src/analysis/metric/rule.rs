//! The stopping rule: an effect -> an interval and a p-value that stay right however often they are looked at.

use super::Estimated;
use crate::analysis::Estimate;
use crate::definition::{Definition, Stop};
use crate::distribution::{normal_upper, normal_upper_quantile};
use crate::error::Result;
use crate::estimate::{Alternative, Effect, Interval};
use crate::power::{Design, Goal};
use crate::sequential::{ConfidenceSequence, MIN_CONVERSIONS};
use crate::spending::bounds;

const BOTH: Alternative = Alternative::TwoSided;

/// The rule of a test, for one metric.
pub(super) struct Rule<'a> {
    stop: &'a Stop,
    alpha: f64,
    /// Arms that are compared with control: alpha of group-sequential bounds is divided among them.
    comparisons: f64,
    /// Units with a value, in the arm that has fewest.
    successes: f64,
}

impl<'a> Rule<'a> {
    pub(super) fn of(definition: &'a Definition, successes: f64) -> Self {
        let comparisons = definition.comparisons();
        Self { stop: &definition.stop, alpha: definition.alpha, comparisons, successes }
    }

    pub(super) fn is_fixed(&self) -> bool {
        *self.stop == Stop::Fixed
    }

    /// The estimate at `units` matured units of both arms. With a group-sequential rule `bound` is that of the last planned look that was
    /// taken; before the first one everything is possible.
    pub(super) fn estimate(&self, effect: &Effect, units: f64, bound: Option<f64>) -> Result<Estimate> {
        let of = |interval: Interval, p: f64| Estimate { value: effect.value, se: effect.se, interval, p };
        let everything = Interval { low: f64::NEG_INFINITY, high: f64::INFINITY };
        match self.stop {
            Stop::Fixed => Estimate::at_the_end(effect, self.alpha),
            // The asymptotics of a sequence need some conversions.
            Stop::ConfidenceSequence { .. } if self.successes < MIN_CONVERSIONS => Ok(of(everything, 1.0)),
            Stop::ConfidenceSequence { tuned_for } => {
                let sequence = ConfidenceSequence::new(self.alpha, *tuned_for, BOTH)?;
                Ok(of(sequence.interval(effect, units)?, sequence.p(effect, units)?))
            }
            Stop::GroupSequential { .. } => {
                let p = 2.0 * normal_upper(effect.statistic()?.abs());
                Ok(of(bound.map_or(everything, |z| Interval::around(effect.value, z * effect.se)), p))
            }
        }
    }

    /// Planned looks and the units of a group-sequential rule.
    pub(super) fn planned(&self) -> Option<(&'a [f64], f64)> {
        match self.stop {
            Stop::GroupSequential { planned_units, looks, .. } => Some((looks, *planned_units)),
            _ => None,
        }
    }

    /// The bounds of z at looks that were taken at these shares of the planned units.
    pub(super) fn bounds(&self, shares: &[f64]) -> Result<Vec<f64>> {
        match self.stop {
            Stop::GroupSequential { spending, .. } if !shares.is_empty() => {
                Ok(bounds(spending, shares, self.alpha / self.comparisons, 2.0)?.z)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// From how many standard errors on a guardrail is held or broken; none where it is too early to tell.
    pub(super) fn guard(&self, units: f64, bound: Option<f64>) -> Option<f64> {
        match self.stop {
            Stop::Fixed => Some(normal_upper_quantile(self.alpha)),
            Stop::ConfidenceSequence { .. } if self.successes < MIN_CONVERSIONS => None,
            Stop::ConfidenceSequence { tuned_for } => {
                let sequence = ConfidenceSequence::new(self.alpha, *tuned_for, Alternative::Greater).ok()?;
                Some(sequence.width(units))
            }
            // Two-sided bounds are on the safe side.
            Stop::GroupSequential { .. } => bound,
        }
    }

    /// The smallest relative effect that is detected with the wanted power, and units that are missing for the wanted effect.
    pub(super) fn power(
        &self,
        definition: &Definition,
        estimated: &Estimated,
        units: f64,
    ) -> (Option<f64>, Option<f64>) {
        let design = Design {
            variance: estimated.effect.se.powi(2) * units,
            kept_by_cuped: 1.0,
            trigger_share: 1.0,
            comparisons: self.comparisons,
            rule: self.stop.power_rule(),
            goal: Goal { alpha: self.alpha, power: definition.power, sides: 2.0 },
        };
        let base = estimated.base.value.abs();
        let detectable =
            design.smallest_effect(units).ok().filter(|_| base > 0.0).map(|effect| effect / base);
        let wanted = definition.effect.filter(|_| base > 0.0).map(|effect| effect * base);
        let missing = |effect: f64| design.units(effect).ok().map(|needed| (needed - units).max(0.0).ceil());
        (detectable, wanted.and_then(missing))
    }
}
