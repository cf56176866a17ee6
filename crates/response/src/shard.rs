//! One part of a batch: requests and their features in, [`Inputs`] out, with items and events numbered once.
//!
//! Requests are ordered by user and history, so that the events of a user are one range, and an item is looked up in one column of
//! the catalogue's length. Nothing is hashed and nothing is padded.

use super::items::Items;
use super::network::{Inputs, NONE, PointwiseShape};
use super::request::{Reading, Request};
use semrank_core::{UserId, narrow};

/// What requests are read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) items: &'a Items,
    pub(crate) reading: Reading,
    pub(crate) shape: &'a PointwiseShape,
}

/// Numbers items and events of one shard after another; holds one number per item of the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    slot_of: Vec<u32>,
    /// Numbers of the events of one user from some event on; [`NONE`] where an event is not read.
    numbers: Vec<u32>,
}

impl Numbering {
    /// Fills `inputs` with requests and their features, ordered by user and end of the history.
    pub(crate) fn fill<'r>(
        &mut self,
        reader: Reader,
        rows: impl Iterator<Item = (Request<'r>, &'r [f32])>,
        inputs: &mut Inputs,
    ) {
        inputs.clear();
        self.slot_of.resize(reader.items.len() + 1, NONE);
        // `numbers` are those of the events `from..end` of a user.
        let (mut from, mut end) = (0usize, 0usize);
        let mut owner = None::<(UserId, usize)>;
        let mut last = None::<Request>;
        for (request, features) in rows {
            // Candidates of one request read the same events at the same ages.
            if last
                .replace(request)
                .is_some_and(|last| last.user == request.user && last.has_past_of(&request))
            {
                inputs.spans.extend_from_within(inputs.rows() - 1..);
                self.push_row(reader, &request, inputs);
                inputs.features.extend_from_slice(features);
                continue;
            }
            let events = reader.reading.window(reader.items, request.events);
            let request = Request { events, ..request };
            let of = Some((request.user, events.origin()));
            if owner != of || events.first > end || events.first < from {
                owner = of;
                (from, end) = (events.first, events.first);
                self.numbers.clear();
            }
            for number in end..events.end() {
                self.push_event(reader, &request, number - events.first, inputs);
            }
            end = end.max(events.end());
            let first = narrow::index(inputs.reads.len());
            for at in 0..events.len() {
                let number = self.numbers[events.first + at - from];
                if number != NONE {
                    inputs.reads.push(number);
                    inputs.ages.push(reader.reading.ages(&request, at));
                }
            }
            inputs.spans.push([first, narrow::index(inputs.reads.len())]);
            self.push_row(reader, &request, inputs);
            inputs.features.extend_from_slice(features);
        }
        inputs.items.iter().for_each(|&item| self.slot_of[item as usize] = NONE);
    }

    fn push_event(&mut self, reader: Reader, request: &Request, at: usize, inputs: &mut Inputs) {
        let (Reader { items, reading, .. }, events) = (reader, &request.events);
        let known = events.history.actions[at].index() < reader.shape.actions.max(1);
        if !known || !reading.reads(items, events.item(at)) {
            self.numbers.push(NONE);
            return;
        }
        self.numbers.push(narrow::index(inputs.event_items.len()));
        let item = self.number(items.row(events.item(at)), inputs);
        inputs.event_items.push(item);
        inputs.event_parts.push(reading.parts(items, events, at));
    }

    fn push_row(&mut self, Reader { items, reading, shape }: Reader, request: &Request, inputs: &mut Inputs) {
        let candidate = self.number(items.row(request.item.0), inputs);
        inputs.candidates.push(candidate);
        for (column, &values) in shape.contexts.iter().enumerate() {
            let code = request.contexts.get(column).filter(|&&code| usize::from(code) < values);
            inputs.contexts.push(code.copied().unwrap_or(0));
        }
        for other in reading.related(request) {
            let other = other.map_or(NONE, |other| self.number(items.row(other), inputs));
            inputs.related.push(other);
        }
        inputs.slots.push(reading.slot(request.slot));
    }

    fn number(&mut self, item: u32, inputs: &mut Inputs) -> u32 {
        let slot = &mut self.slot_of[item as usize];
        if *slot == NONE {
            *slot = narrow::index(inputs.items.len());
            inputs.items.push(item);
        }
        *slot
    }
}
