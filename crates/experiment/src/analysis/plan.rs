//! Before a test: how long it takes, and what it can detect, from the log of a time without it.
//!
//! The log's units are counted as if the test had run until the log's end, so that every window is complete, without a difference between
//! its arms; the variances of all arms together are those of the metrics.

use super::collect::Collector;
use super::metric::{Baseline, baseline};
use super::table::Table;
use crate::definition::{DAY_MS, Definition, Role};
use crate::error::{Error, Result};
use crate::log::{LoggedEvent, LoggedExposure};
use crate::power::{Design, Goal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Lengths of exposure that are looked at, in days.
const LENGTHS: [f64; 5] = [3.0, 7.0, 14.0, 28.0, 56.0];

/// What a test of this definition needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The test.
    pub name: String,
    /// The time whose log was counted: first day (ms UTC) and days.
    pub from: i64,
    /// Days of that time.
    pub days: f64,
    /// Units that took part in it.
    pub units: u64,
    /// New units per day, at the traffic of the definition: the first days bring most, so that more days bring fewer.
    pub units_per_day: f64,
    /// Share of units whose list differs, as it was told.
    pub trigger_share: f64,
    /// Metrics in the order of the definition.
    pub metrics: Vec<PlannedMetric>,
}

/// What a test needs for one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedMetric {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Why nothing can be said of it, where that is so.
    pub missing: Option<String>,
    /// Its value over all units.
    pub value: f64,
    /// Standard deviation of a unit's part of it.
    pub deviation: f64,
    /// Share of the variance that covariates leave.
    pub variance_kept: f64,
    /// Days after the last exposure until every unit has matured.
    pub days_to_mature: f64,
    /// Days of exposure, matured units then, the smallest relative effect that they detect.
    pub detectable: Vec<(f64, f64, f64)>,
    /// For the wanted effect: matured units, and days with maturing.
    pub needed: Option<(f64, f64)>,
}

/// Plans a test from the events of a time before it.
///
/// # Errors
/// [`Error::TooFew`] for a log that is shorter than the longest window and a day.
pub fn plan(definition: &Definition, events: &[LoggedEvent], trigger_share: f64) -> Result<Plan> {
    if !(trigger_share > 0.0 && trigger_share <= 1.0) {
        return Err(Error::OutOfRange {
            what: "the share of units that trigger",
            got: trigger_share,
            expected: "above 0, at most 1",
        });
    }
    let times = || events.iter().map(|event| event.timestamp);
    let (Some(first), Some(last)) = (times().min(), times().max()) else {
        return Err(Error::TooFew { what: "the log", got: 0, needed: 1 });
    };
    let longest = definition.metrics.iter().map(|metric| metric.window_ms()).max().unwrap_or_default();
    let before = definition.metrics.iter().filter(|metric| !metric.covariates.is_empty());
    let before = before.map(|metric| metric.before_ms()).max().unwrap_or_default();
    let end = last.saturating_sub(longest).saturating_sub(definition.settle_ms()).saturating_add(1);
    // Half of what is left is for the days before, at most.
    let days_ms = (definition.days * DAY_MS as f64) as i64;
    let from =
        end.saturating_sub(days_ms).max(first.saturating_add(before.min(end.saturating_sub(first) / 2)));
    if end.saturating_sub(from) < DAY_MS {
        let needed = ((longest + definition.settle_ms()) / DAY_MS + 2) as usize;
        let got = (last.saturating_sub(first) / DAY_MS) as usize;
        return Err(Error::TooFew { what: "the log, in days,", got, needed });
    }
    let mut past = definition.clone();
    (past.start, past.days) = (from, (end - from) as f64 / DAY_MS as f64);
    let mut collector = Collector::new(past.clone(), last + 1)?;
    for (unit, time, seen) in first_events(&past, events) {
        let Some(arm) = past.arm(&unit) else { continue };
        collector.exposure(&LoggedExposure {
            event_id: unit.clone(),
            experiment: past.name.clone(),
            phase: past.phase,
            unit,
            arm: past.arms[arm].name.clone(),
            time,
            would_differ: Some(true),
            events_before: seen as f64,
            ..LoggedExposure::default()
        })?;
    }
    events
        .iter()
        .try_for_each(|event| collector.event(&LoggedEvent { received_at: None, ..event.clone() }))?;
    let table = Table::new(&mut collector)?;
    let units = table.units.len() as u64;
    let units_per_day = units as f64 / past.days;
    let one = |at: usize| {
        let metric = &definition.metrics[at];
        planned(definition, at, &table, (units_per_day, trigger_share)).unwrap_or_else(|error| {
            PlannedMetric {
                name: metric.name.clone(),
                role: metric.role,
                missing: Some(error.to_string()),
                value: 0.0,
                deviation: 0.0,
                variance_kept: 1.0,
                days_to_mature: 0.0,
                detectable: Vec::new(),
                needed: None,
            }
        })
    };
    let metrics = (0..definition.metrics.len()).map(one).collect();
    Ok(Plan {
        name: definition.name.clone(),
        from,
        days: past.days,
        units,
        units_per_day,
        trigger_share,
        metrics,
    })
}

/// Every unit's first event of the phase, and how many it had before.
fn first_events(past: &Definition, events: &[LoggedEvent]) -> Vec<(String, i64, usize)> {
    let mut units: BTreeMap<String, (i64, usize)> = BTreeMap::new();
    for event in events {
        let unit = match past.block(event.timestamp) {
            Some((_, false)) => None,
            Some((block, true)) => Some(block),
            None => event.text(past.unit.column()).map(|unit| unit.into_owned()),
        };
        let Some(unit) = unit else { continue };
        let known = units.entry(unit).or_insert((i64::MAX, 0));
        if event.timestamp < past.start {
            known.1 += 1;
        } else if event.timestamp < past.end_ms() {
            known.0 = known.0.min(event.timestamp);
        }
    }
    let in_phase = units.into_iter().filter(|(_, (time, _))| *time < i64::MAX);
    in_phase.map(|(unit, (time, seen))| (unit, time, seen)).collect()
}

fn planned(
    definition: &Definition,
    at: usize,
    table: &Table,
    (units_per_day, trigger_share): (f64, f64),
) -> Result<PlannedMetric> {
    let metric = &definition.metrics[at];
    let Baseline { sample, variance_kept, units } = baseline(definition, at, table)?;
    // A quantile's rows are events, of which a unit has several.
    let variance = sample.se().powi(2) * units;
    let (control, least) = (definition.arms[0].weight, least_weight(definition));
    let both = control + least;
    let design = Design {
        variance: variance * (both / control + both / least),
        kept_by_cuped: variance_kept,
        trigger_share,
        comparisons: definition.comparisons(),
        rule: definition.stop.power_rule(),
        goal: Goal { alpha: definition.alpha, power: definition.power, sides: 2.0 },
    };
    let days_to_mature = metric.window_days + definition.settle_hours / 24.0;
    let base = sample.value.abs();
    let detectable = |days: f64| {
        let units = (units_per_day * days * both).floor();
        let effect = design.smallest_effect(units).ok()?;
        (base > 0.0).then(|| (days, units, effect / base))
    };
    let needed = definition.effect.filter(|_| base > 0.0).and_then(|effect| {
        let units = design.units(effect * base).ok()?;
        Some((units.ceil(), (units / (units_per_day * both)).ceil() + days_to_mature))
    });
    Ok(PlannedMetric {
        name: metric.name.clone(),
        role: metric.role,
        missing: None,
        value: sample.value,
        deviation: variance.sqrt(),
        variance_kept,
        days_to_mature,
        detectable: LENGTHS.into_iter().filter_map(detectable).collect(),
        needed,
    })
}

fn least_weight(definition: &Definition) -> f64 {
    let weights = definition.arms[1..].iter().map(|arm| arm.weight).filter(|weight| *weight > 0.0);
    weights.fold(1.0, f64::min)
}
