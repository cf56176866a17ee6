//! Groups late_conversions, over_time_and_segments, log_to_counts.

use super::case::{Answer, Case, effect, number, numbers};
use crate::counts::{ArmCounts, Counter, Definition, Event, Exposure};
use crate::distribution::normal_lower;
use crate::error::{Error, Result};
use crate::estimate::{Alternative, Effect, difference};
use crate::series::{heterogeneity, trend};
use crate::special::gamma_tails;
use crate::survival::{Click, contrast, kaplan_meier, matured, same_pace, seen, weighted};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

fn clicks(case: &Case<'_>, key: &str) -> Result<Vec<Click>> {
    let bad = || Error::Case(format!("{key} must be rows of age and delay"));
    let row = |row: &Case<'_>| Some(Click { age_days: row.0[0].as_f64()?, delay_days: row.0[1].as_f64() });
    case.items(key)?.iter().map(|item| row(item).ok_or_else(bad)).collect()
}

/// Share that has converted by an age.
type Law = Box<dyn Fn(f64) -> f64>;

/// A law such as `exponential, mean 5 days`, `weibull, shape 0.7, scale 2 days`, `gamma, shape 2, scale 1.5 days` or
/// `lognormal, mu 1, sigma 0.8`.
fn law(text: &str) -> Option<Law> {
    let text = &text.to_lowercase();
    let after = |word: &str| -> Option<f64> {
        let rest = text.split_once(word)?.1.trim_start_matches([' ', '=']);
        let number = rest.split(|c: char| !c.is_ascii_digit() && !".-".contains(c)).next()?;
        number.trim_end_matches('.').parse().ok()
    };
    if text.contains("lognormal") || text.contains("log-normal") {
        let middle = after("mu").or_else(|| Some(after("median")?.ln()))?;
        let sigma = after("sigma").or_else(|| after("sd")).filter(|sigma| *sigma > 0.0)?;
        return Some(Box::new(move |age: f64| normal_lower((age.ln() - middle) / sigma)));
    }
    if text.contains("gamma") {
        let shape = after("shape")?;
        let by_rate = || after("rate").map(|rate| 1.0 / rate);
        let scale = after("scale").or_else(by_rate).or_else(|| Some(after("mean")? / shape))?;
        return Some(Box::new(move |age: f64| gamma_tails(shape, age / scale).0));
    }
    let (shape, scale) = if text.contains("exponential") {
        (1.0, if text.contains("rate") { 1.0 / after("rate")? } else { after("mean")? })
    } else if text.contains("weibull") {
        (after("shape")?, after("scale")?)
    } else {
        return None;
    };
    Some(Box::new(move |age: f64| -(-(age / scale).powf(shape)).exp_m1()))
}

pub(super) fn late_conversions(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (window, alpha) = (case.f("window_days")?, case.alpha()?);
    let shown = |found: &Effect| effect(found, alpha, Alternative::TwoSided);
    let (mut matured_arms, mut hazards, mut weights, mut so_far) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for key in ["control", "treatment"] {
        let clicks = clicks(case, key)?;
        let mut arm = Answer::default();
        let converted = seen(&clicks, window);
        arm.put("clicks", clicks.len());
        arm.put("seen", converted);
        so_far.push(converted as f64 / clicks.len() as f64);
        arm.number("so_far", converted as f64 / clicks.len() as f64);
        if let Ok((sample, left_out)) = matured(&clicks, window) {
            let (rate, se) = (number(sample.value), number(sample.se()));
            arm.put(
                "matured",
                json!({"clicks": sample.n as u64, "left_out": left_out, "rate": rate, "se": se}),
            );
            matured_arms.push(sample);
        }
        if let Ok(rate) = kaplan_meier(&clicks, window) {
            arm.put("kaplan_meier", shown(&rate));
            hazards.push(rate);
        }
        let own_law =
            case.get("delay_law").and_then(|laws| laws.get(key)).and_then(Value::as_str).and_then(law);
        if let Some((rate, each)) = own_law.and_then(|law| weighted(&clicks, window, law).ok()) {
            arm.put("weighted", shown(&rate));
            arm.put("weights", numbers(&each));
            weights.push(rate);
        }
        out.put(key, Value::Object(arm.0));
    }
    if let [c, t] = &matured_arms[..] {
        out.put("diff_matured", shown(&difference(c, t)?.normal()));
    }
    for (name, rates) in [("diff_kaplan_meier", &hazards), ("diff_weighted", &weights)] {
        if let [c, t] = &rates[..] {
            out.put(name, shown(&contrast(c, t)));
        }
    }
    out.put("diff_so_far", json!({"d": number(so_far[1] - so_far[0])}));
    let pace = same_pace(&clicks(case, "control")?, &clicks(case, "treatment")?, window);
    out.put_ok("same_pace", pace.map(|(z, p)| json!({"z": number(z), "p": number(p)})));
    Ok(())
}

pub(super) fn over_time_and_segments(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let (se, alpha) = (case.list("se")?, case.alpha()?);
    if case.has("effects") {
        let found = heterogeneity(&case.list("effects")?, &se)?;
        out.number("pooled", found.pooled.value);
        out.number("pooled_se", found.pooled.se);
        out.number("Q", found.q);
        out.number("df", found.df);
        out.number("p", found.p);
        out.number("I2", found.i2);
        out.number("tau2_dl", found.tau2);
        return Ok(());
    }
    let found = trend(&case.list("effect_by_day_since_first_exposure")?, &se)?;
    out.extend(effect(&found.slope, alpha, Alternative::TwoSided));
    out.number("intercept", found.intercept);
    out.number("intercept_se", found.at(0.0).se);
    out.number("slope", found.slope.value);
    out.number("slope_se", found.slope.se);
    for key in case.asked() {
        let day = key.strip_prefix("at_day_").map(|rest| rest.strip_suffix("_se").unwrap_or(rest));
        if let Some(day) = day.and_then(|day| day.parse().ok()) {
            let at = found.at(day);
            out.number(key, if key.ends_with("_se") { at.se } else { at.value });
        }
    }
    Ok(())
}

fn millis(hours: f64) -> i64 {
    (hours * 3_600_000.0).round() as i64
}

/// A row as an object by column name.
fn named(row: &Case<'_>, columns: &[Case<'_>]) -> Value {
    let cell = |(column, at): (&Case<'_>, usize)| {
        (column.0.as_str().unwrap_or_default().to_owned(), row.0[at].clone())
    };
    Value::Object(Map::from_iter(columns.iter().zip(0..).map(cell)))
}

/// The unit of the first received row of every id, from rows of id, receipt, time, unit.
fn first_units<'a>(
    rows: impl Iterator<Item = (&'a String, i64, i64, &'a String)>,
) -> BTreeMap<String, String> {
    let mut firsts: BTreeMap<&String, (i64, i64, &String)> = BTreeMap::new();
    for (id, received, time, unit) in rows {
        let first = firsts.entry(id).or_insert((received, time, unit));
        *first = (*first).min((received, time, unit));
    }
    firsts.into_iter().map(|(id, (_, _, unit))| (id.clone(), unit.clone())).collect()
}

pub(super) fn log_to_counts(case: &Case<'_>, out: &mut Answer) -> Result<()> {
    let hours = |key: &str| case.f(key).map(millis);
    let windows = case.at("windows")?;
    let windows =
        windows.0.as_object().ok_or_else(|| Error::Case("windows must be hours by action".into()))?;
    let definition = Definition {
        arms: case.items("arms")?.iter().filter_map(|arm| arm.0.as_str().map(str::to_owned)).collect(),
        start_ms: hours("start")?,
        end_ms: hours("end")?,
        as_of_ms: hours("as_of")?,
        settle_ms: millis(case.f_or("settle", 0.0)?),
        windows_ms: windows
            .iter()
            .map(|(action, hours)| (action.clone(), millis(hours.as_f64().unwrap_or(0.0))))
            .collect(),
    };
    let arms = definition.arms.clone();
    let (as_of, actions) = (definition.as_of_ms, definition.windows_ms.clone());
    let mut counter = Counter::new(definition)?;
    let mut exposures = Vec::new();
    let columns = case.items("exposure_columns")?;
    for row in case.items("exposures")? {
        let row = named(&row, &columns);
        let row = Case(&row);
        exposures.push(Exposure {
            event_id: row.text("event_id")?.into(),
            unit: row.text("unit")?.into(),
            arm: row.text("arm")?.into(),
            time_ms: millis(row.f("time_h")?),
            received_ms: millis(row.f("received_h")?),
            would_differ: row.flag("would_differ"),
            bot: row.flag("bot"),
        });
    }
    let mut events = Vec::new();
    let columns = case.items("event_columns")?;
    for row in case.items("events")? {
        let row = named(&row, &columns);
        let row = Case(&row);
        events.push(Event {
            event_id: row.text("event_id")?.into(),
            unit: row.text("unit")?.into(),
            action: row.text("action")?.into(),
            time_ms: millis(row.f("time_h")?),
            received_ms: millis(row.f("received_h")?),
            value: row.f_or("value", 1.0)?,
        });
    }
    // An id counts once over all units; the counter itself sees those of one unit only.
    let known = |row: &Exposure| row.received_ms <= as_of;
    let firsts = first_units(
        exposures
            .iter()
            .filter(|row| known(row))
            .map(|row| (&row.event_id, row.received_ms, row.time_ms, &row.unit)),
    );
    let before = exposures.len() + events.len();
    exposures.retain(|row| !known(row) || firsts[&row.event_id] == row.unit);
    let counted = |row: &Event| actions.contains_key(&row.action);
    let firsts = first_units(
        events
            .iter()
            .filter(|row| counted(row))
            .map(|row| (&row.event_id, row.received_ms, row.time_ms, &row.unit)),
    );
    events.retain(|row| !counted(row) || firsts[&row.event_id] == row.unit);
    let elsewhere = (before - exposures.len() - events.len()) as u64;
    exposures.iter().try_for_each(|row| counter.exposure(row))?;
    events.iter().try_for_each(|row| counter.event(row))?;
    let counts = counter.finish()?;
    out.put("duplicates", counts.left_out.duplicates + elsewhere);
    out.put("outside", counts.left_out.outside);
    out.put("bots", counts.left_out.bots);
    out.put("crossovers", counts.left_out.crossovers);
    out.put("received_after_as_of", counts.left_out.received_after_as_of);
    out.put("without_exposure", counts.left_out.without_exposure);
    for (view, found) in [("all", &counts.all), ("triggered", &counts.triggered)] {
        let by_arm =
            arms.iter().zip(found).map(|(arm, found)| (arm.clone(), arm_value(&counts.actions, found)));
        out.put(view, Value::Object(by_arm.collect()));
    }
    Ok(())
}

/// Sums by the plural of the action: `clicks`, `clicks_ss`, `conversions_clicks`.
fn arm_value(actions: &[String], arm: &ArmCounts) -> Value {
    let mut out = Answer::default();
    out.put("units", arm.units);
    out.put("matured", arm.matured);
    out.put("left_out", arm.left_out);
    for (i, action) in actions.iter().enumerate() {
        out.number(&format!("{action}s"), arm.sums[i]);
        out.number(&format!("{action}s_ss"), arm.products[i][i]);
        for (j, other) in actions.iter().enumerate().filter(|(j, _)| *j != i) {
            out.number(&format!("{action}s_{other}s"), arm.products[i][j]);
        }
    }
    Value::Object(out.0)
}
