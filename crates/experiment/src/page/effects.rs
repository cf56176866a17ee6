//! Effects of all metrics, as a forest plot and as a table; and guardrails against their margins.

use super::progress::folded;
use super::{comparisons, number, paragraph, what};
use crate::analysis::{Analysis, ArmValue, Comparison, Guardrail, MetricResult, Word};
use crate::definition::Role;
use crate::non_inferiority::Direction;
use semrank_page::{Forest, Reading, Row, Spread, UNKNOWN, escape, forest, heads, table};

/// Roles in the order of the page, with their headings.
const ROLES: [(Role, &str); 4] = [
    (Role::Primary, "Primary"),
    (Role::Guardrail, "Guardrails"),
    (Role::Secondary, "Secondary"),
    (Role::Debug, "For explanation"),
];

/// What colours and marks mean.
const LEGEND: [(&str, &str); 4] = [
    ("good", "better"),
    ("bad", "worse"),
    ("open", "no difference shown"),
    ("margin", "margin of a guardrail"),
];

/// Plot and table.
pub(super) fn section(analysis: &Analysis) -> String {
    let warning = match analysis.verdict.word {
        Word::Invalid => {
            "The test is invalid. These numbers help to find the fault; they are no basis for a decision."
        }
        _ => "",
    };
    paragraph(warning) + &picture(analysis) + &numbers(analysis) + &methods(analysis)
}

fn of_role(analysis: &Analysis, role: Role) -> impl Iterator<Item = (&MetricResult, &Comparison)> {
    comparisons(analysis).filter(move |(metric, _)| metric.role == role)
}

fn picture(analysis: &Analysis) -> String {
    let several = analysis.definition.arms.len() > 2;
    let group = |(role, heading): (Role, &'static str)| {
        (heading, of_role(analysis, role).map(|(metric, found)| spread(metric, found, several)).collect())
    };
    let guarded = of_role(analysis, Role::Guardrail).next().is_some();
    forest(&Forest {
        id: "forest",
        title: "Relative effect of every metric",
        x_label: "treatment over control, with interval",
        unit: " %",
        groups: ROLES.map(group).into(),
        legend: &LEGEND[..if guarded { 4 } else { 3 }],
    })
}

fn spread<'a>(metric: &'a MetricResult, found: &'a Comparison, several: bool) -> Spread<'a> {
    let (text, range) = texts(found);
    let interval = found.relative.as_ref().and_then(|relative| relative.interval);
    let ends = interval.map_or((f64::NAN, f64::NAN), |interval| (interval.low, interval.high));
    Spread {
        name: &metric.name,
        note: note(metric, found, several),
        value: 100.0 * found.relative.as_ref().map_or(f64::NAN, |relative| relative.value),
        interval: (100.0 * ends.0, 100.0 * ends.1),
        margin: found.guardrail.map(|guardrail| margin(metric.direction, &guardrail)),
        reading: reading(metric.direction, found),
        text,
        range,
    }
}

fn note(metric: &MetricResult, found: &Comparison, several: bool) -> String {
    let arm = several.then_some(found.arm.as_str());
    let lower = (metric.direction == Direction::Decrease).then_some("lower is better");
    arm.into_iter().chain(lower).collect::<Vec<_>>().join(" · ")
}

/// Where the allowed loss ends, in per cent.
fn margin(direction: Direction, guardrail: &Guardrail) -> (f64, String) {
    let sign = if direction == Direction::Increase { -1.0 } else { 1.0 };
    (sign * 100.0 * guardrail.margin, format!("margin: a loss of {}", number::short_share(guardrail.margin)))
}

/// A difference that counts, or nothing.
fn reading(direction: Direction, found: &Comparison) -> Reading {
    let Some(absolute) = found.absolute.filter(|_| found.is_significant) else { return Reading::Open };
    if (absolute.value > 0.0) == (direction == Direction::Increase) { Reading::Good } else { Reading::Bad }
}

/// The effect and its interval in numbers.
fn texts(found: &Comparison) -> (String, String) {
    match (&found.relative, &found.missing) {
        (Some(relative), _) => {
            let (value, interval) = number::relative(relative);
            (value, interval.unwrap_or_else(|| "no bounds".into()))
        }
        (None, Some(_)) => ("no estimate".into(), String::new()),
        (None, None) => ("no relative effect".into(), String::new()),
    }
}

fn numbers(analysis: &Analysis) -> String {
    let names = ["metric", "control", "treatment", "absolute effect", "relative effect", "p", "corrected p"];
    let caption = "Small numbers are intervals, valid under the stopping rule. The verdict comes from the absolute effect.";
    table("numbers lines", caption, &heads(&names), &rows(analysis, cells))
}

/// A row per metric and treatment, in the order of the page.
fn rows(analysis: &Analysis, cells: fn(&Analysis, &MetricResult, &Comparison) -> Vec<String>) -> Vec<Row> {
    let all = ROLES.iter().flat_map(|(role, _)| of_role(analysis, *role));
    let row = |(metric, found): (&MetricResult, &Comparison)| Row {
        cells: cells(analysis, metric, found),
        best: metric.role == Role::Primary,
    };
    all.map(row).collect()
}

fn cells(analysis: &Analysis, metric: &MetricResult, found: &Comparison) -> Vec<String> {
    let control = metric.arms.first();
    let treatment = metric.arms.iter().find(|arm| arm.arm == found.arm);
    let missing = found
        .missing
        .as_ref()
        .map_or(UNKNOWN.into(), |why| format!("{UNKNOWN}<small class=\"why\">{}</small>", escape(why)));
    vec![
        format!(
            "{}<small class=\"method\">{}</small>",
            what(analysis, &metric.name, &found.arm),
            escape(&metric.method)
        ),
        mean(control),
        mean(treatment),
        found.absolute.as_ref().map_or(missing, number::estimate),
        found.relative.as_ref().map_or(UNKNOWN.into(), number::relative_cell),
        number::maybe_p(found.absolute.map(|absolute| absolute.p)),
        corrected(found),
    ]
}

fn mean(arm: Option<&ArmValue>) -> String {
    arm.map_or(UNKNOWN.into(), |arm| number::mean(arm.value, arm.se))
}

fn corrected(found: &Comparison) -> String {
    match (found.corrected_p, &found.correction) {
        (Some(p), Some(name)) => format!("{}<small>{}</small>", number::maybe_p(Some(p)), escape(name)),
        (p, _) => number::maybe_p(p),
    }
}

/// How each effect was estimated, and what covariates and caps changed.
fn methods(analysis: &Analysis) -> String {
    let cells = |analysis: &Analysis, metric: &MetricResult, found: &Comparison| {
        vec![what(analysis, &metric.name, &found.arm), escape(&method(metric, found))]
    };
    let table = table("wide-text lines", "", &heads(&["metric", "method"]), &rows(analysis, cells));
    folded("How each effect is estimated", &table)
}

fn method(metric: &MetricResult, found: &Comparison) -> String {
    let mut parts = vec![metric.method.clone()];
    let arms = [metric.arms.first(), metric.arms.iter().find(|arm| arm.arm == found.arm)];
    parts.extend(arms.into_iter().flatten().map(sums));
    let interval =
        found.relative.as_ref().map(|relative| &relative.method).filter(|method| !method.is_empty());
    parts.extend(interval.map(|method| format!("relative interval: {method}")));
    let kept = found.variance_kept.filter(|kept| kept.is_finite());
    parts.extend(kept.map(|kept| format!("covariates leave {} of the variance", number::share(kept))));
    let unadjusted = found.unadjusted.filter(|unadjusted| unadjusted.value.is_finite());
    parts.extend(unadjusted.map(|plain| {
        let difference = |value| number::difference(value, plain.se);
        format!(
            "without covariates {} ({})",
            difference(plain.value),
            number::ends(plain.interval, difference)
        )
    }));
    parts.extend(metric.cap.map(|(cap, above)| {
        format!("capped at {}, {} of units above", number::value(cap), number::share(above))
    }));
    parts.join("; ")
}

/// What an arm's value is made of.
fn sums(arm: &ArmValue) -> String {
    format!("{}: {} over {}", arm.arm, number::value(arm.numerator), number::value(arm.denominator))
}

/// Guardrails against their margins, broken ones first.
pub(super) fn guardrails(analysis: &Analysis) -> String {
    let mut found: Vec<(&MetricResult, &Comparison, Guardrail)> =
        comparisons(analysis).filter_map(|(metric, found)| Some((metric, found, found.guardrail?))).collect();
    found.sort_by_key(|(_, _, guardrail)| !guardrail.is_broken);
    let rows: Vec<Row> =
        found.iter().map(|(metric, found, guardrail)| guarded(analysis, metric, found, guardrail)).collect();
    let names = ["metric", "relative effect", "allowed loss", "p"];
    let caption = "Held: the loss is shown to lie within the margin. Broken: it is shown to lie beyond it. p is against a loss beyond the margin.";
    table("numbers lines", caption, &heads(&names), &rows)
}

fn guarded(analysis: &Analysis, metric: &MetricResult, found: &Comparison, guardrail: &Guardrail) -> Row {
    let (class, state) = match (guardrail.is_broken, guardrail.is_held) {
        (true, _) => ("failed", "✗ broken"),
        (_, true) => ("passed", "✓ held"),
        _ => ("skipped", "not shown yet"),
    };
    let absolute = if guardrail.margin_absolute.is_finite() {
        number::value(guardrail.margin_absolute.abs())
    } else {
        UNKNOWN.into()
    };
    let cells = vec![
        format!(
            "{}<br><span class=\"state {class}\">{state}</span>",
            what(analysis, &metric.name, &found.arm)
        ),
        found.relative.as_ref().map_or(UNKNOWN.into(), number::relative_cell),
        format!("{}<small>{absolute} absolute</small>", number::short_share(guardrail.margin)),
        number::maybe_p(Some(guardrail.p)),
    ];
    Row { cells, best: false }
}
