//! What the arms cost and how they answered: budgets, calibration of the click model, latency.

use super::{arm, number, paragraph};
use crate::analysis::{Analysis, Budgets, Calibration, Estimate, Latency};
use semrank_page::{Row, UNKNOWN, counted, escape, fixed, heads, isolate, table};

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
        counted(out, "campaign", "campaigns"),
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
        let lift = budgets.pair_lifts.get(at).copied().flatten().map(percent);
        Some(Row {
            cells: vec![
                isolate(arm(&analysis.definition, at + 1)),
                number::maybe(absolute.as_ref()),
                number::maybe(lift.as_ref()).replace("<small>", " %<small>"),
                number::maybe_p(absolute.or(lift).map(|effect| effect.p)),
            ],
            best: false,
        })
        .filter(|_| absolute.is_some() || lift.is_some())
    };
    let rows: Vec<Row> = budgets.pairs.iter().enumerate().filter_map(row).collect();
    let names = ["treatment", "effect by pairs", "relative, %", "p"];
    let caption = format!(
        "{} by pairs of campaigns, each with its budget once an arm.",
        isolate(&analysis.definition.primary().name)
    );
    table("numbers lines", &caption, &heads(&names), &rows)
}

/// A relative estimate in per cent.
fn percent(found: Estimate) -> Estimate {
    Estimate {
        value: 100.0 * found.value,
        se: 100.0 * found.se,
        interval: found.interval.map(|end| 100.0 * end),
        p: found.p,
    }
}

/// Predicted over observed clicks by arm and source.
pub(super) fn calibration(analysis: &Analysis) -> String {
    let row = |found: &Calibration| Row {
        cells: vec![
            isolate(&found.arm),
            found.source.as_deref().map_or_else(|| "all".into(), isolate),
            number::whole(found.shown),
            number::value(found.predicted),
            number::whole(found.clicks),
            found.ratio.map_or(UNKNOWN.into(), |ratio| fixed(ratio, 3)),
        ],
        best: found.source.is_none(),
    };
    let rows: Vec<Row> = analysis.calibration.iter().map(row).collect();
    let names = ["arm", "source", "shown", "predicted clicks", "clicks", "predicted / clicks"];
    let caption = "Sum of predicted probabilities over clicks, by arm and by the first source that found the item. 1 is calibrated.";
    table("text-2 numbers", caption, &heads(&names), &rows)
}

/// What answers took, with and without the lists of the other arms.
pub(super) fn latency(analysis: &Analysis) -> String {
    let row = |found: &Latency| Row {
        cells: vec![
            isolate(&found.arm),
            if found.shadowed { "yes" } else { "no" }.into(),
            number::whole(found.answers),
            number::value(found.p50_ms),
            number::value(found.p99_ms),
        ],
        best: false,
    };
    let rows: Vec<Row> = analysis.latency.iter().map(row).collect();
    let names = ["arm", "with shadow", "answers", "median, ms", "99th percentile, ms"];
    let caption =
        escape("Milliseconds per answer. With shadow, the lists of the other arms were found as well.");
    table("text-2 numbers", &caption, &heads(&names), &rows)
}
