//! An evaluation for people: one table a protocol, one by segment, and what was chosen on validation.

use semrank_core::Segment;
use semrank_data::SplitKind;
use semrank_model::evaluate::Protocol;
use semrank_model::{Blend, Prior, SeenPolicy};
use semrank_pipeline::next_item::Evaluation;
use std::fmt::Write;

/// All tables.
pub(crate) fn tables(evaluation: &Evaluation) -> String {
    let mut out = format!(
        "{}, {} ({}): {} users, {} items\n",
        evaluation.dataset,
        evaluation.split,
        split(evaluation.split_by),
        evaluation.users,
        evaluation.items
    );
    if evaluation.without_history > 0 {
        let _ = writeln!(out, "{} targets have no history and are left out", evaluation.without_history);
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
    let mut out = format!("\n{title}\n");
    let _ = writeln!(
        out,
        "  {:<18} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "recall@5", "recall@10", "ndcg@5", "ndcg@10", "mrr"
    );
    for row in evaluation.rows_of(protocol) {
        let m = &row.all;
        let _ = writeln!(
            out,
            "  {:<18} {:>9.4} {:>9.4} {:>9.4} {:>9.4} {:>9.4}",
            row.name, m.recall_5, m.recall_10, m.ndcg_5, m.ndcg_10, m.mrr
        );
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

/// What was chosen on validation, in a sentence.
pub(crate) fn policy(blend: &Blend) -> String {
    let seen = match blend.seen {
        SeenPolicy::Mask => "mask (items of the history are never recommended)",
        SeenPolicy::Learned => "learned (items of the history get the bias that training found)",
        SeenPolicy::None => "none (items of the history compete like all others)",
    };
    let mut out = format!("seen policy: {seen}; blend: network + {} x item-item", blend.alpha);
    if blend.content != 0.0 {
        let _ = write!(out, " + {} x content neighbours", blend.content);
    }
    if blend.beta != 0.0 {
        let _ = match blend.prior {
            Prior::Popularity => write!(out, " + {} x popularity", blend.beta),
            Prior::Recent { half_life_days } => {
                write!(out, " + {} x recent popularity (half-life {half_life_days} days)", blend.beta)
            }
        };
    }
    if blend.new_places > 0 {
        let _ = write!(
            out,
            "; the last {} of every ten places are for items without training events",
            blend.new_places
        );
    }
    out + "; chosen on validation"
}

fn split(kind: SplitKind) -> &'static str {
    match kind {
        SplitKind::LeaveOneOut => "leave-one-out",
        SplitKind::Time => "time split",
    }
}
