//! An estimate along an axis, such as days: lines with a band or whiskers for their intervals, and a dashed line at nothing.
//!
//! Intervals of the first days are often so wide that nothing else could be seen: what is far beyond the others is cut off at the edge, as is
//! an end that is not finite. Texts are large for the drawing, so that it can be read on a phone as a whole.

use crate::frame::{Frame, axis, colour, label, ticks};
use crate::text::escape;

/// Size in user units.
const SIZE: (f64, f64) = (600.0, 270.0);
/// Room of a letter, in user units, where a phone shows it largest.
const LETTER: f64 = 9.5;
/// More points than this are small.
const DOTS: usize = 40;

/// A place of a line.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Along the axis.
    pub x: f64,
    /// The estimate.
    pub y: f64,
    /// Its interval; none for a line alone, an end that is not finite is open.
    pub interval: Option<(f64, f64)>,
}

/// A line.
pub struct Track<'a> {
    /// What it is called.
    pub name: &'a str,
    /// By x.
    pub places: Vec<Place>,
}

/// A chart of estimates along an axis.
pub struct Trend<'a> {
    /// Unique within the page.
    pub id: &'a str,
    /// Above the picture.
    pub title: &'a str,
    /// Below the axis.
    pub x_label: &'a str,
    /// One colour each.
    pub tracks: Vec<Track<'a>>,
    /// Intervals as whiskers of each place, instead of a band.
    pub whiskers: bool,
    /// Whether a line at nothing is shown.
    pub zero: bool,
    /// A value as text, for tooltips.
    pub text: fn(f64) -> String,
}

/// The picture; empty without a finite value.
pub fn trend(chart: &Trend) -> String {
    let tracks: Vec<(usize, &str, Vec<Place>)> = chart.tracks.iter().enumerate().map(finite).collect();
    let places: Vec<Place> = tracks.iter().flat_map(|(_, _, places)| places.clone()).collect();
    if places.is_empty() {
        return String::new();
    }
    let plot = Plot::of(&places, chart.zero);
    let mut drawing = plot.days(chart.x_label);
    drawing += &axis(&plot.frame);
    if chart.zero {
        let (y, frame) = (plot.frame.y(0.0), &plot.frame);
        drawing += &format!(
            "<line class=\"mark\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n",
            frame.left, frame.right
        );
    }
    for (at, name, places) in &tracks {
        let class = colour(*at, name);
        drawing += &if chart.whiskers { plot.whiskers(places, class) } else { plot.band(places, class) };
    }
    for (at, name, places) in &tracks {
        drawing += &plot.line(chart, places, (colour(*at, name), name));
    }
    let names: Vec<&str> = chart.tracks.iter().map(|track| track.name).collect();
    format!("<div class=\"trend\">{}</div>\n", plot.frame.figure(chart.id, chart.title, &names, &drawing))
}

fn finite<'a>((at, track): (usize, &Track<'a>)) -> (usize, &'a str, Vec<Place>) {
    let places = track.places.iter().copied().filter(|place| place.x.is_finite() && place.y.is_finite());
    (at, track.name, places.collect())
}

struct Plot {
    frame: Frame,
    first: f64,
    last: f64,
    whole: bool,
}

impl Plot {
    fn of(places: &[Place], zero: bool) -> Self {
        let (low, high) = extent(places, zero);
        let mut frame = Frame::new(SIZE.0, SIZE.1, (low, high));
        let widest = ticks(low, high).iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
        frame.left = 14.0 + LETTER * widest as f64;
        frame.bottom -= 12.0;
        let xs = || places.iter().map(|place| place.x);
        let (first, last) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
        let (first, last) = if last > first { (first, last) } else { (first - 0.5, last + 0.5) };
        Self { frame, first, last, whole: xs().all(|x| x.fract() == 0.0) }
    }

    fn x(&self, value: f64) -> f64 {
        let share = (value - self.first) / (self.last - self.first);
        self.frame.left + 10.0 + share * (self.frame.right - self.frame.left - 20.0)
    }

    /// At most the plot's edge.
    fn y(&self, value: f64) -> f64 {
        self.frame.y(value).clamp(self.frame.top, self.frame.bottom)
    }

    /// Numbers below the axis.
    fn days(&self, x_label: &str) -> String {
        let shown =
            ticks(self.first, self.last).into_iter().filter(|(value, _)| !self.whole || value.fract() == 0.0);
        let text = |text: String| match text.split_once('.') {
            Some((whole, _)) if self.whole => whole.to_owned(),
            _ => text,
        };
        let mut out: String = shown
            .map(|(value, name)| {
                label("tick", self.x(value), self.frame.bottom + 17.0, "middle", &text(name))
            })
            .collect();
        out += &label(
            "tick",
            (self.frame.left + self.frame.right) / 2.0,
            self.frame.height - 5.0,
            "middle",
            x_label,
        );
        out
    }

    /// What lies between the ends of the intervals.
    fn band(&self, places: &[Place], class: usize) -> String {
        let ends: Vec<(f64, f64, f64)> = places
            .iter()
            .filter_map(|place| {
                place
                    .interval
                    .map(|(low, high)| (self.x(place.x), self.open(low, true), self.open(high, false)))
            })
            .collect();
        if ends.is_empty() {
            return String::new();
        }
        let upper = ends.iter().map(|(x, _, high)| format!("{x:.1},{high:.1}"));
        let lower = ends.iter().rev().map(|(x, low, _)| format!("{x:.1},{low:.1}"));
        let path: Vec<String> = upper.chain(lower).collect();
        format!("<polygon class=\"band s{class}\" points=\"{}\"/>\n", path.join(" "))
    }

    fn whiskers(&self, places: &[Place], class: usize) -> String {
        let whisker = |place: &Place| {
            let (low, high) = place.interval?;
            Some(format!(
                "<line class=\"whisker s{class}\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\n",
                self.open(low, true),
                self.open(high, false),
                x = self.x(place.x),
            ))
        };
        places.iter().filter_map(whisker).collect()
    }

    /// The height of an end; the edge for one that is not finite.
    fn open(&self, end: f64, low: bool) -> f64 {
        match end {
            end if end.is_finite() => self.y(end),
            _ if low => self.frame.bottom,
            _ => self.frame.top,
        }
    }

    fn line(&self, chart: &Trend, places: &[Place], (class, name): (usize, &str)) -> String {
        let path: Vec<String> =
            places.iter().map(|place| format!("{:.1},{:.1}", self.x(place.x), self.y(place.y))).collect();
        let joined = if chart.whiskers {
            String::new()
        } else {
            format!("<polyline class=\"line s{class}\" points=\"{}\"/>\n", path.join(" "))
        };
        let radius = if places.len() > DOTS { 1.5 } else { 3.5 };
        let dot = |place: &Place| {
            let tooltip = escape(&tooltip(chart, name, place));
            format!(
                "<circle class=\"s{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"><title>{tooltip}</title></circle>\n",
                self.x(place.x),
                self.y(place.y),
            )
        };
        joined + &places.iter().map(dot).collect::<String>()
    }
}

fn tooltip(chart: &Trend, name: &str, place: &Place) -> String {
    let interval = match place.interval {
        Some((low, high)) => format!(", {} to {}", (chart.text)(low), (chart.text)(high)),
        None => String::new(),
    };
    format!("{name} at {} {}: {}{interval}", chart.x_label, place.x, (chart.text)(place.y))
}

/// Room for all estimates, and for intervals up to twice the median half-width beyond them.
fn extent(places: &[Place], zero: bool) -> (f64, f64) {
    let values = || places.iter().map(|place| place.y).chain(zero.then_some(0.0));
    let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let ends = || places.iter().filter_map(|place| place.interval.map(|(low, high)| (place.y, low, high)));
    let mut halves: Vec<f64> =
        ends().map(|(y, low, high)| (high - y).max(y - low)).filter(|half| half.is_finite()).collect();
    halves.sort_by(f64::total_cmp);
    let most = 2.0 * halves.get(halves.len() / 2).copied().unwrap_or(0.0);
    let lows = ends().map(|(_, end, _)| end).filter(|end| end.is_finite()).fold(low, f64::min);
    let highs = ends().map(|(_, _, end)| end).filter(|end| end.is_finite()).fold(high, f64::max);
    let (low, high) = (lows.max(low - most), highs.min(high + most));
    let room = ((high - low) * 0.06).max(high.abs() * 0.01).max(1e-9);
    (low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed;

    fn draw(places: Vec<Place>, whiskers: bool) -> String {
        let tracks = vec![Track { name: "<a>", places }];
        trend(&Trend {
            id: "t",
            title: "t",
            x_label: "day",
            tracks,
            whiskers,
            zero: true,
            text: |value| fixed(value, 2),
        })
    }

    fn place(x: f64, y: f64, low: f64, high: f64) -> Place {
        Place { x, y, interval: Some((low, high)) }
    }

    #[test]
    fn ends_that_are_open_reach_the_edge_and_no_number_is_infinite() {
        let places = vec![
            place(1.0, 0.5, f64::NEG_INFINITY, f64::INFINITY),
            place(2.0, f64::NAN, 0.0, 1.0),
            place(3.0, 0.4, 0.1, 0.7),
        ];
        for whiskers in [false, true] {
            let found = draw(places.clone(), whiskers);
            assert_eq!(found.matches("<circle").count(), 2);
            assert_eq!(found.matches("class=\"band").count(), usize::from(!whiskers));
            assert!(found.contains("0.50, – to –"), "{found}");
            assert!(!found.contains("NaN") && !found.contains("inf") && !found.contains("<a>"), "{found}");
        }
    }

    #[test]
    fn the_first_wide_days_do_not_flatten_the_rest() {
        let mut places: Vec<Place> = (2..9).map(|day| place(f64::from(day), 1.0, 0.9, 1.1)).collect();
        places.push(place(1.0, 1.0, -900.0, 900.0));
        let (low, high) = extent(&places, false);
        assert!(low > 0.5 && high < 1.5, "{low} to {high}");
    }

    #[test]
    fn a_single_day_and_no_day_at_all() {
        assert!(draw(vec![place(1.0, 0.0, 0.0, 0.0)], true).contains("<circle"));
        assert_eq!(draw(vec![], true), "");
    }
}
