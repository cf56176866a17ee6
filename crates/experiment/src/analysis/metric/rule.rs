//! The stopping rule: an effect -> an interval and a p-value that stay right however often they are looked at.

use super::Estimated;
use crate::analysis::Estimate;
use crate::definition::{Definition, Stop};
use crate::distribution::normal_upper;
use crate::error::Result;
use crate::estimate::{Alternative, Effect, Interval};
use crate::power::{Design, Goal, Rule as Planned};
use crate::sequential::{ConfidenceSequence, MIN_CONVERSIONS};
use crate::spending::{Spending, bounds};

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
        let comparisons = definition.arms.len() as f64 - 1.0;
        Self { stop: &definition.stop, alpha: definition.alpha, comparisons, successes }
    }

    pub(super) fn is_fixed(&self) -> bool {
        *self.stop == Stop::Fixed
    }

    /// The estimate at `units` matured units of both arms; with a group-sequential rule the share of information and the bound of z.
    pub(super) fn estimate(&self, effect: &Effect, units: f64) -> Result<(Estimate, Option<(f64, f64)>)> {
        let of = |interval: Interval, p: f64| Estimate { value: effect.value, se: effect.se, interval, p };
        match self.stop {
            Stop::Fixed => Ok((of(effect.interval(self.alpha, BOTH)?, effect.p(BOTH)?), None)),
            // The asymptotics of a sequence need some conversions.
            Stop::ConfidenceSequence { .. } if self.successes < MIN_CONVERSIONS => {
                Ok((of(Interval { low: f64::NEG_INFINITY, high: f64::INFINITY }, 1.0), None))
            }
            Stop::ConfidenceSequence { tuned_for } => {
                let sequence = ConfidenceSequence::new(self.alpha, *tuned_for, BOTH)?;
                Ok((of(sequence.interval(effect, units)?, sequence.p(effect, units)?), None))
            }
            Stop::GroupSequential { planned_units, looks, spending } => {
                let share = (units / planned_units).min(1.0);
                let z = self.bound(spending, looks, share)?;
                let p = 2.0 * normal_upper(effect.statistic()?.abs());
                Ok((of(Interval::around(effect.value, z * effect.se), p), Some((share, z))))
            }
        }
    }

    /// The bound at a share of the information, after all planned looks before it.
    fn bound(&self, spending: &Spending, looks: &[f64], share: f64) -> Result<f64> {
        let taken: Vec<f64> = looks.iter().copied().filter(|look| *look < share).chain([share]).collect();
        Ok(bounds(spending, &taken, self.alpha / self.comparisons, 2.0)?.z[taken.len() - 1])
    }

    /// The smallest relative effect that is detected with the wanted power, and units that are missing for the wanted effect.
    pub(super) fn power(
        &self,
        definition: &Definition,
        estimated: &Estimated,
        units: f64,
    ) -> (Option<f64>, Option<f64>) {
        let rule = match self.stop {
            Stop::Fixed => Planned::Fixed,
            Stop::ConfidenceSequence { tuned_for } => Planned::ConfidenceSequence(*tuned_for),
            Stop::GroupSequential { looks, spending, .. } => {
                Planned::GroupSequential(*spending, looks.clone())
            }
        };
        let design = Design {
            variance: estimated.effect.se.powi(2) * units,
            kept_by_cuped: 1.0,
            trigger_share: 1.0,
            comparisons: self.comparisons,
            rule,
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
