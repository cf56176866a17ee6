//! Vectors of items and of history events as sums of rows, and the way back.

use super::super::attention::resize;
use super::super::items::Items;
use super::{Inputs, PointwiseNetwork, Saved};
use semrank_nn::{Scalar, Slot, kernel};
use semrank_tower::RowDropout;

impl<T: Scalar> PointwiseNetwork<T> {
    /// The vectors of `items`, `[items x D]`.
    pub(super) fn item_vectors(&self, catalog: &Items, items: &[u32], dropout: RowDropout, out: &mut Vec<T>) {
        let dim = self.sizes.dim;
        resize(out, items.len() * dim);
        if let Some(content) = self.parts.content {
            content.forward(&self.params, &contents(catalog, items, self.shape.content), out);
        }
        for (slot, (&item, out)) in items.iter().zip(out.chunks_exact_mut(dim)).enumerate() {
            let trained = (item as usize) < self.shape.items;
            if let Some(ids) = self.ids.as_ref().filter(|_| trained && dropout.keeps_id(slot)) {
                kernel::add(ids.row(self.id_row(item)), out);
            }
            if let (Some(table), Some(advertiser)) = (&self.advertisers, self.advertiser_of(catalog, item)) {
                kernel::add(table.row(self.advertiser_row(advertiser)), out);
            }
            if let Some(table) = &self.prefixes {
                let rows = catalog.prefixes(item);
                dropout.kept_prefixes(slot, rows).for_each(|&row| kernel::add(table.row(row), out));
            }
        }
    }

    pub(super) fn event_vectors(&self, inputs: &Inputs, saved: &mut Saved<T>) {
        let dim = self.sizes.dim;
        gather(dim, &saved.vectors, &inputs.event_items, &mut saved.events);
        for (column, slot) in self.event_tables().into_iter().enumerate() {
            add_parts(dim, slot.of(&self.params), &inputs.event_parts, column, &mut saved.events);
        }
    }

    pub(super) fn event_vectors_backward(
        &self,
        inputs: &Inputs,
        devents: &[T],
        dvectors: &mut [T],
        grads: &mut [T],
    ) {
        let dim = self.sizes.dim;
        scatter(dim, devents, &inputs.event_items, dvectors);
        for (column, slot) in self.event_tables().into_iter().enumerate() {
            add_parts_backward(dim, devents, &inputs.event_parts, column, slot.of_mut(grads));
        }
    }

    /// In the order of [`Inputs::event_parts`].
    fn event_tables(&self) -> [Slot; 4] {
        [self.parts.actions, self.parts.dwells, self.parts.gaps, self.parts.kinds]
    }
}

pub(super) fn gather<T: Scalar>(dim: usize, vectors: &[T], rows: &[u32], out: &mut Vec<T>) {
    out.clear();
    rows.iter().for_each(|&row| out.extend_from_slice(&vectors[row as usize * dim..][..dim]));
}

kernel! {
    /// Adds each row of `d` to the row of `into` that `rows` names.
    pub(super) fn scatter<T: Scalar>(dim: usize, d: &[T], rows: &[u32], into: &mut [T]) {
        for (d, &row) in d.chunks_exact(dim).zip(rows) {
            for (into, &d) in into[row as usize * dim..][..dim].iter_mut().zip(d) {
                *into += d;
            }
        }
    }
}

kernel! {
    /// Adds to each row of `out` the row of `table` that its `column`-th part names.
    fn add_parts<T: Scalar>(dim: usize, table: &[T], parts: &[[u8; 4]], column: usize, out: &mut [T]) {
        for (out, parts) in out.chunks_exact_mut(dim).zip(parts) {
            for (out, &value) in out.iter_mut().zip(&table[parts[column] as usize * dim..][..dim]) {
                *out += value;
            }
        }
    }
}

kernel! {
    /// The backward pass of [`add_parts`].
    fn add_parts_backward<T: Scalar>(dim: usize, d: &[T], parts: &[[u8; 4]], column: usize, table: &mut [T]) {
        for (d, parts) in d.chunks_exact(dim).zip(parts) {
            for (value, &d) in table[parts[column] as usize * dim..][..dim].iter_mut().zip(d) {
                *value += d;
            }
        }
    }
}

pub(super) fn contents<T: Scalar>(catalog: &Items, items: &[u32], width: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(items.len() * width);
    for (at, &item) in items.iter().enumerate() {
        out.extend(catalog.content(item).iter().map(|&value| T::from_f64(f64::from(value))));
        // An unknown item has none.
        out.resize((at + 1) * width, T::ZERO);
    }
    out
}
