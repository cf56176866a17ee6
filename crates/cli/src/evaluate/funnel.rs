//! A funnel's evaluation for people.

use semrank_core::counted;
use semrank_pipeline::retrieval::{FunnelEvaluation, RankedFigures};
use std::fmt::Write;

/// What each source finds, what reaches the final list, and the ranker over the candidates.
pub(crate) fn table(found: &FunnelEvaluation) -> String {
    let mut out = format!(
        "{}\n  {:<14} {:>5} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>7}\n",
        counted(found.users, "case", "cases"),
        "source",
        "quota",
        "rec@100",
        "rec@500",
        "uniq500",
        "margin",
        "surv@10",
        "new rec",
        "µs"
    );
    for source in &found.sources {
        let _ = writeln!(
            out,
            "  {:<14} {:>5} {:>7.4} {:>7.4} {:>7.4} {:>7.4} {:>8.4} {:>8.4} {:>7.0}",
            source.name,
            source.quota,
            source.recall_100,
            source.recall_500,
            source.unique_500,
            source.marginal_500,
            source.survivors_10,
            source.new_recall_500,
            source.micros
        );
    }
    let _ = writeln!(
        out,
        "rec: recall of the next item; uniq500: found by no other source; margin: recall\n\
         that the funnel loses without the source, at 500 candidates in all; surv@10:\n\
         share of the final ten places; new rec: recall@500 over items without training\n\
         events"
    );
    let ranked = |figures: RankedFigures| {
        format!("ndcg@10 {:.4}, recall@10 {:.4}", figures.ndcg_10, figures.recall_10)
    };
    let (all, narrowed) = (ranked(found.ranker), ranked(found.funnel_ranked));
    let (recall, candidates) = (found.funnel.recall, found.funnel.candidates);
    let _ = writeln!(out, "funnel: recall {recall:.4} with {candidates:.0} candidates");
    let _ = writeln!(out, "ranker over all items: {all}\nranker over the funnel: {narrowed}");
    out
}
