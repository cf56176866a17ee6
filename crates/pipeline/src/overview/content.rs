//! The page's content as plain data; it can be stored as JSON beside the page.

use semrank_measure::RankSummary;
use semrank_measure::ranking::{Interval, SummaryIntervals};
use serde::{Deserialize, Serialize};

/// The row that is compared with the others.
pub const MODEL: &str = "model";
/// The row that is an upper bound and no baseline.
const ORACLE: &str = "oracle";

/// Everything that a page shows; an empty list leaves its section out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// The page's headline, e.g. the data set's name.
    pub title: String,
    /// One sentence below it.
    pub subtitle: String,
    /// The last line: version, command, date.
    pub footer: String,
    /// The data set and its split.
    pub dataset: DatasetFacts,
    /// The main settings: name and value.
    pub settings: Vec<(String, String)>,
    /// One entry per epoch, in order.
    pub curve: Vec<Epoch>,
    /// The epoch that was kept, marked in the charts.
    pub best_epoch: Option<usize>,
    /// Model and baselines under each protocol. The row called `model` is compared with the others; a row
    /// called `oracle` is an upper bound and no baseline.
    pub rows: Vec<ResultRow>,
    /// NDCG@10 of the model less that of baselines, by their names, with 95 % intervals, strict.
    pub differences: Vec<(String, Interval)>,
    /// The page on semantic ids, where items have some.
    pub tokens: Option<TokensLink>,
    /// A few users.
    pub users: Vec<UserExample>,
    /// Stage and wall time in seconds.
    pub timings: Vec<(String, f64)>,
    /// Remarks, e.g. the seen policy.
    pub notes: Vec<String>,
}

/// Where the page on semantic ids is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TokensLink {
    /// File beside the report.
    pub page: String,
    /// What it says, in half a sentence.
    pub summary: String,
}

/// Size and split of a data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetFacts {
    /// Its name.
    pub name: String,
    /// Users with an event.
    pub users: usize,
    /// Items of the catalogue.
    pub items: usize,
    /// Of them, ads.
    pub ads: usize,
    /// Events.
    pub events: usize,
    /// How it was split, e.g. `leave-one-out`.
    pub split: String,
    /// Segments, most popular first.
    pub segments: Vec<SegmentFacts>,
}

/// Size of a segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// `head`, `torso`, `tail` or `new`.
    pub name: String,
    /// Items in it.
    pub items: usize,
    /// Test users whose target is in it.
    pub targets: usize,
}

/// One pass over the training data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 1.
    pub epoch: usize,
    /// Mean loss per position, in nats.
    pub train_loss: f64,
    /// NDCG@10 on the validation split.
    pub ndcg_10: f64,
    /// Recall@10 on the validation split.
    pub recall_10: f64,
    /// Wall time of the epoch.
    pub seconds: f64,
}

/// One ranker under one protocol.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResultRow {
    /// `model`, `popularity`, `markov`, `tfidf`, `oracle`, …
    pub name: String,
    /// `strict` or `filtered`.
    pub protocol: String,
    /// Means over all test users.
    pub metrics: RankSummary,
    /// The same by the segment of the target.
    pub segments: Vec<(String, RankSummary)>,
    /// 95 % intervals over users; none where there is a single one.
    pub intervals: Option<SummaryIntervals>,
}

/// A user's history beside the recommendations made from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UserExample {
    /// The user's id.
    pub user: String,
    /// The last events, oldest first.
    pub history: Vec<Past>,
    /// Best first.
    pub recommendations: Vec<Recommended>,
}

/// An event of a history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// The item's id.
    pub item: String,
    /// The item's text in one line.
    pub text: String,
    /// `ad` or `organic`.
    pub kind: String,
    /// What the user did.
    pub action: String,
    /// When, as people write it; empty where the log has only an order.
    pub when: String,
}

/// A recommended item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Recommended {
    /// From 1.
    pub rank: usize,
    /// The item's id.
    pub item: String,
    /// The item's text in one line.
    pub text: String,
    /// `ad` or `organic`.
    pub kind: String,
    /// The final score.
    pub score: f64,
    /// What the score is made of: source and its share, in the score's unit.
    pub sources: Vec<(String, f64)>,
    /// Whether this is what the user took next.
    pub hit: bool,
}

impl Report {
    /// The first row of this name and protocol.
    pub fn row(&self, name: &str, protocol: &str) -> Option<&ResultRow> {
        self.rows.iter().find(|row| row.name == name && row.protocol == protocol)
    }

    /// The baseline that is best in a metric, under a protocol.
    pub fn best_baseline(&self, protocol: &str, of: fn(&RankSummary) -> f64) -> Option<&ResultRow> {
        let baselines = self.rows.iter().filter(|row| row.protocol == protocol && row.is_baseline());
        baselines.max_by(|a, b| of(&a.metrics).total_cmp(&of(&b.metrics)))
    }
}

impl ResultRow {
    /// Whether the model should beat this row.
    pub fn is_baseline(&self) -> bool {
        self.name != MODEL && !self.is_upper_bound()
    }

    /// Whether nothing can be better than this row.
    pub fn is_upper_bound(&self) -> bool {
        self.name == ORACLE
    }

    /// The 95 % interval of a metric, by its name.
    pub fn interval(&self, metric: &str) -> Option<[f64; 2]> {
        match (self.intervals, metric) {
            (Some(found), "recall@10") => Some(found.recall_10),
            (Some(found), "ndcg@10") => Some(found.ndcg_10),
            _ => None,
        }
    }

    /// The metrics of a segment.
    pub fn segment(&self, name: &str) -> Option<&RankSummary> {
        self.segments.iter().find(|(segment, _)| segment == name).map(|(_, metrics)| metrics)
    }
}
