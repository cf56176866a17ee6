//! `report.html` of a ranking task: quality of the probabilities, reliability, training.

use super::tables::timings;
use semrank_measure::probabilities::Scores;
use semrank_page::{
    Lines, Row, Series, card_list, count, counted, counts_in, escape, fixed, heads, isolate, lines, metric,
    notes, page, pairs, section, table,
};
use semrank_pipeline::{
    overview::{Example, PointwiseReport},
    response::Measured,
};

/// The whole page.
pub(crate) fn render(report: &PointwiseReport) -> String {
    let evaluation = report.evaluation;
    let measured = &evaluation.measured;
    let given = evaluation.given_click.as_ref();
    let given = given.map_or(String::new(), |given| {
        section(
            "given-click",
            "Conversion given a click",
            &(scores_table("Clicks", given) + &baselines(given) + &reliable("given", given)),
        )
    });
    let body = [
        cards(measured),
        section(
            "results",
            "Results",
            &(notes(&evaluation.warnings) + &baselines(measured) + &scores_table("Test rows", measured)),
        ),
        section("reliability", "Predicted and observed", &reliable("all", measured)),
        given,
        section("training", "Training", &training(report)),
        section("examples", "Highest predictions", &examples(&report.facts.examples)),
        section("facts", "Data and settings", &facts(report)),
    ]
    .concat();
    let what = if evaluation.task == "oc" { "Clicks that convert" } else { "Clicks" };
    let lead = format!(
        "{what}: probabilities of {} in {}, {}. Left out: {} whose labels can still change, {} without a conversion label.",
        counted(measured.scores.rows, "row", "rows"),
        evaluation.split,
        counts_in(&evaluation.calibrated),
        counted(evaluation.immature, "row", "rows"),
        counted(evaluation.unlabelled, "click", "clicks")
    );
    let title = format!("{}: {}", evaluation.dataset, evaluation.task);
    page(&title, &lead, &body, &format!("semrank {}", env!("CARGO_PKG_VERSION")))
}

/// Rows with what was predicted and what happened.
fn examples(examples: &[Example]) -> String {
    let row = |example: &Example| Row {
        cells: vec![
            isolate(&example.user),
            format!("{} <small class=\"id\">{}</small>", isolate(&example.text), isolate(&example.item)),
            escape(&example.when),
            fixed(example.score, 4),
            if example.label { "yes".into() } else { "no".into() },
        ],
        best: example.label,
    };
    let rows: Vec<Row> = examples.iter().map(row).collect();
    let caption = "Test rows with the highest predictions, one per user";
    table("wrap", caption, &heads(&["User", "Item", "Shown", "Predicted", "Happened"]), &rows)
}

fn facts(report: &PointwiseReport) -> String {
    [
        pairs("Data", "", "value", &report.facts.data),
        pairs("Settings", "setting", "value", &report.facts.settings),
        timings(&report.timings),
    ]
    .concat()
}

fn number(value: Option<f64>) -> String {
    value.map_or("–".into(), metric)
}

fn cards(measured: &Measured) -> String {
    let scores = &measured.scores;
    let interval = |name: &str| {
        let found = measured.intervals.get(name);
        found.map_or(String::new(), |i| format!("95 % interval {} to {}", metric(i.low), metric(i.high)))
    };
    card_list(&[
        ("AUC", number(scores.auc), interval("auc")),
        ("AUC within users", number(measured.uauc), interval("uauc")),
        ("Normalised entropy", number(scores.ne), interval("ne")),
        ("Predicted / observed", number(scores.calibration), "1 is right on average".into()),
        ("Rows", count(scores.rows), format!("{} % positive", fixed(100.0 * scores.base_rate, 2))),
    ])
}

fn scores_table(name: &str, measured: &Measured) -> String {
    let heads =
        heads(&["", "Rows", "Base rate", "AUC", "PR-AUC", "Log loss", "NE", "Predicted / observed", "ECE"]);
    let row = |name: &str, scores: &Scores| Row {
        cells: vec![
            isolate(name),
            count(scores.rows),
            metric(scores.base_rate),
            number(scores.auc),
            number(scores.pr_auc),
            number(scores.log_loss),
            number(scores.ne),
            number(scores.calibration),
            number(scores.ece),
        ],
        best: false,
    };
    let all = std::iter::once(row(name, &measured.scores));
    let parts = measured.segments.iter().flat_map(|(segment, parts)| {
        parts.iter().map(move |part| row(&format!("{segment}: {}", part.name), &part.scores))
    });
    let rows: Vec<Row> = all.chain(parts).collect();
    table("numbers", "By item, place and advertiser (the worst calibrated ones)", &heads, &rows)
}

/// The model and its baselines, on the same rows.
fn baselines(measured: &Measured) -> String {
    let row = |name: &str, scores: &Scores, uauc: Option<f64>, best: bool| Row {
        cells: vec![
            escape(name),
            number(scores.auc),
            number(uauc),
            number(scores.pr_auc),
            number(scores.ne),
            number(scores.calibration),
        ],
        best,
    };
    let all = measured.baselines.iter();
    let baselines = all.map(|baseline| row(&baseline.name, &baseline.scores, baseline.uauc, false));
    let model = std::iter::once(row("model", &measured.scores, measured.uauc, true));
    let rows: Vec<Row> =
        if measured.baselines.is_empty() { Vec::new() } else { model.chain(baselines).collect() };
    let names = ["", "AUC", "AUC within users", "PR-AUC", "NE", "Predicted / observed"];
    table("numbers narrow", "The model and baselines", &heads(&names), &rows)
}

/// The reliability diagram: bins of equal count, and the diagonal.
fn reliable(id: &str, measured: &Measured) -> String {
    let bins: Vec<_> = measured.reliability.iter().filter(|bin| bin.rows > 0).collect();
    let x: Vec<f64> = bins.iter().map(|bin| bin.predicted).collect();
    let chart = lines(&Lines {
        id: &format!("chart-reliability-{id}"),
        title: "Observed rate against predicted probability",
        x_label: "mean prediction of a bin",
        x: &x,
        series: vec![
            Series { name: "observed", values: bins.iter().map(|bin| bin.observed).collect() },
            Series { name: "predicted", values: x.clone() },
        ],
        mark: None,
    });
    let rows: Vec<Row> = bins
        .iter()
        .map(|bin| Row {
            cells: vec![
                format!("{} to {}", metric(bin.low), metric(bin.high)),
                count(bin.rows),
                metric(bin.predicted),
                metric(bin.observed),
            ],
            best: false,
        })
        .collect();
    let heads = heads(&["Scores", "Rows", "Predicted", "Observed"]);
    format!("<div class=\"pair\">\n{chart}{}</div>\n", table("numbers", "Bins of equal count", &heads, &rows))
}

fn training(report: &PointwiseReport) -> String {
    let passes: Vec<Row> = report
        .curve
        .iter()
        .flat_map(|pass| {
            pass.heads.iter().map(|head| Row {
                cells: vec![
                    pass.epoch.to_string(),
                    escape(&head.head),
                    count(head.samples),
                    metric(head.loss),
                    fixed(head.gradient, 4),
                    number(pass.validation_loss),
                ],
                best: false,
            })
        })
        .collect();
    let days: Vec<Row> = report
        .days
        .iter()
        .map(|day| Row {
            cells: vec![
                day.day.to_string(),
                count(day.clicks.rows),
                number(day.clicks.normalised_entropy()),
                number(day.clicks.calibration()),
                count(day.conversions.rows),
                number(day.conversions.normalised_entropy()),
                number(day.conversions.calibration()),
            ],
            best: false,
        })
        .collect();
    let of_passes = heads(&["Epoch", "Head", "Samples", "Loss", "Gradient", "Validation"]);
    let of_days =
        heads(&["Day", "Rows", "NE", "Calibration", "Clicks", "Conversion NE", "Conversion calibration"]);
    table("numbers", "Mean loss and length of the gradient, head by head", &of_passes, &passes)
        + &table("numbers", "Predicted, then learned, day by day", &of_days, &days)
}
