//! Where and when the effect is: by day since exposure, and by segment.

use super::progress::{folded, title};
use super::{comparisons, number, paragraph};
use crate::analysis::{Analysis, Comparison, DayResult, MetricResult, SegmentEffect, SegmentResult};
use crate::distribution::normal_upper_quantile;
use semrank_page::{Forest, Place, Reading, Row, Spread, Track, Trend, counted, forest, heads, table, trend};

/// Effects by day since exposure, with the test of their slope.
pub(super) fn days(analysis: &Analysis) -> String {
    let known = comparisons(analysis).filter(|(_, found)| !found.days.is_empty());
    known.enumerate().map(|(at, (metric, found))| by_day(analysis, at, metric, found)).collect()
}

/// Standard errors from an estimate to the end of its interval.
fn quantile(analysis: &Analysis) -> f64 {
    normal_upper_quantile(analysis.definition.alpha / 2.0)
}

fn by_day(analysis: &Analysis, at: usize, metric: &MetricResult, found: &Comparison) -> String {
    let half = |day: &DayResult| quantile(analysis) * day.se;
    let place = |day: &DayResult| Place {
        x: day.day as f64,
        y: day.value,
        interval: Some((day.value - half(day), day.value + half(day))),
    };
    let chart = trend(&Trend {
        id: &format!("days-{at}"),
        title: &title("Effect on", analysis, metric, found),
        x_label: "days since the first exposure",
        tracks: vec![Track { name: &found.arm, places: found.days.iter().map(place).collect() }],
        whiskers: true,
        zero: true,
        text: number::value,
    });
    chart + &slope(analysis, found) + &day_table(found)
}

fn slope(analysis: &Analysis, found: &Comparison) -> String {
    let Some(p) = found.slope_p else { return String::new() };
    let text = if p < analysis.definition.alpha {
        "The effect changes with the days since exposure: users learn, or a novelty wears off. The mean over the window may not last"
    } else {
        "No change of the effect with the days since exposure is shown"
    };
    paragraph(&format!("{text} (test of the slope: {}).", number::p_text(p)))
}

fn day_table(found: &Comparison) -> String {
    let row = |day: &DayResult| Row {
        cells: vec![day.day.to_string(), number::difference(day.value, day.se), number::value(day.se)],
        best: false,
    };
    let rows: Vec<Row> = found.days.iter().map(row).collect();
    let names = ["days since exposure", "absolute effect", "standard error"];
    folded("Numbers by day", &table("numbers", "", &heads(&names), &rows))
}

/// Effects by segment; never a verdict.
pub(super) fn segments(analysis: &Analysis) -> String {
    let known = comparisons(analysis)
        .flat_map(|(metric, found)| found.segments.iter().map(move |segment| (metric, found, segment)));
    let parts: String = known
        .enumerate()
        .map(|(at, (metric, found, segment))| by_segment(analysis, at, (metric, found), segment))
        .collect();
    if parts.is_empty() {
        return parts;
    }
    let warning = "Segments are never a verdict: among many, some differ by chance. They show where to look, and what to test next.";
    paragraph(warning) + &parts
}

fn by_segment(
    analysis: &Analysis,
    at: usize,
    (metric, found): (&MetricResult, &Comparison),
    segment: &SegmentResult,
) -> String {
    let rows = segment.effects.iter().map(|effect| spread(quantile(analysis), effect)).collect();
    let chart = forest(&Forest {
        id: &format!("segment-{at}"),
        title: &title(&format!("By {}: effect on", segment.column), analysis, metric, found),
        x_label: "absolute effect, with interval of a single test",
        unit: "",
        groups: vec![("", rows)],
        legend: &[],
    });
    let heterogeneity = segment.heterogeneity_p.filter(|p| p.is_finite());
    chart + &heterogeneity.map_or(String::new(), |p| paragraph(&sentence(analysis, segment, p)))
}

fn sentence(analysis: &Analysis, segment: &SegmentResult, p: f64) -> String {
    let text = if p < analysis.definition.alpha {
        "The effects differ between the values"
    } else {
        "No difference is shown between the values"
    };
    format!("{text} of {} (test of heterogeneity: {}).", segment.column, number::p_text(p))
}

fn spread(quantile: f64, effect: &SegmentEffect) -> Spread<'_> {
    let half = quantile * effect.se;
    let interval = crate::estimate::Interval::around(effect.value, half);
    let difference = |value| number::difference(value, effect.se);
    Spread {
        name: &effect.segment,
        note: counted(effect.units.max(0.0).round() as usize, "unit", "units"),
        value: effect.value,
        interval: (interval.low, interval.high),
        margin: None,
        reading: Reading::Open,
        text: difference(effect.value),
        range: number::ends(interval, difference),
    }
}
