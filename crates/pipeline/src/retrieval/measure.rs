//! Recall of the first stage for the next items, and the metrics of the ranker over its candidates.

use super::cases::each_case;
use super::{Quotas, Retrieval};
use crate::{Context, Data, Error, Part};
use semrank_measure::RankMetrics;
use semrank_retrieve::report::{self, FunnelFigures, Gatherer, SourceFigures};
use semrank_retrieve::{Bitmap, Request};
use serde::Serialize;
use std::collections::BTreeSet;

/// Places of the final list.
const PLACES: usize = 10;

/// Figures of the final list.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RankedFigures {
    /// Mean NDCG@10.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// Mean recall@10.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
}

/// Everything that is measured of a funnel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunnelEvaluation {
    /// Cases.
    pub users: usize,
    /// Every source, in the order of `overlap`.
    pub sources: Vec<SourceFigures>,
    /// The candidates within quotas.
    pub funnel: FunnelFigures,
    /// The ranker over the whole catalogue.
    pub ranker: RankedFigures,
    /// The ranker over what the funnel found.
    pub funnel_ranked: RankedFigures,
}

/// Asks every source for the cases of a part, at most `most` of them, spread evenly.
///
/// # Errors
/// Scores that are not numbers; an interruption.
pub fn measure(
    (retrieval, quotas): (&Retrieval, &Quotas),
    data: &Data,
    (part, most): (Part, usize),
    context: &Context,
) -> Result<FunnelEvaluation, Error> {
    let segments = data.segments();
    let sources: Vec<(&'static str, usize)> =
        retrieval.names().into_iter().map(|name| (name, quotas.of(name))).collect();
    let mut gatherer = Gatherer::new(&sources, &segments);
    let [mut whole, mut narrowed] = [Vec::new(), Vec::new()];
    let deep = retrieval.deep();
    each_case(retrieval, data, (part, most), context, |case, request| {
        let found = deep.find(request);
        let within = found
            .iter()
            .zip(&sources)
            .flat_map(|(found, source)| found.candidates.iter().take(source.1).map(|scored| scored.item));
        let candidates: BTreeSet<u32> = within.collect();
        let mut eligible = Bitmap::new(request.eligible.len());
        candidates.iter().for_each(|&item| _ = eligible.set(item, true));
        let all = retrieval.ranker().top_k(request, PLACES)?;
        let ranked = retrieval.ranker().top_k(&Request { eligible: &eligible, ..*request }, PLACES)?;
        let rank = |list: &[(f32, u32)]| {
            let at = list.iter().position(|entry| entry.1 == case.target.0);
            at.map_or(usize::MAX, |at| at + 1)
        };
        whole.push(rank(&all));
        narrowed.push(rank(&ranked));
        let ranked: Vec<u32> = ranked.iter().map(|entry| entry.1).collect();
        gatherer.add(&report::Case { target: case.target.0, found: &found, ranked: &ranked });
        Ok(())
    })?;
    let (sources, funnel) = gatherer.figures();
    let [ranker, funnel_ranked] = [&whole, &narrowed].map(|ranks| {
        let summary = RankMetrics::from_ranks(ranks.iter().copied()).summary();
        RankedFigures { ndcg_10: summary.ndcg_10, recall_10: summary.recall_10 }
    });
    Ok(FunnelEvaluation { users: whole.len(), sources, funnel, ranker, funnel_ranked })
}
