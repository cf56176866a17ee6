//! What is to be scored: one user, one item, one context, one moment; and how much of it the model reads.
//!
//! A request borrows everything, so a row of a sorted log and a request of a second ago are the same thing. Events carry their
//! number among all events of the user: requests of one user share the events that they have in common.

use super::items::Items;
use super::settings::{Kinds, PointwiseSettings};
use semrank_core::{EventLog, History, ItemId, UserId};
use semrank_tower::gap_bucket;
use serde::{Deserialize, Serialize};

/// The slot of a request that is not known.
pub const NO_SLOT: u16 = u16::MAX;

/// One (user, item, context, moment).
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The user; one that training did not know has no counts, but may have a history.
    pub user: UserId,
    /// The candidate; one that training did not know is its content, or nothing.
    pub item: ItemId,
    /// Now, in ms UTC.
    pub time: i64,
    /// Where it is shown, from 0; [`NO_SLOT`] where that is open.
    pub slot: u16,
    /// What the user did before.
    pub events: Events<'a>,
    /// Codes of the small context columns ([`ContextCoder`](super::ContextCoder)), 0 = unknown; missing ones are unknown.
    pub contexts: &'a [u16],
    /// Items that context columns name, `u32::MAX` = none.
    pub related: &'a [u32],
}

impl Request<'_> {
    /// What requests of a batch are ordered by: a history begins and ends no earlier than those before it of the same user.
    pub(crate) fn order_key(&self) -> (u32, usize) {
        (self.user.0, self.events.end())
    }

    /// Whether another request of the user reads the same events at the same moment.
    pub(crate) fn has_past_of(&self, other: &Self) -> bool {
        let key = |request: &Self| {
            let Events { history, dwells, first, before } = request.events;
            let columns = (history.actions.as_ptr(), history.times.as_ptr(), dwells.as_ptr(), dwells.len());
            (request.time, history.items.as_ptr(), history.len(), columns, first, before)
        };
        key(self) == key(other)
    }
}

/// Events of a user, oldest first: all, or the newest of them.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    /// Items, actions and times.
    pub history: History<'a>,
    /// Dwell times in ms, -1 = unknown; empty where none is known.
    pub dwells: &'a [i32],
    /// Number of the first event among all of the user.
    pub first: usize,
    /// Time of the event before the first.
    pub before: Option<i64>,
}

impl<'a> Events<'a> {
    /// No event.
    pub const NONE: Events<'static> = Events {
        history: History { items: &[], actions: &[], times: &[] },
        dwells: &[],
        first: 0,
        before: None,
    };

    /// The first `count` events of a user of a log.
    ///
    /// # Panics
    /// When the user has fewer.
    pub fn of(log: &'a EventLog, user: UserId, count: usize) -> Self {
        let range = log.range(user);
        let range = range.start..range.start + count;
        let dwells = log.dwells().get(range.clone()).unwrap_or(&[]);
        Self { history: log.before(user, range.end), dwells, first: 0, before: None }
    }

    /// Number of events.
    pub(crate) fn len(&self) -> usize {
        self.history.len()
    }

    /// Number of the event that would come next.
    pub(crate) fn end(&self) -> usize {
        self.first + self.len()
    }

    /// The last `count` events.
    fn last(&self, count: usize) -> Self {
        let dropped = self.len().saturating_sub(count);
        let before = dropped.checked_sub(1).map(|at| self.history.times[at]);
        Self {
            history: self.history.last(count),
            dwells: self.dwells.get(dropped..).unwrap_or(&[]),
            first: self.first + dropped,
            before: before.or(self.before),
        }
    }

    /// The address where event 0 would stand: events of equal numbers are the same where it is.
    pub(crate) fn origin(&self) -> usize {
        let first = self.history.items.as_ptr() as usize;
        first.wrapping_sub(self.first * size_of::<ItemId>())
    }

    pub(crate) fn item(&self, at: usize) -> u32 {
        self.history.items[at].0
    }
}

/// How much of a request is read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// Whether histories are read, and of each at most so many events.
    pub(crate) histories: bool,
    pub(crate) events: usize,
    pub(crate) kinds: Kinds,
    /// Whether ages and gaps of events are read.
    pub(crate) ages: bool,
    pub(crate) places: bool,
    pub(crate) dwells: bool,
    /// Slots that are counted separately; a later one is unknown.
    pub(crate) slots: u16,
    /// Context columns that name items.
    pub(crate) related: usize,
}

impl Reading {
    /// As the settings say; `timed` is whether the log has times.
    pub(crate) fn new(
        settings: &PointwiseSettings,
        events: usize,
        timed: bool,
        slots: u16,
        related: usize,
    ) -> Self {
        Self {
            histories: settings.reads_history,
            events: if settings.reads_history { events } else { 0 },
            kinds: settings.kinds,
            ages: settings.reads_time && timed,
            places: settings.reads_places,
            dwells: settings.reads_dwell,
            slots: if settings.position { slots } else { 0 },
            related,
        }
    }

    /// The newest events: as many as are read, and between them those of kinds that are not. Of these it changes nothing.
    pub(crate) fn window<'a>(&self, items: &Items, events: Events<'a>) -> Events<'a> {
        if self.kinds == Kinds::All || self.events == 0 {
            return events.last(self.events);
        }
        let read = (0..events.len()).rev().filter(|&at| self.reads(items, events.item(at)));
        events.last(read.take(self.events).last().map_or(0, |oldest| events.len() - oldest))
    }

    /// Whether events of an item are read.
    pub(crate) fn reads(&self, items: &Items, item: u32) -> bool {
        match self.kinds {
            Kinds::All => true,
            Kinds::Ads => items.is_ad(item),
            Kinds::Organic => !items.is_ad(item),
        }
    }

    /// Dwell of an event in ms; -1 = unknown.
    pub(crate) fn dwell(&self, events: &Events, at: usize) -> i32 {
        events.dwells.get(at).copied().filter(|_| self.dwells).unwrap_or(-1)
    }

    /// Buckets of an event's age and of its place from the end; 0 where it is not read.
    pub(crate) fn ages(&self, request: &Request, at: usize) -> [u8; 2] {
        let events = &request.events;
        let age = || gap_bucket(request.time.saturating_sub(events.history.times[at]));
        let place = || gap_bucket((events.len() - at) as i64 * 1000);
        [if self.ages { age() } else { 0 }, if self.places { place() } else { 0 }]
    }

    /// Action, dwell bucket, bucket of the gap before it and kind of an event.
    pub(crate) fn parts(&self, items: &Items, events: &Events, at: usize) -> [u8; 4] {
        let times = events.history.times;
        let before = if at > 0 { Some(times[at - 1]) } else { events.before };
        let gap =
            before.filter(|_| self.ages).map_or(0, |before| gap_bucket(times[at].saturating_sub(before)));
        let kind = u8::from(items.is_ad(events.item(at)));
        [events.history.actions[at].0, dwell_bucket(self.dwell(events, at)), gap, kind]
    }

    /// A slot as the network counts it, from 1; 0 = unknown.
    pub(crate) fn slot(&self, slot: u16) -> u16 {
        if slot < self.slots { slot + 1 } else { 0 }
    }

    /// The items that a request's context names, one per column.
    pub(crate) fn related(&self, request: &Request) -> impl Iterator<Item = Option<u32>> {
        let related = request.related;
        (0..self.related).map(move |column| related.get(column).copied().filter(|&item| item != u32::MAX))
    }
}

/// 0 = unknown, then powers of two in seconds.
pub(crate) fn dwell_bucket(dwell_ms: i32) -> u8 {
    if dwell_ms < 0 {
        return 0;
    }
    (1 + (dwell_ms as u32 / 1000 + 1).ilog2()).min(super::network::DWELL_BUCKETS as u32 - 1) as u8
}
