//! Whether the numbers can be trusted: checks, and effects on the units whose list would have differed.

use super::{comparisons, number, what};
use crate::analysis::{Analysis, Check, Comparison, MetricResult, State, TriggeredResult};
use semrank_page::{Row, escape, fixed, heads, table};

/// All checks, failed first.
pub(super) fn checks(checks: &[Check]) -> String {
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|check| rank(check.state));
    let row = |check: &&Check| {
        let (class, text) = look(check.state);
        let cells = vec![
            format!("{}<small>{}</small>", escape(&check.name), escape(&check.detail)),
            format!("<span class=\"state {class}\">{text}</span>"),
            number::maybe_p(check.p),
        ];
        Row { cells, best: false }
    };
    let rows: Vec<Row> = sorted.iter().map(row).collect();
    let caption = "A failed check makes the test invalid; a warning is to be read, and the verdict stands.";
    table("numbers lines", caption, &heads(&["check and what was found", "state", "p"]), &rows)
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
    let cells = vec![
        what(analysis, &metric.name, &found.arm),
        number::share(result.share),
        number::with_p(Some(&result.effect)),
        number::with_p(Some(&result.diluted)),
        number::with_p(result.complement.as_ref()),
        fixed(result.variance_ratio, 2),
    ];
    Row { cells, best: false }
}
