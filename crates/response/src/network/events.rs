//! Vectors of history events as sums of rows, and the way back.

use super::{Inputs, PointwiseNetwork, Saved};
use semrank_nn::{Scalar, Slot, kernel};
use semrank_tower::gather;

impl<T: Scalar> PointwiseNetwork<T> {
    pub(super) fn event_vectors(&self, inputs: &Inputs, saved: &mut Saved<T>) {
        let dim = self.sizes.dim;
        gather(&saved.vectors, &inputs.event_items, dim, &mut saved.events);
        for (column, slot) in self.event_tables().into_iter().enumerate() {
            add_parts(dim, slot.of(&self.weights.params), &inputs.event_parts, column, &mut saved.events);
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
