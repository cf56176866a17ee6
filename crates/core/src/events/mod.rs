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

mod build;

pub use build::{EventLogBuilder, PlacedLog, Places};

use crate::span::{DayCounts, span};
use crate::{ActionId, ItemId, UserId};
use std::ops::Range;

const DAY_MS: i64 = 86_400_000;

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
    /// Empty where every event is known at its time; earlier than the event where the log does not say.
    known: Vec<i64>,
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

    /// The same log without the events of each user from a global index on, one per user.
    ///
    /// # Panics
    /// When an index lies outside its user's range.
    #[must_use]
    pub fn until(&self, ends: &[usize]) -> EventLog {
        assert_eq!(ends.len(), self.users(), "one end per user");
        let kept = self.offsets.iter().zip(ends).map(|(start, end)| end.saturating_sub(*start)).sum();
        let (items, actions, times) =
            (Vec::with_capacity(kept), Vec::with_capacity(kept), Vec::with_capacity(kept));
        let (dwells, known, timed) = (Vec::new(), Vec::new(), self.timed);
        let mut out = EventLog { offsets: vec![0], items, actions, times, dwells, known, timed };
        for (user, &end) in ends.iter().enumerate() {
            let range = self.offsets[user]..self.offsets[user + 1];
            assert!(range.start <= end && end <= range.end, "offset {end} is not of user {user}");
            let kept = range.start..end;
            out.items.extend_from_slice(&self.items[kept.clone()]);
            out.actions.extend_from_slice(&self.actions[kept.clone()]);
            out.times.extend_from_slice(&self.times[kept.clone()]);
            out.dwells.extend_from_slice(self.dwells.get(kept.clone()).unwrap_or_default());
            out.known.extend_from_slice(self.known.get(kept).unwrap_or_default());
            out.offsets.push(out.items.len());
        }
        out
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

    /// When a ranker knows of the event at a global index, at its time or later: events are received late.
    pub fn known_at(&self, at: usize) -> i64 {
        self.known.get(at).map_or(self.times[at], |&known| known.max(self.times[at]))
    }

    /// Time of the last event on the days that the log covers: events of clocks that are wrong by days or years are left out
    /// ([`span`](crate::span)). Nothing where the log has no event or no times.
    pub fn end(&self) -> Option<i64> {
        if !self.timed {
            return None;
        }
        let last = *span(&self.days())?.days.end();
        self.times.iter().copied().filter(|time| time.div_euclid(DAY_MS) <= last).max()
    }

    /// Events per day, by action.
    fn days(&self) -> Vec<DayCounts> {
        let mut days = vec![DayCounts::new(); 1 + usize::from(u8::MAX)];
        let place = |at: usize| (self.actions[at].index(), self.times[at].div_euclid(DAY_MS));
        let mut at = 0;
        while at < self.len() {
            let (action, day) = place(at);
            let more = (at..self.len()).take_while(|&next| place(next) == (action, day)).count();
            days[action].add(day, more as u64);
            at += more;
        }
        days
    }

    /// Events of one user, by their global indices.
    pub fn slice(&self, range: Range<usize>) -> History<'_> {
        History {
            items: &self.items[range.clone()],
            actions: &self.actions[range.clone()],
            times: &self.times[range],
        }
    }
}

/// What a log may tell of an event besides user, item, action and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventDetails {
    /// How long the user stayed (ms).
    pub dwell_ms: Option<i32>,
    /// When a ranker knows of the event, in the unit of [`Event::time`]; at its time where the log does not say.
    pub known_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_until_its_users_ends_is_the_log_of_the_events_before() {
        let push = |log: &mut EventLogBuilder, user: u32, time: i64| {
            let event = Event { item: ItemId(time as u32), action: ActionId(0), time };
            let details = EventDetails { dwell_ms: Some(7), known_at: Some(time + 5) };
            log.push_with(UserId(user), event, details);
        };
        let log = |most: [i64; 3]| {
            let mut log = EventLogBuilder::default();
            (0..3).for_each(|user| (0..most[user as usize]).for_each(|time| push(&mut log, user, time)));
            log.finish(3, true)
        };
        let (cut, expected) = (log([3, 2, 4]).until(&[2, 3, 9]), log([2, 0, 4]));
        assert_eq!((0..3).map(|user| cut.range(UserId(user))).collect::<Vec<_>>(), [0..2, 2..2, 2..6]);
        assert_eq!(
            (cut.items(), cut.times(), cut.dwells()),
            (expected.items(), expected.times(), expected.dwells())
        );
        assert!(
            (0..6).all(
                |at| cut.known_at(at) == expected.known_at(at) && cut.known_at(at) == cut.times()[at] + 5
            )
        );
    }

    #[test]
    fn a_wrong_clock_does_not_move_the_end() {
        let mut log = EventLogBuilder::default();
        let event = |time| Event { item: ItemId(0), action: ActionId(0), time };
        (0..500).for_each(|hour| log.push(UserId(0), event(DAY_MS * 20_000 + hour * 3_600_000)));
        log.push(UserId(0), event(DAY_MS * 47_482));
        log.push(UserId(0), event(DAY_MS));
        let log = log.finish(1, true);
        assert_eq!(log.end(), Some(DAY_MS * 20_000 + 499 * 3_600_000));
        assert_eq!(EventLogBuilder::default().finish(1, true).end(), None);
    }
}
