//! One part of a batch: rows in, [`Inputs`] out, with items and events numbered once.
//!
//! Rows are ordered by user and history, so that the events of a user are one range, and an item is looked up in one column of
//! the catalogue's length. Nothing is hashed and nothing is padded.

use super::features::FeatureStore;
use super::network::{Inputs, NONE};
use super::rows::RowData;
use semrank_core::narrow;

/// Numbers items and events of one shard after another; holds one number an item of the catalogue.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    slot_of: Vec<u32>,
    /// Numbers of the events of one user from some event on; [`NONE`] where an event is not read.
    numbers: Vec<u32>,
}

impl Numbering {
    /// Fills `inputs` with `rows`, which are ordered by [`RowData::order_key`].
    pub(crate) fn fill(
        &mut self,
        data: &RowData,
        features: &FeatureStore,
        rows: impl Iterator<Item = usize>,
        inputs: &mut Inputs,
    ) {
        inputs.clear();
        self.slot_of.resize(data.tables.kinds.len(), NONE);
        // `numbers` are those of the events `from..end` of `user`.
        let (mut from, mut end) = (0usize, 0usize);
        let mut user = None;
        for row in rows {
            let history = data.history(row);
            if user != Some(data.examples.users[row]) || history.start > end {
                user = Some(data.examples.users[row]);
                (from, end) = (history.start, history.start);
                self.numbers.clear();
            }
            if !history.is_empty() {
                let begins = data.log.range(data.examples.users[row]).start;
                for event in end..history.end.max(end) {
                    if !data.reads(event) {
                        self.numbers.push(NONE);
                        continue;
                    }
                    self.numbers.push(narrow::index(inputs.event_items.len()));
                    let item = self.number(data.log.items()[event].0, inputs);
                    inputs.event_items.push(item);
                    inputs.event_parts.push(data.parts(event, begins));
                }
                end = end.max(history.end);
            }
            for event in history.clone() {
                let number = self.numbers[event - from];
                if number != NONE {
                    inputs.reads.push(number);
                    inputs.ages.push(data.ages(row, event, history.end));
                }
            }
            inputs.offsets.push(inputs.reads.len());
            self.push_row(data, features, row, inputs);
        }
        inputs.items.iter().for_each(|&item| self.slot_of[item as usize] = NONE);
    }

    fn push_row(&mut self, data: &RowData, features: &FeatureStore, row: usize, inputs: &mut Inputs) {
        let candidate = self.number(data.examples.items[row].0, inputs);
        inputs.candidates.push(candidate);
        inputs.features.extend_from_slice(features.of(row));
        inputs.contexts.extend(data.codes(row));
        for column in 0..data.related.len() {
            let other = data.related_item(column, row).map_or(NONE, |other| self.number(other, inputs));
            inputs.related.push(other);
        }
        inputs.slots.push(data.slot(row));
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
