//! The definition for people and as JSON, its changes, and the command that makes the page again.

use super::number;
use crate::analysis::Analysis;
use crate::definition::{Definition, Metric, Role, Stop};
use crate::non_inferiority::Direction;
use crate::spending::Spending;
use semrank_page::{Row, UNKNOWN, counted, escape, fixed, heads, isolate, pairs, table};

/// All of it.
pub(super) fn section(analysis: &Analysis, command: &str) -> String {
    let definition = &analysis.definition;
    [
        pairs("Test", "setting", "value", &facts(analysis)),
        arms(definition),
        metrics(definition),
        changes(analysis),
        format!("<h3>Command</h3>\n<pre class=\"code-block\">{}</pre>\n", lines(command)),
        super::progress::folded(
            "Definition as JSON",
            &format!("<pre class=\"code-block\">{}</pre>\n", lines(&json(definition))),
        ),
    ]
    .concat()
}

fn json(definition: &Definition) -> String {
    serde_json::to_string_pretty(definition).unwrap_or_else(|error| error.to_string())
}

/// Escaped text that keeps its line breaks.
fn lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

fn facts(analysis: &Analysis) -> Vec<(String, String)> {
    let definition = &analysis.definition;
    let share = number::short_share;
    let mut facts = vec![
        ("data as of", number::moment(analysis.as_of)),
        ("fingerprint", analysis.fingerprint.clone()),
        (
            "exposures",
            format!("{} to {}", number::moment(definition.start), number::moment(definition.end_ms())),
        ),
        ("unit", word(&definition.unit)),
        ("design", word(&definition.design)),
        ("traffic", share(definition.traffic)),
        ("shadowed units", share(definition.shadow)),
        ("held out of all tests", share(definition.holdout)),
        ("hash and salt", format!("{}, {}", word(&definition.hash), definition.assignment().salt)),
        ("rows arrive until", format!("{} hours after a window", number::short(definition.settle_hours))),
        ("alpha, power", format!("{}, {}", number::short(definition.alpha), number::short(definition.power))),
        ("effect to detect", definition.effect.map_or(UNKNOWN.into(), share)),
        ("stopping rule", stop(&definition.stop)),
        (
            "corrections",
            format!(
                "{} over arms, {} over secondary metrics",
                word(&definition.correction),
                word(&definition.secondary_correction)
            ),
        ),
    ];
    facts.extend(optional(definition));
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Settings that most tests do not have.
fn optional(definition: &Definition) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if let Some(namespace) = &definition.namespace {
        out.push((
            "namespace",
            format!(
                "{}, {} to {}",
                namespace.name,
                number::short(namespace.start),
                number::short(namespace.end)
            ),
        ));
    }
    out.extend(
        definition
            .targeting
            .iter()
            .map(|(column, values)| ("takes part", format!("{column} is {}", values.join(" or ")))),
    );
    if let Some(flag) = &definition.bots.flag {
        out.push(("bots", format!("column {flag}")));
    }
    if let Some(most) = definition.bots.most_events_before {
        out.push(("bots", format!("more than {} events before", number::short(most))));
    }
    if let Some(blocks) = &definition.switchback {
        let (block, burn_in) = (number::short(blocks.block_minutes), number::short(blocks.burn_in_minutes));
        out.push(("blocks of time", format!("{block} minutes, of which the first {burn_in} do not count")));
    }
    if let Some(budget) = &definition.budget {
        out.push((
            "budget",
            format!(
                "spend is {} of {}, campaign {}",
                budget.spend.column, budget.spend.action, budget.campaign
            ),
        ));
    }
    if !definition.segments.is_empty() {
        out.push(("segments", definition.segments.join(", ")));
    }
    out
}

fn stop(stop: &Stop) -> String {
    match stop {
        Stop::Fixed => "fixed: once, when the last unit has matured".into(),
        Stop::ConfidenceSequence { tuned_for } => {
            format!("confidence sequence, tightest at {} units", number::value(*tuned_for))
        }
        Stop::GroupSequential { planned_units, looks, spending } => {
            let looks: Vec<String> = looks.iter().map(|look| number::short_share(*look)).collect();
            let spending = match spending {
                Spending::ObrienFleming => "O'Brien-Fleming".into(),
                Spending::Pocock => "Pocock".into(),
                Spending::Power { phi } => format!("power {}", fixed(*phi, 2)),
            };
            format!(
                "group-sequential at {} of {} units, spending {spending}",
                looks.join(", "),
                number::value(*planned_units)
            )
        }
    }
}

/// How the definition writes an enum.
fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        other => other.map_or(UNKNOWN.into(), |value| value.to_string()),
    }
}

fn arms(definition: &Definition) -> String {
    let set = |arm: &crate::definition::Arm| {
        let settings =
            arm.set.iter().map(|(key, value)| format!("{} = {}", escape(key), escape(&value.to_string())));
        settings.collect::<Vec<_>>().join("<br>")
    };
    let row = |arm: &crate::definition::Arm| {
        let set = set(arm);
        let set = if set.is_empty() {
            "as the server".into()
        } else {
            format!("<span class=\"text\">{set}</span>")
        };
        Row {
            cells: vec![format!("{}<small>{}</small>", isolate(&arm.name), number::share(arm.weight)), set],
            best: false,
        }
    };
    let rows: Vec<Row> = definition.arms.iter().map(row).collect();
    table("wide-text lines", "Arms, control first.", &heads(&["arm and weight", "settings"]), &rows)
}

fn metrics(definition: &Definition) -> String {
    let row = |metric: &Metric| Row {
        cells: vec![
            format!("{}<small>{}</small>", isolate(&metric.name), word(&metric.role)),
            escape(&formula(metric)),
        ],
        best: metric.role == Role::Primary,
    };
    let rows: Vec<Row> = definition.metrics.iter().map(row).collect();
    table("wide-text lines", "Metrics.", &heads(&["metric", "how it is counted"]), &rows)
}

/// What a metric adds up and divides by, in words.
fn formula(metric: &Metric) -> String {
    let good = if metric.direction == Direction::Increase { "higher is better" } else { "lower is better" };
    let counted = match metric.quantile {
        Some(quantile) => {
            format!("{} quantile of {}", number::short(quantile), selected(&metric.numerator))
        }
        None => {
            let below = metric.denominator.as_ref().map_or_else(|| "units".into(), selected);
            format!("{} over {below}", selected(&metric.numerator))
        }
    };
    let window = format!("within {} of the first exposure", number::days(metric.window_days));
    let mut parts = vec![counted, window, good.to_owned()];
    if let Some(cap) = &metric.cap {
        parts.extend(
            cap.quantile.map(|quantile| format!("capped at the {} quantile", number::short(quantile))),
        );
        parts.extend(cap.value.map(|value| format!("capped at {}", number::value(value))));
    }
    if !metric.covariates.is_empty() {
        parts.push(format!(
            "covariates {}",
            metric.covariates.iter().map(word).collect::<Vec<_>>().join(", ")
        ));
    }
    parts.extend(metric.margin.map(|margin| format!("margin {}", number::short_share(margin))));
    parts.join("; ")
}

fn selected(selector: &crate::definition::Selector) -> String {
    use crate::definition::Value;
    let filter =
        selector.filter.iter().map(|(column, values)| format!(" where {column} is {}", values.join(" or ")));
    let what = match selector.value {
        Value::Count => format!("number of {}", selector.action),
        Value::Sum => format!("{} of {}", selector.column, selector.action),
        Value::Any => format!("at least one {}", selector.action),
    };
    what + &filter.collect::<String>()
}

/// Definitions that servers used.
fn changes(analysis: &Analysis) -> String {
    let row = |used: &crate::log::Used| Row {
        cells: vec![
            number::moment(used.time),
            format!(
                "<span class=\"text\">{}{}</span>",
                escape(&used.fingerprint),
                if used.fingerprint == analysis.fingerprint { ", this one" } else { "" }
            ),
        ],
        best: used.fingerprint == analysis.fingerprint,
    };
    let rows: Vec<Row> = analysis.used.iter().map(row).collect();
    let caption = format!(
        "{} used by servers, from the moment given.",
        counted(rows.len(), "definition", "definitions")
    );
    table("wide-text lines", &caption, &heads(&["since", "fingerprint"]), &rows)
}
