//! Pictures as SVG text: numbers in, a line chart or grouped bars out.
//!
//! Colours come from the style sheet (classes `s0`, `s1`, …), so that both colour schemes fit. Values that
//! are not finite are left out. Each picture has a title and a description for screen readers, and every bar
//! and point a tooltip.

use crate::frame::{Frame, axis, colour, label};
use crate::text::{escape, fixed, metric};

/// Width of a chart that stands alone.
pub const WIDE: f64 = 760.0;
/// Width of a chart beside another.
pub const HALF: f64 = 460.0;

/// Named values.
pub struct Series<'a> {
    /// What it is called.
    pub name: &'a str,
    /// One per group or value of x.
    pub values: Vec<f64>,
}

/// Which bar of a group carries its value.
#[derive(Clone, Copy, PartialEq)]
pub enum Labelled {
    /// That of the first series.
    First,
    /// The highest, whichever it is: no other bar stands in its label's way.
    Highest,
}

/// A chart of groups of bars, one bar per series.
pub struct Bars<'a> {
    /// Unique within the page.
    pub id: &'a str,
    /// Above the picture.
    pub title: &'a str,
    /// In user units: [`WIDE`] for a page's width, [`HALF`] for two charts side by side.
    pub width: f64,
    /// Which bar carries its value.
    pub labelled: Labelled,
    /// Their names.
    pub groups: Vec<String>,
    /// One colour each.
    pub series: Vec<Series<'a>>,
}

/// A chart of lines over one axis.
pub struct Lines<'a> {
    /// Unique within the page.
    pub id: &'a str,
    /// Above the picture.
    pub title: &'a str,
    /// Below the axis.
    pub x_label: &'a str,
    /// Values of the axis.
    pub x: &'a [f64],
    /// One colour each.
    pub series: Vec<Series<'a>>,
    /// A value of x to mark as the one that was kept.
    pub mark: Option<f64>,
}

/// Bars in groups, one of each group with its value.
pub fn bars(chart: &Bars) -> String {
    let highest = extent(&chart.series).map_or(1.0, |(_, high)| if high > 0.0 { high } else { 1.0 });
    let frame = Frame::new(chart.width, 270.0, (0.0, highest * 1.1));
    let slot = (frame.right - frame.left) / chart.groups.len().max(1) as f64;
    let width = slot * 0.78 / chart.series.len().max(1) as f64;
    let mut drawing = String::new();
    for (group, name) in chart.groups.iter().enumerate() {
        let start = frame.left + slot * (group as f64 + 0.11);
        let labelled = match chart.labelled {
            Labelled::First => 0,
            Labelled::Highest => highest_of(&chart.series, group),
        };
        for (at, series) in chart.series.iter().enumerate() {
            let value = series.values[group];
            if value.is_finite() {
                let tooltip = format!("{} {}: {}", series.name, name, metric(value));
                let place = (start + width * at as f64, frame.y(value.max(0.0)), width * 0.88);
                drawing += &bar(&frame, place, colour(at, series.name), &tooltip);
                if at == labelled {
                    let middle = place.0 + place.2 / 2.0;
                    drawing += &label("value", middle, place.1 - 5.0, "middle", &metric(value));
                }
            }
        }
        drawing += &label("tick", start + slot * 0.39, frame.bottom + 18.0, "middle", name);
    }
    drawing += &axis(&frame);
    let names: Vec<&str> = chart.series.iter().map(|series| series.name).collect();
    frame.figure(chart.id, chart.title, &names, &drawing)
}

/// Width of a letter of a tick's label, in user units.
const TICK_LETTER: f64 = 7.0;

/// Lines over a common axis, with a dashed mark at the value that was kept.
pub fn lines(chart: &Lines) -> String {
    let (low, high) = extent(&chart.series).unwrap_or((0.0, 1.0));
    let room = ((high - low) * 0.1).max(high.abs() * 0.01).max(1e-6);
    let frame = Frame::new(HALF, 250.0, (low - room, high + room));
    let finite = || chart.x.iter().copied().filter(|x| x.is_finite());
    let (first, last) = (finite().fold(f64::MAX, f64::min), finite().fold(f64::MIN, f64::max));
    let x = |value: f64| {
        let share = if last > first { (value - first) / (last - first) } else { 0.5 };
        frame.left + 12.0 + share * (frame.right - frame.left - 24.0)
    };
    let mut drawing = String::new();
    if let Some(mark) = chart.mark.filter(|mark| (first..=last).contains(mark)) {
        drawing += &format!(
            "<line class=\"mark\" x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\"><title>kept: {} {mark}</title></line>\n",
            frame.top,
            frame.bottom,
            escape(chart.x_label),
            at = x(mark),
        );
        drawing += &label("tick", x(mark) - 5.0, frame.top + 8.0, "end", "kept");
    }
    for (at, series) in chart.series.iter().enumerate() {
        let points = chart.x.iter().copied().zip(series.values.iter().copied());
        let points: Vec<(f64, f64)> = points.filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
        drawing += &polyline(&frame, &points, &x, at, series.name, chart.x_label);
    }
    let whole = finite().all(|x| x.fract() == 0.0);
    let decimals = if whole { 0 } else { 2 + usize::from(last < 0.1) };
    let mut free = f64::NEG_INFINITY;
    for value in finite() {
        let (text, at) = (fixed(value, decimals), x(value));
        let half = TICK_LETTER * text.len() as f64 / 2.0;
        if at - half >= free {
            drawing += &label("tick", at, frame.bottom + 16.0, "middle", &text);
            free = at + half + TICK_LETTER;
        }
    }
    drawing += &label("tick", frame.right, frame.height - 2.0, "end", chart.x_label);
    drawing += &axis(&frame);
    let names: Vec<&str> = chart.series.iter().map(|series| series.name).collect();
    frame.figure(chart.id, chart.title, &names, &drawing)
}

fn polyline(
    frame: &Frame,
    points: &[(f64, f64)],
    x: &impl Fn(f64) -> f64,
    at: usize,
    name: &str,
    x_label: &str,
) -> String {
    let path: Vec<String> =
        points.iter().map(|&(px, py)| format!("{:.1},{:.1}", x(px), frame.y(py))).collect();
    let mut out = format!("<polyline class=\"line s{at}\" points=\"{}\"/>\n", path.join(" "));
    for &(px, py) in points {
        let tooltip = escape(&format!("{name} at {x_label} {px}: {}", fixed(py, 4)));
        out += &format!(
            "<circle class=\"s{at}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{tooltip}</title></circle>\n",
            x(px),
            frame.y(py),
        );
    }
    out
}

fn bar(frame: &Frame, (x, y, width): (f64, f64, f64), colour: usize, tooltip: &str) -> String {
    format!(
        "<rect class=\"s{colour}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"2\">\
         <title>{}</title></rect>\n",
        (frame.bottom - y).max(0.5),
        escape(tooltip),
    )
}

/// The series whose value in a group is greatest.
fn highest_of(series: &[Series], group: usize) -> usize {
    let values = series.iter().map(|series| series.values[group]).enumerate();
    let finite = values.filter(|(_, value)| value.is_finite());
    finite.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(at, _)| at)
}

/// Least and greatest finite value.
fn extent(series: &[Series]) -> Option<(f64, f64)> {
    let values = series.iter().flat_map(|series| series.values.iter().copied()).filter(|v| v.is_finite());
    values.fold(None, |range, v| {
        let (low, high) = range.unwrap_or((v, v));
        Some((low.min(v), high.max(v)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_not_finite_leave_no_trace() {
        let nothing = || vec![Series { name: "a", values: vec![f64::NAN, f64::INFINITY] }];
        let groups = vec!["x".into(), "y".into()];
        let bars = bars(&Bars {
            id: "b",
            title: "t",
            width: HALF,
            labelled: Labelled::Highest,
            groups,
            series: nothing(),
        });
        let lines = lines(&Lines {
            id: "l",
            title: "t",
            x_label: "x",
            x: &[1.0, 2.0],
            series: nothing(),
            mark: None,
        });
        for picture in [bars, lines] {
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
            assert!(!picture.contains("<rect") && !picture.contains("<circle"), "{picture}");
        }
    }
}
