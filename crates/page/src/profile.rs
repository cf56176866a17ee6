//! A profile: many values as thin bars, largest first, to see at a glance how evenly something is used.

use crate::frame::{Frame, axis, label};
use crate::text::{count, counted, escape};

/// A chart of counts.
pub struct Profile<'a> {
    /// Unique within the page.
    pub id: &'a str,
    /// Above the picture.
    pub title: &'a str,
    /// Largest first.
    pub counts: &'a [usize],
    /// What a bar is, e.g. `code`.
    pub name: &'a str,
    /// What a dashed line marks where all counts are equal.
    pub even: &'a str,
}

/// Thin bars; where there are more than the picture has room for, each stands for the mean of its neighbours.
pub fn profile(chart: &Profile) -> String {
    let most = chart.counts.first().copied().unwrap_or(0).max(1) as f64;
    let frame = Frame::new(460.0, 200.0, (0.0, most * 1.05));
    let per_bar = chart.counts.len().div_ceil(200).max(1);
    let bars: Vec<&[usize]> = chart.counts.chunks(per_bar).collect();
    let slot = (frame.right - frame.left) / bars.len().max(1) as f64;
    let mut drawing = String::new();
    for (at, counts) in bars.iter().enumerate() {
        let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
        if mean > 0.0 {
            let (x, y) = (frame.left + slot * at as f64, frame.y(mean));
            drawing += &format!(
                "<rect class=\"s0\" x=\"{x:.2}\" y=\"{y:.1}\" width=\"{:.2}\" height=\"{:.1}\"><title>{}</title></rect>\n",
                (slot * 0.85).max(0.4),
                (frame.bottom - y).max(0.5),
                tooltip(chart, at * per_bar, counts),
            );
        }
    }
    let even = chart.counts.iter().sum::<usize>() as f64 / chart.counts.len().max(1) as f64;
    drawing += &format!(
        "<line class=\"mark\" x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\"/>\n",
        frame.left,
        frame.right,
        y = frame.y(even)
    );
    drawing += &label("tick", frame.right, frame.y(even) - 5.0, "end", chart.even);
    let end = format!("{} {}s, most used first", count(chart.counts.len()), chart.name);
    drawing += &label("tick", frame.right, frame.bottom + 18.0, "end", &end);
    drawing += &axis(&frame);
    frame.figure(chart.id, chart.title, &["items"], &drawing)
}

fn tooltip(chart: &Profile, first: usize, counts: &[usize]) -> String {
    let place = match counts.len() {
        1 => format!("{} {}", chart.name, first + 1),
        len => format!("{}s {} to {}", chart.name, first + 1, first + len),
    };
    let (most, least) = (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
    let range = if most == least { String::new() } else { format!("{} to ", count(most)) };
    escape(&format!("{place} of the most used: {range}{}", counted(least, "item", "items")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_without_items_have_no_bar_and_many_codes_share_bars() {
        let draw = |counts: &[usize]| {
            profile(&Profile { id: "p", title: "t", counts, name: "code", even: "all alike" })
        };
        let few = draw(&[5, 2, 0]);
        assert_eq!(few.matches("<rect").count(), 2);
        assert!(few.contains("code 2 of the most used: 2 items"));
        let many: Vec<usize> = (1..=1000).rev().collect();
        assert_eq!(draw(&many).matches("<rect").count(), 200);
        assert!(draw(&many).contains("codes 1 to 5 of the most used: 1,000 to 996 items"));
        assert!(!draw(&[]).contains("NaN"));
    }
}
