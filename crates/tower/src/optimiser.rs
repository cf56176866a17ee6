//! What follows the backward pass in a training step: the gradients of the shards are added in order and clipped together, AdamW
//! moves the dense parameters, and row-sparse AdamW the rows of the batch.
//!
//! The rankers differ in their losses and batches only; this is the step of both, and what must be kept of it to go on later.

use crate::artefact::Tensors;
use crate::gradients::{CHUNK, squared};
use crate::{RowGrads, Snapshot, Weights};
use rayon::prelude::*;
use semrank_nn::checkpoint::{Checkpoint, Error};
use semrank_nn::{Adam, AdamState, Scalar, clip_factor, kernel};

/// Moments of the dense parameters, and the gradient of the step under way.
#[derive(Debug)]
pub struct Optimiser<T> {
    /// Steps done.
    pub step: u64,
    /// Gradient of the dense parameters.
    pub grads: Vec<T>,
    moments: AdamState<T>,
}

/// How far a step goes.
#[derive(Debug, Clone, Copy)]
pub struct StepRates {
    /// Of the dense parameters.
    pub dense: Adam,
    /// Of the tables' rows.
    pub rows: Adam,
    /// Largest norm of the whole gradient; 0 = no clipping.
    pub clip: f64,
}

impl<T: Scalar> Optimiser<T> {
    /// At step 0 of so many dense parameters.
    pub fn new(params: usize) -> Self {
        Self { step: 0, grads: Vec::new(), moments: AdamState::new(params) }
    }

    /// The dense gradient becomes the sum of the shards' gradients, in order.
    pub fn sum_shards(&mut self, shards: &[&[T]]) {
        self.grads.clear();
        self.grads.resize(self.moments.first.len(), T::ZERO);
        self.grads.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let range = chunk * CHUNK..chunk * CHUNK + out.len();
            shards.iter().for_each(|shard| kernel::add(&shard[range.clone()], out));
        });
    }

    /// Counts the step and moves all parameters. `rows` are the gradients of the tower's tables in their order, or of none.
    pub fn apply(&mut self, weights: &mut Weights<T>, rows: &[RowGrads<T>], rates: &StepRates) {
        self.step += 1;
        let squared = rows.iter().fold(squared(&self.grads), |sum, rows| sum + squared(&rows.grads));
        let factor = T::from_f64(clip_factor(squared, rates.clip));
        self.moments.update(&rates.dense, self.step, factor, &self.grads, &mut weights.params);
        for ((_, table), grads) in weights.tower.tables_mut().zip(rows) {
            table.update(&rates.rows, self.step, factor, &grads.rows, &grads.grads);
        }
    }
}

impl Optimiser<f32> {
    /// Gives a file values and moments of all parameters, a row each, named `of.…`.
    pub fn save<'a>(&'a self, of: &str, weights: &'a Weights<f32>, out: &mut Tensors<'a>) {
        weights.values().for_each(|(name, values)| out.row(format!("{of}.{name}"), values));
        let tables = weights.tower.tables().map(|(name, table)| (name, &table.first, &table.second));
        let dense = ("dense", &self.moments.first, &self.moments.second);
        for (name, first, second) in std::iter::once(dense).chain(tables) {
            out.row(format!("{of}.{name}.first"), first);
            out.row(format!("{of}.{name}.second"), second);
        }
    }

    /// Goes back to the values and moments of a file, at the step that they were saved after.
    ///
    /// # Errors
    /// A missing tensor, or one of another length; a part may have been read.
    pub fn read(
        &mut self,
        file: &Checkpoint,
        of: &str,
        (step, weights): (u64, &mut Weights<f32>),
    ) -> Result<(), Error> {
        self.step = step;
        weights.restore(Snapshot::read(file, of, weights)?);
        let tables = weights.tower.tables_mut();
        let tables = tables.map(|(shape, table)| (shape.name, &mut table.first, &mut table.second));
        let dense = ("dense", &mut self.moments.first, &mut self.moments.second);
        for (name, first, second) in std::iter::once(dense).chain(tables) {
            *first = file.f32s(&format!("{of}.{name}.first"), [1, first.len()])?;
            *second = file.f32s(&format!("{of}.{name}.second"), [1, second.len()])?;
        }
        Ok(())
    }
}
