//! Fine-tunes an encoder to predict engagement from texts alone: a user's latest items and a candidate item.
//!
//! `p = sigmoid(scale · <mean of the vectors of the newest events, vector of the item> + bias)`, trained by the logistic loss
//! on the next engaged item against items drawn uniformly from those with training events that the user has not taken.
//! Content on both sides, as in two-tower models (Covington et al. 2016, RecSys, section 3), so a new ad has a prediction.
//!
//! Scale and bias are fitted to training events (Newton's method) at the start, at every epoch and at the end, so that the
//! loss of held-out users before and after differs by the encoder alone.

mod batch;
mod head;
#[cfg(test)]
mod tests;

use super::finetune::{FinetuneSettings, Losses};
use super::tasks::TrainedEncoder;
use super::updates::Updates;
use crate::Error;
use batch::{Batch, Draw, Vectors};
use head::Head;
use semrank_core::{Rng, narrow};

/// Newest events that describe a user.
const RECENT: usize = 4;
/// Batches that measure, and batches that scale and bias are fitted to.
const MEASURED: usize = 8;

/// A user's next engaged item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engagement {
    /// The user.
    pub user: u32,
    /// The items before it, newest first.
    pub recent: Vec<u32>,
    /// The item.
    pub item: u32,
}

/// The training engagements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engaged {
    /// Items of each user, in order.
    pub by_user: Vec<Vec<u32>>,
    /// Items with an engagement, ascending: what negatives are drawn from.
    pub pool: Vec<u32>,
}

/// All engagements that have one of the same user before them.
pub fn engagements(engaged: &Engaged) -> Vec<Engagement> {
    let mut out = Vec::new();
    for (user, items) in engaged.by_user.iter().enumerate() {
        for at in 1..items.len() {
            let recent = items[..at].iter().rev().take(RECENT).copied().collect();
            out.push(Engagement { user: narrow::index(user), recent, item: items[at] });
        }
    }
    out
}

/// Trains `encoder` on `learned` engagements; `held` ones only measure. `engaged` holds both, which tell what
/// cannot be a negative. `say` receives step and loss; an error from it ends the training.
///
/// # Errors
/// An item that cannot be encoded, a loss that is not finite, and errors of `say`.
///
/// # Panics
/// Without training engagements.
pub fn finetune_clicks(
    encoder: &mut dyn TrainedEncoder,
    engaged: &Engaged,
    (learned, held): (&[Engagement], &[Engagement]),
    settings: &FinetuneSettings,
    seed: u64,
    mut say: impl FnMut(u64, f64) -> Result<(), Error>,
) -> Result<Losses, Error> {
    assert!(!learned.is_empty(), "there is something to learn from");
    let rng = Rng::new(seed, "click");
    let draw = Draw::new(engaged);
    let batch = settings.batch.min(learned.len());
    let measured = |examples: &[Engagement], stream: u64| -> Vec<Batch> {
        let mut rng = rng.fork(stream);
        let mut order = examples.to_vec();
        rng.shuffle(&mut order);
        order.chunks(batch).take(MEASURED).map(|chunk| draw.batch(chunk, &mut rng)).collect()
    };
    let (fitted, held) = (measured(learned, u64::MAX), measured(held, u64::MAX - 1));
    let mut updates = Updates::new(encoder, settings.steps(learned.len()));
    let mut head = Head::fit(encoder, &fitted)?;
    let before = head.loss(encoder, &held)?;
    head = head.in_training();
    let (mut order, mut epoch) = (learned.to_vec(), 0);
    while !updates.is_done() {
        let mut rng = rng.fork(epoch);
        rng.shuffle(&mut order);
        if epoch > 0 {
            head = Head::fit(encoder, &fitted)?.in_training();
        }
        epoch += 1;
        for chunk in order.chunks_exact(batch) {
            if updates.is_done() {
                break;
            }
            let (loss, grads) = head.gradients(encoder, &draw.batch(chunk, &mut rng))?;
            updates.check(loss)?;
            say(updates.apply(encoder, &grads, settings), loss)?;
        }
    }
    let after = Head::fit(encoder, &fitted)?.loss(encoder, &held)?;
    updates.check(after)?;
    Ok(Losses { before, after, steps: updates.steps() })
}
