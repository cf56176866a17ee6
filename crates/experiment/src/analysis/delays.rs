//! Clicks -> conversion rates that do not wait for the last window.

use super::collect::Collector;
use super::table::Table;
use super::{ArmDelays, DelayComparison, Delays, Estimate};
use crate::definition::{DAY_MS, Definition, Metric, Role};
use crate::estimate::{Effect, Sample, difference};
use crate::moments::Moments;
use crate::survival::{
    Click, contrast, delay_curve, kaplan_meier, kaplan_meier_by_unit, matured, same_pace, seen,
};
use std::collections::BTreeMap;

/// Points of a delay curve that are kept.
const POINTS: usize = 60;

/// The metric whose conversions come late: a ratio of conversions to clicks, the primary one if it is.
pub(super) fn metric(definition: &Definition) -> Option<&Metric> {
    let is_late = |metric: &&Metric| {
        metric.denominator.as_ref().is_some_and(|clicks| clicks.action != metric.numerator.action)
            && metric.numerator.action == "conversion"
    };
    let primary = std::iter::once(definition.primary()).find(is_late);
    primary.or_else(|| definition.metrics.iter().filter(|metric| metric.role != Role::Debug).find(is_late))
}

/// The clicks of an arm, with the hashes of their units.
type Clicks = (Vec<Click>, Vec<u64>);

fn clicks(collector: &Collector, table: &Table) -> Vec<Clicks> {
    let mut out: Vec<Clicks> = vec![Default::default(); collector.definition.arms.len()];
    let days = |ms: i64| ms as f64 / DAY_MS as f64;
    let until = collector.as_of.saturating_sub(collector.definition.settle_ms());
    let mut ordered: Vec<_> = collector.clicks.iter().collect();
    ordered.sort_unstable_by_key(|(id, _)| **id);
    for (_, known) in ordered {
        let Some((unit, time)) = known.click else { continue };
        let Some(&(arm, index)) = table.units.get(&unit) else { continue };
        if time < index || time > until {
            continue;
        }
        let delay =
            known.converted.filter(|converted| *converted >= time).map(|converted| days(converted - time));
        out[arm].0.push(Click { age_days: days(until - time), delay_days: delay });
        out[arm].1.push(unit);
    }
    out
}

/// Rates and curves; none without clicks and conversions.
pub(super) fn delays(collector: &Collector, table: &Table) -> Option<Delays> {
    let definition = &collector.definition;
    let metric = metric(definition)?;
    let window = metric.window_days;
    let clicks = clicks(collector, table);
    let arm = |(arm, (clicks, _)): (usize, &Clicks)| ArmDelays {
        arm: definition.arms[arm].name.clone(),
        clicks: clicks.len() as u64,
        matured: clicks.iter().filter(|click| click.age_days >= window).count() as u64,
        matured_rate: matured(clicks, window).ok().map(|(sample, _)| sample.value),
        hazard_rate: kaplan_meier(clicks, window).ok().map(|rate| rate.value),
        curve: thinned(delay_curve(clicks, window).unwrap_or_default()),
    };
    let compare = |treatment: usize| {
        let ((control, control_units), (treated, treated_units)) = (&clicks[0], &clicks[treatment]);
        let by_matured = || -> crate::Result<Effect> {
            Ok(difference(
                &by_unit(control, control_units, window)?,
                &by_unit(treated, treated_units, window)?,
            )?
            .normal())
        };
        let by_hazards = || -> crate::Result<Effect> {
            Ok(contrast(
                &kaplan_meier_by_unit(control, control_units, window)?,
                &kaplan_meier_by_unit(treated, treated_units, window)?,
            ))
        };
        let pace = same_pace(control, treated, window).ok();
        DelayComparison {
            matured: by_matured()
                .ok()
                .and_then(|effect| Estimate::at_the_end(&effect, definition.alpha).ok()),
            hazards: by_hazards()
                .ok()
                .and_then(|effect| Estimate::at_the_end(&effect, definition.alpha).ok()),
            same_pace_p: pace.map(|(_, p)| p),
            is_slower: pace.map(|(z, _)| z > 0.0),
        }
    };
    Some(Delays {
        metric: metric.name.clone(),
        window_days: window,
        arms: clicks.iter().enumerate().map(arm).collect(),
        comparisons: (1..clicks.len()).map(compare).collect(),
    })
}

/// Conversions over matured clicks, by the delta method at the unit: clicks of one user are not independent.
fn by_unit(clicks: &[Click], units: &[u64], window: f64) -> crate::Result<Sample> {
    let mut sums: BTreeMap<u64, [f64; 2]> = BTreeMap::new();
    for (click, unit) in clicks.iter().zip(units).filter(|(click, _)| click.age_days >= window) {
        let [converted, all] = sums.entry(*unit).or_default();
        *converted += f64::from(u8::from(seen(std::slice::from_ref(click), window) > 0));
        *all += 1.0;
    }
    Sample::ratio(&Moments::of_rows(2, sums.into_values())?, 0, 1)
}

/// At most [`POINTS`] points, the last one among them.
fn thinned(curve: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let step = curve.len().div_ceil(POINTS).max(1);
    let last = curve.len().saturating_sub(1);
    curve
        .into_iter()
        .enumerate()
        .filter(|(at, _)| at % step == 0 || *at == last)
        .map(|(_, point)| point)
        .collect()
}
