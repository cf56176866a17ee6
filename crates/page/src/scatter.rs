//! Points over two axes: what something brings against what it costs.

use crate::charts::WIDE;
use crate::frame::{Frame, axis, label, ticks};
use crate::text::escape;

/// Width of a letter of a label, and height of its line, in user units: a little more than the style sheet's font needs.
const LETTER: f64 = 6.6;
const LINE: f64 = 13.0;
/// Longest label; the rest is in the tooltip.
const LETTERS: usize = 32;

/// One point.
pub struct Point<'a> {
    /// Place.
    pub x: f64,
    /// Height.
    pub y: f64,
    /// Number of its class in the style sheet.
    pub colour: usize,
    /// Beside it.
    pub name: &'a str,
    /// When pointed at.
    pub tooltip: String,
    /// Large with its name beside it, or small.
    pub named: bool,
}

/// A chart of points; what is not finite is left out.
pub struct Scatter<'a> {
    /// Unique within the page.
    pub id: &'a str,
    /// Above the picture.
    pub title: &'a str,
    /// Below the axis.
    pub x_label: &'a str,
    /// In any order.
    pub points: Vec<Point<'a>>,
    /// A value of y to draw a dashed line at, and what it is.
    pub level: Option<(f64, &'a str)>,
}

/// The picture; x begins at 0, so that costs can be compared by eye.
pub fn scatter(chart: &Scatter) -> String {
    let points: Vec<&Point> = chart.points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()).collect();
    if points.is_empty() {
        return String::new();
    }
    let ys = || points.iter().map(|point| point.y).chain(chart.level.map(|(y, _)| y));
    let (low, high) = (ys().fold(f64::MAX, f64::min), ys().fold(f64::MIN, f64::max));
    let room = ((high - low) * 0.15).max(high.abs() * 0.01).max(1e-6);
    let mut frame = Frame::new(WIDE, 330.0, (low - room, high + room));
    frame.bottom -= 14.0;
    let most = points.iter().map(|point| point.x).fold(0.0, f64::max).max(1e-6) * 1.08;
    let x = |value: f64| frame.left + value / most * (frame.right - frame.left);
    let mut drawing: String = ticks(0.0, most)
        .iter()
        .map(|(value, text)| label("tick", x(*value), frame.bottom + 16.0, "middle", text))
        .collect();
    drawing += &label("tick", frame.right, frame.height - 3.0, "end", chart.x_label);
    let placed: Vec<(f64, f64, &Point)> = points.iter().map(|&p| (x(p.x), frame.y(p.y), p)).collect();
    let mut taken: Vec<Area> = placed.iter().map(around).collect();
    if let Some((y, name)) = chart.level {
        drawing += &level(&frame, frame.y(y), name, &mut taken);
    }
    drawing += &axis(&frame);
    drawing += &placed.iter().map(circle).collect::<String>();
    drawing += &labels(&frame, &placed, taken);
    let names: Vec<&str> = points.iter().filter(|point| point.named).map(|point| point.name).collect();
    frame.plain_figure(chart.id, chart.title, &names, &drawing)
}

/// A dashed line with its name below it, or above it where a point is in the way.
fn level(frame: &Frame, y: f64, name: &str, taken: &mut Vec<Area>) -> String {
    let left = frame.right - name.chars().count() as f64 * LETTER;
    let area = |baseline: f64| [left, baseline - LINE + 3.0, frame.right, baseline + 3.0];
    let below = !taken.iter().any(|other| overlap(&area(y + 15.0), other));
    let baseline = if below { y + 15.0 } else { y - 6.0 };
    taken.extend([area(baseline), [frame.left, y - 1.0, frame.right, y + 1.0]]);
    format!(
        "<line class=\"mark\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n{}",
        frame.left,
        frame.right,
        label("tick", frame.right, baseline, "end", name),
    )
}

fn radius(point: &Point) -> f64 {
    if point.named { 6.0 } else { 3.0 }
}

fn circle((x, y, point): &(f64, f64, &Point)) -> String {
    let (radius, class) = (radius(point), if point.named { "" } else { " seed" });
    format!(
        "<circle class=\"s{}{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"><title>{}</title></circle>\n",
        point.colour,
        escape(&point.tooltip),
    )
}

/// A rectangle: left, top, right, bottom.
type Area = [f64; 4];

fn overlap(a: &Area, b: &Area) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// Where a point is.
fn around(&(x, y, point): &(f64, f64, &Point)) -> Area {
    let radius = radius(point);
    [x - radius, y - radius, x + radius, y + radius]
}

/// Names beside their points, where there is room that nothing else takes; where there is none, the table's colours and the
/// tooltip tell it.
fn labels(frame: &Frame, points: &[(f64, f64, &Point)], mut taken: Vec<Area>) -> String {
    let mut out = String::new();
    for &(x, y, point) in points.iter().filter(|(_, _, point)| point.named) {
        let text = shortened(point.name);
        let width = text.chars().count() as f64 * LETTER;
        let places = [
            ("start", x + 10.0, y + 4.0, x + 10.0),
            ("middle", x, y - 11.0, x - width / 2.0),
            ("end", x - 10.0, y + 4.0, x - 10.0 - width),
            ("middle", x, y + 20.0, x - width / 2.0),
            ("start", x - 6.0, y - 11.0, x - 6.0),
            ("end", x + 6.0, y - 11.0, x + 6.0 - width),
            ("start", x - 6.0, y + 20.0, x - 6.0),
            ("end", x + 6.0, y + 20.0, x + 6.0 - width),
        ];
        let area = |baseline: f64, left: f64| [left, baseline - LINE + 3.0, left + width, baseline + 3.0];
        let free = |area: &Area| {
            area[0] >= frame.left
                && area[2] <= frame.right
                && area[1] >= 0.0
                && area[3] <= frame.bottom
                && !taken.iter().any(|other| overlap(area, other))
        };
        let place = places.into_iter().find(|&(_, _, baseline, left)| free(&area(baseline, left)));
        if let Some((anchor, at, baseline, left)) = place {
            taken.push(area(baseline, left));
            out += &label("value name", at, baseline, anchor, &text);
        }
    }
    out
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    name.chars().take(LETTERS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64, name: &str) -> Point<'_> {
        Point { x, y, colour: 0, name, tooltip: name.into(), named: true }
    }

    fn draw(points: Vec<Point>) -> String {
        scatter(&Scatter { id: "s", title: "t", x_label: "x", points, level: Some((0.1, "<base>")) })
    }

    #[test]
    fn names_do_not_cover_each_other() {
        let points: Vec<Point> = (0..9).map(|_| point(1.0, 0.2, "a way of training")).collect();
        let found = draw(points);
        let names = found.matches("class=\"value name\"").count();
        assert!((1..=5).contains(&names), "{names} names around one place");
        let apart = draw(vec![point(1.0, 0.1, "one"), point(2.0, 0.2, "two"), point(3.0, 0.3, "three")]);
        assert_eq!(
            apart.matches("class=\"value name\"").count(),
            3,
            "also at the edges, and on the dashed line"
        );
    }

    #[test]
    fn points_that_are_not_finite_are_left_out() {
        let found =
            draw(vec![point(1.0, 0.2, "a"), point(f64::NAN, 0.2, "b"), point(1.0, f64::INFINITY, "c")]);
        assert_eq!(found.matches("<circle").count(), 1);
        assert!(!found.contains("NaN") && !found.contains("inf") && !found.contains("<base>"), "{found}");
        assert_eq!(draw(vec![point(f64::NAN, 0.2, "b")]), "");
    }
}
