//! The optimiser of a fine-tuning: AdamW with clipped gradients along a schedule.

use super::finetune::FinetuneSettings;
use super::tasks::TrainedEncoder;
use crate::Error;
use semrank_nn::{Adam, AdamState, Schedule, clip_factor, kernel};

/// The optimiser on its way along the schedule.
pub(super) struct Updates {
    moments: AdamState<f32>,
    step: u64,
    steps: u64,
}

impl Updates {
    pub(super) fn new(encoder: &dyn TrainedEncoder, steps: u64) -> Self {
        Self { moments: AdamState::new(encoder.params().len()), step: 0, steps }
    }

    /// All steps.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn left(&self) -> u64 {
        self.steps - self.step
    }

    pub(super) fn is_done(&self) -> bool {
        self.left() == 0
    }

    /// Returns an error for a loss that is not finite.
    pub(super) fn check(&self, loss: f64) -> Result<(), Error> {
        if loss.is_finite() {
            return Ok(());
        }
        Err(Error::Diverged { what: "loss", got: loss, step: self.step })
    }

    /// Goes one step; returns its number, from 1.
    pub(super) fn apply(
        &mut self,
        encoder: &mut dyn TrainedEncoder,
        grads: &[f32],
        settings: &FinetuneSettings,
    ) -> u64 {
        self.step += 1;
        let schedule = Schedule {
            peak: settings.rate,
            warmup_steps: self.steps / 20,
            total_steps: self.steps,
            final_share: 0.1,
        };
        let (rate, weight_decay) = (schedule.rate(self.step), settings.weight_decay);
        let adam = Adam { rate, weight_decay, ..Adam::default() };
        let factor = clip_factor(f64::from(kernel::dot(grads, grads)), 1.0) as f32;
        self.moments.update(&adam, self.step, factor, grads, encoder.params_mut());
        self.step
    }
}
