//! Looks at an effect from several sides: by trigger, by day, by segment.

use super::{Estimated, Estimator, Rule, estimator, moments};
use crate::analysis::table::{OfMetric, Row};
use crate::analysis::{DayResult, Estimate, LookResult, SegmentEffect, SegmentResult, TriggeredResult};
use crate::definition::{DAY_MS, Definition, Metric};
use crate::error::Result;
use crate::estimate::{Alternative, Effect, Sample, difference};
use crate::few::permutation;
use crate::moments::Moments;
use crate::series::{heterogeneity, trend};
use crate::triggered::{Arm, UNKNOWN, analyze_beside, complement};
use std::collections::BTreeMap;

/// Below this many units an arm, all assignments are looked at instead of the normal distribution.
const FEW: usize = 60;
/// Seed of drawn assignments.
const SEED: u64 = 0;
/// Smallest segment that is shown, in units of each arm.
const SMALLEST_SEGMENT: f64 = 30.0;

/// A planned look that was taken.
pub(super) struct Taken {
    /// Of the planned units.
    pub(super) share: f64,
    pub(super) z: f64,
    pub(super) bound: f64,
}

/// One metric, one treatment.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) definition: &'a Definition,
    pub(super) metric: &'a Metric,
    pub(super) estimator: Estimator,
    pub(super) of: &'a OfMetric,
    /// Moments of every arm.
    pub(super) all: &'a [Moments],
    pub(super) treatment: usize,
    pub(super) segments: &'a [Vec<String>],
    pub(super) as_of: i64,
}

impl Parts<'_> {
    fn rows(&self, arm: usize) -> impl Iterator<Item = &Row> {
        self.of.all.rows.iter().filter(move |row| row.arm == arm)
    }

    /// Units whose numerator is not 0, in the arm that has fewer.
    pub(super) fn least_successes<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> f64 {
        let mut counts = [0.0_f64; 2];
        for row in rows.filter(|row| row.numerator != 0.0) {
            counts[0] += f64::from(u8::from(row.arm == 0));
            counts[1] += f64::from(u8::from(row.arm == self.treatment));
        }
        counts[0].min(counts[1])
    }

    /// The estimate of the rule; with few units the p-value is that of all assignments.
    pub(super) fn estimate(
        &self,
        rule: &Rule,
        estimated: &Estimated,
        (units, bound): (f64, Option<f64>),
    ) -> Result<Estimate> {
        let mut estimate = rule.estimate(&estimated.effect, units, bound)?;
        let count = |arm: usize| self.rows(arm).count();
        let is_few = count(0).min(count(self.treatment)) < FEW;
        if rule.is_fixed() && is_few && !matches!(self.estimator, Estimator::Quantile(_)) {
            let linear = self.linear();
            let adjusted = |row: &Row| {
                linear(row)
                    - estimated.theta.iter().zip(&row.covariates).map(|(theta, x)| theta * x).sum::<f64>()
            };
            let values = |arm: usize| self.rows(arm).map(adjusted).collect::<Vec<f64>>();
            estimate.p = permutation(&values(0), &values(self.treatment), SEED)?.p;
        }
        Ok(estimate)
    }

    /// A unit's part of the metric: differences of its means are differences of the metric, ratios to first order at the ratio of both arms
    /// (Deng et al., KDD 2018).
    fn linear(&self) -> impl Fn(&Row) -> f64 + use<> {
        let (mut sums, mut units) = ([0.0; 2], 0.0);
        for row in self.rows(0).chain(self.rows(self.treatment)) {
            (sums[0], sums[1], units) = (sums[0] + row.numerator, sums[1] + row.denominator, units + 1.0);
        }
        let is_ratio = matches!(self.estimator, Estimator::Ratio { .. }) && sums[1] != 0.0;
        let (ratio, mean) = if is_ratio { (sums[0] / sums[1], sums[1] / units) } else { (0.0, 1.0) };
        move |row| (row.numerator - ratio * row.denominator) / mean
    }

    /// Effects on units that triggered and on the others.
    pub(super) fn triggered(&self, rule: &Rule, bound: Option<f64>) -> Result<Option<TriggeredResult>> {
        let both = || self.rows(0).chain(self.rows(self.treatment));
        let known = both().filter(|row| row.triggered.is_some()).count() as f64;
        let share = both().filter(|row| row.triggered == Some(true)).count() as f64 / known;
        if matches!(self.estimator, Estimator::Quantile(_)) || known == 0.0 {
            return Ok(None);
        }
        let linear = self.linear();
        let triggered = |arm: usize| self.of.triggered.rows.iter().filter(move |row| row.arm == arm);
        let arm = |arm: usize| -> Result<Arm> {
            let rest = self.rows(arm).filter(|row| row.triggered == Some(false));
            Ok(Arm {
                triggered: Moments::of_rows(1, triggered(arm).map(|row| [linear(row)]))?,
                rest: Moments::of_rows(1, rest.map(|row| [linear(row)]))?,
            })
        };
        let (control, treatment) = (arm(0)?, arm(self.treatment)?);
        let weights = [self.definition.arms[0].weight, self.definition.arms[self.treatment].weight];
        let rest = complement(&control, &treatment).unwrap_or(UNKNOWN);
        let found = analyze_beside(&control, &treatment, weights, rest)?;
        // Late triggers have not matured when their units have: the share is that of units.
        let units = control.triggered.n() + treatment.triggered.n();
        let spread = found.triggered.value.powi(2) * share * (1.0 - share) / known;
        let se = ((share * found.triggered.se).powi(2) + spread).sqrt();
        let diluted = Effect { value: share * found.triggered.value, se, df: None };
        let columns = estimator::covariates(self.metric);
        let own = |arm: usize| {
            self.estimator.sample(&moments(triggered(arm), columns)?, &[], self.definition.alpha)
        };
        let effect = difference(&own(0)?, &own(self.treatment)?)?.normal();
        Ok(Some(TriggeredResult {
            share,
            effect: rule.estimate(&effect, units, bound)?,
            diluted: rule.estimate(&diluted, units, bound)?,
            complement: Estimate::at_the_end(&found.complement, self.definition.alpha).ok(),
            variance_ratio: (found.all.se / diluted.se).powi(2),
        }))
    }

    /// The effect as it was known at the end of every day.
    pub(super) fn looks(&self) -> Result<Vec<LookResult>> {
        if matches!(self.estimator, Estimator::Quantile(_)) {
            return Ok(Vec::new());
        }
        let (arms, columns) = (self.definition.arms.len(), 2 + estimator::covariates(self.metric));
        let mut by_day: BTreeMap<i64, Vec<Moments>> = BTreeMap::new();
        for row in &self.of.all.rows {
            let day = by_day.entry(row.day).or_insert_with(|| vec![Moments::new(columns); arms]);
            let mut cells = vec![row.numerator, row.denominator];
            cells.extend(&row.covariates);
            day[row.arm].push(&cells)?;
        }
        let (mut so_far, mut out) = (vec![Moments::new(columns); arms], Vec::new());
        for (day, moments) in by_day {
            so_far.iter_mut().zip(&moments).try_for_each(|(all, day)| all.merge(day))?;
            let (control, treatment) = (&so_far[0], &so_far[self.treatment]);
            let units = control.n() + treatment.n();
            let found =
                self.estimator.effect((control, treatment, &so_far), [&[], &[]], self.definition.alpha);
            let until = self.of.all.rows.iter().filter(|row| row.day <= day);
            let rule = Rule::of(self.definition, self.least_successes(until));
            let bound = rule.planned().and_then(|(looks, planned)| {
                let reached = looks.iter().filter(|look| **look <= units / planned).count();
                rule.bounds(&looks[..reached]).ok()?.last().copied()
            });
            if let Ok(effect) = found.and_then(|found| rule.estimate(&found.effect, units, bound)) {
                out.push(LookResult { day, units, effect });
            }
        }
        Ok(out)
    }

    /// Planned looks that were taken, each at the end of the first day with enough units: however often the log is looked at between them,
    /// nothing more is decided. When the last unit has matured, the last look is taken with the units that came.
    pub(super) fn taken(&self, rule: &Rule, days: &[LookResult]) -> Result<Vec<Taken>> {
        let Some((looks, planned)) = rule.planned() else { return Ok(Vec::new()) };
        let z = |day: &LookResult| day.effect.value / day.effect.se;
        let is_complete = |day: &&LookResult| {
            let end = self.definition.start.saturating_add((day.day + 1).saturating_mul(DAY_MS));
            end <= self.as_of
        };
        let first = |look: &f64| {
            let day = days.iter().filter(is_complete).find(|day| (day.units / planned).min(1.0) >= *look)?;
            Some(((day.units / planned).min(1.0), z(day)))
        };
        let mut found: Vec<(f64, f64)> = looks.iter().map_while(first).collect();
        let is_over = self.as_of >= self.definition.matured_ms(self.metric);
        if let Some(last) = days.last().filter(|_| is_over && found.len() < looks.len()) {
            found.push((1.0, z(last)));
        }
        // Two looks on one day are one.
        found.dedup_by_key(|(share, _)| share.to_bits());
        let bounds = rule.bounds(&found.iter().map(|(share, _)| *share).collect::<Vec<_>>())?;
        Ok(found.into_iter().zip(bounds).map(|((share, z), bound)| Taken { share, z, bound }).collect())
    }

    /// Effects by day since exposure, and the p-value of their slope.
    pub(super) fn days(&self) -> (Vec<DayResult>, Option<f64>) {
        if matches!(self.estimator, Estimator::Quantile(_)) {
            return (Vec::new(), None);
        }
        let sample = |moments: &Moments| match self.estimator {
            Estimator::Ratio { .. } => Sample::ratio(moments, 0, 1),
            _ => Sample::mean(moments, 0),
        };
        let effect = |(day, arms): (usize, &Vec<Moments>)| {
            let effect = difference(&sample(&arms[0]).ok()?, &sample(&arms[self.treatment]).ok()?).ok()?;
            (effect.se > 0.0).then_some(DayResult { day, value: effect.value, se: effect.se })
        };
        // A slope over days needs them without gaps.
        let days: Vec<DayResult> = self.of.days.iter().enumerate().map_while(effect).collect();
        let (values, se): (Vec<f64>, Vec<f64>) = days.iter().map(|day| (day.value, day.se)).unzip();
        let slope = trend(&values, &se).and_then(|trend| trend.slope.p(Alternative::TwoSided));
        (days, slope.ok())
    }

    /// Effects by the values of the columns that the definition names.
    pub(super) fn by_segment(&self) -> Result<Vec<SegmentResult>> {
        if matches!(self.estimator, Estimator::Quantile(_)) {
            return Ok(Vec::new());
        }
        let linear = self.linear();
        let mut out = Vec::new();
        for (at, (column, values)) in self.definition.segments.iter().zip(self.segments).enumerate() {
            let mut cells = vec![[Moments::new(1), Moments::new(1)]; values.len()];
            for (side, arm) in [0, self.treatment].into_iter().enumerate() {
                for row in self.rows(arm) {
                    if let Some(Some(value)) = row.segments.get(at) {
                        cells[*value][side].push(&[linear(row)])?;
                    }
                }
            }
            let mut effects = Vec::new();
            for (segment, [control, treatment]) in values.iter().zip(&cells) {
                if control.n().min(treatment.n()) >= SMALLEST_SEGMENT {
                    let effect = difference(&Sample::mean(control, 0)?, &Sample::mean(treatment, 0)?)?;
                    let units = control.n() + treatment.n();
                    effects.push(SegmentEffect {
                        segment: segment.clone(),
                        units,
                        value: effect.value,
                        se: effect.se,
                    });
                }
            }
            let (values, se): (Vec<f64>, Vec<f64>) = effects.iter().map(|one| (one.value, one.se)).unzip();
            let heterogeneity_p = heterogeneity(&values, &se).ok().map(|found| found.p);
            out.push(SegmentResult { column: column.clone(), effects, heterogeneity_p });
        }
        Ok(out)
    }
}
