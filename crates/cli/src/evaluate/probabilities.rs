//! An evaluation of probabilities as a table for people.

use semrank_core::{counted, plural};
use semrank_measure::probabilities::Scores;
use semrank_pipeline::response::{Measured, PointwiseEvaluation};

const HEADS: [&str; 7] = ["rows", "rate", "AUC", "UAUC", "PR-AUC", "NE", "calib"];
const LEGEND: &str = "\
rate: share of positive rows; UAUC: AUC within a user, mean over users; PR-AUC: area
under precision and recall; NE: log loss over that of the base rate, below 1 is better
than predicting the average; calib: predicted over observed positives. Log loss and
calibration error are in --json and on the page.
";
/// Columns of a name; a line has 80.
const NAME: usize = 31;

/// The whole table.
pub(crate) fn text(evaluation: &PointwiseEvaluation) -> String {
    let PointwiseEvaluation { dataset, task, split, measured, calibrated, warnings, .. } = evaluation;
    let mut out = format!("{dataset}: {task} of {split} ({calibrated})\n") + &left_out(evaluation);
    out.extend(warnings.iter().map(|warning| format!("warning: {warning}\n")));
    if measured.scores.rows == 0 {
        return out;
    }
    out += &line("", &HEADS.map(str::to_owned));
    out += &line("all", &cells(&measured.scores, measured.uauc));
    out += &baselines(measured);
    if let Some(given) = &evaluation.given_click {
        out += &line("given a click", &cells(&given.scores, given.uauc));
        out += &baselines(given);
    }
    out + &segments(measured) + &intervals(measured) + LEGEND
}

/// Which rows were not measured, and why.
fn left_out(evaluation: &PointwiseEvaluation) -> String {
    let PointwiseEvaluation { split, immature, unlabelled, measured, .. } = evaluation;
    let mut out = String::new();
    if measured.scores.rows == 0 {
        out += &format!("nothing could be measured: no row of {split} has labels that are final\n");
    }
    if *immature > 0 {
        out += &format!(
            "{} of {split} {} left out: a label can still change while the click or attribution window is open at the end of \
             the log\n",
            counted(*immature, "row", "rows"),
            plural(*immature, "is", "are")
        );
    }
    if *unlabelled > 0 {
        out += &format!(
            "{} of {split} without a conversion label {} left out\n",
            counted(*unlabelled, "click", "clicks"),
            plural(*unlabelled, "is", "are")
        );
    }
    out
}

fn baselines(measured: &Measured) -> String {
    let all = measured.baselines.iter();
    all.map(|baseline| line(&format!("  {}", baseline.name), &cells(&baseline.scores, baseline.uauc)))
        .collect()
}

fn segments(measured: &Measured) -> String {
    let parts = measured.segments.iter().flat_map(|(name, parts)| parts.iter().map(move |part| (name, part)));
    parts.map(|(name, part)| line(&format!("{name} {}", part.name), &cells(&part.scores, None))).collect()
}

fn intervals(measured: &Measured) -> String {
    let show = |(name, interval): (&String, &semrank_measure::probabilities::Interval)| {
        format!("{name}: {:.4} [{:.4}, {:.4}]\n", interval.value, interval.low, interval.high)
    };
    measured.intervals.iter().map(show).collect()
}

fn line(name: &str, cells: &[String]) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>7}")).collect();
    let name: String = match name.char_indices().nth(NAME) {
        Some(_) => name.chars().take(NAME - 1).chain(['…']).collect(),
        None => name.to_owned(),
    };
    format!("{name:<NAME$}{cells}\n")
}

fn cells(scores: &Scores, uauc: Option<f64>) -> [String; HEADS.len()] {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.4}"));
    [
        scores.rows.to_string(),
        number(Some(scores.base_rate)),
        number(scores.auc),
        number(uauc),
        number(scores.pr_auc),
        number(scores.ne),
        number(scores.calibration),
    ]
}
