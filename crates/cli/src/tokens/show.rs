//! A report on semantic ids as text.

use semrank_core::counted;
use semrank_pipeline::ids::{Branch, HeldBack, Neighbourhoods, TokenReport};
use semrank_tokens::Neighbours;
use std::fmt::Write;

/// The whole report.
pub(super) fn text(report: &TokenReport) -> String {
    let mut out = format!("{}: {}\n\n", report.dataset, report.ids);
    out += &levels(report);
    let _ = writeln!(out, "\n{}", sentence(report));
    if let Some(error) = report.reconstruction_error {
        let _ = writeln!(out, "ids lose {:.1} % of the variance of the vectors", error * 100.0);
    }
    out += &neighbours(&report.neighbours);
    if let Some(held) = &report.held_back {
        out += &held_back(held);
    }
    out += &largest(report);
    out += "\nwhat codes mean: the most frequent ones, with some of their items\n";
    report.examples.iter().for_each(|found| branch(&mut out, found, 1));
    out
}

/// The main figures, in a sentence.
pub(crate) fn sentence(report: &TokenReport) -> String {
    let codes = report.levels.first().map_or(0, |level| level.codes);
    format!(
        "{}, {} of {}: {:.1} % of the items have their id alone, {:.1} % share it",
        counted(report.items, "item", "items"),
        counted(report.levels.len(), "level", "levels"),
        counted(codes, "code", "codes"),
        report.unique_share * 100.0,
        report.collision_share * 100.0
    )
}

fn held_back(held: &HeldBack) -> String {
    let percent = |share: Option<f64>| share.map_or("no".into(), |share| format!("{:.1} %", share * 100.0));
    format!(
        "held back from fitting: {}, {} of the variance lost, {} of the 10 nearest stay nearest\n",
        counted(held.items, "item", "items"),
        percent(held.reconstruction_error),
        percent(held.neighbours.as_ref().and_then(|found| found.agreement)),
    )
}

fn levels(report: &TokenReport) -> String {
    let mut out = format!(
        "  {:<6} {:>6} {:>6} {:>6} {:>13} {:>10} {:>10} {:>14}\n",
        "level", "codes", "used", "dead", "entropy, bits", "of at most", "prefixes", "items sharing"
    );
    for (at, level) in report.levels.iter().enumerate() {
        let _ = writeln!(
            out,
            "  {:<6} {:>6} {:>6} {:>6} {:>13.3} {:>10.3} {:>10} {:>12.1} %",
            at + 1,
            level.codes,
            level.used,
            level.dead,
            level.entropy_bits,
            (level.codes as f64).log2(),
            report.prefixes[at],
            report.shared_by_prefix[at] * 100.0
        );
    }
    out
}

fn neighbours(found: &Neighbourhoods) -> String {
    let mut out = String::new();
    let mut line = |name: &str, found: &Neighbours| {
        let _ = write!(
            out,
            "  {name:<30} {:.3} leading codes shared (with random items {:.3})",
            found.prefix_of_nearest, found.prefix_of_random
        );
        if let Some(agreement) = found.agreement {
            let _ = write!(out, "; {:.1} % stay nearest after decoding", agreement * 100.0);
        }
        out.push('\n');
    };
    if let Some(found) = &found.content {
        line("10 nearest by content", found);
    }
    if let Some(found) = &found.aligned {
        line("10 nearest by aligned vectors", found);
    }
    if out.is_empty() { out } else { format!("\n{out}") }
}

fn largest(report: &TokenReport) -> String {
    let mut out = String::new();
    for bucket in &report.largest {
        let _ = writeln!(out, "  {}: {}", codes(&bucket.prefix), counted(bucket.items, "item", "items"));
        bucket.texts.iter().for_each(|text| out += &format!("      - {text}\n"));
    }
    if out.is_empty() { out } else { format!("\nids that most items share\n{out}") }
}

fn branch(out: &mut String, found: &Branch, depth: usize) {
    let indent = "  ".repeat(depth);
    let _ = writeln!(out, "{indent}{}: {}", codes(&found.prefix), counted(found.items, "item", "items"));
    if found.children.is_empty() {
        found.texts.iter().for_each(|text| *out += &format!("{indent}    - {text}\n"));
    }
    found.children.iter().for_each(|child| branch(out, child, depth + 1));
}

/// Codes as they are written in files: `12 7 255 0`.
pub(crate) fn codes(codes: &[u16]) -> String {
    codes.iter().map(u16::to_string).collect::<Vec<_>>().join(" ")
}
