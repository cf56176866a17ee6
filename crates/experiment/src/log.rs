//! Rows of the log of a test: exposures as a server writes them, and events.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A unit's request in an arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoggedExposure {
    /// Rows with the same id count once.
    pub event_id: String,
    /// Name of the test.
    pub experiment: String,
    /// Its phase.
    pub phase: u32,
    /// Unit of randomisation.
    pub unit: String,
    /// Name of the arm.
    pub arm: String,
    /// When it happened (ms UTC).
    pub time: i64,
    /// When the log received it (ms UTC); `time` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_at: Option<i64>,
    /// The request whose answer was shown.
    #[serde(default)]
    pub request_id: String,
    /// Whether another arm would have shown another list; none where the other arms' lists were not found.
    #[serde(default)]
    pub would_differ: Option<bool>,
    /// What was shown, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slate: Vec<SlateItem>,
    /// Whether the unit is a bot, by the test's flag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
    /// Events of the unit before.
    #[serde(default)]
    pub events_before: f64,
    /// Sum of the probabilities that the ranker gives the list of control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<f64>,
    /// Values of the columns that the test names as segments.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub segments: BTreeMap<String, String>,
    /// Microseconds that the answer took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<u64>,
}

/// An item that was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlateItem {
    /// The item.
    pub item: String,
    /// Sources that found it.
    #[serde(default)]
    pub sources: Vec<String>,
    /// The arm that contributed it to a mixed list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The click model's probability, where there is a click model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
}

/// Something that a user did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoggedEvent {
    /// Rows with the same id count once.
    pub event_id: String,
    /// The action.
    pub action: String,
    /// When it happened (ms UTC).
    #[serde(alias = "time")]
    pub timestamp: i64,
    /// When the log received it (ms UTC); `timestamp` without it.
    #[serde(default)]
    pub received_at: Option<i64>,
    /// All other columns, such as `user_id`, `item_id`, `parent_event_id`, `request_id`, `value`.
    #[serde(flatten)]
    pub columns: Map<String, Value>,
}

impl LoggedExposure {
    /// When the log received it.
    pub fn received_ms(&self) -> i64 {
        self.received_at.unwrap_or(self.time)
    }
}

impl LoggedEvent {
    /// When the log received it.
    pub fn received_ms(&self) -> i64 {
        self.received_at.unwrap_or(self.timestamp)
    }

    /// A column as text; none where it is missing or null.
    pub fn text(&self, column: &str) -> Option<std::borrow::Cow<'_, str>> {
        match self.columns.get(column)? {
            Value::Null => None,
            Value::String(text) => Some(text.as_str().into()),
            other => Some(other.to_string().into()),
        }
    }

    /// A column as a number.
    pub fn number(&self, column: &str) -> Option<f64> {
        match self.columns.get(column)? {
            Value::Number(number) => number.as_f64(),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            _ => None,
        }
    }
}

/// A definition that a server used, from a moment on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Used {
    /// When it was first used (ms UTC).
    pub time: i64,
    /// Its [`fingerprint`](crate::definition::Definition::fingerprint).
    pub fingerprint: String,
}
