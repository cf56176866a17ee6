//! A comparison for people: quality and cost, then quality by segment.

use semrank_core::Segment;
use semrank_pipeline::comparison::{Comparison, Figures, Group, Quality};
use std::fmt::Write;

/// All tables.
pub(super) fn tables(comparison: &Comparison) -> String {
    let mut out = format!("{}, test, strict\n", comparison.dataset);
    let over = &comparison.reference;
    if let Some(group) = comparison.groups.iter().find(|group| group.runs.contains(over)) {
        let _ = writeln!(out, "\nmedians over seeds; gains are over {}", group.name);
        out += &costs(&comparison.shown(), &comparison.groups);
    }
    let _ = writeln!(out, "\nruns; gains are over {over}");
    out += &costs(&comparison.single(), &[]);
    for (metric, of) in METRICS {
        out += &segments(&comparison.shown(), metric, of);
    }
    for note in &comparison.notes {
        let _ = writeln!(out, "\n{note}");
    }
    out
}

/// One of the metrics, with its name.
type Metric = (&'static str, fn(&Quality) -> f64);

const METRICS: [Metric; 2] = [("ndcg@10", |q| q.ndcg_10), ("recall@10", |q| q.recall_10)];

/// Quality and cost; with `groups`, one per row, also their least and greatest NDCG@10.
fn costs(rows: &[(String, &Figures)], groups: &[Group]) -> String {
    let width = width(rows);
    let mut out = format!("  {:width$} {:>9} {:>9}", "", "ndcg@10", "recall@10");
    if !groups.is_empty() {
        let _ = write!(out, " {:>15}", "ndcg@10 from to");
    }
    out.push('\n');
    for (at, (name, figures)) in rows.iter().enumerate() {
        let _ = write!(out, "  {name:width$} {:>9.4} {:>9.4}", figures.all.ndcg_10, figures.all.recall_10);
        if let Some(group) = groups.get(at) {
            let range = format!("{:.4} {:.4}", group.ndcg_10_min, group.ndcg_10_max);
            let _ = write!(out, " {range:>15}");
        }
        out.push('\n');
    }
    let heads = ["wall s", "CPU min", "peak MiB", "passes", "cached", "gain/min"];
    let _ = write!(out, "  {:width$}", "cost");
    heads.iter().for_each(|head| out += &format!(" {head:>9}"));
    out.push('\n');
    for (name, figures) in rows {
        let _ = writeln!(
            out,
            "  {name:width$} {:>9.1} {:>9} {:>9} {:>9.0} {:>9.1} {:>9}",
            figures.wall_seconds,
            known(figures.cpu_minutes(), |v| format!("{v:.3}")),
            known(figures.peak_rss_mb, |v| format!("{v:.0}")),
            figures.encoder_passes,
            figures.bytes_cached / MIB,
            known(figures.gain_per_cpu_minute, |v| format!("{v:+.5}")),
        );
    }
    out + COSTS
}

const COSTS: &str = "  passes: texts through the encoder in training; cached: MiB of kept lower layers;\n  \
    gain/min: NDCG@10 above the reference per additional CPU minute\n";
const MIB: f64 = 1024.0 * 1024.0;

fn segments(rows: &[(String, &Figures)], metric: &str, of: fn(&Quality) -> f64) -> String {
    let Some((_, first)) = rows.first() else { return String::new() };
    let width = width(rows);
    let mut out = format!("\n{metric} by the target's share of training events\n  {:width$}", "");
    let _ = write!(out, " {:>14}", format!("all ({})", first.all.targets));
    for segment in Segment::ALL {
        let _ =
            write!(out, " {:>14}", format!("{} ({})", segment.name(), first.segments.of(segment).targets));
    }
    out.push('\n');
    for (name, figures) in rows {
        let _ = write!(out, "  {name:width$} {:>14.4}", of(&figures.all));
        for segment in Segment::ALL {
            let quality = figures.segments.of(segment);
            let shown = if quality.targets == 0 { "-".into() } else { format!("{:.4}", of(quality)) };
            let _ = write!(out, " {shown:>14}");
        }
        out.push('\n');
    }
    out
}

fn known(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or("-".into(), show)
}

/// Of the longest name.
fn width(rows: &[(String, &Figures)]) -> usize {
    rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0)
}
