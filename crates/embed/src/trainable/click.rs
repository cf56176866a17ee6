//! Fine-tunes an encoder to predict engagement from texts alone: what somebody engaged with last, and an item.
//!
//! `p = sigmoid(scale · <mean of the vectors of the newest events, vector of the item> + bias)`, trained by the logistic loss
//! on the next engaged item against items drawn uniformly from those with training events that the user has not taken.
//! Content on both sides, as in two-tower models (Covington et al. 2016, RecSys, section 3), so a new ad has a prediction.
//!
//! Scale and bias are fitted to training events (Newton's method) at the start, at every epoch and at the end, so that the
//! loss of held-out users before and after differs by the encoder alone.

use super::finetune::{FinetuneSettings, Losses, Updates};
use super::tasks::{Saved, TrainedEncoder, backward_in_tasks, forward_in_tasks};
use crate::Error;
use semrank_core::{Rng, narrow};
use semrank_nn::kernel;
use std::collections::BTreeSet;

/// Newest events that speak for a user.
const RECENT: usize = 4;
/// Items drawn for every engaged one.
const NEGATIVES: usize = 4;
/// Draws until one is given up because the user took all of them.
const TRIES: usize = 10;
/// Batches that measure, and batches that scale and bias are fitted to.
const MEASURED: usize = 8;
const NEWTON_STEPS: usize = 30;
/// Scale in training at least: nearer has to mean likelier, also where the encoder does not know that yet.
const LEAST_SCALE: f64 = 2.0;

/// Somebody's next engaged item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engagement {
    /// Whose.
    pub user: u32,
    /// The items before it, newest first.
    pub recent: Vec<u32>,
    /// The item.
    pub item: u32,
}

/// What users engaged with in training.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Engaged {
    /// Items of each user, in order.
    pub by_user: Vec<Vec<u32>>,
    /// Items that anybody engaged with, ascending: what negatives are drawn from.
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
/// cannot be a negative. `say` is told step and loss, and may end it all.
///
/// # Errors
/// What keeps an item from being encoded, a loss that is no finite number, and what `say` returns.
///
/// # Panics
/// When there is nothing to learn from.
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

/// Engagements with what was drawn against them.
struct Batch {
    examples: Vec<(Vec<u32>, Vec<u32>)>,
}

/// What negatives are drawn from.
struct Draw {
    pool: Vec<u32>,
    /// Items of each user, ascending.
    taken: Vec<Vec<u32>>,
}

impl Draw {
    fn new(engaged: &Engaged) -> Self {
        let sorted = |items: &Vec<u32>| {
            let mut items = items.clone();
            items.sort_unstable();
            items
        };
        Self { pool: engaged.pool.clone(), taken: engaged.by_user.iter().map(sorted).collect() }
    }

    /// Recent items and candidates of each example, the engaged one first. All draw from as many items as there are examples:
    /// each is encoded once.
    fn batch(&self, examples: &[Engagement], rng: &mut Rng) -> Batch {
        let pool: Vec<u32> = examples.iter().map(|_| self.pool[rng.below(self.pool.len())]).collect();
        let mut with_negatives = |example: &Engagement| {
            let taken = &self.taken[example.user as usize];
            let mut candidates = vec![example.item];
            for _ in 0..NEGATIVES {
                let mut draws = (0..TRIES).map(|_| pool[rng.below(pool.len())]);
                candidates.extend(draws.find(|item| taken.binary_search(item).is_err()));
            }
            (example.recent.clone(), candidates)
        };
        Batch { examples: examples.iter().map(&mut with_negatives).collect() }
    }
}

/// From an inner product to a logit.
#[derive(Debug, Clone, Copy)]
struct Head {
    scale: f64,
    bias: f64,
}

impl Head {
    /// The best one for some batches.
    fn fit(encoder: &dyn TrainedEncoder, batches: &[Batch]) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        for batch in batches {
            pairs.extend(Vectors::of(encoder, batch)?.products());
        }
        let mut head = Head { scale: 0.0, bias: 0.0 };
        for _ in 0..NEWTON_STEPS {
            // A little of the identity: products that separate perfectly have no finite optimum.
            let ridge = 1e-4 * pairs.len().max(1) as f64;
            let (mut g, mut h) = ([ridge * head.scale, ridge * head.bias], [ridge, 0.0, ridge]);
            for &(x, y) in &pairs {
                let p = sigmoid(head.logit(x));
                let curve = p * (1.0 - p);
                g = [g[0] + (p - y) * x, g[1] + p - y];
                h = [h[0] + curve * x * x, h[1] + curve * x, h[2] + curve];
            }
            let det = h[0] * h[2] - h[1] * h[1];
            if det <= 0.0 {
                break;
            }
            head.scale -= ((h[2] * g[0] - h[1] * g[1]) / det).clamp(-5.0, 5.0);
            head.bias -= ((h[0] * g[1] - h[1] * g[0]) / det).clamp(-5.0, 5.0);
        }
        Ok(head)
    }

    fn in_training(self) -> Self {
        Self { scale: self.scale.max(LEAST_SCALE), ..self }
    }

    fn logit(self, product: f64) -> f64 {
        self.scale * product + self.bias
    }

    /// Mean loss of some batches, nats a prediction.
    fn loss(self, encoder: &dyn TrainedEncoder, batches: &[Batch]) -> Result<f64, Error> {
        let (mut sum, mut count) = (0.0, 0usize);
        for batch in batches {
            for (product, y) in Vectors::of(encoder, batch)?.products() {
                sum += logistic_loss(self.logit(product), y);
                count += 1;
            }
        }
        Ok(sum / count.max(1) as f64)
    }

    /// Mean loss of a batch, and the gradients of the encoder's parameters.
    fn gradients(self, encoder: &dyn TrainedEncoder, batch: &Batch) -> Result<(f64, Vec<f32>), Error> {
        let vectors = Vectors::of(encoder, batch)?;
        let dim = vectors.dim;
        let share = 1.0 / batch.examples.iter().map(|(_, candidates)| candidates.len()).sum::<usize>() as f64;
        let (mut sum, mut dvectors) = (0.0, vec![0.0; vectors.values.len()]);
        for (recent, candidates) in &batch.examples {
            let (user, mut duser) = (vectors.mean(recent), vec![0.0; dim]);
            for (at, &item) in candidates.iter().enumerate() {
                let y = f64::from(at == 0);
                let logit = self.logit(f64::from(kernel::dot(&user, vectors.row(item))));
                sum += logistic_loss(logit, y);
                let dproduct = ((sigmoid(logit) - y) * self.scale * share) as f32;
                kernel::axpy(dproduct, vectors.row(item), &mut duser);
                kernel::axpy(dproduct, &user, &mut dvectors[vectors.slot(item) * dim..][..dim]);
            }
            for &item in recent {
                let into = &mut dvectors[vectors.slot(item) * dim..][..dim];
                kernel::axpy(1.0 / recent.len() as f32, &duser, into);
            }
        }
        let mut rest = dvectors.as_slice();
        let tasks = vectors.saved.into_iter().map(|(saved, len)| {
            let (part, others) = rest.split_at(len);
            rest = others;
            (saved, part.to_vec())
        });
        let grads = backward_in_tasks(encoder, tasks.collect()).unwrap_or_default();
        Ok((sum * share, grads))
    }
}

/// Vectors of the distinct items of a batch.
struct Vectors<'a> {
    batch: &'a Batch,
    dim: usize,
    items: Vec<u32>,
    values: Vec<f32>,
    /// What each task's forward pass left, and the values of its vectors.
    saved: Vec<(Saved, usize)>,
}

impl<'a> Vectors<'a> {
    fn of(encoder: &dyn TrainedEncoder, batch: &'a Batch) -> Result<Self, Error> {
        let all = batch.examples.iter().flat_map(|(recent, candidates)| recent.iter().chain(candidates));
        let items: Vec<u32> = all.copied().collect::<BTreeSet<_>>().into_iter().collect();
        let (mut values, mut saved) = (Vec::with_capacity(items.len() * encoder.width()), Vec::new());
        for (left, part) in forward_in_tasks(encoder, &items)? {
            saved.push((left, part.len()));
            values.extend(part);
        }
        Ok(Self { batch, dim: encoder.width(), items, values, saved })
    }

    fn slot(&self, item: u32) -> usize {
        self.items.binary_search(&item).unwrap_or(0)
    }

    fn row(&self, item: u32) -> &[f32] {
        &self.values[self.slot(item) * self.dim..][..self.dim]
    }

    fn mean(&self, items: &[u32]) -> Vec<f32> {
        let mut out = vec![0.0; self.dim];
        items.iter().for_each(|&item| kernel::axpy(1.0 / items.len() as f32, self.row(item), &mut out));
        out
    }

    /// Inner product and label of every prediction.
    fn products(&self) -> Vec<(f64, f64)> {
        let mut out = Vec::new();
        for (recent, candidates) in &self.batch.examples {
            let user = self.mean(recent);
            let product = |&item: &u32| f64::from(kernel::dot(&user, self.row(item)));
            out.extend(candidates.iter().enumerate().map(|(at, item)| (product(item), f64::from(at == 0))));
        }
        out
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `-ln p` of the label, without overflow.
fn logistic_loss(logit: f64, y: f64) -> f64 {
    logit.max(0.0) - logit * y + (-logit.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{INPUTS, ITEMS, Tiny};
    use super::*;

    /// Whether an item is of the first of two groups, which its inputs tell.
    fn is_first(item: u32) -> bool {
        Tiny::new().inputs[item as usize * INPUTS] > 0.0
    }

    /// Users who take items of one group, and users who take those of the other.
    fn engaged() -> Engaged {
        let mut rng = Rng::new(4, "log");
        let groups = [true, false]
            .map(|first| (0..ITEMS as u32).filter(|&item| is_first(item) == first).collect::<Vec<u32>>());
        let of_user = |user: usize| {
            let group = &groups[user % 2];
            (0..5).map(|_| group[rng.below(group.len())]).collect()
        };
        Engaged { by_user: (0..40).map(of_user).collect(), pool: (0..ITEMS as u32).collect() }
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let engaged = &engaged();
        let (mut tiny, all) = (Tiny::new(), engagements(engaged));
        let batch = Draw::new(engaged).batch(&all[..12], &mut Rng::new(1, "batch"));
        let head = Head { scale: 1.5, bias: -0.5 };
        let (loss, grads) = head.gradients(&tiny, &batch).unwrap();
        assert!((loss - head.loss(&tiny, std::slice::from_ref(&batch)).unwrap()).abs() < 1e-6);
        for (at, &grad) in grads.iter().enumerate() {
            let mut moved = |by: f32| {
                tiny.params[at] += by;
                let loss = head.loss(&tiny, std::slice::from_ref(&batch)).unwrap();
                tiny.params[at] -= by;
                loss
            };
            let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            let got = f64::from(grad);
            assert!((got - slope).abs() < 1e-3 + 0.01 * slope.abs(), "{at}: {got} {slope}");
        }
    }

    #[test]
    fn training_lowers_the_loss_of_held_out_users() {
        let engaged = &engaged();
        let (mut tiny, all) = (Tiny::new(), engagements(engaged));
        assert_eq!(all.len(), 40 * 4);
        assert!(
            all.iter().all(|one| one.recent.len() <= RECENT && is_first(one.recent[0]) == is_first(one.item))
        );
        let (held, learned): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.user < 10);
        let settings = FinetuneSettings { epochs: 40, batch: 30, rate: 0.05, ..FinetuneSettings::default() };
        let losses =
            finetune_clicks(&mut tiny, engaged, (&learned, &held), &settings, 1, |_, _| Ok(())).unwrap();
        assert!(losses.after < losses.before - 0.02, "{losses:?}");
        let stopped =
            finetune_clicks(&mut tiny, engaged, (&learned, &held), &settings, 1, |_, _| Err(Error::Stopped));
        assert!(matches!(stopped, Err(Error::Stopped)));
    }

    #[test]
    fn negatives_were_not_taken_and_the_fitted_head_is_the_best() {
        let engaged = &engaged();
        let (tiny, all, draw) = (Tiny::new(), engagements(engaged), Draw::new(engaged));
        let batch = draw.batch(&all, &mut Rng::new(1, "batch"));
        for (example, (_, candidates)) in all.iter().zip(&batch.examples) {
            let taken = &draw.taken[example.user as usize];
            assert!(candidates[1..].iter().all(|item| !taken.contains(item)));
        }
        let batches = [batch];
        let head = Head::fit(&tiny, &batches).unwrap();
        let least = head.loss(&tiny, &batches).unwrap();
        for (scale, bias) in [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)] {
            let other = Head { scale: head.scale + scale, bias: head.bias + bias };
            assert!(other.loss(&tiny, &batches).unwrap() > least);
        }
    }

    #[test]
    fn an_encoder_that_diverges_ends_the_training() {
        let engaged = &engaged();
        let (mut tiny, all) = (Tiny::new(), engagements(engaged));
        tiny.params[0] = f32::NAN;
        let settings = FinetuneSettings::default();
        let ended = finetune_clicks(&mut tiny, engaged, (&all, &all), &settings, 1, |_, _| Ok(()));
        assert!(matches!(ended, Err(Error::Diverged { what: "loss", step: 0, .. })), "{ended:?}");
    }
}
