//! A comparison of probabilities for people: quality and cost, then differences with their intervals.

use semrank_pipeline::comparison::{
    Difference, Differences, Probabilities, ProbabilityComparison, ProbabilityMetrics,
};
use std::fmt::Write;

/// Names with their figures.
type Shown<'a> = [(String, &'a Probabilities)];

/// All tables.
pub(super) fn tables(comparison: &ProbabilityComparison) -> String {
    let ProbabilityComparison { dataset, task, split, .. } = comparison;
    let mut out = format!("{dataset}, {task} of {split}\n");
    if !comparison.groups.is_empty() {
        let _ = writeln!(out, "\nmedians over seeds");
        out += &of(&comparison.shown(), comparison.base());
        let _ = writeln!(out, "\nruns");
    }
    out + &of(&comparison.single(), &comparison.reference)
}

fn of(shown: &Shown, base: &str) -> String {
    let all = |figures: &Probabilities| Some(figures.all);
    let mut out = metrics(shown, &all) + &costs(shown) + &differences(shown, base, &all);
    if shown.iter().any(|(_, figures)| figures.given_click.is_some()) {
        let given = |figures: &Probabilities| figures.given_click;
        let _ = writeln!(out, "\nconversions given a click");
        out += &(metrics(shown, &given) + &differences(shown, base, &given));
    }
    out
}

fn metrics(shown: &Shown, of: &dyn Fn(&Probabilities) -> Option<ProbabilityMetrics>) -> String {
    let names = ["rows", "AUC", "UAUC", "by req", "PR-AUC", "NE", "calib", "ECE"];
    let mut out = line(shown, "", &names.map(str::to_owned));
    for (name, figures) in shown {
        let Some(found) = of(figures) else { continue };
        let ProbabilityMetrics { auc, uauc, request_auc, pr_auc, ne, calibration, ece, .. } = found;
        let cells = [auc, uauc, request_auc, pr_auc, ne, calibration, ece];
        let cells = cells.map(|value| known(value, |value| format!("{value:.4}")));
        let cells: Vec<String> = std::iter::once(found.rows.to_string()).chain(cells).collect();
        out += &line(shown, name, &cells);
    }
    out
}

fn costs(shown: &Shown) -> String {
    let mut out = line(shown, "", &["wall s", "CPU s", "peak MiB"].map(str::to_owned));
    for (name, figures) in shown {
        let cost = &figures.cost;
        let cells = [
            format!("{:.1}", cost.wall_seconds),
            known(cost.cpu_seconds, |value| format!("{value:.1}")),
            known(cost.peak_rss_mb, |value| format!("{value:.0}")),
        ];
        out += &line(shown, name, &cells);
    }
    out
}

fn differences(
    shown: &Shown,
    base: &str,
    of: &dyn Fn(&Probabilities) -> Option<ProbabilityMetrics>,
) -> String {
    let mut out = format!("less that of {base}, 95 % paired intervals over users; * = 0 is outside\n");
    out += "the intervals are of these trained models and do not include the variation between seeds\n";
    for (name, figures) in shown {
        let found = of(figures).and_then(|metrics| metrics.difference);
        let Some(Differences { ne, auc, uauc }) = found else { continue };
        for (metric, found) in [("NE", ne), ("AUC", auc), ("UAUC", uauc)] {
            out += &line(shown, name, &[format!("{metric:<4} {}", known(found, difference))]);
        }
    }
    out
}

/// `-0.0012 [-0.0020, -0.0004] *`.
fn difference(found: Difference) -> String {
    let (interval, mark) = (found.interval, if found.significant { '*' } else { ' ' });
    format!("{:+.4} [{:+.4}, {:+.4}] {mark}", interval.value, interval.low, interval.high)
}

fn known<T>(value: Option<T>, show: impl Fn(T) -> String) -> String {
    value.map_or("-".into(), show)
}

/// A row; names are as wide as the longest.
fn line(shown: &Shown, name: &str, cells: &[String]) -> String {
    let longest = shown.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let cells: String = cells.iter().map(|cell| format!(" {cell:>7}")).collect();
    format!("  {name:longest$}{cells}\n")
}
