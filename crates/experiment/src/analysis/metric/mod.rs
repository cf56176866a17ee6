//! Values of units -> the effect on a metric.

mod estimator;
mod parts;
mod rule;

use super::table::{OfMetric, Row, Table};
use super::{ArmValue, Comparison, MetricResult};
use crate::definition::{Cap, Definition, Metric, Role};
use crate::distribution::normal_lower;
use crate::error::{Error, Result};
use crate::estimate::{Effect, Sample};
use crate::moments::Moments;
use crate::non_inferiority::non_inferiority;
use crate::quantile::cap;
use crate::relative::{Fieller, fieller};
use estimator::{Estimated, Estimator};
use parts::Parts;
use rule::Rule;

/// The result of one metric.
///
/// # Errors
/// [`Error::NotFinite`] when sums overflow.
pub(super) fn result(definition: &Definition, at: usize, table: &Table) -> Result<MetricResult> {
    let metric = &definition.metrics[at];
    let mut of = table.metrics[at].clone();
    let cap = metric.cap.map(|cap| cut(cap, &mut of, definition.arms.len())).transpose()?.flatten();
    let estimator = Estimator::of(metric);
    let arms = arms(definition, metric, &of)?;
    let compare =
        |treatment: usize| compare(definition, (metric, estimator), &of, (treatment, &table.segments));
    let comparisons = (1..definition.arms.len()).map(compare).collect::<Result<_>>()?;
    Ok(MetricResult {
        name: metric.name.clone(),
        role: metric.role,
        direction: metric.direction,
        method: estimator.method(metric),
        cap,
        arms,
        comparisons,
    })
}

/// A metric without a difference between arms.
pub(super) struct Baseline {
    /// Over all units, without adjustment.
    pub(super) sample: Sample,
    /// Share of the variance that covariates leave.
    pub(super) variance_kept: f64,
}

/// A metric over the units of all arms.
///
/// # Errors
/// [`Error::TooFew`] and those of the estimator.
pub(super) fn baseline(definition: &Definition, at: usize, table: &Table) -> Result<Baseline> {
    let metric = &definition.metrics[at];
    let mut of = table.metrics[at].clone();
    let (estimator, covariates) = (Estimator::of(metric), estimator::covariates(metric));
    if let Some(limit) = metric.cap {
        cut(limit, &mut of, definition.arms.len())?;
    }
    let all = moments(of.all.rows.iter(), covariates)?;
    let sample = estimator.sample(&all, &of.values.concat(), definition.alpha)?;
    let adjusted = estimator.adjusted(&all)?;
    let variance_kept = adjusted
        .filter(|_| sample.variance > 0.0)
        .map_or(1.0, |adjusted| adjusted.variance / sample.variance);
    Ok(Baseline { sample, variance_kept })
}

/// Cuts the numerators at one cap for all arms; returns the cap and the share of units above.
fn cut(cap_at: Cap, of: &mut OfMetric, arms: usize) -> Result<Option<(f64, f64)>> {
    let rows = &of.all.rows;
    let limit = match (cap_at.value, cap_at.quantile) {
        (Some(value), _) => value,
        (None, Some(quantile)) => {
            let values =
                |arm: usize| rows.iter().filter(|row| row.arm == arm).map(|row| row.numerator).collect();
            let values: Vec<Vec<f64>> = (0..arms).map(values).collect();
            let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            match cap(&slices, quantile, !cap_at.zeros) {
                Ok(limit) => limit,
                Err(Error::TooFew { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        (None, None) => return Ok(None),
    };
    let above = rows.iter().filter(|row| row.numerator > limit).count() as f64 / rows.len().max(1) as f64;
    let both = of.all.rows.iter_mut().chain(&mut of.triggered.rows);
    both.for_each(|row| row.numerator = row.numerator.min(limit));
    Ok(Some((limit, above)))
}

/// Moments of an arm: numerator, denominator, covariates.
fn moments<'a>(rows: impl Iterator<Item = &'a Row>, covariates: usize) -> Result<Moments> {
    let cells = |row: &Row| {
        [row.numerator, row.denominator]
            .into_iter()
            .chain(row.covariates.iter().copied())
            .collect::<Vec<f64>>()
    };
    Moments::of_rows(2 + covariates, rows.map(cells))
}

fn arms(definition: &Definition, metric: &Metric, of: &OfMetric) -> Result<Vec<ArmValue>> {
    let estimator = Estimator::of(metric);
    let arm = |arm: usize| {
        let rows = || of.all.rows.iter().filter(|row| row.arm == arm);
        let moments = moments(rows(), estimator::covariates(metric))?;
        let sample = estimator.sample(&moments, &of.values[arm], definition.alpha).ok();
        let sum = |column: usize| moments.mean(column) * moments.n();
        Ok(ArmValue {
            arm: definition.arms[arm].name.clone(),
            matured: moments.n() as u64,
            left_out: of.all.left_out[arm],
            value: sample.map_or(f64::NAN, |sample| sample.value),
            se: sample.map(|sample| sample.se()).filter(|se| se.is_finite()),
            numerator: sum(0),
            denominator: sum(1),
        })
    };
    (0..definition.arms.len()).map(arm).collect()
}

fn compare(
    definition: &Definition,
    (metric, estimator): (&Metric, Estimator),
    of: &OfMetric,
    (treatment, segments): (usize, &[Vec<String>]),
) -> Result<Comparison> {
    let parts = Parts { definition, metric, estimator, of, treatment, segments };
    let mut out = Comparison::empty(&definition.arms[treatment].name);
    let (control, treated) = (parts.moments(0)?, parts.moments(treatment)?);
    let all = parts.all()?;
    let values = [of.values[0].as_slice(), of.values[treatment].as_slice()];
    let estimated = match estimator.effect((&control, &treated, &all), values, definition.alpha) {
        Ok(estimated) => estimated,
        Err(error) => {
            out.missing = Some(error.to_string());
            return Ok(out);
        }
    };
    let rule = Rule::of(definition, parts.least_successes(treatment));
    let units = control.n() + treated.n();
    match parts.estimate(&rule, &estimated.effect, units) {
        Ok((estimate, bound)) => (out.absolute, out.bound) = (Some(estimate), bound),
        Err(error) => out.missing = Some(error.to_string()),
    }
    out.relative = relative(&estimated, definition.alpha).ok();
    if let Some(raw) = estimated.unadjusted {
        out.unadjusted = parts.estimate(&rule, &raw, units).ok().map(|(estimate, _)| estimate);
        out.variance_kept = Some((estimated.effect.se / raw.se).powi(2)).filter(|kept| kept.is_finite());
    }
    if let Some(margin) = metric.margin.filter(|_| metric.role == Role::Guardrail) {
        out.guardrail = guardrail(&estimated, (metric, margin), definition.alpha);
    }
    out.triggered = parts.triggered(&rule).ok().flatten();
    if matches!(metric.role, Role::Primary | Role::Guardrail) {
        out.looks = parts.looks(&rule)?;
    }
    (out.days, out.slope_p) = parts.days();
    out.segments = parts.by_segment()?;
    (out.detectable, out.units_to_come) = rule.power(definition, &estimated, units);
    Ok(out)
}

fn relative(estimated: &Estimated, alpha: f64) -> Result<super::Relative> {
    let Estimated { base, effect, .. } = estimated;
    if base.value == 0.0 {
        return Err(Error::Undefined { what: "the relative effect", why: "the value of control is 0" });
    }
    let value = effect.value / base.value.abs();
    if let Some(own) = estimated.relative {
        let interval = own.interval(alpha, crate::estimate::Alternative::TwoSided)?;
        return Ok(super::Relative {
            value,
            interval: Some(interval),
            method: "delta method, over control without adjustment".into(),
        });
    }
    let arm = |sample: &Sample| (sample.value, sample.se());
    let (interval, method) = match fieller(arm(&estimated.control), arm(&estimated.treatment), alpha)? {
        Fieller::Interval { ci } if base.value > 0.0 => (Some(ci), "Fieller"),
        Fieller::Interval { ci } => {
            (Some(crate::estimate::Interval { low: -ci.high, high: -ci.low }), "Fieller")
        }
        Fieller::Outside { .. } => (None, "unbounded (Fieller): control does not differ from 0"),
        Fieller::Everything => (None, "unbounded (Fieller): neither arm differs from 0"),
    };
    Ok(super::Relative { value, interval, method: method.into() })
}

fn guardrail(
    estimated: &Estimated,
    (metric, margin): (&Metric, f64),
    alpha: f64,
) -> Option<super::Guardrail> {
    let tested =
        non_inferiority(&estimated.control, &estimated.treatment, margin, metric.direction, alpha).ok()?;
    let test = tested.random_margin;
    Some(super::Guardrail {
        margin,
        margin_absolute: tested.margin_absolute,
        p: test.p,
        is_held: test.p <= alpha,
        is_broken: normal_lower(test.z) <= alpha,
    })
}

impl Comparison {
    fn empty(arm: &str) -> Self {
        Self {
            arm: arm.to_owned(),
            missing: None,
            absolute: None,
            relative: None,
            unadjusted: None,
            variance_kept: None,
            corrected_p: None,
            correction: None,
            is_significant: false,
            guardrail: None,
            triggered: None,
            looks: Vec::new(),
            days: Vec::new(),
            slope_p: None,
            segments: Vec::new(),
            bound: None,
            detectable: None,
            units_to_come: None,
        }
    }
}

/// A normal effect from two values with their variances.
pub(super) fn contrast(control: &Sample, treatment: &Sample) -> Effect {
    let se = (control.variance / control.n + treatment.variance / treatment.n).sqrt();
    Effect { value: treatment.value - control.value, se, df: None }
}
