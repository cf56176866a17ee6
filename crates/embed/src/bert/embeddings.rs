//! The input of the first layer: token, position and segment embeddings, summed and normalised.

use super::model::{BertModel, BertSaved};
use semrank_nn::{Scalar, Slot, kernel};

impl BertModel {
    /// Writes the normalised sum of the embeddings, the input of layer 0.
    ///
    /// # Panics
    /// On a token beyond the table or a sequence longer than the position table.
    pub fn embed<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        x: &mut [T],
    ) {
        saved.summed.resize(x.len(), T::ZERO);
        self.sum_embeddings(params, tokens, offsets, &mut saved.summed);
        self.norm.forward(params, &saved.summed, &mut saved.norm, x);
    }

    /// The sum of token, position and segment embeddings, before the norm.
    pub(super) fn sum_embeddings<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        sum: &mut [T],
    ) {
        let dim = self.config().dim;
        for ((slots, token), sum) in self.rows(offsets).zip(tokens).zip(sum.chunks_exact_mut(dim)) {
            let (position, kind) = slots;
            sum.copy_from_slice(row(self.words, params, *token as usize));
            kernel::add(row(self.positions, params, position), sum);
            if let Some(types) = kind {
                kernel::add(row(types, params, 0), sum);
            }
        }
    }

    /// The position row and the segment table of every packed token.
    fn rows<'a>(&'a self, offsets: &'a [usize]) -> impl Iterator<Item = (usize, Option<Slot>)> + 'a {
        let first = self.config().first_position;
        offsets.windows(2).flat_map(move |w| (0..w[1] - w[0]).map(move |at| (first + at, self.types)))
    }

    /// Adds the embeddings' gradients; `dx` is that of the input of layer 0, and is overwritten.
    pub fn embed_backward<T: Scalar>(
        &self,
        params: &[T],
        tokens: &[u32],
        offsets: &[usize],
        saved: &mut BertSaved<T>,
        grads: &mut [T],
        dx: &mut [T],
    ) {
        let dim = self.config().dim;
        let dsum = &mut saved.scratch;
        dsum.clear();
        dsum.resize(dx.len(), T::ZERO);
        self.norm.backward(params, &saved.summed, &saved.norm, dx, grads, dsum);
        for (((position, kind), token), dsum) in self.rows(offsets).zip(tokens).zip(dsum.chunks_exact(dim)) {
            kernel::add(dsum, row_mut(self.words, grads, *token as usize));
            kernel::add(dsum, row_mut(self.positions, grads, position));
            if let Some(types) = kind {
                kernel::add(dsum, row_mut(types, grads, 0));
            }
        }
    }
}

fn row<T>(slot: Slot, params: &[T], at: usize) -> &[T] {
    &slot.of(params)[at * slot.cols..(at + 1) * slot.cols]
}

fn row_mut<T>(slot: Slot, grads: &mut [T], at: usize) -> &mut [T] {
    &mut slot.of_mut(grads)[at * slot.cols..(at + 1) * slot.cols]
}
