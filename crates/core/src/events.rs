//! All events of a data set in one sorted, columnar log.
//!
//! Order inside a user: time (or position), then the original row order `seq`, which breaks every tie. A
//! [`History`] is a user and an end offset: everything strictly before that event.
//!
//! ```
//! use semrank_core::{ActionId, Event, EventLogBuilder, ItemId, UserId};
//! let mut log = EventLogBuilder::default();
//! for (user, item, time) in [(0, 7, 30), (1, 5, 10), (0, 3, 20)] {
//!     log.push(UserId(user), Event { item: ItemId(item), action: ActionId(0), time });
//! }
//! let log = log.finish(2, true);
//! let items: Vec<u32> = log.of(UserId(0)).items.iter().map(|i| i.0).collect();
//! assert_eq!(items, [3, 7]); // by time
//! ```

use crate::narrow;
use crate::{ActionId, ItemId, UserId};
use std::ops::Range;

/// The dwell time of an event that has none.
const UNKNOWN: i32 = -1;

/// One event of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The ad or organic item.
    pub item: ItemId,
    /// What the user did.
    pub action: ActionId,
    /// Milliseconds UTC in a timed log; the position in the user's sequence otherwise.
    pub time: i64,
}

/// A user's events, or the first part of them: columns of one length.
#[derive(Debug, Clone, Copy)]
pub struct History<'a> {
    /// Items, oldest first.
    pub items: &'a [ItemId],
    /// Actions, parallel to `items`.
    pub actions: &'a [ActionId],
    /// Times, parallel to `items`; see [`Event::time`].
    pub times: &'a [i64],
}

impl<'a> History<'a> {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The last `n` events (all, when there are fewer).
    pub fn last(&self, n: usize) -> History<'a> {
        let start = self.len().saturating_sub(n);
        History { items: &self.items[start..], actions: &self.actions[start..], times: &self.times[start..] }
    }
}

/// Every user's events, sorted by user, time and original row order.
#[derive(Debug, Clone)]
pub struct EventLog {
    offsets: Vec<usize>,
    items: Vec<ItemId>,
    actions: Vec<ActionId>,
    times: Vec<i64>,
    /// Empty where no event has a dwell time.
    dwells: Vec<i32>,
    timed: bool,
}

impl EventLog {
    /// Number of users.
    pub fn users(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether [`Event::time`] is a real time (ms UTC) and not only a position.
    pub fn timed(&self) -> bool {
        self.timed
    }

    /// Global index range of a user's events.
    pub fn range(&self, user: UserId) -> Range<usize> {
        self.offsets[user.index()]..self.offsets[user.index() + 1]
    }

    /// All events of a user.
    pub fn of(&self, user: UserId) -> History<'_> {
        self.slice(self.range(user))
    }

    /// The events of `user` before the global index `end`.
    ///
    /// # Panics
    /// When `end` lies outside the user's range.
    pub fn before(&self, user: UserId, end: usize) -> History<'_> {
        let range = self.range(user);
        assert!(range.start <= end && end <= range.end, "offset {end} is not of user {}", user.0);
        self.slice(range.start..end)
    }

    /// The event at a global index.
    pub fn event(&self, at: usize) -> Event {
        Event { item: self.items[at], action: self.actions[at], time: self.times[at] }
    }

    /// All items, in log order.
    pub fn items(&self) -> &[ItemId] {
        &self.items
    }

    /// All actions, in log order.
    pub fn actions(&self) -> &[ActionId] {
        &self.actions
    }

    /// All times, in log order.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Dwell times (ms; -1 = unknown), in log order; empty where no event has one.
    pub fn dwells(&self) -> &[i32] {
        &self.dwells
    }

    fn slice(&self, range: Range<usize>) -> History<'_> {
        History {
            items: &self.items[range.clone()],
            actions: &self.actions[range.clone()],
            times: &self.times[range],
        }
    }
}

/// Collects events in their original row order and sorts them once.
#[derive(Debug, Default)]
pub struct EventLogBuilder {
    users: Vec<UserId>,
    events: Vec<Event>,
    /// Shorter than `events` while the last ones have none.
    dwells: Vec<i32>,
}

impl EventLogBuilder {
    /// Adds the next row. Rows of one user at one time keep this order.
    pub fn push(&mut self, user: UserId, event: Event) {
        self.users.push(user);
        self.events.push(event);
    }

    /// Adds the next row with its dwell time (ms).
    pub fn push_with_dwell(&mut self, user: UserId, event: Event, dwell_ms: i32) {
        self.dwells.resize(self.events.len(), UNKNOWN);
        self.dwells.push(dwell_ms);
        self.push(user, event);
    }

    /// Sorts by user, time and row order.
    ///
    /// # Panics
    /// When an event's user is not below `users`.
    pub fn finish(self, users: usize, timed: bool) -> EventLog {
        let mut offsets = vec![0usize; users + 1];
        self.users.iter().for_each(|user| offsets[user.index() + 1] += 1);
        (0..users).for_each(|user| offsets[user + 1] += offsets[user]);
        let mut next = offsets.clone();
        let mut order = vec![0u32; self.events.len()];
        for (row, user) in self.users.iter().enumerate() {
            order[next[user.index()]] = narrow::index(row);
            next[user.index()] += 1;
        }
        for user in 0..users {
            // A stable sort: equal times keep the original row order.
            order[offsets[user]..offsets[user + 1]].sort_by_key(|&row| self.events[row as usize].time);
        }
        let dwells = match self.dwells.is_empty() {
            true => Vec::new(),
            false => {
                let dwell = |&row: &u32| self.dwells.get(row as usize).copied().unwrap_or(UNKNOWN);
                order.iter().map(dwell).collect()
            }
        };
        let column = || order.iter().map(|&row| self.events[row as usize]);
        EventLog {
            items: column().map(|event| event.item).collect(),
            actions: column().map(|event| event.action).collect(),
            times: column().map(|event| event.time).collect(),
            offsets,
            dwells,
            timed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dwell_times_follow_their_events() {
        let mut log = EventLogBuilder::default();
        let event = |time| Event { item: ItemId(0), action: ActionId(0), time };
        log.push(UserId(0), event(3));
        log.push_with_dwell(UserId(0), event(1), 500);
        log.push(UserId(0), event(2));
        assert_eq!(log.finish(1, true).dwells(), [500, -1, -1]);
        assert!(EventLogBuilder::default().finish(1, true).dwells().is_empty());
    }

    #[test]
    fn ties_keep_the_row_order_and_users_without_events_are_empty() {
        let mut log = EventLogBuilder::default();
        for (user, item) in [(2, 9), (0, 4), (2, 1), (2, 5)] {
            log.push(UserId(user), Event { item: ItemId(item), action: ActionId(0), time: 100 });
        }
        let log = log.finish(3, true);
        assert_eq!(log.of(UserId(2)).items, [ItemId(9), ItemId(1), ItemId(5)]);
        assert!(log.of(UserId(1)).is_empty());
        assert_eq!(log.before(UserId(2), log.range(UserId(2)).start + 1).items, [ItemId(9)]);
        assert_eq!(log.of(UserId(2)).last(2).items, [ItemId(1), ItemId(5)]);
    }
}
