//! What every chart shares: the plot's edges and scale, grid, title, legend, and the accessible SVG around
//! it.

use crate::text::{escape, fixed};

/// A drawing area in user units; `left`, `top`, `right`, `bottom` are the plot's edges.
pub(crate) struct Frame {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    low: f64,
    high: f64,
}

impl Frame {
    pub(crate) fn new(width: f64, height: f64, (low, high): (f64, f64)) -> Self {
        Self { width, height, left: 46.0, right: width - 12.0, top: 14.0, bottom: height - 30.0, low, high }
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)
    }

    /// Horizontal lines with their values.
    fn grid(&self) -> String {
        let line = |(value, text): (f64, String)| {
            format!(
                "<line class=\"grid\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                self.left,
                self.right,
                self.left - 6.0,
                self.y(value) + 4.0,
                text,
                y = self.y(value),
            )
        };
        ticks(self.low, self.high).into_iter().map(line).collect()
    }

    /// Wraps the drawing into a figure with its grid, title and legend.
    pub(crate) fn figure(&self, id: &str, title: &str, names: &[&str], drawing: &str) -> String {
        let entry = |(at, name): (usize, &&str)| {
            format!("<li><i class=\"s{}\"></i>{}</li>", colour(at, name), escape(name))
        };
        let legend: String = names.iter().enumerate().map(entry).collect();
        let legend =
            if names.len() > 1 { format!("<ul class=\"legend\">{legend}</ul>") } else { String::new() };
        self.figure_with(&legend, (id, title), names, drawing)
    }

    /// The same without a legend, for a drawing that names its parts itself.
    pub(crate) fn plain_figure(&self, id: &str, title: &str, names: &[&str], drawing: &str) -> String {
        self.figure_with("", (id, title), names, drawing)
    }

    fn figure_with(&self, legend: &str, (id, title): (&str, &str), names: &[&str], drawing: &str) -> String {
        format!(
            "<figure>\n<figcaption>{title}{legend}</figcaption>\n<div class=\"scroll\" tabindex=\"0\">\
             <svg viewBox=\"0 0 {:.0} {:.0}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\n\
             <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{}</desc>\n{}{drawing}</svg></div>\n</figure>\n",
            self.width,
            self.height,
            escape(&format!("Shown: {}. The table on this page has the numbers.", names.join(", "))),
            self.grid(),
            title = escape(title),
        )
    }
}

/// A piece of text at a point.
pub(crate) fn label(class: &str, x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
        escape(text)
    )
}

/// A square in the colour of a series, to stand before its name in a table.
pub fn swatch(colour: usize) -> String {
    format!("<i class=\"swatch s{colour}\"></i>")
}

/// The line at the bottom of a plot.
pub(crate) fn axis(frame: &Frame) -> String {
    format!(
        "<line class=\"axis\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n",
        frame.left,
        frame.right,
        y = frame.bottom,
    )
}

/// The colour of a series; an upper bound has its own.
pub(crate) fn colour(at: usize, name: &str) -> usize {
    if name == "oracle" { 7 } else { at.min(6) }
}

/// About six round values of an axis, with their texts.
pub(crate) fn ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let step = nice_step((high - low) / 6.0);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (low / step).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    let text = |value: f64| fixed(value, decimals).replace('-', "−");
    (first..=last).map(|tick| tick as f64 * step).map(|value| (value, text(value))).collect()
}

/// The nearest of 1, 2, 5 times a power of ten that is not below `raw`.
fn nice_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    let lead = [1.0, 2.0, 5.0].into_iter().find(|lead| lead * power >= raw * 0.999).unwrap_or(10.0);
    lead * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round() {
        for (raw, step) in [(0.013, 0.02), (0.1, 0.1), (3.0, 5.0), (0.6, 1.0)] {
            assert!((nice_step(raw) / step - 1.0).abs() < 1e-9, "{raw}");
        }
    }
}
