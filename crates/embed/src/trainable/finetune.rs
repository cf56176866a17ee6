//! Fine-tunes an encoder on what people take together, without a ranker: texts and pairs of items in, an encoder out whose
//! vectors are near where items are taken by the same people.
//!
//! In-batch contrastive loss (InfoNCE, van den Oord et al. 2018): the partner of an item competes with the partners of all
//! other pairs of the batch, each corrected by -ln of how often it stands among them (logQ, Yi et al. 2019), and with hard
//! negatives: for every pair one of the items nearest to the first by the vectors of the last epoch that nobody took with
//! it. Items that were taken with it are never its negatives.
//!
//! Pairs of some users are held back; their loss before and after tells whether it has generalised.

use super::tasks::{TaskPass, TrainedEncoder, backward_in_tasks, forward_in_tasks, vectors_of};
use crate::Error;
use rayon::prelude::*;
use semrank_core::{Best, Rng, narrow};
use semrank_nn::{
    Adam, AdamState, Candidates, Masked, Mat, Schedule, SoftmaxGrads, SoftmaxLoss, clip_factor, kernel,
    matmul,
};
use std::collections::{BTreeMap, BTreeSet};

/// Anchors whose nearest items are sought at a time, and items that they are compared with at a time: 4 MB of scores.
const ANCHORS: usize = 64;
const TILE_ITEMS: usize = 1 << 14;
/// Nearest items that a hard negative is drawn from.
const NEAREST: usize = 16;

semrank_core::settings! {
    /// How an encoder is fine-tuned.
    pub struct FinetuneSettings of "finetune" {
        /// Passes over the pairs.
        epochs: usize = 2, in 1..=1_000_000,
        /// Most steps, whatever the number of pairs.
        max_steps: u64 = 200, in 1..=1_000_000_000,
        /// Pairs a step.
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

/// Contrastive losses of held-out pairs, nats a pair.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Losses {
    /// Before.
    pub before: f64,
    /// After.
    pub after: f64,
    /// Steps done.
    pub steps: u64,
}

/// Trains `encoder` on `pairs` of a catalogue of `items`; `held` pairs only measure. `say` is told step and loss, and
/// may end it all.
///
/// # Errors
/// What keeps an item from being encoded, a loss that is no finite number, and what `say` returns.
///
/// # Panics
/// When there is no pair.
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
    /// Steps of a training on so many examples.
    pub(crate) fn steps(&self, examples: usize) -> u64 {
        let batch = self.batch.min(examples).max(1) as u64;
        ((self.epochs * examples) as u64).div_ceil(batch).min(self.max_steps)
    }
}

/// The optimiser on its way along the schedule.
pub(crate) struct Updates {
    moments: AdamState<f32>,
    step: u64,
    steps: u64,
}

impl Updates {
    pub(crate) fn new(encoder: &dyn TrainedEncoder, steps: u64) -> Self {
        Self { moments: AdamState::new(encoder.params().len()), step: 0, steps }
    }

    /// All steps.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    fn left(&self) -> u64 {
        self.steps - self.step
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left() == 0
    }

    /// Refuses a loss that is no number any more.
    pub(crate) fn check(&self, loss: f64) -> Result<(), Error> {
        if loss.is_finite() {
            return Ok(());
        }
        Err(Error::Diverged { what: "loss", got: loss, step: self.step })
    }

    /// Goes one step; returns its number, from 1.
    pub(crate) fn apply(
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

/// Which items were taken with which, and how often each is a partner.
struct Taken {
    with: Vec<Vec<u32>>,
    counts: Vec<u32>,
    total: u64,
}

impl Taken {
    fn new(items: usize, pairs: &[[u32; 2]]) -> Self {
        let mut with = vec![Vec::new(); items];
        let mut counts = vec![0; items];
        for &[a, b] in pairs {
            with[a as usize].push(b);
            with[b as usize].push(a);
            counts[b as usize] += 1;
        }
        with.iter_mut().for_each(|with| {
            with.sort_unstable();
            with.dedup();
        });
        Self { with, counts, total: pairs.len() as u64 }
    }

    fn together(&self, a: u32, b: u32) -> bool {
        a == b || self.with[a as usize].binary_search(&b).is_ok()
    }

    /// -ln of the expected number among the partners of a batch.
    fn correction(&self, item: u32, batch: usize) -> f32 {
        let count = f64::from(self.counts[item as usize].max(1));
        -((batch as f64 * count / self.total as f64).ln()) as f32
    }
}

/// One of the nearest items that were not taken with the first of each pair.
fn hard_negatives(
    encoder: &dyn TrainedEncoder,
    items: usize,
    pairs: &[[u32; 2]],
    taken: &Taken,
    rng: &mut Rng,
) -> Result<Vec<u32>, Error> {
    let all: Vec<u32> = narrow::indices(items).collect();
    let vectors = vectors_of(encoder, &all)?;
    let dim = encoder.width();
    let anchors: Vec<u32> = pairs.iter().map(|pair| pair[0]).collect::<BTreeSet<_>>().into_iter().collect();
    let near: BTreeMap<u32, Vec<u32>> = anchors
        .par_chunks(ANCHORS)
        .flat_map_iter(|anchors| anchors.iter().copied().zip(nearest(anchors, &vectors, dim, taken)))
        .collect();
    let draw = |&[a, b]: &[u32; 2]| match near.get(&a).filter(|near| !near.is_empty()) {
        Some(near) => near[rng.below(near.len())],
        None => b,
    };
    Ok(pairs.iter().map(draw).collect())
}

/// The items nearest to each anchor that were not taken with it, nearest first, found tile by tile.
fn nearest(anchors: &[u32], vectors: &[f32], dim: usize, taken: &Taken) -> Vec<Vec<u32>> {
    let queries: Vec<f32> =
        anchors.iter().flat_map(|&a| &vectors[a as usize * dim..][..dim]).copied().collect();
    let queries = Mat::new(&queries, anchors.len(), dim);
    let mut best: Vec<Best> = anchors.iter().map(|_| Best::default()).collect();
    best.iter_mut().for_each(|best| best.begin(NEAREST));
    let mut scores = Vec::new();
    for (tile, vectors) in vectors.chunks(TILE_ITEMS * dim).enumerate() {
        let items = vectors.len() / dim;
        scores.resize(anchors.len() * items, 0.0);
        matmul(&mut scores, 0.0, queries, Mat::new(vectors, items, dim).t(), 1.0);
        for ((&anchor, scores), best) in anchors.iter().zip(scores.chunks_exact(items)).zip(&mut best) {
            best.add((tile * TILE_ITEMS) as u32, scores, |item| !taken.together(anchor, item));
        }
    }
    best.iter_mut().map(|best| best.finish().iter().map(|found| found.1).collect()).collect()
}

/// Mean loss of whole batches of held-out pairs, without hard negatives.
fn held_loss(
    encoder: &dyn TrainedEncoder,
    taken: &Taken,
    held: &[[u32; 2]],
    settings: &FinetuneSettings,
) -> Result<f64, Error> {
    let batches: Vec<&[[u32; 2]]> =
        held.chunks_exact(settings.batch.min(held.len()).max(1)).take(8).collect();
    let mut sum = 0.0;
    for batch in &batches {
        sum += forward(encoder, taken, batch, &[], settings)?.0;
    }
    Ok(sum / batches.len().max(1) as f64)
}

/// Mean loss of a batch, and the gradients of the parameters.
fn gradients(
    encoder: &dyn TrainedEncoder,
    taken: &Taken,
    pairs: &[[u32; 2]],
    hard: &[u32],
    settings: &FinetuneSettings,
) -> Result<(f64, Vec<f32>), Error> {
    let (loss, tasks) = forward(encoder, taken, pairs, hard, settings)?;
    Ok((loss, backward_in_tasks(encoder, tasks).unwrap_or_default()))
}

/// Mean loss of a batch; what the forward pass of its distinct items left, with the gradients of their vectors.
fn forward(
    encoder: &dyn TrainedEncoder,
    taken: &Taken,
    pairs: &[[u32; 2]],
    hard: &[u32],
    settings: &FinetuneSettings,
) -> Result<(f64, Vec<TaskPass>), Error> {
    let dim = encoder.width();
    let all = pairs.iter().flatten().chain(hard).copied().collect::<BTreeSet<u32>>();
    let items: Vec<u32> = all.into_iter().collect();
    let slot = |item: u32| items.binary_search(&item).unwrap_or(0);
    let tasks = forward_in_tasks(encoder, &items)?;
    let vectors: Vec<f32> = tasks.iter().flat_map(|(_, vectors)| vectors).copied().collect();
    let rows = |chosen: &[u32]| -> Vec<f32> {
        chosen.iter().flat_map(|&item| &vectors[slot(item) * dim..][..dim]).copied().collect()
    };
    let anchors: Vec<u32> = pairs.iter().map(|pair| pair[0]).collect();
    let partners: Vec<u32> = pairs.iter().map(|pair| pair[1]).collect();
    let candidates: Vec<u32> = partners.iter().chain(hard).copied().collect();
    let mut bias: Vec<f32> = partners.iter().map(|&item| taken.correction(item, pairs.len())).collect();
    bias.resize(candidates.len(), 0.0);
    let mut masked = Masked::default();
    masked.clear();
    for &[anchor, partner] in pairs {
        let other = |&at: &u32| {
            let item = candidates[at as usize];
            item == partner || taken.together(anchor, item)
        };
        masked.indices.extend(narrow::indices(candidates.len()).filter(other));
        masked.end_position();
    }
    let (queries, positives, others) = (rows(&anchors), rows(&partners), rows(&candidates));
    let targets: Vec<u32> = narrow::indices(pairs.len()).collect();
    let loss = SoftmaxLoss {
        dim,
        queries: &queries,
        targets: &targets,
        items: &positives,
        candidates: Candidates { vectors: &others, bias: &bias },
        masked: &masked,
        seen: &Masked::default(),
        target_seen: &[],
        scale: (1.0 / settings.temperature) as f32,
        seen_bias: 0.0,
        weight: 1.0 / pairs.len() as f32,
        weights: &[],
    };
    let (mut dqueries, mut dpositives, mut dothers) =
        (vec![0.0; queries.len()], vec![0.0; positives.len()], vec![0.0; others.len()]);
    let mut out = SoftmaxGrads {
        queries: &mut dqueries,
        items: &mut dpositives,
        candidates: &mut dothers,
        scale: 0.0,
        seen_bias: 0.0,
    };
    let sum = loss.forward_backward(&mut out, &mut Vec::new());
    let mut dvectors = vec![0.0; vectors.len()];
    for (chosen, grads) in [(&anchors, &dqueries), (&partners, &dpositives), (&candidates, &dothers)] {
        for (&item, grad) in chosen.iter().zip(grads.chunks_exact(dim)) {
            kernel::add(grad, &mut dvectors[slot(item) * dim..][..dim]);
        }
    }
    let mut rest = dvectors.into_iter();
    let tasks =
        tasks.into_iter().map(|(saved, made)| (saved, rest.by_ref().take(made.len()).collect())).collect();
    Ok((sum / pairs.len() as f64, tasks))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ITEMS, Tiny};
    use super::*;

    /// Even items are taken with even ones, odd ones with odd ones.
    fn pairs() -> Vec<[u32; 2]> {
        let mut rng = Rng::new(4, "pairs");
        let mut pair = || {
            let first = rng.below(ITEMS);
            [first as u32, ((first + 2 + 2 * rng.below(2)) % ITEMS) as u32]
        };
        (0..60).map(|_| pair()).collect()
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let (mut tiny, pairs) = (Tiny::new(), pairs());
        let taken = Taken::new(ITEMS, &pairs);
        let settings = FinetuneSettings { temperature: 0.5, ..FinetuneSettings::default() };
        let hard: Vec<u32> = (0..20).map(|at| (at * 5 % ITEMS) as u32).collect();
        let (_, grads) = gradients(&tiny, &taken, &pairs[..20], &hard, &settings).unwrap();
        for (at, grad) in grads.iter().enumerate() {
            let mut moved = |by: f32| {
                tiny.params[at] += by;
                let loss = forward(&tiny, &taken, &pairs[..20], &hard, &settings).unwrap().0;
                tiny.params[at] -= by;
                loss
            };
            let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            assert!((f64::from(*grad) - slope).abs() < 1e-3 + 0.01 * slope.abs(), "{at}: {grad} {slope}");
        }
    }

    #[test]
    fn training_lowers_the_loss_of_held_out_pairs_and_hard_negatives_were_never_taken() {
        let (mut tiny, pairs) = (Tiny::new(), pairs());
        let (learned, held) = pairs.split_at(40);
        let taken = Taken::new(ITEMS, learned);
        let hard = hard_negatives(&tiny, ITEMS, learned, &taken, &mut Rng::new(1, "hard")).unwrap();
        assert!(learned.iter().zip(&hard).all(|(pair, &hard)| !taken.together(pair[0], hard)));
        let settings = FinetuneSettings {
            epochs: 20,
            batch: 20,
            rate: 0.02,
            temperature: 0.5,
            ..FinetuneSettings::default()
        };
        let losses = finetune(&mut tiny, ITEMS, (learned, held), &settings, 1, |_, _| Ok(())).unwrap();
        assert!(losses.after < losses.before - 0.02 && losses.steps == 40, "{losses:?}");
    }

    #[test]
    fn the_nearest_items_are_those_of_a_full_sort_over_all_tiles() {
        let (items, dim) = (TILE_ITEMS + 500, 3);
        // Steps of a quarter: many ties, in all tiles.
        let mut rng = Rng::new(6, "vectors");
        let vectors: Vec<f32> = (0..items * dim).map(|_| rng.below(9) as f32 / 4.0 - 1.0).collect();
        let anchors = [0, 7, TILE_ITEMS as u32 + 3];
        let pairs: Vec<[u32; 2]> = (0..9_000).map(|at| [anchors[at % 3], rng.below(items) as u32]).collect();
        let taken = Taken::new(items, &pairs);
        let row = |item: u32| &vectors[item as usize * dim..][..dim];
        for (&anchor, found) in anchors.iter().zip(nearest(&anchors, &vectors, dim, &taken)) {
            let score = |item: u32| row(anchor).iter().zip(row(item)).map(|(a, b)| a * b).sum::<f32>();
            let mut all: Vec<u32> = (0..items as u32).filter(|&item| !taken.together(anchor, item)).collect();
            all.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
            assert_eq!(found, all[..NEAREST], "anchor {anchor}");
        }
    }

    #[test]
    fn an_encoder_that_diverges_ends_the_training() {
        let (mut tiny, pairs) = (Tiny::new(), pairs());
        tiny.params[0] = f32::NAN;
        let (learned, held) = pairs.split_at(40);
        let settings = FinetuneSettings { hard: false, ..FinetuneSettings::default() };
        let ended = finetune(&mut tiny, ITEMS, (learned, held), &settings, 1, |_, _| Ok(()));
        let said = ended.unwrap_err().to_string();
        assert_eq!(said, "the loss of the encoder under training is NaN in step 0: training has diverged");
    }
}
