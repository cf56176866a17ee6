//! How popular an item is: what a ranking has to say of a user of whom it knows nothing.

use crate::TrainingData;
use serde::{Deserialize, Serialize};

const DAY_MS: f64 = 86_400_000.0;

/// How popular items are, one number each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Prior {
    /// `ln(1 + training events)`.
    Popularity,
    /// `ln(1 + events)` where an event weighs half as much every half-life before the last training event; events that come after
    /// the log's end ([`semrank_core::EventLog::end`]), by clocks that are wrong, weigh no more than that one.
    Recent {
        /// Half-life.
        half_life_days: f64,
    },
}

impl Prior {
    /// One number an item, from the training events.
    pub fn values(self, data: &TrainingData) -> Vec<f32> {
        let counts: Vec<f64> = match self {
            Prior::Popularity => data.counts.iter().map(|&count| f64::from(count)).collect(),
            Prior::Recent { half_life_days } => recent(data, half_life_days),
        };
        counts.iter().map(|count| count.ln_1p() as f32).collect()
    }
}

/// Training events of each item, an event weighing half as much every half-life before the last one.
fn recent(data: &TrainingData, half_life_days: f64) -> Vec<f64> {
    let users = 0..data.train_ends.len();
    let events = || users.clone().flat_map(|user| data.range(user)).map(|at| data.events.event(at));
    let end = data.events.end().unwrap_or(i64::MAX);
    let now = events().map(|event| event.time).filter(|&time| time <= end).max().unwrap_or(0);
    let mut counts = vec![0.0f64; data.items()];
    for event in events().filter(|event| data.is_target(event.action)) {
        let age_days = now.saturating_sub(event.time).max(0) as f64 / DAY_MS;
        counts[event.item.index()] += (-age_days / half_life_days).exp2();
    }
    counts
}
