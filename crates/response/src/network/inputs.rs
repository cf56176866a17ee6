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
    /// Each row's history: event, age and place, with `R + 1` offsets.
    pub(crate) offsets: Vec<usize>,
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

    pub(crate) fn clear(&mut self) {
        *self = Self { offsets: vec![0], ..Self::default() };
    }

    pub(super) fn reads(&self) -> Reads<'_> {
        Reads { offsets: &self.offsets, events: &self.reads, ages: &self.ages }
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
