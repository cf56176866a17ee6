//! What clients ask for and what they get.

use semrank_pipeline::retrieval::Page;
use semrank_sequence::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// For whom and what to rank.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RankRequest {
    /// A user's id; one that nobody has seen gets a ranking as well. Without it, the ranking of somebody without a history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
    pub user: Option<String>,
    /// Id of the request; a client that repeats it after a failure is counted once by a test. Made by the server without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 512, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$")]
    pub request_id: Option<String>,
    /// Items to return, 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 10_000)]
    pub k: Option<usize>,
    /// Items to rank; without them, those that the sources find.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 10_000)]
    pub candidates: Option<Vec<String>>,
    /// Items that may be returned, such as `kind = ad and bid >= 0.4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Where the list is shown; a click model reads it as it reads the column of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<String>,
    /// What else is known of the request: an object of columns that a click model reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub context: Option<Value>,
    /// The moment to rank for, in milliseconds since 1970 (UTC); now by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<i64>,
    /// Whether to say which sources found an item, and at which rank.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub explain: bool,
    /// The `as_of` of an acknowledgement: the answer sees those events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_as_of: Option<u64>,
    /// Milliseconds within which the answer is wanted; what does not fit in is left away, and the answer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// A ranking.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Ranking {
    /// Of this answer; events that follow from it name it.
    pub request_id: String,
    /// Best first; where the first slots were drawn, as they are to be shown.
    pub items: Vec<Ranked>,
    /// The test that the request is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<InTest>,
    /// Of lists whose first slots may be drawn; none where the server does not explore, and in a test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploration: Option<Exploring>,
    /// The run that ranked.
    pub run: String,
    /// Number of the first record of the log that this answer lacks.
    pub as_of: u64,
    /// What was left away or went wrong on the way.
    pub degraded: Vec<String>,
    /// Candidates that are unknown or may not be shown.
    pub left_out: usize,
    /// What each source did; none where candidates were given.
    #[schema(value_type = Vec<Object>)]
    pub sources: Vec<semrank_retrieve::SourceReport>,
}

/// A randomised test that a request is in.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct InTest {
    /// Its name.
    pub name: String,
    /// The arm.
    pub arm: String,
}

/// How a list came about where a share of all lists is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Exploring {
    /// Whether its first slots were drawn; otherwise they are in the order of the scores.
    pub drawn: bool,
    /// Probability of the list, with the share of the lists that are drawn: the product of the items' propensities.
    pub propensity: f64,
}

/// A ranked item.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Ranked {
    /// Its id.
    pub item: String,
    /// Of the ranker, the higher the better; with a click model its log odds.
    pub score: f32,
    /// Of a click, or of a click and a conversion, as the click model's task says; calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Of a conversion, given a click.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversion: Option<f64>,
    /// Probability of this item in its slot given those above it, whether the list was drawn or not; none in slots that are never drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
    /// The sources that found it.
    #[schema(value_type = Vec<Object>)]
    pub sources: Vec<semrank_retrieve::Provenance>,
}

/// For whom and what to find.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrieveRequest {
    /// A user's id.
    #[serde(default)]
    pub user: Option<String>,
    /// Candidates to return, 500 by default; with a cursor, the size of a page.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 10_000)]
    pub k: Option<usize>,
    /// One source alone.
    #[serde(default)]
    pub source: Option<String>,
    /// What the user typed.
    #[serde(default)]
    pub search: Option<String>,
    /// Items that may be returned.
    #[serde(default)]
    pub filter: Option<String>,
    /// `""` for the first page, then the cursor of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
    /// The `as_of` of an acknowledgement: the answer sees those events.
    #[serde(default)]
    pub min_as_of: Option<u64>,
}

/// Candidates.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Candidates {
    /// The candidates and their sources.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub page: Page,
    /// Of the next page; none after the last, or where no page was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Option<String>>,
    /// Number of the first record of the log that this answer lacks.
    pub as_of: u64,
}

/// A group of items that a user engaged with.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Interest {
    /// Words that set it apart, strongest first.
    pub label: Vec<String>,
    /// Share of the user's events.
    pub share: f64,
    /// Ids of the items nearest to its direction.
    pub items: Vec<String>,
}

/// A ranking with what its scores are made of.
#[derive(Debug, Clone)]
pub struct Explained {
    /// The items and the sources.
    pub page: Page,
    /// Of each item.
    pub parts: Vec<Parts>,
}
