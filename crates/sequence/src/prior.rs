//! The popularity prior: the ranking for users without history.

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
    /// One number per item, from the training events.
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

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{ActionId, Event, EventLogBuilder, ItemId, UserId};

    /// Ten events a day for thirty days, the first half of item 0, the others of item 1; one clock is in the year 2079.
    #[test]
    fn an_event_of_a_wrong_clock_is_not_now() {
        let mut log = EventLogBuilder::default();
        let days = (0..300).map(|at| (u32::from(at >= 150), at / 10)).chain([(2, 40_000)]);
        for (item, day) in days {
            let event = Event { item: ItemId(item), action: ActionId(0), time: day * DAY_MS as i64 };
            log.push(UserId(0), event);
        }
        let events = log.finish(1, true);
        let data = TrainingData::new(&events, &[301], &[150, 150, 1]);
        let recent = Prior::Recent { half_life_days: 7.0 }.values(&data);
        assert!(recent[1] > recent[0] + 1.0 && recent[0] > 1.0, "{recent:?}");
        assert_eq!(recent[2], 2.0f32.ln(), "an event after the end weighs as one at the end");
    }
}
