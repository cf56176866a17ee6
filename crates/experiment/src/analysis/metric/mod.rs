//! Values of units -> the effect on a metric.

mod estimator;
mod parts;
mod rule;

use super::table::{OfMetric, Row, Table};
use super::{ArmValue, Comparison, MetricResult};
use crate::definition::{Cap, Definition, Metric, Role};
use crate::distribution::normal_upper;
use crate::error::{Error, Result};
use crate::estimate::Sample;
use crate::moments::Moments;
use crate::non_inferiority::non_inferiority;
use crate::quantile::cap;
use crate::relative::{Fieller, fieller};
use estimator::{Estimated, Estimator};
use parts::Parts;
use rule::Rule;

/// The result of one metric, whose values it takes out of the table.
///
/// # Errors
/// [`Error::NotFinite`] when sums overflow.
pub(super) fn result(definition: &Definition, at: usize, table: &mut Table) -> Result<MetricResult> {
    let metric = &definition.metrics[at];
    let mut of = std::mem::take(&mut table.metrics[at]);
    let cap = metric.cap.map(|cap| cut(cap, &mut of, definition.arms.len())).transpose()?.flatten();
    let estimator = Estimator::of(metric);
    let moments_of =
        |arm: usize| moments(of.all.rows.iter().filter(|row| row.arm == arm), estimator::covariates(metric));
    let all: Vec<Moments> = (0..definition.arms.len()).map(moments_of).collect::<Result<_>>()?;
    let arms = (0..all.len()).map(|arm| arm_value(definition, (estimator, &of), (arm, &all[arm]))).collect();
    let compare = |treatment: usize| {
        let (segments, as_of) = (&table.segments, table.as_of);
        compare(&Parts { definition, metric, estimator, of: &of, all: &all, treatment, segments, as_of })
    };
    let comparisons = (1..all.len()).map(compare).collect::<Result<_>>()?;
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
    pub(super) units: f64,
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
    Ok(Baseline { sample, variance_kept, units: all.n() })
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

fn arm_value(
    definition: &Definition,
    (estimator, of): (Estimator, &OfMetric),
    (arm, moments): (usize, &Moments),
) -> ArmValue {
    let sample = estimator.sample(moments, &of.values[arm], definition.alpha).ok();
    let sum = |column: usize| moments.mean(column) * moments.n();
    ArmValue {
        arm: definition.arms[arm].name.clone(),
        matured: moments.n() as u64,
        left_out: of.all.left_out[arm],
        value: sample.map_or(f64::NAN, |sample| sample.value),
        se: sample.map(|sample| sample.se()).filter(|se| se.is_finite()),
        numerator: sum(0),
        denominator: sum(1),
    }
}

fn compare(parts: &Parts) -> Result<Comparison> {
    let Parts { definition, metric, estimator, of, all, treatment, .. } = *parts;
    let mut out = Comparison::empty(&definition.arms[treatment].name);
    let (control, treated) = (&all[0], &all[treatment]);
    let values = [of.values[0].as_slice(), of.values[treatment].as_slice()];
    let estimated = match estimator.effect((control, treated, all), values, definition.alpha) {
        Ok(estimated) => estimated,
        Err(error) => {
            out.missing = Some(error.to_string());
            return Ok(out);
        }
    };
    let rule = Rule::of(definition, parts.least_successes(of.all.rows.iter()));
    let units = control.n() + treated.n();
    let days = parts.looks()?;
    let taken = parts.taken(&rule, &days)?;
    let bound = taken.last().map(|look| look.bound);
    out.bound = taken.last().map(|look| (look.share, look.bound));
    out.crossed = taken.iter().find(|look| look.z.abs() >= look.bound).map(|look| look.z);
    match parts.estimate(&rule, &estimated, (units, bound)) {
        Ok(estimate) => {
            out.relative = relative(&estimated, &estimate, definition.alpha).ok();
            out.absolute = Some(estimate);
        }
        Err(error) => out.missing = Some(error.to_string()),
    }
    if let Some(raw) = estimated.unadjusted {
        out.unadjusted = rule.estimate(&raw, units, bound).ok();
        out.variance_kept = Some((estimated.effect.se / raw.se).powi(2)).filter(|kept| kept.is_finite());
    }
    if let Some(margin) = metric.margin {
        out.guardrail = guardrail(&estimated, (metric, margin), (definition.alpha, rule.guard(units, bound)));
    }
    out.triggered = parts.triggered(&rule, bound).ok().flatten();
    if matches!(metric.role, Role::Primary | Role::Guardrail) {
        out.looks = days;
    }
    (out.days, out.slope_p) = parts.days();
    out.segments = parts.by_segment()?;
    (out.detectable, out.units_to_come) = rule.power(definition, &estimated, units);
    Ok(out)
}

/// Over control without adjustment; the interval is as wide as the stopping rule makes that of the absolute effect.
fn relative(estimated: &Estimated, estimate: &super::Estimate, alpha: f64) -> Result<super::Relative> {
    let Estimated { base, effect, control, treatment, .. } = estimated;
    if base.value == 0.0 {
        return Err(Error::Undefined { what: "the relative effect", why: "the value of control is 0" });
    }
    let value = effect.value / base.value.abs();
    let errors = (estimate.interval.high - effect.value) / effect.se;
    let unbounded =
        |why: &str| Ok(super::Relative { value, interval: None, method: format!("unbounded: {why}") });
    if !errors.is_finite() {
        return unbounded("it is too early to tell");
    }
    // Student's quantile is a little beyond the normal one; its alpha is that of the rule.
    let alpha = if errors > 0.0 { (2.0 * normal_upper(errors)).min(alpha) } else { alpha };
    let arms = ((base.value, control.se()), (base.value + effect.value, treatment.se()));
    match fieller(arms.0, arms.1, alpha)? {
        Fieller::Interval { ci } if base.value > 0.0 => {
            Ok(super::Relative { value, interval: Some(ci), method: "Fieller".into() })
        }
        Fieller::Interval { ci } => {
            let ci = crate::estimate::Interval { low: -ci.high, high: -ci.low };
            Ok(super::Relative { value, interval: Some(ci), method: "Fieller".into() })
        }
        Fieller::Outside { .. } => unbounded("control does not differ from 0 (Fieller)"),
        Fieller::Everything => unbounded("neither arm differs from 0 (Fieller)"),
    }
}

fn guardrail(
    estimated: &Estimated,
    (metric, margin): (&Metric, f64),
    (alpha, critical): (f64, Option<f64>),
) -> Option<super::Guardrail> {
    let Estimated { control, treatment, .. } = estimated;
    let is_same = control.variance + treatment.variance == 0.0 && control.value == treatment.value;
    if is_same && control.value != 0.0 {
        // Nothing is lost of what is the same for everybody; what nobody has may be misspelt.
        let (margin_absolute, is_held) = (margin * control.value.abs(), critical.is_some());
        return Some(super::Guardrail { margin, margin_absolute, p: 0.0, is_held, is_broken: false });
    }
    let tested = non_inferiority(control, treatment, margin, metric.direction, alpha).ok()?;
    let test = tested.random_margin;
    Some(super::Guardrail {
        margin,
        margin_absolute: tested.margin_absolute,
        p: test.p,
        is_held: critical.is_some_and(|critical| test.z >= critical),
        is_broken: critical.is_some_and(|critical| test.z <= -critical),
    })
}

impl Comparison {
    pub(super) fn empty(arm: &str) -> Self {
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
            crossed: None,
            detectable: None,
            units_to_come: None,
        }
    }
}
