//! Conversions that are still to come: how fast the arms convert, and rates that do not wait for the last window.

use super::{arm, number, paragraph};
use crate::analysis::{Analysis, ArmDelays, DelayComparison, Delays};
use semrank_page::{Place, Row, Track, Trend, UNKNOWN, escape, heads, isolate, swatch, table, trend};

/// Curves, rates and comparisons.
pub(super) fn section(analysis: &Analysis) -> String {
    match &analysis.delays {
        Some(delays) => {
            curves(delays) + &rates(delays) + &compared(analysis, delays) + &pace(analysis, delays)
        }
        None => String::new(),
    }
}

fn curves(delays: &Delays) -> String {
    let place = |&(x, y): &(f64, f64)| Place { x, y, interval: None };
    let track = |arm: &'_ ArmDelays| arm.curve.iter().map(place).collect();
    trend(&Trend {
        id: "delay-curves",
        title: &format!("Share of clicks that have converted by age: {}", delays.metric),
        x_label: "days since the click",
        tracks: delays.arms.iter().map(|arm| Track { name: &arm.arm, places: track(arm) }).collect(),
        whiskers: false,
        zero: false,
        text: number::value,
    })
}

fn rates(delays: &Delays) -> String {
    let row = |(at, arm): (usize, &ArmDelays)| Row {
        cells: vec![
            swatch(at.min(6)) + &isolate(&arm.arm),
            format!("{}<small>{} complete</small>", number::whole(arm.clicks), number::whole(arm.matured)),
            arm.matured_rate.map_or(UNKNOWN.into(), number::value),
            arm.hazard_rate.map_or(UNKNOWN.into(), number::value),
        ],
        best: false,
    };
    let rows: Vec<Row> = delays.arms.iter().enumerate().map(row).collect();
    let names = ["arm", "clicks", "rate, matured clicks", "rate, own hazards"];
    let caption = format!(
        "Conversion rate within {}: of clicks whose window is complete, and of all clicks by the arm's own hazards.",
        number::days(delays.window_days)
    );
    table("numbers narrow lines", &escape(&caption), &heads(&names), &rows)
}

/// Each comparison with the name of its treatment.
fn named<'a>(
    analysis: &'a Analysis,
    delays: &'a Delays,
) -> impl Iterator<Item = (&'a str, &'a DelayComparison)> {
    let name =
        |at: usize| delays.arms.get(at + 1).map_or_else(|| arm(&analysis.definition, at + 1), |arm| &arm.arm);
    delays.comparisons.iter().enumerate().map(move |(at, found)| (name(at), found))
}

fn compared(analysis: &Analysis, delays: &Delays) -> String {
    let row = |(name, found): (&str, &DelayComparison)| Row {
        cells: vec![
            isolate(name),
            number::with_p(found.matured.as_ref()),
            number::with_p(found.hazards.as_ref()),
        ],
        best: false,
    };
    let rows: Vec<Row> = named(analysis, delays).map(row).collect();
    let names = ["treatment", "effect, matured clicks", "effect, own hazards"];
    table(
        "numbers narrow lines",
        "Absolute effect on the rate, treatment minus control.",
        &heads(&names),
        &rows,
    )
}

/// Whether the arms convert equally fast, in a sentence each.
fn pace(analysis: &Analysis, delays: &Delays) -> String {
    let sentence = |(name, found): (&str, &DelayComparison)| {
        let p = number::p_text(found.same_pace_p?);
        let found = match found.is_slower {
            Some(true) => {
                "converts later than control: before all windows are complete, a plain rate understates it"
            }
            Some(false) => {
                "converts earlier than control: before all windows are complete, a plain rate flatters it"
            }
            None => "shows no other pace than control",
        };
        Some(paragraph(&format!("The arm {name} {found} (test of equal pace: {p}).")))
    };
    named(analysis, delays).filter_map(sentence).collect()
}
