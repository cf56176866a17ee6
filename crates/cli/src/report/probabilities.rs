//! `compare.html` of ranking runs: quality of their probabilities, and which differences are real.

use semrank_page::{Row, UNKNOWN, count, escape, fixed, heads, metric, page, seconds, section, table};
use semrank_pipeline::comparison::{
    Difference, Differences, Probabilities, ProbabilityComparison, ProbabilityMetrics,
};

/// Names with their figures.
type Shown<'a> = [(String, &'a Probabilities)];

/// The whole page.
pub(crate) fn render(comparison: &ProbabilityComparison) -> String {
    let (shown, base) = (comparison.shown(), comparison.base());
    let all = |figures: &Probabilities| Some(figures.all);
    let given = |figures: &Probabilities| figures.given_click;
    let single =
        if comparison.groups.is_empty() { String::new() } else { metrics(&comparison.single(), &all) };
    let body = [
        section("results", "Quality", &(metrics(&shown, &all) + &differences(&shown, base, &all))),
        section(
            "given-click",
            "Conversion given a click",
            &(metrics(&shown, &given) + &differences(&shown, base, &given)),
        ),
        section("costs", "Cost", &costs(&shown)),
        section("runs", "Runs", &single),
    ];
    let title =
        format!("{}, {}: {} runs compared", comparison.dataset, comparison.task, comparison.runs.len());
    let lead = format!("Probabilities of the same test rows; differences are from {base}.");
    page(&title, &lead, &body.concat(), &format!("semrank {}", env!("CARGO_PKG_VERSION")))
}

fn number(value: Option<f64>) -> String {
    value.map_or(UNKNOWN.into(), metric)
}

fn metrics(shown: &Shown, of: &dyn Fn(&Probabilities) -> Option<ProbabilityMetrics>) -> String {
    let found = || shown.iter().filter_map(|(name, figures)| Some((name, of(figures)?)));
    let least = found().filter_map(|(_, metrics)| metrics.ne).fold(f64::INFINITY, f64::min);
    let line = |(name, metrics): (&String, ProbabilityMetrics)| Row {
        cells: vec![
            escape(name),
            count(metrics.rows),
            number(metrics.auc),
            number(metrics.uauc),
            number(metrics.request_auc),
            number(metrics.pr_auc),
            number(metrics.ne),
            number(metrics.calibration),
            number(metrics.ece),
        ],
        best: metrics.ne.is_some_and(|ne| ne <= least),
    };
    let names = [
        "run",
        "Rows",
        "AUC",
        "AUC within users",
        "within requests",
        "PR-AUC",
        "NE",
        "Predicted / observed",
        "ECE",
    ];
    table("numbers", "", &heads(&names), &found().map(line).collect::<Vec<Row>>())
}

fn differences(
    shown: &Shown,
    base: &str,
    of: &dyn Fn(&Probabilities) -> Option<ProbabilityMetrics>,
) -> String {
    let found = shown.iter().filter_map(|(name, figures)| Some((name, of(figures)?.difference?)));
    let line = |(name, Differences { ne, auc, uauc }): (&String, Differences)| Row {
        cells: std::iter::once(escape(name)).chain([ne, auc, uauc].map(difference)).collect(),
        best: false,
    };
    let caption = format!(
        "Less that of {}, with 95 % paired intervals over users; bold where 0 is outside. The intervals are of these trained models \
         and do not include the variation between seeds.",
        escape(base)
    );
    table(
        "numbers",
        &caption,
        &heads(&["run", "NE", "AUC", "AUC within users"]),
        &found.map(line).collect::<Vec<Row>>(),
    )
}

fn difference(found: Option<Difference>) -> String {
    let Some(Difference { interval, significant }) = found else { return UNKNOWN.into() };
    let text = format!("{:+.4} <small>{:+.4} to {:+.4}</small>", interval.value, interval.low, interval.high);
    if significant { format!("<b>{text}</b>") } else { text }
}

fn costs(shown: &Shown) -> String {
    let line = |(name, figures): &(String, &Probabilities)| Row {
        cells: vec![
            escape(name),
            figures.cost.cpu_seconds.map_or(UNKNOWN.into(), seconds),
            seconds(figures.cost.wall_seconds),
            figures.cost.peak_rss_mb.map_or(UNKNOWN.into(), |mib| format!("{} MiB", fixed(mib, 0))),
        ],
        best: false,
    };
    let names = ["run", "CPU time", "wall time", "peak memory"];
    table("numbers narrow", "", &heads(&names), &shown.iter().map(line).collect::<Vec<Row>>())
}
