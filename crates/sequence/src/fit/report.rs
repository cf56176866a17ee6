//! Progress reports of a training, and its errors.

use super::Fitting;
use semrank_measure::ranking::EvaluateError;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One line of the training curve: an epoch that was validated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u64,
    /// Mean training loss since the last validation, nats per position.
    pub loss: f64,
    /// Validation NDCG@10 of the network alone, strict, seen items masked where training masked them.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// Validation Recall@10.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// Seconds of training; never part of a saved model.
    #[serde(skip)]
    pub train_seconds: f64,
    /// Seconds of validation; never part of a saved model.
    #[serde(skip)]
    pub validation_seconds: f64,
}

/// Where a training stands, after each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The epoch under way, from 1.
    pub epoch: u64,
    /// Epochs at most.
    pub epochs: u64,
    /// Steps done in all epochs.
    pub step: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Mean loss since the last validation, nats per position.
    pub loss: f64,
}

/// Looks on while a model is trained; every method may be left as it is.
pub trait Watch {
    /// A step was done.
    fn step(&mut self, _: &StepReport) {}

    /// An epoch was validated; `best` tells whether it is the best so far.
    fn epoch(&mut self, _: &EpochReport, _best: bool) {}

    /// Whether to stop; asked before every step.
    fn interrupted(&self) -> bool {
        false
    }

    /// Called after each validation, every [`SAVE_EVERY`] within one, and on an interrupt: the moment to call
    /// [`Fitting::save`].
    ///
    /// # Errors
    /// End the training.
    fn save(&mut self, _: &Fitting) -> Result<(), FitError> {
        Ok(())
    }
}

/// A long epoch is saved this often.
pub const SAVE_EVERY: Duration = Duration::from_secs(60);

/// What ends a training early.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// The validation failed.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// A text could not be encoded while content was trained.
    #[error(transparent)]
    Embed(#[from] semrank_embed::Error),
    /// The state could not be saved or restored.
    #[error(transparent)]
    Artefact(#[from] semrank_tower::artefact::Error),
    /// The watch could not keep the state.
    #[error("cannot keep the state of the training: {0}")]
    Watch(Box<dyn std::error::Error + Send + Sync>),
    /// The loss is no longer a number.
    #[error("the training loss is {loss} in step {step} with train.rate={rate}: training has diverged")]
    Diverged {
        /// `train.rate`.
        rate: f64,
        /// What the loss is.
        loss: f64,
        /// Steps done.
        step: u64,
    },
}

/// Why [`Fitting::run`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done, or patience is at its end.
    Finished,
    /// The watch said so; the state was handed to [`Watch::save`].
    Interrupted,
}
