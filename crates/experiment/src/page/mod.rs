//! The page of a test: an [`Analysis`] in, one self-contained HTML page out, for the director and the statistician alike.
//!
//! It is read from top to bottom: what is concluded, the effects, then whether to trust them, then everything that explains them. Sections
//! without data are left out. Nothing is computed here but the way numbers are written.
//!
//! ```text
//! let html = page(&analysis, "semrank experiment analyse --definition content.toml --as-of 2026-02-04");
//! ```
//!
//! | file | shows |
//! |---|---|
//! | `verdict` | the verdict, its reasons, and a change of the definition |
//! | `effects` | all metrics as a forest plot and as a table, and the guardrails |
//! | `progress` | the cumulative effect, units that have matured, rows left out, power |
//! | `trust` | checks, and the triggered analysis |
//! | `delays` | conversions that are still to come |
//! | `detail` | effects by day since exposure and by segment |
//! | `service` | budgets, calibration and latency |
//! | `settings` | the definition, its changes, and the command that makes the page again |
//! | `number` | numbers and dates as people read them |

mod delays;
mod detail;
mod effects;
mod number;
mod progress;
mod service;
mod settings;
mod trust;
mod verdict;

use crate::analysis::{Analysis, Comparison, MetricResult};
use crate::definition::Definition;
use semrank_page::{escape, isolate, section};

/// The whole page; `command` is what makes it again.
pub fn page(analysis: &Analysis, command: &str) -> String {
    let sections = [
        ("effects", "Effects", effects::section(analysis)),
        ("looks", "Cumulative effect", progress::looks(analysis)),
        ("maturity", "Units and rows", progress::maturity(analysis)),
        ("checks", "Trust checks", trust::checks(&analysis.checks)),
        ("guardrails", "Guardrails", effects::guardrails(analysis)),
        ("triggered", "Triggered analysis", trust::triggered(analysis)),
        ("delays", "Late conversions", delays::section(analysis)),
        ("days", "Effect by day since exposure", detail::days(analysis)),
        ("segments", "Segments", detail::segments(analysis)),
        ("budgets", "Budgets", service::budgets(analysis)),
        ("calibration", "Calibration", service::calibration(analysis)),
        ("latency", "Latency", service::latency(analysis)),
        ("power", "Power", progress::power(analysis)),
        ("settings", "Settings", settings::section(analysis, command)),
    ];
    let shown = || sections.iter().filter(|(_, _, body)| !body.is_empty());
    let links: String =
        shown().map(|(id, heading, _)| format!("<li><a href=\"#{id}\">{heading}</a></li>")).collect();
    let contents = format!("<nav aria-label=\"Contents\"><ul class=\"contents\">{links}</ul></nav>\n");
    let body: String = shown().map(|(id, heading, body)| section(id, heading, body)).collect();
    let definition = &analysis.definition;
    semrank_page::page(
        &definition.name,
        &lead(definition),
        &(verdict::section(analysis) + &contents + &body),
        concat!("semrank ", env!("CARGO_PKG_VERSION")),
    )
}

/// What is tested, when and on whom, in a line.
fn lead(definition: &Definition) -> String {
    let hypothesis = definition.hypothesis.trim();
    let stop = if hypothesis.is_empty() || hypothesis.ends_with(['.', '!', '?']) { "" } else { "." };
    let space = if hypothesis.is_empty() { "" } else { " " };
    format!(
        "{hypothesis}{stop}{space}Randomised test of {} arms, phase {}, exposures from {} to {}.",
        definition.arms.len(),
        definition.phase,
        number::day(definition.start),
        number::day(definition.end_ms() - 1),
    )
}

/// Every metric with each of its comparisons.
fn comparisons(analysis: &Analysis) -> impl Iterator<Item = (&MetricResult, &Comparison)> {
    analysis.metrics.iter().flat_map(|metric| metric.comparisons.iter().map(move |found| (metric, found)))
}

/// The comparisons of the primary metric.
fn primary(analysis: &Analysis) -> impl Iterator<Item = (&MetricResult, &Comparison)> {
    analysis
        .metrics
        .iter()
        .take(1)
        .flat_map(|metric| metric.comparisons.iter().map(move |found| (metric, found)))
}

/// A metric, and the arm where there are several treatments, as the first cell of a row.
fn what(analysis: &Analysis, metric: &str, arm: &str) -> String {
    let arm = if analysis.definition.arms.len() > 2 {
        format!("<small>{}</small>", isolate(arm))
    } else {
        String::new()
    };
    isolate(metric) + &arm
}

/// A paragraph of plain text.
fn paragraph(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<p>{}</p>\n", escape(text)) }
}

/// The name of an arm of the definition.
fn arm(definition: &Definition, at: usize) -> &str {
    definition.arms.get(at).map_or(semrank_page::UNKNOWN, |arm| &arm.name)
}
