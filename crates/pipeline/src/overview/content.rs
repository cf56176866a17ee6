//! The page's content as plain data; it can be stored as JSON beside the page.

use semrank_core::RankSummary;
use serde::{Deserialize, Serialize};

/// Everything that `report.html` shows; an empty list leaves its section out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    /// The page's headline, e.g. the data set's name.
    pub(crate) title: String,
    /// One sentence below it.
    pub(crate) subtitle: String,
    /// The last line: version, command, date.
    pub(crate) footer: String,
    /// The data set and its split.
    pub(crate) dataset: DatasetFacts,
    /// Settings worth knowing: name and value.
    pub(crate) settings: Vec<(String, String)>,
    /// One entry an epoch, in order.
    pub(crate) curve: Vec<Epoch>,
    /// The epoch that was kept, marked in the charts.
    pub(crate) best_epoch: Option<usize>,
    /// Model and baselines under each protocol. The row called `model` is compared with the others; a row
    /// called `oracle` is an upper bound and no baseline.
    pub(crate) rows: Vec<ResultRow>,
    /// The page on semantic ids, where items have some.
    pub(crate) tokens: Option<TokensLink>,
    /// A few users.
    pub(crate) users: Vec<UserExample>,
    /// Stage and wall time in seconds.
    pub(crate) timings: Vec<(String, f64)>,
    /// Remarks, e.g. the seen policy.
    pub(crate) notes: Vec<String>,
}

/// Where the page on semantic ids is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TokensLink {
    /// File beside the report.
    pub(crate) page: String,
    /// What it says, in half a sentence.
    pub(crate) summary: String,
}

/// Size and split of a data set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DatasetFacts {
    /// Its name.
    pub(crate) name: String,
    /// Users with an event.
    pub(crate) users: usize,
    /// Items of the catalogue.
    pub(crate) items: usize,
    /// Of them, ads.
    pub(crate) ads: usize,
    /// Events.
    pub(crate) events: usize,
    /// How it was split, e.g. `leave-one-out`.
    pub(crate) split: String,
    /// Segments, most popular first.
    pub(crate) segments: Vec<SegmentFacts>,
}

/// Size of a segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct SegmentFacts {
    /// `head`, `torso`, `tail` or `new`.
    pub(crate) name: String,
    /// Items in it.
    pub(crate) items: usize,
    /// Test users whose target is in it.
    pub(crate) targets: usize,
}

/// One pass over the training data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Epoch {
    /// From 1.
    pub(crate) epoch: usize,
    /// Mean loss a position, in nats.
    pub(crate) train_loss: f64,
    /// NDCG@10 on the validation split.
    pub(crate) ndcg_10: f64,
    /// Recall@10 on the validation split.
    pub(crate) recall_10: f64,
    /// Wall time of the epoch.
    pub(crate) seconds: f64,
}

/// One ranker under one protocol.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultRow {
    /// `model`, `popularity`, `markov`, `tfidf`, `oracle`, …
    pub(crate) name: String,
    /// `strict` or `filtered`.
    pub(crate) protocol: String,
    /// Means over all test users.
    pub(crate) metrics: RankSummary,
    /// The same by the segment of the target.
    pub(crate) segments: Vec<(String, RankSummary)>,
}

/// A user's history beside the recommendations made from it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct UserExample {
    /// The user's id.
    pub(crate) user: String,
    /// The last events, oldest first.
    pub(crate) history: Vec<Past>,
    /// Best first.
    pub(crate) recommendations: Vec<Recommended>,
}

/// An event of a history.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Past {
    /// The item's id.
    pub(crate) item: String,
    /// The item's text in one line.
    pub(crate) text: String,
    /// `ad` or `organic`.
    pub(crate) kind: String,
    /// What the user did.
    pub(crate) action: String,
    /// When, as people write it; empty where the log has only an order.
    pub(crate) when: String,
}

/// A recommended item.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recommended {
    /// From 1.
    pub(crate) rank: usize,
    /// The item's id.
    pub(crate) item: String,
    /// The item's text in one line.
    pub(crate) text: String,
    /// `ad` or `organic`.
    pub(crate) kind: String,
    /// The final score.
    pub(crate) score: f64,
    /// What the score is made of: source and its share, in the score's unit.
    pub(crate) sources: Vec<(String, f64)>,
    /// Whether this is what the user took next.
    pub(crate) hit: bool,
}

impl Report {
    /// The first row of this name and protocol.
    pub(crate) fn row(&self, name: &str, protocol: &str) -> Option<&ResultRow> {
        self.rows.iter().find(|row| row.name == name && row.protocol == protocol)
    }
}

impl ResultRow {
    /// Whether the model should beat this row.
    pub(crate) fn is_baseline(&self) -> bool {
        self.name != "model" && self.name != "oracle"
    }

    /// The metrics of a segment.
    pub(crate) fn segment(&self, name: &str) -> Option<&RankSummary> {
        self.segments.iter().find(|(segment, _)| segment == name).map(|(_, metrics)| metrics)
    }
}
