//! What a request needs of a user: made from a history, of a log or of a request, and moved on by one event at a time.

use semrank_core::{ActionId, Event, History, ItemId};

/// A user as the model sees it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UserState {
    /// The newest events.
    pub(crate) recent: Recent,
    /// The oldest item, which decides what is drawn for the user.
    pub(crate) first: Option<ItemId>,
    /// Items of the whole history, ascending, each once.
    pub(crate) seen: Vec<ItemId>,
    /// The trunk's output, of length 1; zero without history.
    pub(crate) hidden: Vec<f32>,
    /// Weighted sum of the newest events' contents.
    pub(crate) profile: Vec<f32>,
    /// Items with an item-item term, ascending, and the terms.
    pub(crate) terms: Vec<(u32, f32)>,
}

impl UserState {
    /// The newest events, oldest first, as many as the model reads.
    pub fn recent(&self) -> History<'_> {
        self.recent.view()
    }

    /// The oldest item of the history.
    pub fn first(&self) -> Option<ItemId> {
        self.first
    }

    /// Items with an item-item term, ascending, and the terms.
    pub fn terms(&self) -> &[(u32, f32)] {
        &self.terms
    }

    /// Takes in an event; what follows from the events is to be made anew.
    pub(crate) fn add(&mut self, event: Event, most: usize) {
        self.first.get_or_insert(event.item);
        if let Err(place) = self.seen.binary_search(&event.item) {
            self.seen.insert(place, event.item);
        }
        self.recent.push(event, most);
    }
}

/// Columns of a user's newest events.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Recent {
    items: Vec<ItemId>,
    actions: Vec<ActionId>,
    times: Vec<i64>,
}

impl Recent {
    pub(crate) fn of(history: &History) -> Self {
        let (items, actions, times) =
            (history.items.to_vec(), history.actions.to_vec(), history.times.to_vec());
        Self { items, actions, times }
    }

    pub(crate) fn view(&self) -> History<'_> {
        History { items: &self.items, actions: &self.actions, times: &self.times }
    }

    fn push(&mut self, event: Event, most: usize) {
        let over = (self.items.len() + 1).saturating_sub(most);
        self.items.drain(..over);
        self.actions.drain(..over);
        self.times.drain(..over);
        self.items.push(event.item);
        self.actions.push(event.action);
        self.times.push(event.time);
    }
}
