//! What one row of the examples refers to, as a request: its history is a range of the log, its context a row of codes.

use super::contexts::Contexts;
use super::items::Items;
use super::network::PointwiseShape;
use super::propensity::Propensity;
use super::request::{Events, NO_SLOT, Reading, Request};
use super::settings::PointwiseSettings;
use super::shard::Reader;
use semrank_core::EventLog;
use semrank_data::{Dataset, Examples, FitScope, Part};

/// Everything a row refers to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowData<'a> {
    pub(crate) log: &'a EventLog,
    pub(crate) examples: &'a Examples,
    pub(crate) items: &'a Items,
    contexts: &'a Contexts,
    pub(crate) reading: Reading,
    /// What training rows may see.
    scope: &'a FitScope,
    /// Slots of the training rows; a later one is unknown.
    pub(crate) slots: u16,
    /// How rows are weighed; none where they count alike.
    propensity: Option<Propensity>,
}

impl<'a> RowData<'a> {
    /// Of a data set.
    pub(crate) fn new(
        dataset: &'a Dataset,
        examples: &'a Examples,
        scope: &'a FitScope,
        items: &'a Items,
        contexts: &'a Contexts,
        (settings, history): (&'a PointwiseSettings, usize),
    ) -> Self {
        let log = &dataset.events;
        let propensity = Propensity::new(examples, settings);
        let slots = examples.rows(Part::Train).filter_map(|row| examples.slots.get(row).copied());
        let slots = slots.filter(|&slot| slot != u16::MAX).max().map_or(0, |most| most + 1);
        let reading = Reading::new(settings, history, log.timed(), slots, contexts.coder.related.len());
        Self { log, examples, items, contexts, reading, scope, slots, propensity }
    }

    /// What its requests are read with by a network of a shape.
    pub(crate) fn reader<'s>(&self, shape: &'s PointwiseShape) -> Reader<'s>
    where
        'a: 's,
    {
        Reader { items: self.items, reading: self.reading, shape }
    }

    /// How many events of its user a row may see; a training row no more than its scope.
    fn history_end(&self, row: usize) -> usize {
        let user = self.examples.users[row];
        if user.index() >= self.log.users() {
            return 0;
        }
        let (end, first) = (self.examples.history_ends[row] as usize, self.log.range(user).start);
        match self.examples.parts[row] {
            Part::Train => end.min(self.scope.ends()[user.index()].saturating_sub(first)),
            _ => end,
        }
    }

    /// What rows of a batch are ordered by, so that a history begins and ends no earlier than those before it of the same user.
    pub(crate) fn order_key(&self, row: usize) -> (u32, usize, usize) {
        (self.examples.users[row].0, self.history_end(row), row)
    }

    /// A row as a request.
    pub(crate) fn request(&self, row: usize) -> Request<'a> {
        let (examples, user) = (self.examples, self.examples.users[row]);
        let known = user.index() < self.log.users();
        let events = if known { Events::of(self.log, user, self.history_end(row)) } else { Events::NONE };
        Request {
            user,
            item: examples.items[row],
            time: examples.times[row],
            slot: self.logged_slot(row),
            events: self.reading.window(self.items, events),
            contexts: self.contexts.codes(row),
            related: self.contexts.related(row),
        }
    }

    fn logged_slot(&self, row: usize) -> u16 {
        self.examples.slots.get(row).copied().unwrap_or(NO_SLOT)
    }

    /// How much the samples of a row count.
    pub(crate) fn weight(&self, row: usize) -> f64 {
        self.propensity.map_or(1.0, |propensity| propensity.weight(self.examples, row))
    }

    /// The row's slot, from 1; 0 = none.
    pub(crate) fn slot(&self, row: usize) -> u16 {
        self.reading.slot(self.logged_slot(row))
    }
}
