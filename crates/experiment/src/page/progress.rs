//! How far the test is: the cumulative effect, units that have matured, rows left out, and power.

use super::{arm, comparisons, number, paragraph, primary, what};
use crate::analysis::{Analysis, ArmValue, Comparison, LookResult, MetricResult, UnitCounts};
use crate::definition::{Role, Stop};
use semrank_page::{Place, Row, Track, Trend, UNKNOWN, escape, fixed, heads, isolate, table, trend};

/// The primary metric as it was known at the end of each day.
pub(super) fn looks(analysis: &Analysis) -> String {
    let with_looks = primary(analysis).enumerate().filter(|(_, (_, found))| !found.looks.is_empty());
    let parts: String = with_looks.map(|(at, (metric, found))| look(analysis, at, metric, found)).collect();
    if parts.is_empty() { parts } else { paragraph(&rule(analysis)) + &parts }
}

/// Whether an interval of a day may be acted on.
fn rule(analysis: &Analysis) -> String {
    match &analysis.definition.stop {
        Stop::Fixed => {
            "Fixed horizon: only the last interval, when all units have matured, may decide. Those before show how the estimate settles."
        }
        Stop::ConfidenceSequence { .. } => "Confidence sequence: the intervals hold at all days together, so the test may end on any of them.",
        Stop::GroupSequential { .. } => "Group-sequential: the test may end at the planned looks, where the interval of that look excludes nothing.",
    }
    .to_owned()
}

fn look(analysis: &Analysis, at: usize, metric: &MetricResult, found: &Comparison) -> String {
    let ends = |look: &LookResult| Some((look.effect.interval.low, look.effect.interval.high));
    let place = |look: &LookResult| Place { x: look.day as f64, y: look.effect.value, interval: ends(look) };
    let title = title("Effect on", analysis, metric, found);
    let chart = trend(&Trend {
        id: &format!("looks-{at}"),
        title: &title,
        x_label: "days since the start",
        tracks: vec![Track { name: &found.arm, places: found.looks.iter().map(place).collect() }],
        whiskers: false,
        zero: true,
        text: number::value,
    });
    let open = found
        .looks
        .iter()
        .any(|look| !(look.effect.interval.low.is_finite() && look.effect.interval.high.is_finite()));
    let open = if open {
        "Intervals of some days have no bounds yet; the band ends at the edge of the picture."
    } else {
        ""
    };
    chart + &paragraph(open) + &bound(found) + &look_table(found)
}

/// `Effect on conversions: treatment minus control`.
pub(super) fn title(before: &str, analysis: &Analysis, metric: &MetricResult, found: &Comparison) -> String {
    format!("{before} {}: {} minus {}", metric.name, found.arm, arm(&analysis.definition, 0))
}

fn bound(found: &Comparison) -> String {
    let Some((share, z)) = found.bound else { return String::new() };
    let crossed = found.crossed.map(|z| format!("; z crossed its bound with {}", number::signed(z, 2)));
    let crossed = crossed.unwrap_or_else(|| "; z has not crossed a bound so far".into());
    let bound = if z.is_finite() { fixed(z, 2) } else { "not reachable yet".into() };
    paragraph(&format!(
        "At the last planned look {} of the planned units had matured; its bound of |z| is {bound}{crossed}.",
        number::share(share)
    ))
}

fn look_table(found: &Comparison) -> String {
    let row = |look: &LookResult| Row {
        cells: vec![
            look.day.to_string(),
            number::whole(look.units.max(0.0).round() as u64),
            number::estimate(&look.effect),
            number::maybe_p(Some(look.effect.p)),
        ],
        best: false,
    };
    let rows: Vec<Row> = found.looks.iter().map(row).collect();
    let names = ["days since the start", "matured units", "absolute effect", "p"];
    folded("Numbers by day", &table("numbers lines", "", &heads(&names), &rows))
}

/// A table that opens when asked for.
pub(super) fn folded(summary: &str, table: &str) -> String {
    format!("<details class=\"folded\"><summary>{summary}</summary>\n{table}</details>\n")
}

/// Units by arm and metric, and rows that do not count.
pub(super) fn maturity(analysis: &Analysis) -> String {
    units(analysis) + &matured(analysis) + &left_out(&analysis.counts) + &by_day(analysis)
}

fn units(analysis: &Analysis) -> String {
    let counts = &analysis.counts;
    let cell = |units: &[u64], at: usize| units.get(at).map_or(UNKNOWN.into(), |units| number::whole(*units));
    let total = counts.exposed.iter().sum::<u64>() as f64;
    let row = |(at, units): (usize, &u64)| Row {
        cells: vec![
            isolate(arm(&analysis.definition, at)) + &planned(analysis, at),
            format!("{}<small>{}</small>", number::whole(*units), number::share(*units as f64 / total)),
            cell(&counts.triggered, at),
            cell(&counts.shadowed, at),
        ],
        best: false,
    };
    let rows: Vec<Row> = counts.exposed.iter().enumerate().map(row).collect();
    let names = ["arm", "exposed", "triggered", "shadowed"];
    let caption =
        "Units by arm. Triggered: the list would have differed. Shadowed: units for which that is known.";
    table("numbers lines", caption, &heads(&names), &rows)
}

/// The planned share of an arm, in small letters.
fn planned(analysis: &Analysis, at: usize) -> String {
    let found = analysis.definition.arms.get(at);
    found.map_or(String::new(), |arm| format!("<small>planned {}</small>", number::share(arm.weight)))
}

fn matured(analysis: &Analysis) -> String {
    let arms: Vec<&str> = analysis.definition.arms.iter().map(|arm| arm.name.as_str()).collect();
    let cell = |metric: &MetricResult, name: &str| match metric.arms.iter().find(|arm| arm.arm == name) {
        Some(found) => matured_cell(found),
        None => UNKNOWN.into(),
    };
    let row = |metric: &MetricResult| Row {
        cells: std::iter::once(isolate(&metric.name) + &window(analysis, metric))
            .chain(arms.iter().map(|arm| cell(metric, arm)))
            .collect(),
        best: metric.role == Role::Primary,
    };
    let rows: Vec<Row> = analysis.metrics.iter().map(row).collect();
    let heads: Vec<String> =
        std::iter::once("metric".to_owned()).chain(arms.iter().map(|arm| isolate(arm))).collect();
    let caption = "Units whose window is complete, by metric. The others are left out: they would count as units without conversions.";
    table("numbers narrow lines", caption, &heads, &rows)
}

/// The window of a metric, in small letters.
fn window(analysis: &Analysis, metric: &MetricResult) -> String {
    let found = analysis.definition.metrics.iter().find(|defined| defined.name == metric.name);
    found.map_or(String::new(), |defined| {
        format!("<small>window of {}</small>", number::days(defined.window_days))
    })
}

fn matured_cell(found: &ArmValue) -> String {
    let share = found.matured as f64 / (found.matured + found.left_out) as f64;
    let left_out = format!("{} left out", number::whole(found.left_out));
    format!(
        "{}<small>{}</small><small>{left_out}</small>",
        number::whole(found.matured),
        number::share(share)
    )
}

fn left_out(counts: &UnitCounts) -> String {
    let rows = [
        ("events that count", counts.events, "of units that count"),
        ("duplicates", counts.duplicates, "rows whose id was already known"),
        ("outside the phase", counts.outside, "exposures before the start or after the end"),
        ("bots", counts.bots, "units, by what was known before exposure"),
        ("crossovers", counts.crossovers, "units that met two arms"),
        ("received later", counts.received_after_as_of, "rows after the moment of this page"),
        (
            "events without exposure",
            counts.without_exposure,
            "of units that never met an arm, or before they did",
        ),
    ];
    let row = |(name, number, what): (&str, u64, &str)| Row {
        cells: vec![format!("{name}<small>{what}</small>"), number::whole(number)],
        best: false,
    };
    let caption = "Rows and units that count, and what was left out.";
    table("numbers lines", caption, &heads(&["what", "number"]), &rows.map(row))
}

fn by_day(analysis: &Analysis) -> String {
    let days = &analysis.counts.by_day;
    if days.is_empty() {
        return String::new();
    }
    let row = |(day, units): (&i64, &Vec<u64>)| Row {
        cells: std::iter::once(day.to_string())
            .chain(units.iter().map(|units| number::whole(*units)))
            .collect(),
        best: false,
    };
    let rows: Vec<Row> = days.iter().map(row).collect();
    let arms = analysis.definition.arms.iter().map(|arm| isolate(&arm.name));
    let heads: Vec<String> = std::iter::once("day of first exposure".into()).chain(arms).collect();
    folded("Units by day of first exposure", &table("numbers", "", &heads, &rows))
}

/// Which effect these units detect, and how many more are needed.
pub(super) fn power(analysis: &Analysis) -> String {
    let known = comparisons(analysis)
        .filter(|(_, found)| found.detectable.is_some() || found.units_to_come.is_some());
    let row = |(metric, found): (&MetricResult, &Comparison)| Row {
        cells: vec![
            what(analysis, &metric.name, &found.arm),
            found.detectable.map_or(UNKNOWN.into(), number::short_share),
            to_come(found),
        ],
        best: metric.role == Role::Primary,
    };
    let rows: Vec<Row> = known.map(row).collect();
    let definition = &analysis.definition;
    let wanted = definition.effect.map_or(String::new(), |effect| {
        format!(" The plan is to find {} on the primary metric.", number::short_share(effect))
    });
    let caption = format!(
        "Smallest relative effect that the matured units detect with power {} at alpha {}.{wanted}",
        number::short_share(definition.power),
        number::short(definition.alpha),
    );
    let names = ["metric", "detectable effect", "units still to come"];
    table("numbers narrow lines", &escape(&caption), &heads(&names), &rows)
}

fn to_come(found: &Comparison) -> String {
    match found.units_to_come {
        Some(units) if units <= 0.0 => "none".into(),
        Some(units) if units.is_finite() => number::whole(units.ceil() as u64),
        _ => UNKNOWN.into(),
    }
}
