//! A forest plot: estimates with their intervals, one a row, over one axis with a line at nothing.
//!
//! Rows are HTML with a strip of SVG in each, whose places are percentages: texts keep their size on a phone, where the strip goes below
//! its name. An interval that ends beyond the picture, or nowhere, has an arrow instead of an end.

use crate::frame::ticks;
use crate::text::{escape, isolate};

/// Edges of the plot within a strip, in per cent.
const EDGES: (f64, f64) = (2.0, 98.0);

/// How an estimate is to be read; it chooses the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// A change for the better.
    Good,
    /// A change for the worse.
    Bad,
    /// Nothing is shown.
    Open,
}

impl Reading {
    /// Class in the style sheet.
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Open => "open",
        }
    }
}

/// An estimate with its interval.
pub struct Spread<'a> {
    /// At the left.
    pub name: &'a str,
    /// Below the name, in small letters.
    pub note: String,
    /// The estimate; not finite where there is none.
    pub value: f64,
    /// The interval; an end that is not finite is open.
    pub interval: (f64, f64),
    /// A value to mark, and what it is.
    pub margin: Option<(f64, String)>,
    /// Its colour.
    pub reading: Reading,
    /// At the right: the estimate in numbers, or why there is none.
    pub text: String,
    /// Its interval in numbers, which may be empty.
    pub range: String,
}

/// A chart of estimates.
pub struct Forest<'a> {
    /// Unique within the page.
    pub id: &'a str,
    /// Above the picture.
    pub title: &'a str,
    /// Below the axis.
    pub x_label: &'a str,
    /// Behind the numbers of the axis, such as `%`.
    pub unit: &'a str,
    /// A heading, which may be empty, and its rows.
    pub groups: Vec<(&'a str, Vec<Spread<'a>>)>,
    /// What colours and marks mean, in the order to be read: class of the style sheet and text.
    pub legend: &'a [(&'a str, &'a str)],
}

/// The picture; empty without rows.
pub fn forest(chart: &Forest) -> String {
    let rows: Vec<&Spread> = chart.groups.iter().flat_map(|(_, rows)| rows).collect();
    if rows.is_empty() {
        return String::new();
    }
    let axis = Axis::of(&rows);
    let groups: String = chart.groups.iter().map(|(heading, rows)| group(&axis, heading, rows)).collect();
    format!(
        "<figure class=\"forest\" role=\"group\" aria-labelledby=\"{id}-t\">\n<figcaption><span id=\"{id}-t\">{}</span>{}</figcaption>\n\
         {groups}<div class=\"row scale\" aria-hidden=\"true\"><p></p>{}<p></p></div>\n</figure>\n",
        escape(chart.title),
        legend(chart.legend),
        axis.scale(chart.unit, chart.x_label),
        id = chart.id,
    )
}

fn legend(entries: &[(&str, &str)]) -> String {
    let entry = |(class, text): &(&str, &str)| format!("<li><i class=\"{class}\"></i>{}</li>", escape(text));
    let entries: String = entries.iter().map(entry).collect();
    if entries.is_empty() { entries } else { format!("<ul class=\"legend\">{entries}</ul>") }
}

fn group(axis: &Axis, heading: &str, rows: &[Spread]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heading = if heading.is_empty() { String::new() } else { format!("<h4>{}</h4>\n", escape(heading)) };
    let rows: String = rows.iter().map(|row| line(axis, row)).collect();
    format!("{heading}<ul class=\"rows\">\n{rows}</ul>\n")
}

fn line(axis: &Axis, row: &Spread) -> String {
    let note =
        if row.note.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&row.note)) };
    let range =
        if row.range.is_empty() { String::new() } else { format!(" <span>({})</span>", escape(&row.range)) };
    format!(
        "<li class=\"row\"><p class=\"what\">{}{note}</p>{}<p class=\"much {}\"><b>{}</b>{range}</p></li>\n",
        isolate(row.name),
        axis.strip(row),
        row.reading.class(),
        escape(&row.text),
    )
}

/// The values at the edges of the plot.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// Room for nothing, all margins, and all that does not dwarf the rest: at most five times the median reach, or the first row.
    fn of(rows: &[&Spread]) -> Self {
        let reach = |row: &Spread| {
            let ends = [row.value, row.interval.0, row.interval.1];
            ends.into_iter().filter(|end| end.is_finite()).map(f64::abs).fold(0.0, f64::max)
        };
        let mut reaches: Vec<f64> = rows.iter().map(|row| reach(row)).filter(|reach| *reach > 0.0).collect();
        let first = reaches.first().copied().unwrap_or(0.0);
        reaches.sort_by(f64::total_cmp);
        let median = reaches.get(reaches.len() / 2).copied().unwrap_or(1.0);
        let limit = (5.0 * median).max(first);
        let ends = rows.iter().flat_map(|row| [row.value, row.interval.0, row.interval.1]);
        let ends = ends.filter(|end| end.is_finite()).map(|end| end.clamp(-limit, limit));
        let margins =
            rows.iter().filter_map(|row| row.margin.as_ref().map(|(at, _)| *at)).filter(|at| at.is_finite());
        let (low, high) =
            ends.chain(margins).fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        let room = if high > low { (high - low) * 0.06 } else { 1.0 };
        Self { low: low - room, high: high + room }
    }

    /// Per cent of the strip's width.
    fn x(&self, value: f64) -> f64 {
        let share = (value - self.low) / (self.high - self.low);
        EDGES.0 + share.clamp(0.0, 1.0) * (EDGES.1 - EDGES.0)
    }

    fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    fn strip(&self, row: &Spread) -> String {
        let mut drawing: String =
            ticks(self.low, self.high).iter().map(|(value, _)| upright("grid", self.x(*value), "")).collect();
        drawing += &upright("axis", self.x(0.0), "");
        if let Some((at, what)) = row.margin.as_ref().filter(|(at, _)| at.is_finite()) {
            drawing += &upright("margin", self.x(*at), &format!("<title>{}</title>", escape(what)));
        }
        if row.value.is_finite() {
            let title = escape(&format!("{}: {} {}", row.name, row.text, row.range));
            drawing += &format!(
                "<g class=\"{}\"><title>{title}</title>{}</g>",
                row.reading.class(),
                self.estimate(row)
            );
        }
        format!("<div class=\"strip\" aria-hidden=\"true\"><svg>{drawing}</svg></div>")
    }

    /// Whisker, its ends, and the dot.
    fn estimate(&self, row: &Spread) -> String {
        let (low, high) = row.interval;
        let (from, to) = (
            if low.is_finite() { self.x(low) } else { EDGES.0 },
            if high.is_finite() { self.x(high) } else { EDGES.1 },
        );
        let mut out = format!(
            "<line class=\"whisker\" x1=\"{from:.2}%\" y1=\"50%\" x2=\"{to:.2}%\" y2=\"50%\"/>{}{}",
            self.end(low, from, -1.0),
            self.end(high, to, 1.0),
        );
        if self.holds(row.value) {
            out += &format!("<circle cx=\"{:.2}%\" cy=\"50%\" r=\"5\"/>", self.x(row.value));
        }
        out
    }

    /// A short upright line, or an arrow where the interval goes on to this side.
    fn end(&self, value: f64, x: f64, side: f64) -> String {
        let goes_on = !value.is_finite() || if side < 0.0 { value < self.low } else { value > self.high };
        let mark = match goes_on {
            true => format!("<path class=\"arrow\" d=\"M{} 0 L{} -5 V5 Z\"/>", side * 5.0, side * -3.0),
            false if self.holds(value) => "<path class=\"whisker\" d=\"M0 -4 V4\"/>".to_owned(),
            false => return String::new(),
        };
        format!("<svg class=\"end\" x=\"{x:.2}%\" y=\"50%\">{mark}</svg>")
    }

    /// Numbers below the rows, with the label under them.
    fn scale(&self, unit: &str, label: &str) -> String {
        let ticks = ticks(self.low, self.high);
        let text = |(value, text): &(f64, String)| {
            format!(
                "<text x=\"{:.2}%\" y=\"14\" text-anchor=\"middle\">{}</text>",
                self.x(*value),
                escape(&(text.clone() + unit))
            )
        };
        let numbers: String = ticks.iter().map(text).collect();
        let label = escape(label);
        format!(
            "<div class=\"strip\"><svg>{numbers}<text x=\"50%\" y=\"29\" text-anchor=\"middle\">{label}</text></svg></div>"
        )
    }
}

/// A line from the top of a strip to its bottom.
fn upright(class: &str, x: f64, inner: &str) -> String {
    format!("<line class=\"{class}\" x1=\"{x:.2}%\" y1=\"0\" x2=\"{x:.2}%\" y2=\"100%\">{inner}</line>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, value: f64, interval: (f64, f64)) -> Spread<'_> {
        Spread {
            name,
            note: String::new(),
            value,
            interval,
            margin: None,
            reading: Reading::Good,
            text: "text".into(),
            range: String::new(),
        }
    }

    fn draw(rows: Vec<Spread>) -> String {
        forest(&Forest {
            id: "f",
            title: "<t>",
            x_label: "effect",
            unit: " %",
            groups: vec![("all", rows)],
            legend: &[],
        })
    }

    #[test]
    fn an_open_end_is_an_arrow_and_an_estimate_that_is_missing_leaves_its_row() {
        let infinite = (f64::NEG_INFINITY, f64::INFINITY);
        let found =
            draw(vec![row("<a>", 1.0, (0.5, 1.5)), row("b", 2.0, infinite), row("c", f64::NAN, infinite)]);
        assert_eq!((found.matches("<circle").count(), found.matches("arrow").count()), (2, 2), "{found}");
        assert_eq!(found.matches("class=\"row\"").count(), 3);
        assert!(!found.contains("NaN") && !found.contains("inf") && !found.contains("<a>"), "{found}");
    }

    #[test]
    fn one_wild_row_does_not_dwarf_the_others() {
        let mut rows: Vec<Spread> = (0..4).map(|_| row("a", 1.0, (0.5, 1.5))).collect();
        rows.push(row("wild", 900.0, (-1000.0, 2000.0)));
        let rows: Vec<&Spread> = rows.iter().collect();
        let axis = Axis::of(&rows);
        assert!(axis.high < 9.0 && axis.low > -9.0, "{} to {}", axis.low, axis.high);
        assert!((axis.x(900.0) - 98.0).abs() < 1e-9);
    }

    #[test]
    fn margins_are_always_in_the_picture() {
        let mut guarded = row("a", 1.0, (0.5, 1.5));
        guarded.margin = Some((-20.0, "margin".into()));
        assert!(Axis::of(&[&guarded]).holds(-20.0));
        assert_eq!(draw(vec![]), "");
    }
}
