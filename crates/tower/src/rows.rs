//! The rows that items own or share: id rows, rows of the prefixes of their semantic ids, and which of them a step leaves out.

use crate::{ModelSettings, PrefixRows};
use semrank_core::{Rng, narrow};
use semrank_nn::{Dropout, Scalar, Table};
use semrank_tokens::SemanticIds;

/// One row a prefix, and which of them each item has.
#[derive(Debug, Clone)]
pub struct Prefixes<T> {
    /// Prefix to row, item to rows.
    pub rows: PrefixRows,
    /// The rows.
    pub table: Table<T>,
}

/// What is known of the items when a network is made.
#[derive(Debug, Clone, Copy)]
pub struct KnownItems<'a> {
    /// Whether an item has training events.
    pub trained: &'a [bool],
    /// Semantic ids, if the items have them.
    pub tokens: Option<&'a SemanticIds>,
}

/// Which rows of an item are left out of a training step.
#[derive(Debug, Clone, Copy)]
pub struct RowDropout {
    /// Of id rows.
    pub ids: Dropout,
    /// Of the prefix rows.
    pub prefixes: Dropout,
}

impl RowDropout {
    /// Keeps everything: evaluation.
    pub fn off() -> Self {
        Self { ids: Dropout::off(), prefixes: Dropout::off() }
    }

    /// Whether the item with this index keeps its id row.
    pub fn keeps_id(&self, index: usize) -> bool {
        self.ids.factor::<f32>(index) != 0.0
    }

    /// Those of its prefix rows that an item keeps.
    pub fn kept_prefixes<'r>(&self, index: usize, rows: &'r [u32]) -> impl Iterator<Item = &'r u32> {
        let dropout = self.prefixes;
        rows.iter()
            .enumerate()
            .filter(move |(at, _)| dropout.factor::<f32>(index * 64 + at) != 0.0)
            .map(|(_, row)| row)
    }
}

/// Rows `items` of the catalogue's contents, `[items x width]`.
pub fn gather<T: Scalar>(contents: &[f32], items: &[u32], width: usize, to: &mut Vec<T>) {
    to.clear();
    for &item in items {
        let row = &contents[item as usize * width..][..width];
        to.extend(row.iter().map(|&value| T::from_f64(f64::from(value))));
    }
}

/// The row of an item: its own while there is one for each of the `items`, else one that its hash names.
pub fn id_row(items: usize, rows: usize, item: u32) -> u32 {
    if items <= rows {
        return item;
    }
    ((u64::from(item).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % rows as u64) as u32
}

/// How many id rows a catalogue of so many items has.
pub fn id_rows(settings: &ModelSettings, items: usize) -> usize {
    items.clamp(1, settings.id_rows)
}

/// Id rows at the start: N(0, .02) where a trained item owns the row, zero elsewhere, `[rows x D]`.
pub fn id_table<T: Scalar>(settings: &ModelSettings, trained: &[bool], seed: u64) -> Table<T> {
    let dim = settings.dim;
    let rows = id_rows(settings, trained.len());
    let mut table = Table::new(rows, dim, 0.02, &Rng::new(seed, "ids"));
    let mut owned = vec![false; rows];
    for item in (0..trained.len()).filter(|&item| trained[item]) {
        owned[id_row(trained.len(), rows, narrow::index(item)) as usize] = true;
    }
    for row in (0..rows).filter(|&row| !owned[row]) {
        table.values[row * dim..(row + 1) * dim].fill(T::ZERO);
    }
    table
}
