//! Forward and backward: item and event vectors, target attention, the joined row, two hidden layers, the heads.

use super::super::attention::resize;
use super::super::items::Items;
use super::events::scatter;
use super::{Drops, HeadColumns, Inputs, Layer, PointwiseNetwork, Saved};
use semrank_nn::{Dropout, Linear, Mat, Scalar, gelu, gelu_backward, matmul};
use semrank_tower::{Weights, gather};

/// Where the places of the second layer, and of the joined rows, begin in the dropout mask.
const SECOND: usize = 1 << 28;
const JOINED: usize = 1 << 29;

impl<T: Scalar> PointwiseNetwork<T> {
    /// Logits of all rows, into `saved`. `slot_effect` stands for the slots where it is given.
    pub(crate) fn forward(
        &self,
        catalog: &Items,
        inputs: &Inputs,
        drops: Drops,
        slot_effect: Option<T>,
        saved: &mut Saved<T>,
    ) {
        let (dim, rows) = (self.sizes.dim, inputs.rows());
        let Weights { params, tower, .. } = &self.weights;
        resize(&mut saved.vectors, inputs.items.len() * dim);
        tower.vectors(params, catalog.parts(), &inputs.items, drops.rows, &mut saved.vectors);
        self.event_vectors(inputs, saved);
        gather(&saved.vectors, &inputs.candidates, dim, &mut saved.candidates);
        resize(&mut saved.read, rows * dim);
        let attention = self.parts.attention;
        let from = (saved.candidates.as_slice(), saved.events.as_slice());
        attention.forward(params, from, inputs.reads(), &mut saved.attention, &mut saved.read);
        self.join(inputs, saved);
        self.drop_joined(drops.hidden, &mut saved.x);
        let [first, second] = &mut saved.layers;
        first.forward(&self.parts.hidden[0], params, &saved.x, drops.hidden, 0);
        second.forward(&self.parts.hidden[1], params, &first.after, drops.hidden, SECOND);
        resize(&mut saved.logits, rows * self.columns.count);
        self.parts.heads.forward(params, &second.after, &mut saved.logits);
        let features = Mat::new(&saved.features, rows, self.shape.features);
        let wide = self.parts.wide.weight;
        matmul(&mut saved.logits, T::ONE, features, Mat::new(wide.of(params), wide.rows, wide.cols), T::ONE);
        let effects = self.slot_effects();
        for (logits, &slot) in saved.logits.chunks_exact_mut(self.columns.count).zip(&inputs.slots) {
            logits[HeadColumns::CLICK] += slot_effect.unwrap_or(effects[slot as usize]);
        }
    }

    /// Given dL/dlogits, adds the gradients of the dense parameters and leaves those of the items in `saved.dvectors`.
    pub(crate) fn backward(
        &self,
        catalog: &Items,
        inputs: &Inputs,
        drops: Drops,
        (dlogits, saved): (&[T], &mut Saved<T>),
        grads: &mut [T],
    ) {
        let (rows, dim) = (inputs.rows(), self.sizes.dim);
        let Weights { params, tower, .. } = &self.weights;
        let slots = self.parts.slots.of_mut(grads);
        for (dlogits, &slot) in dlogits.chunks_exact(self.columns.count).zip(&inputs.slots) {
            slots[slot as usize] += dlogits[HeadColumns::CLICK];
        }
        self.parts.wide.backward_params(&saved.features, dlogits, grads);
        let [first, second] = &mut saved.layers;
        let mut dsecond = vec![T::ZERO; second.after.len()];
        self.parts.heads.backward(params, &second.after, dlogits, grads, &mut dsecond);
        drops.hidden.apply(SECOND, &mut dsecond);
        gelu_backward(&second.before, &mut dsecond);
        let mut dfirst = vec![T::ZERO; first.after.len()];
        self.parts.hidden[1].backward(params, &first.after, &dsecond, grads, &mut dfirst);
        drops.hidden.apply(0, &mut dfirst);
        gelu_backward(&first.before, &mut dfirst);
        let mut dx = vec![T::ZERO; saved.x.len()];
        self.parts.hidden[0].backward(params, &saved.x, &dfirst, grads, &mut dx);
        self.drop_joined(drops.hidden, &mut dx);

        resize(&mut saved.dvectors, saved.vectors.len());
        let (mut dread, mut dcandidates) = (vec![T::ZERO; rows * dim], vec![T::ZERO; rows * dim]);
        self.part(inputs, &dx, (&mut dread, &mut dcandidates), saved, grads);
        let mut devents = vec![T::ZERO; saved.events.len()];
        let from = (saved.candidates.as_slice(), saved.events.as_slice());
        let into = (dcandidates.as_mut_slice(), devents.as_mut_slice());
        let attention = self.parts.attention;
        attention.backward(params, from, inputs.reads(), &mut saved.attention, &dread, grads, into);
        scatter(dim, &dcandidates, &inputs.candidates, &mut saved.dvectors);
        self.event_vectors_backward(inputs, &devents, &mut saved.dvectors, grads);
        tower.backward(params, catalog.parts(), &inputs.items, &saved.dvectors, grads);
    }

    /// Drops values of the candidate, of what it read, and of their product, but no feature.
    fn drop_joined(&self, drop: Dropout, x: &mut [T]) {
        let (width, vectors) = (self.parts.hidden[0].weight.rows, 3 * self.sizes.dim);
        for (row, x) in x.chunks_exact_mut(width).enumerate() {
            drop.apply(JOINED + row * vectors, &mut x[..vectors]);
        }
    }
}

impl<T: Scalar> Layer<T> {
    fn forward(&mut self, map: &Linear, params: &[T], x: &[T], drop: Dropout, first: usize) {
        let len = x.len() / map.weight.rows * map.weight.cols;
        resize(&mut self.before, len);
        resize(&mut self.after, len);
        map.forward(params, x, &mut self.before);
        gelu(&self.before, &mut self.after);
        drop.apply(first, &mut self.after);
    }
}
