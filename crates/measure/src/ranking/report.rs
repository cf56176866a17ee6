//! Ranks in, one row of the results table out: the figures over all cases and over each segment of targets.

use super::Protocol;
use crate::{RankMetrics, RankSummary};
use semrank_core::{BySegment, Segment};
use semrank_data::Case;
use serde::{Deserialize, Serialize};

/// Figures of one scorer under one protocol, as `semrank evaluate --json` prints them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// The scorer's name.
    pub name: String,
    /// The protocol.
    pub protocol: Protocol,
    /// Over all cases.
    #[serde(flatten)]
    pub all: RankSummary,
    /// By the segment of the target; zero where a segment has no case.
    pub segments: BySegment<RankSummary>,
}

impl ResultRow {
    /// Averages `ranks`, one per case; `segments` has one entry per item of the catalogue.
    ///
    /// # Panics
    /// When there are not as many ranks as cases, or a target has no segment.
    pub fn new(
        name: &str,
        protocol: Protocol,
        ranks: &[u32],
        cases: &[Case],
        segments: &[Segment],
    ) -> ResultRow {
        assert_eq!(ranks.len(), cases.len(), "one rank per case");
        let only = |segment: Segment| {
            let here = cases.iter().zip(ranks).filter(|(case, _)| segments[case.target.index()] == segment);
            RankMetrics::from_ranks(here.map(|(_, &rank)| rank as usize)).summary()
        };
        ResultRow {
            name: name.to_owned(),
            protocol,
            all: RankMetrics::from_ranks(ranks.iter().map(|&rank| rank as usize)).summary(),
            segments: BySegment::new(only),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ItemId, UserId};

    #[test]
    fn a_row_has_the_keys_of_the_contract() {
        let case = |target| Case { user: UserId(0), end: 0, target: ItemId(target) };
        let segments = [Segment::Head, Segment::New];
        let cases = [case(0), case(0), case(1)];
        let row = ResultRow::new("model", Protocol::Strict, &[1, 7, 20], &cases, &segments);
        let json = serde_json::to_value(&row).unwrap();
        let keys: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected =
            ["name", "protocol", "users", "recall@5", "recall@10", "ndcg@5", "ndcg@10", "mrr", "segments"];
        expected.sort_unstable();
        assert_eq!(keys, expected);
        assert_eq!(json["protocol"], "strict");
        assert_eq!(json["segments"]["head"]["recall@5"], 0.5);
        assert_eq!(json["segments"]["new"]["users"], 1);
        assert_eq!(json["segments"]["tail"]["users"], 0);
        assert!((row.all.recall_10 - 2.0 / 3.0).abs() < 1e-12);
        assert!((row.segments.of(Segment::New).mrr - 0.05).abs() < 1e-12);
        assert_eq!(serde_json::from_value::<ResultRow>(json).unwrap(), row);
    }
}
