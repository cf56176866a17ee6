//! Histories of all users in memory, some seven bytes an event: texts of users in, events in the order of training out.
//!
//! A history is a row of bytes, oldest event first; each event is two variable-length integers: the time since the one before (in
//! seconds where it is a whole number of them, as in most logs), and item and action in one; a third where its dwell time is known. An
//! event that comes late takes its place by time; of equal times the one that came first stays first, as the original row order does in a
//! data set.

mod saved;

use semrank_core::{ActionId, Event as Done, History, ItemId};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks, so that writing one user's event stops few readers.
pub(crate) const SHARDS: usize = 64;
/// Bits of an action.
const ACTION_BITS: u32 = 6;
/// Actions that can be told apart.
pub(crate) const MOST_ACTIONS: usize = 1 << ACTION_BITS;

type Shard = HashMap<Box<str>, Past>;

/// A user's events.
#[derive(Debug, Default, Clone, PartialEq)]
struct Past {
    /// Time of the newest.
    newest: i64,
    bytes: Vec<u8>,
    origin: Origin,
}

/// What a history has of the run's data set: a snapshot leaves out what the run has already.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// It is that of the data set.
    Run,
    /// It is that of the data set with events since.
    Changed = 1,
    /// It has nothing of the data set.
    #[default]
    Later = 2,
}

/// Something that a user did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    /// Item, action and time.
    pub done: Done,
    /// How long it lasted in ms, -1 = unknown.
    pub dwell_ms: i32,
}

/// Events of a user in columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Events {
    /// Items.
    pub items: Vec<ItemId>,
    /// Actions.
    pub actions: Vec<ActionId>,
    /// Milliseconds since 1970 (UTC).
    pub times: Vec<i64>,
    /// Milliseconds, -1 = unknown.
    pub dwells: Vec<i32>,
}

impl Events {
    /// Adds an event.
    pub(crate) fn push(&mut self, Event { done, dwell_ms }: Event) {
        self.items.push(done.item);
        self.actions.push(done.action);
        self.times.push(done.time);
        self.dwells.push(dwell_ms);
    }

    /// As models read them.
    pub(crate) fn history(&self) -> History<'_> {
        History { items: &self.items, actions: &self.actions, times: &self.times }
    }
}

/// The histories.
#[derive(Debug)]
pub(crate) struct Histories {
    shards: Vec<RwLock<Shard>>,
}

impl Default for Histories {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl Histories {
    /// Adds an event of a user.
    pub(crate) fn push(&self, user: &str, event: Event) {
        let mut shard = self.write(user);
        match shard.get_mut(user) {
            Some(past) => {
                past.insert(event);
                past.origin = past.origin.max(Origin::Changed);
            }
            None => {
                let mut past = Past::default();
                past.insert(event);
                shard.insert(user.into(), past);
            }
        }
    }

    /// Gives a user the history that the run's data set has, oldest event first, in place of what was there.
    pub(crate) fn set(&self, user: &str, events: impl IntoIterator<Item = Event>) {
        let past = Past { origin: Origin::Run, ..Past::of(events) };
        self.write(user).insert(user.into(), past);
    }

    /// A user's events, oldest first; none where nobody has seen the user.
    pub(crate) fn of(&self, user: &str) -> Option<Vec<Event>> {
        self.read(user).get(user).map(|past| past.events().collect())
    }

    /// Forgets a user; returns whether there was one.
    pub(crate) fn forget(&self, user: &str) -> bool {
        self.write(user).remove(user).is_some()
    }

    /// Number of users.
    pub(crate) fn users(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    fn shard(&self, user: &str) -> &RwLock<Shard> {
        &self.shards[Self::shard_of(user)]
    }

    fn read(&self, user: &str) -> RwLockReadGuard<'_, Shard> {
        self.shard(user).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, user: &str) -> RwLockWriteGuard<'_, Shard> {
        self.shard(user).write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Past {
    fn of(events: impl IntoIterator<Item = Event>) -> Self {
        let mut past = Self::default();
        events.into_iter().for_each(|event| past.append(event));
        past.bytes.shrink_to_fit();
        past
    }

    fn insert(&mut self, event: Event) {
        if self.bytes.is_empty() || event.done.time >= self.newest {
            // Few bytes to spare: most histories grow by an event now and then.
            self.bytes.reserve_exact(if self.bytes.capacity() - self.bytes.len() < 20 { 32 } else { 0 });
            return self.append(event);
        }
        let mut events: Vec<Event> = self.events().collect();
        events.insert(events.partition_point(|other| other.done.time <= event.done.time), event);
        *self = Self { origin: self.origin, ..Self::of(events) };
    }

    fn append(&mut self, event: Event) {
        let Event { done, dwell_ms } = event;
        let since = done.time.wrapping_sub(self.newest);
        let zigzag = |value: i64| (value << 1) ^ (value >> 63);
        let time = match since % 1000 {
            0 => u128::from(zigzag(since / 1000) as u64) << 1,
            _ => u128::from(zigzag(since) as u64) << 1 | 1,
        };
        let dwell = u128::try_from(dwell_ms).ok();
        let what = u128::from(done.item.0) << ACTION_BITS | u128::from(done.action.0);
        put(&mut self.bytes, time);
        put(&mut self.bytes, what << 1 | u128::from(dwell.is_some()));
        dwell.into_iter().for_each(|dwell| put(&mut self.bytes, dwell));
        self.newest = done.time;
    }

    fn events(&self) -> impl Iterator<Item = Event> {
        let (mut rest, mut time) = (self.bytes.as_slice(), 0i64);
        std::iter::from_fn(move || {
            let coded = take(&mut rest)?;
            let what = take(&mut rest)?;
            let dwell = if what & 1 == 0 { None } else { Some(take(&mut rest)?) };
            let what = what >> 1;
            let zigzag = (coded >> 1) as u64;
            let since = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            time = time.wrapping_add(if coded & 1 == 0 { since.wrapping_mul(1000) } else { since });
            let action = ActionId((what as usize % MOST_ACTIONS) as u8);
            let done = Done { item: ItemId((what >> ACTION_BITS) as u32), action, time };
            Some(Event { done, dwell_ms: dwell.and_then(|dwell| i32::try_from(dwell).ok()).unwrap_or(-1) })
        })
    }
}

/// Seven bits a byte, the lowest first; the high bit says that more come.
fn put(bytes: &mut Vec<u8>, mut value: u128) {
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u128> {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u128::from(byte & 127) << shift;
        shift += 7;
        if byte < 128 {
            return Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Rng;

    fn event(item: u32, action: u8, time: i64) -> Event {
        Event { done: Done { item: ItemId(item), action: ActionId(action), time }, dwell_ms: -1 }
    }

    #[test]
    fn events_in_any_order_give_the_sorted_log() {
        let mut rng = Rng::new(1, "events");
        for _ in 0..200 {
            let (histories, mut all) = (Histories::default(), Vec::new());
            for _ in 0..rng.below(60) {
                let time = rng.below(50) as i64 * if rng.below(2) == 0 { 1000 } else { 333 } - 9_000;
                let one = event(rng.below(1 << 20) as u32, rng.below(64) as u8, time);
                let one = Event { dwell_ms: [-1, 0, rng.below(1 << 31) as i32][rng.below(3)], ..one };
                histories.push("u", one);
                all.push(one);
            }
            all.sort_by_key(|event| event.done.time); // stable: equal times keep their order
            assert_eq!(histories.of("u").unwrap_or_default(), all);
        }
    }

    #[test]
    fn extreme_values_are_kept_and_users_are_apart() {
        let histories = Histories::default();
        let extreme = [event(0, 0, i64::MIN), event(u32::MAX, 63, -1), event(7, 1, i64::MAX)];
        histories.set("a", extreme);
        histories.push("b", event(1, 1, 1));
        assert_eq!(histories.of("a").unwrap(), extreme);
        assert_eq!((histories.users(), histories.of("c")), (2, None));
        assert!(histories.forget("a") && !histories.forget("a"));
        assert_eq!((histories.users(), histories.of("a")), (1, None));
    }

    #[test]
    fn an_event_takes_about_seven_bytes() {
        let mut rng = Rng::new(2, "sizes");
        let mut time = 1_700_000_000_000;
        let events = (0..50).map(|_| {
            time += 1000 * rng.below(500_000) as i64;
            event(rng.below(100_000) as u32, rng.below(4) as u8, time)
        });
        assert!(Past::of(events).bytes.len() <= 50 * 7);
    }
}
