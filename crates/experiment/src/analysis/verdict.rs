//! The verdict: one word, one sentence, and what the number speaks of.

use super::{Analysis, Comparison, MetricResult, State, Verdict};
use crate::definition::{DAY_MS, Definition, Design, Role, Stop, Unit};
use crate::non_inferiority::Direction;
use serde::{Deserialize, Serialize};

/// What is concluded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Word {
    /// The numbers cannot be trusted.
    Invalid,
    /// Treatment is worse.
    Harm,
    /// Treatment is better, and every guardrail is held.
    Ship,
    /// More units are needed.
    #[default]
    NotYet,
    /// The test is over without a difference.
    NoEffect,
}

/// What is concluded of an analysis whose verdict is not written yet.
pub(super) fn verdict(analysis: &Analysis) -> Verdict {
    let definition = &analysis.definition;
    let limited = analysis.budgets.as_ref().map_or(0.0, |budgets| budgets.limited_share);
    let said = |word: Word, sentence: String| Verdict {
        word,
        sentence,
        estimand: estimand(definition, limited),
        ..Verdict::default()
    };
    let named = |state: State| {
        let of_state = analysis.checks.iter().filter(move |check| check.state == state);
        of_state.map(|check| format!("{}: {}", check.name, check.detail))
    };
    let failed: Vec<String> = named(State::Failed).collect();
    if !failed.is_empty() {
        let why = "A trust check failed: no number of this test says anything until its cause is found.";
        return Verdict { reasons: failed, ..said(Word::Invalid, why.into()) };
    }
    // An arm of weight 0 has nothing to say.
    let arms = (1..definition.arms.len()).filter(|arm| definition.arms[*arm].weight > 0.0);
    let of_arms: Vec<OfArm> = arms.map(|arm| OfArm::of(analysis, arm - 1)).collect();
    let harmed: Vec<&OfArm> = of_arms.iter().filter(|arm| arm.is_harmful()).collect();
    let shipped = of_arms.iter().filter(|arm| arm.is_better && arm.guardrails_held && !arm.is_harmful());
    let best = shipped.max_by(|a, b| a.gain.total_cmp(&b.gain));
    let (primary, control) = (&definition.primary().name, &definition.arms[0].name);
    let is_over = is_over(analysis);
    let may_decide = is_over || definition.stop != Stop::Fixed;
    let unknown = of_arms.iter().find_map(|arm| arm.missing.as_ref());
    let mut out = match (best, harmed.first(), unknown) {
        (Some(arm), ..) if may_decide => {
            said(Word::Ship, format!("{} is better than {control} in {primary}: {}.", arm.name, arm.effect))
        }
        (None, Some(arm), _) if may_decide => {
            said(Word::Harm, format!("{} is worse than {control}: {}.", arm.name, arm.harm))
        }
        (.., Some(why)) => said(Word::NotYet, format!("There is no effect on {primary} to speak of: {why}.")),
        _ if is_over && of_arms.iter().all(|arm| !arm.is_better) => {
            let most = of_arms.iter().map(|arm| arm.most).fold(f64::NEG_INFINITY, f64::max);
            let out = said(Word::NoEffect, no_effect(primary, most));
            Verdict { most: Some(most).filter(|most| most.is_finite()), ..out }
        }
        _ => {
            let (sentence, days) = not_yet(analysis, is_over);
            Verdict { days, ..said(Word::NotYet, sentence) }
        }
    };
    out.reasons = of_arms.into_iter().flat_map(|arm| arm.reasons).collect();
    out.reasons.extend(named(State::Warning).map(|warning| format!("to be read: {warning}")));
    out
}

fn no_effect(primary: &str, most: f64) -> String {
    match most.is_finite() {
        true => format!("The test leaves no gain in {primary} above {:.2} % possible.", 100.0 * most),
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
    /// Why there is no estimate.
    missing: Option<String>,
    reasons: Vec<String>,
}

impl OfArm {
    fn of(analysis: &Analysis, comparison: usize) -> Self {
        let primary = &analysis.metrics[0];
        let found = &primary.comparisons[comparison];
        let sign = sign(primary);
        let value = found.absolute.map_or(0.0, |absolute| absolute.value) * sign;
        // What was decided at a look stays decided.
        let decided = found.crossed.map_or(value, |z| z * sign);
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
        let is_worse = found.is_significant && decided < 0.0;
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
            is_better: found.is_significant && decided > 0.0,
            is_worse,
            guardrails_held: held,
            is_guardrail_broken: !broken.is_empty(),
            gain: value / base,
            most: far / base,
            effect,
            harm,
            missing: found
                .absolute
                .is_none()
                .then(|| found.missing.clone().unwrap_or_else(|| "no units".into())),
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
    let p = match found.corrected_p.unwrap_or(absolute.p) {
        p if p < 1e-4 => "p < 0.0001".to_owned(),
        p => format!("p {p:.4}"),
    };
    let percent = |value: f64| format!("{:+.2}", 100.0 * value);
    match &found.relative {
        Some(relative) => {
            let interval = relative.interval.map_or("without bounds".into(), |interval| {
                format!("[{}, {}]", percent(interval.low), percent(interval.high))
            });
            format!("{} % {interval}, {p}", percent(relative.value))
        }
        None => format!("{:+.4e}, {p}", absolute.value),
    }
}

/// When the last unit has matured, for the primary metric and all guardrails.
fn end_ms(definition: &Definition) -> i64 {
    let deciding =
        definition.metrics.iter().filter(|one| matches!(one.role, Role::Primary | Role::Guardrail));
    deciding.map(|metric| definition.matured_ms(metric)).max().unwrap_or_default()
}

fn is_over(analysis: &Analysis) -> bool {
    analysis.as_of >= end_ms(&analysis.definition)
}

/// The sentence, and the days, where they can be told.
fn not_yet(analysis: &Analysis, is_over: bool) -> (String, Option<f64>) {
    if is_over {
        let why = "The test is over; a guardrail is not shown to be within its margin, and nothing can be shipped before it is.";
        return (why.into(), None);
    }
    let definition = &analysis.definition;
    let left = end_ms(definition).saturating_sub(analysis.as_of) as f64 / DAY_MS as f64;
    let days = match definition.stop {
        Stop::Fixed => left,
        // Enough units without a decision: nobody knows how many more.
        _ => days_to_come(analysis).filter(|days| *days > 0.0).map_or(left, |days| days.min(left)),
    };
    let plural = if days.ceil() == 1.0 { "day" } else { "days" };
    (format!("More units have to mature: about {:.0} {plural}.", days.ceil()), Some(days))
}

/// From the units that are missing and those that came in a day so far.
fn days_to_come(analysis: &Analysis) -> Option<f64> {
    let definition = &analysis.definition;
    let day = |(found, arm): (&Comparison, usize)| {
        let both = (analysis.counts.exposed[0] + analysis.counts.exposed[arm]) as f64;
        let since = analysis.as_of.min(definition.end_ms()).saturating_sub(definition.start);
        let a_day = both / (since as f64 / DAY_MS as f64).max(1e-9);
        // Units that are exposed and have not matured need no more days than a window.
        let waiting = (analysis.metrics[0].arms[0].left_out + analysis.metrics[0].arms[arm].left_out) as f64;
        let missing = found.units_to_come?;
        let window = definition.primary().window_days + definition.settle_hours / 24.0;
        let more = ((missing - waiting).max(0.0) / a_day).max(0.0);
        Some(if missing > 0.0 { more + window } else { 0.0 }).filter(|days| days.is_finite())
    };
    analysis.metrics[0].comparisons.iter().zip(1..).filter_map(day).reduce(f64::max)
}

fn estimand(definition: &Definition, limited: f64) -> String {
    let unit = match definition.unit {
        Unit::User => "user",
        Unit::Session => "session",
        Unit::Request => "request",
        Unit::Advertiser => "advertiser",
        Unit::Item => "item",
    };
    if definition.design == Design::Interleaving {
        return "Which of two lists users choose from when both are mixed: a preference for a ranking, not the size of an effect on any metric, and nothing on what a list does over days.".to_owned();
    }
    let window = match definition.primary().window_days {
        1.0 => "a day".to_owned(),
        days => format!("{days} days"),
    };
    let traffic = if definition.targeting.is_empty() { "all traffic" } else { "the targeted traffic" };
    let first = match definition.design {
        Design::User | Design::Advertiser => format!(
            "The mean difference per {unit} of {traffic}, within {window} of a unit's first exposure, if what one {unit} gets changes nothing for another."
        ),
        Design::BudgetSplit => format!(
            "The mean difference per {unit} of {traffic} when every campaign has its own budget in each arm: what a launch to everybody changes while budgets stay as they are. Its interval is that of campaigns: it leaves out the chance of which {unit} came into which arm."
        ),
        Design::Switchback | Design::Interleaving => {
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
