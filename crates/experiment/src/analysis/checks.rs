//! Whether the numbers can be trusted: a check that fails makes the verdict INVALID.
//!
//! Fabijan et al., Diagnosing Sample Ratio Mismatch (KDD 2019); Kohavi, Tang & Xu, Trustworthy Online Controlled Experiments (2020),
//! chapters 3 and 21.

use super::collect::Collector;
use super::table::Table;
use super::{Budgets, Calibration, Check, MetricResult, State};
use crate::definition::{Definition, Design};
use crate::distribution::normal_upper;
use crate::estimate::{Alternative, Sample, difference};
use crate::moments::Moments;
use crate::srm::{self, ALARM, CONCENTRATION, SequentialSrm, sample_ratio};

/// Share of units in two arms above which assignment is broken.
const MOST_CROSSOVERS: f64 = 0.005;
/// Share of rows with a clock ahead of its receipt.
const MOST_SKEWED: f64 = 0.01;
/// Share of spend of campaigns that ran out above which a user split is biased.
const MOST_LIMITED: f64 = 0.1;
/// Predicted over clicks beyond which a ranker is not calibrated, and the clicks from which that is looked at.
const CALIBRATED: [f64; 2] = [0.8, 1.25];
const CLICKS: u64 = 100;

fn check(name: &str, state: State, p: Option<f64>, detail: String) -> Check {
    Check { name: name.to_owned(), state, p, detail }
}

fn failed_if(fails: bool) -> State {
    if fails { State::Failed } else { State::Passed }
}

/// Units as floating-point numbers.
fn floats(units: &[u64]) -> Vec<f64> {
    units.iter().map(|&units| units as f64).collect()
}

/// `control 5,000, treatment 5,012`.
fn listed(definition: &Definition, units: &[u64]) -> String {
    let one = |(arm, units): (&crate::definition::Arm, &u64)| format!("{} {units}", arm.name);
    definition.arms.iter().zip(units).map(one).collect::<Vec<_>>().join(", ")
}

/// All checks, in the order in which they are to be read.
pub(super) fn checks(
    collector: &Collector,
    table: &Table,
    (metrics, budgets, calibration): (&[MetricResult], Option<&Budgets>, &[Calibration]),
) -> Vec<Check> {
    let definition = &collector.definition;
    let weights = definition.weights();
    let mut out = Vec::new();
    if definition.design == Design::Interleaving {
        out.push(first_places(collector));
    } else {
        out.extend(ratios(definition, table, &weights));
        out.extend(segments(collector, table, &weights));
        out.push(crossovers(table));
        out.extend(covariates(definition, table));
        out.push(complement(definition, metrics));
    }
    let skewed = collector.skewed as f64 / collector.rows.max(1) as f64;
    out.push(check(
        "clocks",
        if skewed > MOST_SKEWED { State::Warning } else { State::Passed },
        None,
        format!("{:.2} % of the rows happened more than a minute after they were received", 100.0 * skewed),
    ));
    out.push(strays(collector, table));
    out.push(budget(definition, budgets));
    out.push(calibrated(calibration));
    out.push(definitions(collector));
    out
}

/// A fair draft gives each arm the first place in half of the lists.
fn first_places(collector: &Collector) -> Check {
    let mut first = [0_u64; 2];
    collector.first_teams.values().for_each(|team| first[*team.min(&1)] += 1);
    let detail = format!("the first item is of {}", listed(&collector.definition, &first));
    match sample_ratio(&floats(&first), &[0.5, 0.5]) {
        Ok(found) if first != [0, 0] => check("fair draft", failed_if(found.alarm), Some(found.p), detail),
        _ => check("fair draft", State::Skipped, None, "no list is mixed".into()),
    }
}

fn ratios(definition: &Definition, table: &Table, weights: &[f64]) -> Vec<Check> {
    let arms = weights.len();
    let mut exposed = vec![0; arms];
    table.by_day.values().for_each(|units| exposed.iter_mut().zip(units).for_each(|(all, day)| *all += day));
    let mut out = Vec::new();
    let total: u64 = exposed.iter().sum();
    if total == 0 {
        let why = "no unit is exposed; is it the right phase?";
        return vec![check("sample ratio", State::Skipped, None, why.into())];
    }
    if let Ok(found) = sample_ratio(&floats(&exposed), weights) {
        out.push(check("sample ratio", failed_if(found.alarm), Some(found.p), listed(definition, &exposed)));
        let leaks = found
            .leaks
            .iter()
            .map(|(arm, units)| format!("{} has {units} units", definition.arms[*arm].name));
        let leaks: Vec<String> = leaks.collect();
        let detail = if leaks.is_empty() { "no arm of weight 0 has units".into() } else { leaks.join(", ") };
        out.push(check("arms of weight 0", failed_if(!leaks.is_empty()), None, detail));
    }
    let days: Vec<Vec<f64>> = table.by_day.values().map(|units| floats(units)).collect();
    if let Ok(found) = srm::by_day(&days, weights) {
        let least = found.p_holm.iter().copied().fold(1.0, f64::min);
        let detail = format!("{} of {} days raise the alarm (Holm)", found.alarm_days.len(), days.len());
        out.push(check("sample ratio by day", failed_if(!found.alarm_days.is_empty()), Some(least), detail));
    }
    if let Ok(mut sequence) = SequentialSrm::new(weights, CONCENTRATION) {
        let last = days.iter().filter_map(|day| sequence.add(day).ok()).last();
        if let Some((_, p)) = last {
            let detail = "may be looked at every day".into();
            out.push(check("sample ratio, sequential", failed_if(p < ALARM), Some(p), detail));
        }
    }
    let shadowed: u64 = table.shadowed.iter().sum();
    let triggered: u64 = table.triggered.iter().sum();
    if shadowed > 0 && triggered > 0 {
        if let Ok(found) = sample_ratio(&floats(&table.triggered), weights) {
            let detail = listed(definition, &table.triggered);
            out.push(check("sample ratio of triggered units", failed_if(found.alarm), Some(found.p), detail));
        }
    } else {
        let why = "no unit's list would have differed, or that was not found out".into();
        out.push(check("sample ratio of triggered units", State::Skipped, None, why));
    }
    out
}

fn segments(collector: &Collector, table: &Table, weights: &[f64]) -> Vec<Check> {
    let definition = &collector.definition;
    let mut worst: Vec<Check> = Vec::new();
    for (at, column) in definition.segments.iter().enumerate() {
        let values = &table.segments[at];
        let mut units = vec![vec![0_u64; weights.len()]; values.len()];
        for (hash, (arm, _)) in &table.units {
            let value = collector.first.get(hash).and_then(|first| first.segments[at].as_ref());
            if let Some(value) = value.and_then(|value| values.binary_search(value).ok()) {
                units[value][*arm] += 1;
            }
        }
        let found = units.iter().enumerate().filter_map(|(value, units)| {
            Some((sample_ratio(&floats(units), weights).ok()?.p * values.len() as f64, value))
        });
        let least = found.min_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((p, value)) = least {
            let detail = format!(
                "{column} = {} is furthest off: {}",
                values[value],
                listed(definition, &units[value])
            );
            let name = format!("sample ratio by {column}");
            worst.push(check(&name, failed_if(p < ALARM), Some(p.min(1.0)), detail));
        }
    }
    worst
}

fn strays(collector: &Collector, table: &Table) -> Check {
    let stray = table.left_out.without_exposure + collector.without_unit;
    let has_matured = table.units.values().any(|(_, index)| {
        index.saturating_add(collector.definition.primary().window_ms()) <= collector.as_of
    });
    let is_lost = table.events == 0 && stray > 0 && has_matured;
    let detail = match is_lost {
        true => format!("none of {stray} events is of a unit that was exposed; do the ids agree?"),
        false => format!("{stray} events of units that were never exposed do not count"),
    };
    check("events without exposure", failed_if(is_lost), None, detail)
}

fn crossovers(table: &Table) -> Check {
    let crossed = table.left_out.crossovers;
    let share = crossed as f64 / (table.units.len() as u64 + crossed).max(1) as f64;
    let detail = format!("{crossed} units saw two arms ({:.3} %) and are left out", 100.0 * share);
    check("units in two arms", failed_if(share > MOST_CROSSOVERS), None, detail)
}

/// Covariates are measured before exposure: they must not differ.
fn covariates(definition: &Definition, table: &Table) -> Vec<Check> {
    let names = ["events before exposure", "prediction at exposure"];
    let mut out = Vec::new();
    for (name, of) in names.iter().zip([0, 1]) {
        let mut arms = vec![Moments::new(1); definition.arms.len()];
        for (arm, events, predicted) in &table.before {
            let value = if of == 0 { Some(*events) } else { *predicted };
            if let Some(value) = value {
                let _ = arms[*arm].push(&[value]);
            }
        }
        let test = |treatment: usize| {
            let effect =
                difference(&Sample::mean(&arms[0], 0).ok()?, &Sample::mean(&arms[treatment], 0).ok()?)
                    .ok()?;
            effect.p(Alternative::TwoSided).ok().map(|p| p * (definition.arms.len() - 1) as f64)
        };
        let least = (1..definition.arms.len()).filter_map(test).min_by(f64::total_cmp);
        if let Some(p) = least {
            let means =
                arms.iter().zip(&definition.arms).map(|(m, arm)| format!("{} {:.4}", arm.name, m.mean(0)));
            let detail = means.collect::<Vec<_>>().join(", ");
            out.push(check(&format!("equal {name}"), failed_if(p < ALARM), Some(p.min(1.0)), detail));
        }
    }
    out
}

/// Units whose list never differed must show no effect.
fn complement(definition: &Definition, metrics: &[MetricResult]) -> Check {
    let name = "no effect without a difference";
    let of_all =
        metrics.iter().flat_map(|metric| metric.comparisons.iter().map(move |found| (metric, found)));
    let found = of_all.filter_map(|(metric, found)| Some((metric, found.triggered?.complement?)));
    let tested: Vec<_> = found.collect();
    let least = tested.iter().min_by(|a, b| a.1.p.total_cmp(&b.1.p));
    let Some((metric, effect)) = least else {
        return check(name, State::Skipped, None, "no unit is known whose list never differed".into());
    };
    let p = (2.0 * normal_upper((effect.value / effect.se).abs()) * tested.len() as f64).min(1.0);
    let detail = format!(
        "{}: {:+.3e} on units whose list would not have differed ({} tests)",
        metric.name,
        effect.value,
        tested.len()
    );
    let is_switchback = definition.design == Design::Switchback;
    check(name, failed_if(p < ALARM && !is_switchback), Some(p), detail)
}

fn budget(definition: &Definition, budgets: Option<&Budgets>) -> Check {
    let name = "spend of limited campaigns";
    let Some(budgets) = budgets else {
        return check(name, State::Skipped, None, "the definition has no table `budget`".into());
    };
    let detail = format!(
        "{:.1} % of the spend is of {} campaigns that ran out, of {}",
        100.0 * budgets.limited_share,
        budgets.limited.0,
        budgets.limited.1
    );
    let is_shared = definition.design == Design::User;
    if is_shared && budgets.limited_share > MOST_LIMITED {
        let more = "; both arms draw from the same budgets, so that what one wins the other loses: the effect of a launch is smaller; use `design = \"budget-split\"`";
        return check(name, State::Warning, None, detail + more);
    }
    check(name, State::Passed, None, detail)
}

fn calibrated(calibration: &[Calibration]) -> Check {
    let name = "calibration";
    let enough = calibration.iter().filter(|row| row.clicks >= CLICKS);
    let rows: Vec<_> = enough.filter_map(|row| Some((row, row.ratio?))).collect();
    let far = |ratio: f64| ratio.ln().abs();
    let Some((row, ratio)) = rows.iter().max_by(|a, b| far(a.1).total_cmp(&far(b.1))) else {
        return check(
            name,
            State::Skipped,
            None,
            format!("no arm has {CLICKS} clicks on items with a probability"),
        );
    };
    let source = row.source.as_deref().map_or(String::new(), |source| format!(", source {source}"));
    let detail = format!("furthest off: predictions are {ratio:.2} times the clicks in {}{source}", row.arm);
    let is_off = !(CALIBRATED[0]..=CALIBRATED[1]).contains(ratio);
    check(name, if is_off { State::Warning } else { State::Passed }, None, detail)
}

fn definitions(collector: &Collector) -> Check {
    let name = "one definition";
    let own = collector.definition.fingerprint();
    let used = &collector.used;
    if used.is_empty() {
        return check(name, State::Skipped, None, "the log names no definition".into());
    }
    let known = used.iter().filter(|used| used.time <= collector.as_of);
    let changes = known.filter(|used| used.fingerprint != own).count();
    let detail = match changes {
        0 => "the definition is that of the log".into(),
        _ => {
            format!("{changes} other definitions were used during the test; their dates stand in the report")
        }
    };
    check(name, if changes > 0 { State::Warning } else { State::Passed }, None, detail)
}
