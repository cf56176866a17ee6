//! The vectors of items, computed once: histories in, the trunk's output and logits of all items, or of some, out.

use crate::columns::Columns;
use crate::similar::unit_vectors;
use crate::{Network, Sequences, TrunkSaved, push_history};
use semrank_core::{History, ItemId, narrow};
use semrank_nn::{Mat, matmul};
use semrank_tower::RowDropout;

/// Item vectors of a network, of all items or of some.
#[derive(Debug)]
pub struct ItemVectors {
    items: usize,
    /// The items that have a vector, ascending; `None` = all.
    some: Option<Vec<u32>>,
    vectors: Vec<f32>,
    unit: Vec<f32>,
}

impl ItemVectors {
    /// Of all `items`; `contents` is `[items x C]` or empty.
    pub fn all(network: &Network<f32>, items: usize, contents: &[f32]) -> Self {
        let all: Vec<u32> = narrow::indices(items).collect();
        Self::of(network, items, &all, contents)
    }

    /// Only those that it takes to score the `wanted` items for some histories. Asking for another item is a mistake and panics.
    pub fn some<'h>(
        network: &Network<f32>,
        items: usize,
        (histories, wanted): (impl Iterator<Item = History<'h>>, impl Iterator<Item = ItemId>),
        contents: &[f32],
    ) -> Self {
        let read = histories.flat_map(|history| history.last(network.history()).items);
        let mut some: Vec<u32> = read.copied().chain(wanted).map(|item| item.0).collect();
        some.sort_unstable();
        some.dedup();
        let out = Self::of(network, items, &some, contents);
        Self { some: Some(some), ..out }
    }

    fn of(network: &Network<f32>, items: usize, encoded: &[u32], contents: &[f32]) -> Self {
        let dim = network.dim();
        let mut vectors = vec![0.0; encoded.len() * dim];
        network.item_vectors(encoded, contents, RowDropout::off(), &mut vectors);
        Self { items, some: None, unit: unit_vectors(vectors.clone(), dim), vectors }
    }

    /// Gives an item another vector, or the next item its first.
    ///
    /// # Panics
    /// When only some items have a vector, or there is no such item and it is not the next.
    pub(crate) fn put(&mut self, item: u32, vector: &[f32]) {
        assert!(self.some.is_none() && item as usize <= self.items, "an item of all, or the next one");
        let (at, unit) = (item as usize * vector.len(), unit_vectors(vector.to_vec(), vector.len()));
        if item as usize == self.items {
            self.items += 1;
            self.vectors.extend_from_slice(vector);
            self.unit.extend(unit);
        } else {
            self.vectors[at..at + vector.len()].copy_from_slice(vector);
            self.unit[at..at + unit.len()].copy_from_slice(&unit);
        }
    }

    /// Items of the catalogue, and those that were put in since.
    pub fn items(&self) -> usize {
        self.items
    }

    /// The row of an item's vector.
    fn row(&self, item: u32) -> u32 {
        let Some(some) = &self.some else { return item };
        let row = some.binary_search(&item);
        assert!(row.is_ok(), "item row {item} has no vector: it was not among those to be encoded");
        row.unwrap_or(0) as u32
    }

    /// An item's vector, of length 1.
    pub(crate) fn unit_row(&self, item: ItemId) -> &[f32] {
        let dim = self.unit.len() / self.some.as_ref().map_or(self.items, Vec::len).max(1);
        &self.unit[self.row(item.0) as usize * dim..][..dim]
    }

    /// `h_u` of length 1, `[histories x D]`; zero for an empty history, so that the prior alone ranks.
    pub(crate) fn hidden<'h>(
        &self,
        network: &Network<f32>,
        histories: impl ExactSizeIterator<Item = History<'h>>,
    ) -> Vec<f32> {
        let (dim, count) = (network.dim(), histories.len());
        let mut sequences = Sequences::default();
        sequences.clear();
        histories.for_each(|history| push_history(&mut sequences, &history, network.history()));
        sequences.items.iter_mut().for_each(|item| *item = self.row(*item));
        let mut saved = TrunkSaved::default();
        network.trunk_last(&sequences, &self.vectors, &mut saved);
        let mut last = vec![0.0; count * dim];
        // An empty history has no position.
        let with_events = sequences.offsets.windows(2).enumerate().filter(|(_, ends)| ends[1] > ends[0]);
        for ((at, _), hidden) in with_events.zip(saved.hidden.chunks_exact(dim)) {
            last[at * dim..(at + 1) * dim].copy_from_slice(hidden);
        }
        unit_vectors(last, dim)
    }

    /// `scale · cos(h_u, v_j)` of some items, `[histories x columns]`, given [`ItemVectors::hidden`].
    pub(crate) fn logits_of(
        &self,
        network: &Network<f32>,
        hidden: &[f32],
        columns: &Columns,
        out: &mut [f32],
    ) {
        let dim = network.dim();
        let rows = match &self.some {
            None => columns.rows(&self.unit, dim),
            Some(_) => {
                let rows: Vec<u32> = columns.iter().map(|item| self.row(item)).collect();
                Columns::List(&rows).rows(&self.unit, dim)
            }
        };
        let items = Mat::new(&rows, columns.len(), dim);
        matmul(out, 0.0, Mat::new(hidden, hidden.len() / dim, dim), items.t(), network.scale());
    }
}
