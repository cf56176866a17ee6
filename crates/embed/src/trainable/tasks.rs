//! An encoder under training, and its passes over many items: in tasks that run in parallel and are added in order.

use super::{Kept, Matrix, Trainable, UpperSaved};
use crate::Error;
use rayon::prelude::*;
use semrank_nn::kernel;
use std::any::Any;
use std::fmt::Debug;

/// Items of one task; tasks are added in order.
pub const ITEMS_PER_TASK: usize = 16;
/// Items whose forward passes are in memory at a time when nothing is carried back.
const ITEMS_AT_A_TIME: usize = 64;
/// State of a forward pass for its backward pass.
pub type Saved = Box<dyn Any + Send>;

/// State of a task's forward pass, with its vectors or their gradients.
pub type TaskPass = (Saved, Vec<f32>);

/// An encoder with trained parameters.
pub trait TrainedEncoder: Debug + Send + Sync {
    /// Width of a vector.
    fn width(&self) -> usize;

    /// The trained parameters.
    fn params(&self) -> &[f32];

    /// The trained parameters, to write into.
    fn params_mut(&mut self) -> &mut [f32];

    /// The matrices among them.
    fn matrices(&self) -> Vec<Matrix>;

    /// Bytes that are kept to save work.
    fn bytes(&self) -> u64;

    /// Writes the vectors of some items of the catalogue.
    ///
    /// # Errors
    /// An item that cannot be encoded.
    fn forward(&self, items: &[u32], out: &mut [f32]) -> Result<Saved, Error>;

    /// Adds the gradients of the parameters, given those of the vectors.
    fn backward(&self, saved: Saved, dvectors: &[f32], grads: &mut [f32]);
}

/// The upper layers of a text encoder, over what is kept of the lower ones.
#[derive(Debug)]
pub struct TextLayers {
    /// The encoder.
    pub encoder: Trainable,
    /// Input of its trained layers.
    pub kept: Kept,
}

impl TrainedEncoder for TextLayers {
    fn width(&self) -> usize {
        self.encoder.width()
    }

    fn params(&self) -> &[f32] {
        self.encoder.params()
    }

    fn params_mut(&mut self) -> &mut [f32] {
        self.encoder.params_mut()
    }

    fn matrices(&self) -> Vec<Matrix> {
        self.encoder.matrices()
    }

    fn bytes(&self) -> u64 {
        self.kept.bytes()
    }

    fn forward(&self, items: &[u32], out: &mut [f32]) -> Result<Saved, Error> {
        let (offsets, lower) = self.kept.of(&self.encoder, items)?;
        let mut saved = UpperSaved::default();
        self.encoder.forward(&offsets, lower, &mut saved, out);
        Ok(Box::new((offsets, saved)))
    }

    fn backward(&self, saved: Saved, dvectors: &[f32], grads: &mut [f32]) {
        if let Ok(mut saved) = saved.downcast::<(Vec<usize>, UpperSaved)>() {
            let (offsets, saved) = &mut *saved;
            self.encoder.backward(offsets, saved, dvectors, grads);
        }
    }
}

/// Encodes items in tasks of [`ITEMS_PER_TASK`]: what each leaves, and its vectors.
pub fn forward_in_tasks(encoder: &dyn TrainedEncoder, items: &[u32]) -> Result<Vec<TaskPass>, Error> {
    let task = |items: &[u32]| {
        let mut vectors = vec![0.0; items.len() * encoder.width()];
        Ok((encoder.forward(items, &mut vectors)?, vectors))
    };
    items.par_chunks(ITEMS_PER_TASK).map(task).collect()
}

/// Vectors of items, `[items x D]`, when nothing is carried back.
///
/// # Errors
/// An item that cannot be encoded.
pub fn vectors_of(encoder: &dyn TrainedEncoder, items: &[u32]) -> Result<Vec<f32>, Error> {
    let mut out = Vec::with_capacity(items.len() * encoder.width());
    for items in items.chunks(ITEMS_AT_A_TIME) {
        forward_in_tasks(encoder, items)?.iter().for_each(|(_, vectors)| out.extend_from_slice(vectors));
    }
    Ok(out)
}

/// The gradients of the parameters, given what each task left and the gradients of its vectors; `None` without a task.
pub fn backward_in_tasks(encoder: &dyn TrainedEncoder, tasks: Vec<TaskPass>) -> Option<Vec<f32>> {
    let task = |(saved, dvectors): TaskPass| {
        let mut grads = vec![0.0; encoder.params().len()];
        encoder.backward(saved, &dvectors, &mut grads);
        grads
    };
    let parts: Vec<Vec<f32>> = tasks.into_par_iter().map(task).collect();
    parts.into_iter().reduce(|mut sum, part| {
        kernel::add(&part, &mut sum);
        sum
    })
}
