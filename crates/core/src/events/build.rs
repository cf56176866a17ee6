//! Rows of a log in any order of users and times in, a sorted [`EventLog`] out.
//!
//! One counting sort gives every row its place, from the users' numbers alone ([`Places`]); the columns are then filled at these
//! places, so that nothing is held of a row beside the log but 4 bytes ([`PlacedLog`]). Last, each user's events are sorted by time;
//! equal times keep the order of the places: `seq`, or the row order.
//!
//! ```
//! use semrank_core::{ActionId, Event, EventDetails, ItemId, Places};
//! let users = vec![1, 0, 1];
//! let mut log = Places::new(users, 2, Some(&[30, 10, 20])).log(); // The third row comes before the first.
//! for (row, item) in [7, 5, 3].into_iter().enumerate() {
//!     let event = Event { item: ItemId(item), action: ActionId(0), time: 0 };
//!     log.put(row, event, EventDetails::default());
//! }
//! assert_eq!(log.finish(true).items(), [ItemId(5), ItemId(3), ItemId(7)]);
//! ```

use super::{Event, EventDetails, EventLog};
use crate::{ActionId, ItemId, UserId, narrow};

/// The dwell time of an event that has none.
const UNKNOWN: i32 = -1;

/// Where each row of a log goes.
#[derive(Debug)]
pub struct Places {
    /// Where the events of each user start; one more at the end.
    offsets: Vec<usize>,
    /// Of every row.
    places: Vec<u32>,
}

impl Places {
    /// Places rows, given by the numbers of their users, by user; a user's rows by `seqs`, or as they are given.
    ///
    /// # Panics
    /// When a row's user is not below `users`, or when `seqs` has another length.
    pub fn new(mut rows: Vec<u32>, users: usize, seqs: Option<&[i64]>) -> Places {
        // Two further: while rows are placed, the entry behind a user's is where the next row goes; in the end its first row.
        let mut offsets = vec![0usize; users + 2];
        rows.iter().for_each(|&user| offsets[user as usize + 2] += 1);
        (2..users + 2).for_each(|at| offsets[at] += offsets[at - 1]);
        let mut place = |row: &mut u32| {
            let next = &mut offsets[*row as usize + 1];
            *row = narrow::index(*next);
            *next += 1;
        };
        match seqs.filter(|seqs| !seqs.is_sorted()) {
            None => rows.iter_mut().for_each(place),
            Some(seqs) => {
                assert_eq!(seqs.len(), rows.len(), "a seq for each row");
                let mut order: Vec<u32> = narrow::indices(rows.len()).collect();
                order.sort_unstable_by_key(|&row| (seqs[row as usize], row));
                order.into_iter().for_each(|row| place(&mut rows[row as usize]));
            }
        }
        offsets.pop();
        Places { offsets, places: rows }
    }

    /// Room for the events.
    pub fn log(self) -> PlacedLog {
        let events = self.places.len();
        let log = EventLog {
            offsets: self.offsets,
            items: vec![ItemId(0); events],
            actions: vec![ActionId(0); events],
            times: vec![0; events],
            dwells: Vec::new(),
            known: Vec::new(),
            timed: false,
        };
        PlacedLog { places: self.places, log }
    }
}

/// A log whose events are put at their places.
#[derive(Debug)]
pub struct PlacedLog {
    places: Vec<u32>,
    log: EventLog,
}

impl PlacedLog {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// Puts the event of a row; each row has one.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn put(&mut self, row: usize, event: Event, details: EventDetails) {
        let (at, log) = (self.places[row] as usize, &mut self.log);
        (log.items[at], log.actions[at], log.times[at]) = (event.item, event.action, event.time);
        if let Some(dwell_ms) = details.dwell_ms {
            column(&mut log.dwells, self.places.len(), UNKNOWN)[at] = dwell_ms;
        }
        if let Some(known_at) = details.known_at.filter(|&known_at| known_at > event.time) {
            column(&mut log.known, self.places.len(), i64::MIN)[at] = known_at;
        }
    }

    /// Sorts each user's events by time.
    pub fn finish(self, timed: bool) -> EventLog {
        let PlacedLog { places, mut log } = self;
        drop(places);
        log.timed = timed;
        let mut order = Vec::new();
        for user in 0..log.users() {
            let range = log.offsets[user]..log.offsets[user + 1];
            let times = &log.times[range.clone()];
            if times.is_sorted() {
                continue;
            }
            order.clear();
            order.extend(narrow::indices(times.len()));
            // Stable: equal times keep their order.
            order.sort_by_key(|&row| times[row as usize]);
            reorder(&mut log.items[range.clone()], &order);
            reorder(&mut log.actions[range.clone()], &order);
            reorder(&mut log.times[range.clone()], &order);
            reorder(log.dwells.get_mut(range.clone()).unwrap_or_default(), &order);
            reorder(log.known.get_mut(range).unwrap_or_default(), &order);
        }
        log
    }
}

/// A column that is made when its first value is known.
fn column<T: Clone>(values: &mut Vec<T>, rows: usize, empty: T) -> &mut [T] {
    if values.is_empty() {
        values.resize(rows, empty);
    }
    values
}

/// Takes the values at `order`; a column without values stays so.
fn reorder<T: Copy>(values: &mut [T], order: &[u32]) {
    if !values.is_empty() {
        let moved: Vec<T> = order.iter().map(|&row| values[row as usize]).collect();
        values.copy_from_slice(&moved);
    }
}

/// Collects the events of a small log in their original row order and sorts them once.
#[derive(Debug, Default)]
pub struct EventLogBuilder {
    rows: Vec<(UserId, Event, EventDetails)>,
}

impl EventLogBuilder {
    /// Adds the next row. Rows of one user at one time keep this order.
    pub fn push(&mut self, user: UserId, event: Event) {
        self.push_with(user, event, EventDetails::default());
    }

    /// Adds the next row with its details.
    pub fn push_with(&mut self, user: UserId, event: Event, details: EventDetails) {
        self.rows.push((user, event, details));
    }

    /// Sorts by user, time and row order.
    ///
    /// # Panics
    /// When an event's user is not below `users`.
    pub fn finish(self, users: usize, timed: bool) -> EventLog {
        let mut log = Places::new(self.rows.iter().map(|row| row.0.0).collect(), users, None).log();
        let rows = self.rows.into_iter().enumerate();
        rows.for_each(|(row, (_, event, details))| log.put(row, event, details));
        log.finish(timed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_follow_their_events() {
        let mut log = EventLogBuilder::default();
        let event = |time| Event { item: ItemId(0), action: ActionId(0), time };
        log.push(UserId(0), event(3));
        log.push_with(UserId(0), event(1), EventDetails { dwell_ms: Some(500), known_at: Some(9) });
        log.push(UserId(0), event(2));
        let log = log.finish(1, true);
        assert_eq!(log.dwells(), [500, -1, -1]);
        assert_eq!([0, 1, 2].map(|at| log.known_at(at)), [9, 2, 3]);
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
