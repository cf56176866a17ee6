//! Ranking metrics for one target per case: Recall@k (= hit rate), NDCG@k, MRR.
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

/// One of the metrics of a summary, with its usual name.
pub type NamedMetric = (&'static str, fn(&RankSummary) -> f64);

/// Declares all metrics: the field, the name in tables and JSON, and the value of a case by the rank of its target.
macro_rules! metrics {
    ($($(#[$doc:meta])+ $field:ident = $name:literal: $value:expr;)+) => {
        /// Sums over cases; divide by [`RankMetrics::cases`] only at the end.
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub struct RankMetrics {
            /// Number of cases.
            pub cases: usize,
            $($field: f64,)+
        }

        /// Means over cases; all zero where there is no case.
        #[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct RankSummary {
            /// Number of cases.
            pub users: usize,
            $($(#[$doc])+ #[serde(rename = $name)] pub $field: f64,)+
        }

        impl RankSummary {
            /// What tables and pages show, in their order.
            pub const METRICS: [NamedMetric; [$($name),+].len()] = [$(($name, |summary| summary.$field)),+];
        }

        impl RankMetrics {
            /// Adds one case whose target ranks at `rank` (from 1).
            ///
            /// # Panics
            /// When `rank` is 0.
            pub fn push(&mut self, rank: usize) {
                assert!(rank > 0, "ranks start at 1");
                self.cases += 1;
                $(
                    let value: fn(usize) -> f64 = $value;
                    self.$field += value(rank);
                )+
            }

            /// The means.
            pub fn summary(&self) -> RankSummary {
                let n = self.cases.max(1) as f64;
                RankSummary { users: self.cases, $($field: self.$field / n,)+ }
            }
        }
    };
}

metrics! {
    /// Share of cases whose target ranks within 5.
    recall_5 = "recall@5": |rank| within(rank, 5);
    /// Share of cases whose target ranks within 10.
    recall_10 = "recall@10": |rank| within(rank, 10);
    /// Normalised discounted cumulative gain at 5.
    ndcg_5 = "ndcg@5": |rank| within(rank, 5) * gain(rank);
    /// Normalised discounted cumulative gain at 10.
    ndcg_10 = "ndcg@10": |rank| within(rank, 10) * gain(rank);
    /// Mean reciprocal rank over the full ranking.
    mrr = "mrr": |rank| 1.0 / rank as f64;
}

fn within(rank: usize, k: usize) -> f64 {
    f64::from(u8::from(rank <= k))
}

fn gain(rank: usize) -> f64 {
    1.0 / ((rank + 1) as f64).log2()
}

impl RankMetrics {
    /// The sums over `ranks`.
    pub fn from_ranks(ranks: impl IntoIterator<Item = usize>) -> Self {
        let mut out = Self::default();
        ranks.into_iter().for_each(|rank| out.push(rank));
        out
    }
}
