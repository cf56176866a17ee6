//! The row that the hidden layers read, from its parts, and the way back.

use super::{Inputs, NONE, PointwiseNetwork, Saved};
use semrank_nn::{Scalar, kernel};

impl<T: Scalar> PointwiseNetwork<T> {
    /// `x`, row by row.
    pub(super) fn join(&self, inputs: &Inputs, saved: &mut Saved<T>) {
        let (dim, small, shape) = (self.sizes.dim, self.sizes.context, &self.shape);
        saved.features.clear();
        saved.features.extend(inputs.features.iter().map(|&value| T::from_f64(f64::from(value))));
        saved.x.clear();
        for row in 0..inputs.rows() {
            let candidate = &saved.candidates[row * dim..][..dim];
            let read = &saved.read[row * dim..][..dim];
            saved.x.extend_from_slice(candidate);
            saved.x.extend_from_slice(read);
            saved.x.extend(candidate.iter().zip(read).map(|(&a, &b)| a * b));
            saved.x.extend_from_slice(&saved.features[row * shape.features..][..shape.features]);
            for (column, slot) in self.parts.contexts.iter().enumerate() {
                let value = inputs.contexts[row * shape.contexts.len() + column] as usize;
                saved.x.extend_from_slice(&slot.of(&self.weights.params)[value * small..][..small]);
            }
            for &related in &inputs.related[row * shape.related..][..shape.related] {
                match related {
                    NONE => saved.x.extend(std::iter::repeat_n(T::ZERO, 2 * dim)),
                    item => {
                        let other = &saved.vectors[item as usize * dim..][..dim];
                        saved.x.extend_from_slice(other);
                        saved.x.extend(candidate.iter().zip(other).map(|(&a, &b)| a * b));
                    }
                }
            }
        }
    }

    /// The backward pass of [`Self::join`].
    pub(super) fn part(
        &self,
        inputs: &Inputs,
        dx: &[T],
        (dread, dcandidates): (&mut [T], &mut [T]),
        saved: &mut Saved<T>,
        grads: &mut [T],
    ) {
        let (dim, small, shape) = (self.sizes.dim, self.sizes.context, &self.shape);
        let width = self.parts.hidden[0].weight.rows;
        for (row, dx) in dx.chunks_exact(width).enumerate() {
            let at = row * dim..(row + 1) * dim;
            let (candidate, read) = (&saved.candidates[at.clone()], &saved.read[at.clone()]);
            let (dcandidate, dread) = (&mut dcandidates[at.clone()], &mut dread[at]);
            for i in 0..dim {
                dcandidate[i] += dx[i] + dx[2 * dim + i] * read[i];
                dread[i] += dx[dim + i] + dx[2 * dim + i] * candidate[i];
            }
            let mut from = 3 * dim + shape.features;
            for (column, slot) in self.parts.contexts.iter().enumerate() {
                let value = inputs.contexts[row * shape.contexts.len() + column] as usize;
                kernel::add(&dx[from..][..small], &mut slot.of_mut(grads)[value * small..][..small]);
                from += small;
            }
            for &related in &inputs.related[row * shape.related..][..shape.related] {
                if related != NONE {
                    let other = related as usize * dim;
                    for i in 0..dim {
                        let (direct, product) = (dx[from + i], dx[from + dim + i]);
                        dcandidate[i] += product * saved.vectors[other + i];
                        saved.dvectors[other + i] += direct + product * candidate[i];
                    }
                }
                from += 2 * dim;
            }
        }
    }
}
