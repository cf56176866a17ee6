//! Whether the numbers can be trusted: checks, and effects on the units whose list would have differed.

use super::{comparisons, number, what};
use crate::analysis::{Analysis, Check, Comparison, MetricResult, State, TriggeredResult};
use semrank_page::{Row, UNKNOWN, escape, fixed, heads, table};

/// All checks, failed first.
pub(super) fn checks(checks: &[Check]) -> String {
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|check| rank(check.state));
    let row = |check: &&Check| {
        let (class, text) = look(check.state);
        let cells = vec![
            escape(&check.name),
            format!("<span class=\"state {class}\">{text}</span>"),
            number::maybe_p(check.p),
            escape(&check.detail),
        ];
        Row { cells, best: false }
    };
    let rows: Vec<Row> = sorted.iter().map(row).collect();
    let caption = "A failed check makes the test invalid; a warning is to be read, and the verdict stands.";
    table("checks", caption, &heads(&["check", "state", "p", "what was found"]), &rows)
}

fn rank(state: State) -> usize {
    match state {
        State::Failed => 0,
        State::Warning => 1,
        State::Passed => 2,
        State::Skipped => 3,
    }
}

fn look(state: State) -> (&'static str, &'static str) {
    match state {
        State::Failed => ("failed", "✗ failed"),
        State::Warning => ("warning", "! warning"),
        State::Passed => ("passed", "✓ passed"),
        State::Skipped => ("skipped", "skipped"),
    }
}

/// Effects by trigger.
pub(super) fn triggered(analysis: &Analysis) -> String {
    let known = comparisons(analysis).filter_map(|(metric, found)| Some((metric, found, found.triggered?)));
    let rows: Vec<Row> = known.map(|(metric, found, result)| row(analysis, metric, found, &result)).collect();
    let names = ["metric", "triggered", "on triggered units", "diluted", "complement", "variance ratio"];
    let caption = "Absolute effects on units whose list would have differed; diluted, the same over all units. The complement must show no \
                   effect. A variance ratio above 1 says how much more precise the diluted effect is than the one on all units.";
    table("numbers lines", caption, &heads(&names), &rows)
}

fn row(analysis: &Analysis, metric: &MetricResult, found: &Comparison, result: &TriggeredResult) -> Row {
    let complement = result.complement.as_ref().map_or(UNKNOWN.to_owned(), |complement| {
        format!("{}<small>{}</small>", number::estimate(complement), escape(&number::p_text(complement.p)))
    });
    let cells = vec![
        what(analysis, &metric.name, &found.arm),
        number::share(result.share),
        format!(
            "{}<small>{}</small>",
            number::estimate(&result.effect),
            escape(&number::p_text(result.effect.p))
        ),
        format!(
            "{}<small>{}</small>",
            number::estimate(&result.diluted),
            escape(&number::p_text(result.diluted.p))
        ),
        complement,
        fixed(result.variance_ratio, 2),
    ];
    Row { cells, best: false }
}
