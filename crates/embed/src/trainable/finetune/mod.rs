//! Fine-tunes an encoder on co-engagement pairs, without a ranker: texts and pairs of items in, an encoder out that places
//! items of the same users near each other.
//!
//! In-batch contrastive loss (InfoNCE, van den Oord et al. 2018): the partner of an item competes with the partners of all
//! other pairs of the batch, each corrected by -ln of its expected count in a batch (logQ, Yi et al. 2019), and with hard
//! negatives: for every pair one of the items nearest to the first one, by the vectors of the last epoch, that no user took
//! together with it. Co-engaged items are never negatives of each other.
//!
//! Pairs of some users are held out; their loss before and after training shows whether the encoder generalises.

mod loss;
mod negatives;
#[cfg(test)]
mod tests;

use super::tasks::TrainedEncoder;
use super::updates::Updates;
use crate::Error;
use loss::{gradients, held_loss};
use negatives::{Taken, hard_negatives};
use semrank_core::Rng;

semrank_core::settings! {
    /// How an encoder is fine-tuned.
    pub struct FinetuneSettings of "finetune" {
        /// Passes over the pairs.
        epochs: usize = 2, in 1..=1_000_000,
        /// Most steps, whatever the number of pairs.
        max_steps: u64 = 200, in 1..=1_000_000_000,
        /// Pairs per step.
        batch: usize = 64, in 2..=1_000_000,
        /// Peak learning rate.
        rate: f64 = 3e-5, in 1e-9..=1.0,
        /// Decoupled weight decay.
        weight_decay: f64 = 0.01, in 0.0..=100.0,
        /// Temperature of the contrastive loss.
        temperature: f64 = 0.05, in 1e-3..=100.0,
        /// Whether hard negatives are added.
        hard: bool = true,
    }
}

/// Contrastive losses of held-out pairs, nats per pair.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Losses {
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
    /// Steps done.
    pub steps: u64,
}

/// Trains `encoder` on `pairs` of a catalogue of `items`; `held` pairs only measure. `say` receives step and loss;
/// an error from it ends the training.
///
/// # Errors
/// An item that cannot be encoded, a loss that is not finite, and errors of `say`.
///
/// # Panics
/// Without pairs.
pub fn finetune(
    encoder: &mut dyn TrainedEncoder,
    items: usize,
    (pairs, held): (&[[u32; 2]], &[[u32; 2]]),
    settings: &FinetuneSettings,
    seed: u64,
    mut say: impl FnMut(u64, f64) -> Result<(), Error>,
) -> Result<Losses, Error> {
    assert!(!pairs.is_empty(), "there are pairs to learn from");
    let taken = Taken::new(items, pairs);
    let rng = Rng::new(seed, "finetune");
    let batch = settings.batch.min(pairs.len());
    let mut updates = Updates::new(encoder, settings.steps(pairs.len()));
    let before = held_loss(encoder, &taken, held, settings)?;
    let (mut order, mut epoch) = (pairs.to_vec(), 0);
    while !updates.is_done() {
        let mut rng = rng.fork(epoch);
        epoch += 1;
        rng.shuffle(&mut order);
        let used = order.len().min(updates.left() as usize * batch);
        let hard = if settings.hard {
            hard_negatives(encoder, items, &order[..used], &taken, &mut rng)?
        } else {
            Vec::new()
        };
        for at in (0..used + 1 - batch).step_by(batch) {
            let hard = if hard.is_empty() { &[][..] } else { &hard[at..at + batch] };
            let (loss, grads) = gradients(encoder, &taken, &order[at..at + batch], hard, settings)?;
            updates.check(loss)?;
            say(updates.apply(encoder, &grads, settings), loss)?;
        }
    }
    let after = held_loss(encoder, &taken, held, settings)?;
    updates.check(after)?;
    Ok(Losses { before, after, steps: updates.steps() })
}

impl FinetuneSettings {
    /// Steps of a training on this number of examples.
    pub(crate) fn steps(&self, examples: usize) -> u64 {
        let batch = self.batch.min(examples).max(1) as u64;
        ((self.epochs * examples) as u64).div_ceil(batch).min(self.max_steps)
    }
}
