//! Looks at an effect from several sides: by trigger, by day, by segment.

use super::{Estimator, Rule, estimator, moments};
use crate::analysis::table::{OfMetric, Row};
use crate::analysis::{DayResult, Estimate, LookResult, SegmentEffect, SegmentResult, TriggeredResult};
use crate::definition::{Definition, Metric};
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

/// One metric, one treatment.
pub(super) struct Parts<'a> {
    pub(super) definition: &'a Definition,
    pub(super) metric: &'a Metric,
    pub(super) estimator: Estimator,
    pub(super) of: &'a OfMetric,
    pub(super) treatment: usize,
    pub(super) segments: &'a [Vec<String>],
}

impl Parts<'_> {
    fn rows(&self, arm: usize) -> impl Iterator<Item = &Row> {
        self.of.all.rows.iter().filter(move |row| row.arm == arm)
    }

    pub(super) fn moments(&self, arm: usize) -> Result<Moments> {
        moments(self.rows(arm), estimator::covariates(self.metric))
    }

    pub(super) fn all(&self) -> Result<Vec<Moments>> {
        (0..self.definition.arms.len()).map(|arm| self.moments(arm)).collect()
    }

    /// Units whose numerator is not 0, in the arm that has fewer.
    pub(super) fn least_successes(&self, treatment: usize) -> f64 {
        let count = |arm: usize| self.rows(arm).filter(|row| row.numerator != 0.0).count();
        count(0).min(count(treatment)) as f64
    }

    /// The estimate of the rule; with few units the p-value is that of all assignments.
    pub(super) fn estimate(
        &self,
        rule: &Rule,
        effect: &Effect,
        units: f64,
    ) -> Result<(Estimate, Option<(f64, f64)>)> {
        let (mut estimate, bound) = rule.estimate(effect, units)?;
        let count = |arm: usize| self.rows(arm).count();
        if rule.is_fixed()
            && !matches!(self.estimator, Estimator::Quantile(_))
            && count(0).min(count(self.treatment)) < FEW
        {
            let linear = self.linear();
            let values = |arm: usize| self.rows(arm).map(&linear).collect::<Vec<f64>>();
            estimate.p = permutation(&values(0), &values(self.treatment), SEED)?.p;
        }
        Ok((estimate, bound))
    }

    /// A unit's part of the metric: differences of its means are differences of the metric, ratios to first order (Deng et al., KDD 2018).
    fn linear(&self) -> impl Fn(&Row) -> f64 + use<> {
        let (sum, below) =
            self.rows(0).fold((0.0, 0.0), |(sum, below), row| (sum + row.numerator, below + row.denominator));
        let units = self.rows(0).count().max(1) as f64;
        let is_ratio = matches!(self.estimator, Estimator::Ratio { .. }) && below != 0.0;
        let (ratio, mean) = if is_ratio { (sum / below, below / units) } else { (0.0, 1.0) };
        move |row| (row.numerator - ratio * row.denominator) / mean
    }

    /// Effects on units that triggered and on the others.
    pub(super) fn triggered(&self, rule: &Rule) -> Result<Option<TriggeredResult>> {
        let known = |arm: usize| self.rows(arm).filter(|row| row.triggered.is_some()).count();
        if matches!(self.estimator, Estimator::Quantile(_)) || known(0) == 0 || known(self.treatment) == 0 {
            return Ok(None);
        }
        let linear = self.linear();
        let arm = |arm: usize| -> Result<Arm> {
            let first = self.of.triggered.rows.iter().filter(|row| row.arm == arm);
            let rest = self.rows(arm).filter(|row| row.triggered == Some(false));
            Ok(Arm {
                triggered: Moments::of_rows(1, first.map(|row| [linear(row)]))?,
                rest: Moments::of_rows(1, rest.map(|row| [linear(row)]))?,
            })
        };
        let (control, treatment) = (arm(0)?, arm(self.treatment)?);
        let weights = [self.definition.arms[0].weight, self.definition.arms[self.treatment].weight];
        let rest = complement(&control, &treatment).unwrap_or(UNKNOWN);
        let found = analyze_beside(&control, &treatment, weights, rest)?;
        let units = control.triggered.n() + treatment.triggered.n();
        let estimate = |effect: &Effect| rule.estimate(effect, units).map(|(estimate, _)| estimate);
        let alpha = self.definition.alpha;
        let plain = |effect: &Effect| -> Result<Estimate> {
            let interval = effect.interval(alpha, Alternative::TwoSided)?;
            Ok(Estimate { value: effect.value, se: effect.se, interval, p: effect.p(Alternative::TwoSided)? })
        };
        Ok(Some(TriggeredResult {
            share: found.share,
            effect: estimate(&found.triggered)?,
            diluted: estimate(&found.diluted)?,
            complement: plain(&found.complement).ok(),
            variance_ratio: found.variance_ratio,
        }))
    }

    /// The effect as it was known at the end of every day.
    pub(super) fn looks(&self, rule: &Rule) -> Result<Vec<LookResult>> {
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
            if let Ok((effect, _)) = found.and_then(|found| rule.estimate(&found.effect, units)) {
                out.push(LookResult { day, units, effect });
            }
        }
        Ok(out)
    }

    /// Effects by day since exposure, and the p-value of their slope.
    pub(super) fn days(&self) -> (Vec<DayResult>, Option<f64>) {
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
