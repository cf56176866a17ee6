//! What is derived from the log: histories of users, in numbers that the ranker understands.

mod saved;

use crate::Event;
use crate::event::IMPRESSION;
use crate::histories::{Event as Kept, Events, Histories, MOST_ACTIONS};
use semrank_core::{ActionId, Dictionary, Event as Done, ItemId, UserId, narrow};
use semrank_pipeline::Data;
use semrank_pipeline::retrieval::Live;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Histories, and the names of what is in them.
#[derive(Debug)]
pub(crate) struct Memory {
    histories: Histories,
    /// Items of the run's catalogue first, with the same numbers; then others as events name them.
    items: RwLock<Dictionary>,
    actions: RwLock<Dictionary>,
    catalogue: u32,
    /// Actions that the model may know: those of the run's log.
    known_actions: u8,
    /// Whether dwell times are kept: a click model reads them.
    keeps_dwell: bool,
    /// What a given history consists of.
    target: ActionId,
    newest: AtomicI64,
    /// That of the run's data set.
    newest_of_run: i64,
}

/// An event with its names.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The item.
    pub item: String,
    /// What was done.
    pub action: String,
    /// Milliseconds since 1970 (UTC).
    pub time: i64,
}

impl Memory {
    /// Of the events of a run's data set, without those of users who are forgotten; with `until` of those that were known before that
    /// moment (ms UTC).
    pub(crate) fn of(
        data: &Data,
        (keeps_dwell, until): (bool, Option<i64>),
        is_forgotten: impl Fn(&str) -> bool,
    ) -> Self {
        let dataset = &data.dataset;
        let (histories, log) = (Histories::default(), &dataset.events);
        let dwell = |at: usize| log.dwells().get(at).copied().filter(|_| keeps_dwell).unwrap_or(-1);
        let users = narrow::indices(dataset.users.len());
        for user in users.filter(|&user| !is_forgotten(dataset.users.name(user))) {
            let range = log.range(UserId(user));
            let range = range.filter(|&at| until.is_none_or(|until| log.known_at(at) < until));
            let kept = range.map(|at| Kept { done: log.event(at), dwell_ms: dwell(at) });
            histories.set(dataset.users.name(user), kept);
        }
        Self {
            histories,
            items: RwLock::new(dataset.catalog.ids.clone()),
            actions: RwLock::new(dataset.actions.clone()),
            catalogue: narrow::index(dataset.catalog.len()),
            known_actions: u8::try_from(dataset.actions.len()).unwrap_or(u8::MAX),
            keeps_dwell,
            target: dataset.target_action().unwrap_or(ActionId(0)),
            newest: AtomicI64::new(until.or(data.now()).unwrap_or(i64::MIN)),
            newest_of_run: until.or(data.now()).unwrap_or(i64::MIN),
        }
    }

    /// Number of users.
    pub(crate) fn users(&self) -> usize {
        self.histories.users()
    }

    /// Time of the newest event, where there is one.
    pub(crate) fn newest(&self) -> Option<i64> {
        Some(self.newest.load(Ordering::Relaxed)).filter(|&time| time > i64::MIN)
    }

    /// A user's events as the ranker reads them: those of items that it knows now. None for somebody nobody has seen.
    pub(crate) fn events(&self, user: &str, live: &Live) -> Option<Events> {
        let items = self.items.read().unwrap_or_else(PoisonError::into_inner);
        let mut out = Events::default();
        for event in self.histories.of(user)? {
            let item = event.done.item.0;
            let row = match item < self.catalogue {
                true => Some(item),
                false => live.names.get(items.name(item)),
            };
            if let Some(row) = row {
                out.push(Kept { done: Done { item: ItemId(row), ..event.done }, ..event });
            }
        }
        Some(out)
    }

    /// A history of these items, oldest first, as if each had been engaged with; those that nobody knows are left out.
    pub(crate) fn given(&self, items: &[String], live: &Live) -> Events {
        let mut out = Events::default();
        let time = self.newest().unwrap_or_default();
        for item in items.iter().filter_map(|item| live.names.get(item)) {
            out.push(Kept { done: Done { item: ItemId(item), action: self.target, time }, dwell_ms: -1 });
        }
        out
    }

    /// A user's events with their names, oldest first.
    pub(crate) fn named(&self, user: &str) -> Option<Vec<Named>> {
        let events = self.histories.of(user)?;
        let items = self.items.read().unwrap_or_else(PoisonError::into_inner);
        let actions = self.actions.read().unwrap_or_else(PoisonError::into_inner);
        let named = |Kept { done, .. }: Kept| Named {
            item: items.name(done.item.0).to_owned(),
            action: actions.name(u32::from(done.action.0)).to_owned(),
            time: done.time,
        };
        Some(events.into_iter().map(named).collect())
    }

    fn item(&self, name: &str) -> u32 {
        let known = self.items.read().unwrap_or_else(PoisonError::into_inner).get(name);
        known.unwrap_or_else(|| self.items.write().unwrap_or_else(PoisonError::into_inner).insert(name))
    }

    /// None for more actions than can be told apart: the model knows none of them.
    fn action(&self, name: &str) -> Option<u8> {
        let known = self.actions.read().unwrap_or_else(PoisonError::into_inner).get(name);
        let row = known.or_else(|| {
            let mut actions = self.actions.write().unwrap_or_else(PoisonError::into_inner);
            (actions.len() < MOST_ACTIONS).then(|| actions.insert(name))
        });
        row.and_then(|row| u8::try_from(row).ok())
    }

    /// Takes in an event; returns whether rankings read it. What was shown is no part of a history, as in a prepared data set.
    pub(crate) fn event(&self, event: &Event) -> bool {
        self.newest.fetch_max(event.timestamp, Ordering::Relaxed);
        if event.action == IMPRESSION {
            return false;
        }
        let Some(action) = self.action(&event.action) else { return false };
        let item = ItemId(self.item(&event.item_id));
        let done = Done { item, action: ActionId(action), time: event.timestamp };
        let dwell = event.integer("dwell_ms").filter(|_| self.keeps_dwell);
        let dwell_ms = dwell.and_then(|ms| i32::try_from(ms).ok()).unwrap_or(-1);
        self.histories.push(&event.user_id, Kept { done, dwell_ms });
        action < self.known_actions
    }

    /// Forgets a user.
    pub(crate) fn forget(&self, user: &str) {
        self.histories.forget(user);
    }

    /// The log was rewritten; `newest` is the time of its newest event.
    pub(crate) fn rewritten(&self, newest: i64) {
        self.newest.store(newest.max(self.newest_of_run), Ordering::Relaxed);
    }
}
