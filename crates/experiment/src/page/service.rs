//! What the arms cost and how they answered: budgets, calibration of the click model, latency.

use super::{arm, number, paragraph};
use crate::analysis::{Analysis, Budgets, Calibration, Estimate, Latency, Relative};
use semrank_page::{Row, UNKNOWN, count, counted, fixed, heads, isolate, table};

/// Spend by arm, how much of it is limited, and pairs of campaigns.
pub(super) fn budgets(analysis: &Analysis) -> String {
    match &analysis.budgets {
        Some(budgets) => paragraph(&limited(budgets)) + &spend(analysis, budgets) + &pairs(analysis, budgets),
        None => String::new(),
    }
}

fn limited(budgets: &Budgets) -> String {
    let (out, all) = budgets.limited;
    format!(
        "{} of {} ran out of budget; {} of the spend is theirs. Where budgets are shared, what one arm spends the other cannot.",
        count(out),
        counted(all, "campaign", "campaigns"),
        number::share(budgets.limited_share),
    )
}

fn spend(analysis: &Analysis, budgets: &Budgets) -> String {
    let total: f64 = budgets.spend.iter().sum();
    let row = |(at, spend): (usize, &f64)| Row {
        cells: vec![
            isolate(arm(&analysis.definition, at)),
            number::money(*spend),
            number::share(spend / total),
        ],
        best: false,
    };
    let rows: Vec<Row> = budgets.spend.iter().enumerate().map(row).collect();
    table("numbers", "Spend by arm.", &heads(&["arm", "spend", "share"]), &rows)
}

fn pairs(analysis: &Analysis, budgets: &Budgets) -> String {
    let row = |(at, absolute): (usize, &Option<Estimate>)| {
        let lift = budgets.pair_lifts.get(at).copied().flatten();
        Some(Row {
            cells: vec![
                isolate(arm(&analysis.definition, at + 1)),
                number::with_p(absolute.as_ref()),
                lift.map_or(UNKNOWN.into(), |lift| number::relative_cell(&relative(&lift))),
            ],
            best: false,
        })
        .filter(|_| absolute.is_some() || lift.is_some())
    };
    let rows: Vec<Row> = budgets.pairs.iter().enumerate().filter_map(row).collect();
    let names = ["treatment", "effect by pairs", "relative"];
    let caption = format!(
        "Effect on {} by pairs of campaigns, each with its budget once an arm.",
        isolate(&analysis.definition.primary().name)
    );
    table("numbers lines", &caption, &heads(&names), &rows)
}

fn relative(found: &Estimate) -> Relative {
    Relative { value: found.value, interval: Some(found.interval), method: String::new() }
}

/// Predicted over observed clicks by arm and source.
pub(super) fn calibration(analysis: &Analysis) -> String {
    let row = |found: &Calibration| Row {
        cells: vec![
            format!(
                "{}<small>{}</small>",
                isolate(&found.arm),
                found.source.as_deref().map_or_else(|| "all sources".into(), isolate)
            ),
            number::whole(found.shown),
            number::value(found.predicted),
            number::whole(found.clicks),
            found.ratio.map_or(UNKNOWN.into(), |ratio| fixed(ratio, 3)),
        ],
        best: found.source.is_none(),
    };
    let rows: Vec<Row> = analysis.calibration.iter().map(row).collect();
    let names = ["arm and source", "shown", "predicted", "clicks", "ratio"];
    let caption = "Sum of predicted probabilities over clicks, by arm and by the first source that found the item. A ratio of 1 is calibrated.";
    table("numbers narrow lines", caption, &heads(&names), &rows)
}

/// What answers took, with and without the lists of the other arms.
pub(super) fn latency(analysis: &Analysis) -> String {
    let row = |found: &Latency| Row {
        cells: vec![
            format!(
                "{}<small>{} shadow</small>",
                isolate(&found.arm),
                if found.shadowed { "with" } else { "without" }
            ),
            number::whole(found.answers),
            number::value(found.p50_ms),
            number::value(found.p99_ms),
        ],
        best: false,
    };
    let rows: Vec<Row> = analysis.latency.iter().map(row).collect();
    let names = ["arm", "answers", "median, ms", "99th percentile, ms"];
    let caption = "Milliseconds per answer. With shadow, the lists of the other arms were found as well.";
    table("numbers narrow lines", caption, &heads(&names), &rows)
}
