//! The verdict: one word, one sentence, and what the number speaks of.

use super::{Analysis, Comparison, MetricResult, State, Verdict};
use crate::definition::{DAY_MS, Definition, Design, Role, Stop, Unit};
use crate::non_inferiority::Direction;
use serde::{Deserialize, Serialize};

/// What is concluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Word {
    /// The numbers cannot be trusted.
    Invalid,
    /// Treatment is worse.
    Harm,
    /// Treatment is better, and every guardrail is held.
    Ship,
    /// More units are needed.
    NotYet,
    /// The test is over without a difference.
    NoEffect,
}

/// What is concluded of an analysis whose verdict is not written yet.
pub(super) fn verdict(analysis: &Analysis) -> Verdict {
    let definition = &analysis.definition;
    let estimand =
        estimand(definition, analysis.budgets.as_ref().map_or(0.0, |budgets| budgets.limited_share));
    let failed: Vec<String> = analysis
        .checks
        .iter()
        .filter(|check| check.state == State::Failed)
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    if !failed.is_empty() {
        let sentence =
            "A trust check failed: no number of this test says anything until its cause is found.".into();
        return Verdict { word: Word::Invalid, sentence, estimand, reasons: failed, days: None };
    }
    let arms = definition.arms.len();
    let of_arms: Vec<OfArm> = (1..arms).map(|arm| OfArm::of(analysis, arm - 1)).collect();
    let harmed: Vec<&OfArm> = of_arms.iter().filter(|arm| arm.is_harmful()).collect();
    let shipped = of_arms.iter().filter(|arm| arm.is_better && arm.guardrails_held && !arm.is_harmful());
    let best = shipped.max_by(|a, b| a.gain.total_cmp(&b.gain));
    let is_over = is_over(analysis);
    let may_decide = is_over || definition.stop != Stop::Fixed;
    let mut reasons: Vec<String> = of_arms.iter().flat_map(|arm| arm.reasons.clone()).collect();
    if let Some(warning) = analysis.checks.iter().find(|check| check.state == State::Warning) {
        reasons.push(format!("to be read: {}: {}", warning.name, warning.detail));
    }
    let primary = &definition.primary().name;
    let (word, sentence, days) = match best {
        Some(arm) if may_decide => (
            Word::Ship,
            format!("{} is better than {} in {primary}: {}.", arm.name, definition.arms[0].name, arm.effect),
            None,
        ),
        _ if may_decide && !harmed.is_empty() && harmed.len() == of_arms.len() => {
            let (name, why) = (&harmed[0].name, &harmed[0].harm);
            (Word::Harm, format!("{name} is worse than {}: {why}.", definition.arms[0].name), None)
        }
        _ if is_over && of_arms.iter().all(|arm| !arm.is_better) => {
            let most = of_arms.iter().map(|arm| arm.most).fold(f64::NEG_INFINITY, f64::max);
            (Word::NoEffect, no_effect(primary, most), None)
        }
        _ => not_yet(analysis, is_over),
    };
    Verdict { word, sentence, estimand, reasons, days }
}

fn no_effect(primary: &str, most: f64) -> String {
    match most.is_finite() {
        true => format!("No effect on {primary} above {:+.2} % is compatible with the test.", 100.0 * most),
        false => format!("No effect on {primary} was found; how large it may be, the test cannot say."),
    }
}

/// A treatment, as the verdict sees it.
struct OfArm {
    name: String,
    is_better: bool,
    is_worse: bool,
    guardrails_held: bool,
    is_guardrail_broken: bool,
    /// Relative effect, in the good direction.
    gain: f64,
    /// The largest relative effect in the good direction that the interval holds.
    most: f64,
    effect: String,
    harm: String,
    reasons: Vec<String>,
}

impl OfArm {
    fn of(analysis: &Analysis, comparison: usize) -> Self {
        let primary = &analysis.metrics[0];
        let found = &primary.comparisons[comparison];
        let sign = sign(primary);
        let value = found.absolute.map_or(0.0, |absolute| absolute.value) * sign;
        let base = primary.arms[0].value.abs();
        let interval = found.absolute.map(|absolute| absolute.interval);
        let far =
            interval.map_or(f64::INFINITY, |interval| if sign > 0.0 { interval.high } else { -interval.low });
        let guards = || analysis.metrics.iter().filter(|metric| metric.role == Role::Guardrail);
        let broken: Vec<&MetricResult> = guards()
            .filter(|metric| metric.comparisons[comparison].guardrail.is_some_and(|guard| guard.is_broken))
            .collect();
        let held = guards()
            .all(|metric| metric.comparisons[comparison].guardrail.is_some_and(|guard| guard.is_held));
        let is_worse = found.is_significant && value < 0.0;
        let effect = said(found);
        let harm = match broken.first() {
            Some(metric) if !is_worse => format!("the guardrail {} is broken", metric.name),
            _ => format!("{} {effect}", primary.name),
        };
        let mut reasons = vec![format!("{}, {}: {effect}", found.arm, primary.name)];
        reasons.extend(found.missing.iter().map(|why| format!("{}, {}: {why}", found.arm, primary.name)));
        for metric in guards() {
            let state = match metric.comparisons[comparison].guardrail {
                Some(guard) if guard.is_held => "within its margin",
                Some(guard) if guard.is_broken => "beyond its margin",
                _ => "not shown to be within its margin yet",
            };
            reasons.push(format!("{}, guardrail {}: {state}", found.arm, metric.name));
        }
        Self {
            name: found.arm.clone(),
            is_better: found.is_significant && value > 0.0,
            is_worse,
            guardrails_held: held,
            is_guardrail_broken: !broken.is_empty(),
            gain: value / base,
            most: far / base,
            effect,
            harm,
            reasons,
        }
    }

    fn is_harmful(&self) -> bool {
        self.is_worse || self.is_guardrail_broken
    }
}

fn sign(metric: &MetricResult) -> f64 {
    if metric.direction == Direction::Increase { 1.0 } else { -1.0 }
}

/// `+3.1 % [+0.4, +5.9], p .02`.
fn said(found: &Comparison) -> String {
    let Some(absolute) = &found.absolute else { return "no estimate".into() };
    let p = found.corrected_p.unwrap_or(absolute.p);
    let percent = |value: f64| format!("{:+.2}", 100.0 * value);
    match &found.relative {
        Some(relative) => {
            let interval = relative.interval.map_or("without bounds".into(), |interval| {
                format!("[{}, {}]", percent(interval.low), percent(interval.high))
            });
            format!("{} % {interval}, p {p:.4}", percent(relative.value))
        }
        None => format!("{:+.4e}, p {p:.4}", absolute.value),
    }
}

/// Whether the last unit has matured.
fn is_over(analysis: &Analysis) -> bool {
    let definition = &analysis.definition;
    let is_full = analysis.metrics[0]
        .comparisons
        .iter()
        .any(|found| found.bound.is_some_and(|(share, _)| share >= 1.0));
    is_full || analysis.as_of >= definition.matured_ms(definition.primary())
}

fn not_yet(analysis: &Analysis, is_over: bool) -> (Word, String, Option<f64>) {
    let definition = &analysis.definition;
    let left_ms = definition.matured_ms(definition.primary()) - analysis.as_of;
    if is_over {
        let why = "The test is over; a guardrail needs more units before anything can be shipped.";
        return (Word::NotYet, why.into(), None);
    }
    let left = left_ms as f64 / DAY_MS as f64;
    let days = match definition.stop {
        Stop::Fixed => left,
        _ => days_to_come(analysis).map_or(left, |days| days.min(left)),
    };
    let plural = if days.ceil() == 1.0 { "day" } else { "days" };
    (Word::NotYet, format!("More units have to mature: about {:.0} {plural}.", days.ceil()), Some(days))
}

/// From the units that are missing and those that came in a day so far.
fn days_to_come(analysis: &Analysis) -> Option<f64> {
    let definition = &analysis.definition;
    let missing =
        analysis.metrics[0].comparisons.iter().filter_map(|found| found.units_to_come).reduce(f64::max)?;
    let units: u64 = analysis.counts.exposed.iter().sum();
    let days =
        ((analysis.as_of.min(definition.end_ms()) - definition.start) as f64 / DAY_MS as f64).max(1e-9);
    let a_day = units as f64 / days;
    (a_day > 0.0).then(|| missing / a_day + definition.primary().window_days)
}

fn estimand(definition: &Definition, limited: f64) -> String {
    let unit = match definition.unit {
        Unit::User => "user",
        Unit::Session => "session",
        Unit::Request => "request",
        Unit::Advertiser => "advertiser",
        Unit::Item => "item",
    };
    let window = definition.primary().window_days;
    let traffic = if definition.targeting.is_empty() { "all traffic" } else { "the targeted traffic" };
    let first = match definition.design {
        Design::User | Design::Advertiser => format!(
            "The mean difference per {unit} of {traffic}, within {window} days of a unit's first exposure, if what one {unit} gets changes nothing for another."
        ),
        Design::BudgetSplit => format!(
            "The mean difference per {unit} of {traffic} when every campaign has its own budget in each arm: what a launch to everybody changes while budgets stay as they are."
        ),
        Design::Switchback => {
            "The mean difference per block of time when all traffic changes its arm together: effects that last longer than the burn-in are mixed.".to_owned()
        }
    };
    let second = match definition.design {
        Design::User if limited > 0.0 => format!(
            " {:.0} % of the spend is of campaigns that ran out and whose budgets both arms share: for those the number overstates a launch.",
            100.0 * limited
        ),
        Design::Advertiser => {
            " Advertisers compete for the same users: a launch to all of them changes less.".to_owned()
        }
        _ => String::new(),
    };
    format!(
        "{first}{second} It does not speak of later effects, nor of advertisers who change bids or budgets in response."
    )
}
