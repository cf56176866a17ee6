//! Ranking metrics for one target a case: Recall@k (= hit rate), NDCG@k, MRR.
//!
//! Ranks start at 1. With a single relevant item the ideal DCG is 1, so NDCG@k = 1 / log2(rank + 1) where the rank is
//! within k and 0 elsewhere (Järvelin & Kekäläinen 2002, eq. 3 with binary gain).
//!
//! ```
//! use semrank_measure::RankMetrics;
//! let summary = RankMetrics::from_ranks([1, 3, 20]).summary();
//! assert!((summary.recall_10 - 2.0 / 3.0).abs() < 1e-12);
//! assert!((summary.ndcg_10 - (1.0 + 0.5) / 3.0).abs() < 1e-12);
//! ```

/// Sums over cases; divide by [`RankMetrics::cases`] only at the end.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RankMetrics {
    /// Number of cases.
    pub cases: usize,
    hits_5: f64,
    hits_10: f64,
    gain_5: f64,
    gain_10: f64,
    reciprocal: f64,
}

/// Means over cases; all zero where there is no case.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RankSummary {
    /// Number of cases.
    pub users: usize,
    /// Share of cases whose target ranks within 5.
    #[serde(rename = "recall@5")]
    pub recall_5: f64,
    /// Share of cases whose target ranks within 10.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// Normalised discounted cumulative gain at 5.
    #[serde(rename = "ndcg@5")]
    pub ndcg_5: f64,
    /// Normalised discounted cumulative gain at 10.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// Mean reciprocal rank over the full ranking.
    pub mrr: f64,
}

/// One of the metrics of a summary, with the name people know it by.
pub type NamedMetric = (&'static str, fn(&RankSummary) -> f64);

impl RankSummary {
    /// What tables and pages show, in their order.
    pub const METRICS: [NamedMetric; 5] = [
        ("recall@5", |m| m.recall_5),
        ("recall@10", |m| m.recall_10),
        ("ndcg@5", |m| m.ndcg_5),
        ("ndcg@10", |m| m.ndcg_10),
        ("mrr", |m| m.mrr),
    ];
}

impl RankMetrics {
    /// Adds one case whose target ranks at `rank` (from 1).
    ///
    /// # Panics
    /// When `rank` is 0.
    pub fn push(&mut self, rank: usize) {
        assert!(rank > 0, "ranks start at 1");
        let gain = 1.0 / ((rank + 1) as f64).log2();
        self.cases += 1;
        self.reciprocal += 1.0 / rank as f64;
        if rank <= 5 {
            self.hits_5 += 1.0;
            self.gain_5 += gain;
        }
        if rank <= 10 {
            self.hits_10 += 1.0;
            self.gain_10 += gain;
        }
    }

    /// The sums over `ranks`.
    pub fn from_ranks(ranks: impl IntoIterator<Item = usize>) -> Self {
        let mut out = Self::default();
        ranks.into_iter().for_each(|rank| out.push(rank));
        out
    }

    /// The means.
    pub fn summary(&self) -> RankSummary {
        let n = self.cases.max(1) as f64;
        RankSummary {
            users: self.cases,
            recall_5: self.hits_5 / n,
            recall_10: self.hits_10 / n,
            ndcg_5: self.gain_5 / n,
            ndcg_10: self.gain_10 / n,
            mrr: self.reciprocal / n,
        }
    }
}
