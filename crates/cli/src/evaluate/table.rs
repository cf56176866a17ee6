//! An evaluation for people: one table per protocol, one by segment, and what was chosen on validation.

use semrank_core::{Segment, counted};
use semrank_data::SplitKind;
use semrank_measure::{RankSummary, ranking::Protocol};
use semrank_pipeline::{next_item::Evaluation, overview::policy};
use std::fmt::Write;

/// All tables.
pub(crate) fn tables(evaluation: &Evaluation) -> String {
    let mut out = format!(
        "{}, {} ({}): {}, {}\n",
        evaluation.dataset,
        evaluation.split,
        split(evaluation.split_by),
        counted(evaluation.users, "user", "users"),
        counted(evaluation.items, "item", "items")
    );
    if evaluation.without_history > 0 {
        let without =
            counted(evaluation.without_history, "target without history is", "targets without history are");
        let _ = writeln!(out, "{without} left out");
    }
    for warning in &evaluation.warnings {
        let _ = writeln!(out, "warning: {warning}");
    }
    for protocol in Protocol::ALL {
        out += &metrics(evaluation, protocol);
    }
    out += &segments(evaluation);
    let _ = writeln!(out, "\n{}", policy(&evaluation.blend));
    for difference in &evaluation.differences {
        let Some(gain) = &difference.ndcg_10 else { continue };
        let _ = writeln!(
            out,
            "NDCG@10 against {}: {:+.4} (95 % interval {:+.4} to {:+.4})",
            difference.baseline, gain.difference, gain.low, gain.high
        );
    }
    out
}

fn metrics(evaluation: &Evaluation, protocol: Protocol) -> String {
    let title = match protocol {
        Protocol::Strict => "strict: nothing is removed",
        Protocol::Filtered => "filtered: items of the history are removed",
    };
    let mut out = format!("\n{title}\n  {:<18}", "");
    RankSummary::METRICS.iter().for_each(|(name, _)| out += &format!(" {name:>9}"));
    out.push('\n');
    for row in evaluation.rows_of(protocol) {
        out += &format!("  {:<18}", row.name);
        RankSummary::METRICS.iter().for_each(|(_, of)| out += &format!(" {:>9.4}", of(&row.all)));
        out.push('\n');
    }
    out
}

fn segments(evaluation: &Evaluation) -> String {
    let mut out = String::from("\nndcg@10 by the target's share of training events (strict)\n");
    let Some(first) = evaluation.rows.first() else { return out };
    let _ = write!(out, "  {:<18}", "");
    for segment in Segment::ALL {
        let _ = write!(out, " {:>14}", format!("{} ({})", segment.name(), first.segments.of(segment).users));
    }
    out.push('\n');
    for row in evaluation.rows_of(Protocol::Strict) {
        let _ = write!(out, "  {:<18}", row.name);
        for segment in Segment::ALL {
            let summary = row.segments.of(segment);
            let shown = if summary.users == 0 { "-".into() } else { format!("{:.4}", summary.ndcg_10) };
            let _ = write!(out, " {shown:>14}");
        }
        out.push('\n');
    }
    out
}

fn split(kind: SplitKind) -> &'static str {
    match kind {
        SplitKind::LeaveOneOut => "leave-one-out",
        SplitKind::Time => "time split",
    }
}
