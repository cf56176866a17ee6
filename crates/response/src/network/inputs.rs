//! A shard's rows as the network reads them, and what is dropped of them in a training step.

use super::super::attention::Reads;
use semrank_nn::Dropout;
use semrank_tower::RowDropout;

/// No item, in [`Inputs::related`].
pub(crate) const NONE: u32 = u32::MAX;

/// A shard's rows: columns of one length `R`, over items and events that are numbered once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// Catalogue rows of the items, each once.
    pub(crate) items: Vec<u32>,
    /// Events, each once: item (of `items`), action, dwell, gap and kind.
    pub(crate) event_items: Vec<u32>,
    pub(crate) event_parts: Vec<[u8; 4]>,
    /// Each row's candidate (of `items`).
    pub(crate) candidates: Vec<u32>,
    /// Each row's history: a range of events, and of each its age and place. Rows of one request share it.
    pub(crate) spans: Vec<[u32; 2]>,
    pub(crate) reads: Vec<u32>,
    pub(crate) ages: Vec<[u8; 2]>,
    /// `[R x features]`.
    pub(crate) features: Vec<f32>,
    /// `[R x contexts]`.
    pub(crate) contexts: Vec<u16>,
    /// `[R x related]`: items (of `items`) or [`NONE`].
    pub(crate) related: Vec<u32>,
    /// Each row's slot; 0 = unknown.
    pub(crate) slots: Vec<u16>,
}

impl Inputs {
    /// Number of rows `R`.
    pub(crate) fn rows(&self) -> usize {
        self.candidates.len()
    }

    /// Without rows; the memory stays, as the next shard needs as much.
    pub(crate) fn clear(&mut self) {
        let Self { items, event_items, event_parts, candidates, spans, .. } = self;
        [items, event_items, candidates].into_iter().for_each(Vec::clear);
        event_parts.clear();
        spans.clear();
        let Self { reads, ages, features, contexts, related, slots, .. } = self;
        [reads, related].into_iter().for_each(Vec::clear);
        [contexts, slots].into_iter().for_each(Vec::clear);
        ages.clear();
        features.clear();
    }

    pub(super) fn reads(&self) -> Reads<'_> {
        Reads { spans: &self.spans, events: &self.reads, ages: &self.ages }
    }
}

/// Dropout of one training step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drops {
    pub(crate) rows: RowDropout,
    pub(crate) hidden: Dropout,
}

impl Default for Drops {
    /// Keeps everything.
    fn default() -> Self {
        Self { rows: RowDropout::off(), hidden: Dropout::off() }
    }
}
