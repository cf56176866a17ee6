//! One training step, and everything that a run must keep to go on from there.
//!
//! A step is cut into a fixed number of shards that run in parallel and are added in order. All randomness is a
//! function of (seed, step), so a trainer restored at step `n` continues with the same bytes.

use crate::shard_step::{ShardSpace, ShardStep};
use crate::{Batch, Batcher, KnownItems, Live, Network, SeenInTraining, Shape, TrainingData, Window};
use rayon::prelude::*;
use semrank_core::{Rng, narrow};
use semrank_embed::Error as EmbedError;
use semrank_nn::{Adam, Candidates, Scalar, Schedule, kernel, unit_rows, unit_rows_backward};
use semrank_tower::{
    Loss, ModelSettings, Optimiser, Rounds, RowDropout, RowGrads, StepRates, TrainSettings, Weights, gather,
};

const ROWS_PER_TASK: usize = 256;

/// Trains a [`Network`].
#[derive(Debug)]
pub struct Trainer<'a, T> {
    settings: TrainSettings,
    dropout: [f64; 2],
    data: TrainingData<'a>,
    batcher: Batcher<'a>,
    windows: Vec<Window>,
    order: EpochOrder,
    rng: Rng,
    /// The model.
    pub network: Network<T>,
    pub(crate) optimiser: Optimiser<T>,
    /// Content that is trained too.
    pub live: Option<Live>,
    workspace: Workspace<T>,
}

/// The windows of one epoch in their random order, and where each batch begins.
#[derive(Debug, Default)]
struct EpochOrder {
    epoch: Option<u64>,
    windows: Vec<u32>,
    starts: Vec<usize>,
}

/// Buffers of a step, kept between steps.
#[derive(Debug, Default)]
struct Workspace<T> {
    vectors: Vec<T>,
    unit: Vec<T>,
    inverse: Vec<T>,
    negatives: Vec<T>,
    dvectors: Vec<T>,
    shards: Vec<ShardSpace<T>>,
}

impl<'a, T: Scalar> Trainer<'a, T> {
    /// A fresh trainer.
    pub fn new(model: &ModelSettings, settings: &TrainSettings, data: TrainingData<'a>, seed: u64) -> Self {
        let seen = match data.repeat_share() {
            share if share > 0.0 => SeenInTraining::Competing,
            _ => SeenInTraining::Masked,
        };
        let batcher = Batcher::new(data, seen, settings.half_life);
        let shape = Shape {
            items: data.items(),
            content: data.content_width(),
            actions: data.actions,
            timed: data.events.timed(),
        };
        let trained: Vec<bool> = data.counts.iter().map(|&count| count > 0).collect();
        let known = KnownItems { trained: &trained, tokens: data.tokens };
        let network = Network::new(model, shape, known, seed);
        // An item that is nothing but its id row keeps it.
        let rest = network.prefixes.is_some() || model.content && shape.content > 0;
        Self {
            settings: settings.clone(),
            dropout: [if rest { model.id_dropout } else { 0.0 }, model.prefix_dropout],
            windows: data.windows(model.history),
            order: EpochOrder::default(),
            optimiser: Optimiser::new(network.weights.params.len()),
            rng: Rng::new(seed, "train"),
            data,
            batcher,
            network,
            live: None,
            workspace: Workspace::default(),
        }
    }

    /// Trains content too.
    pub fn set_live(&mut self, mut live: Live) {
        live.set_total_steps(self.steps_per_epoch() * self.epochs());
        self.live = Some(live);
    }

    /// The content vectors as they are now.
    pub fn content(&self) -> &[f32] {
        contents(&self.live, &self.data)
    }

    /// Whether items of the history compete, as decided from the training events.
    pub fn seen(&self) -> SeenInTraining {
        self.batcher.seen()
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.optimiser.step
    }

    /// Steps of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        let positions: usize = self.windows.iter().map(Window::positions).sum();
        positions.div_ceil(self.settings.batch) as u64
    }

    /// Epochs to do at most: `epochs`, or without semantic ids as many as it takes to do `min_steps`.
    pub fn epochs(&self) -> u64 {
        self.rounds().passes
    }

    /// The epochs, and after how many of them each validation follows.
    pub(crate) fn rounds(&self) -> Rounds {
        let least = if self.network.prefixes.is_some() { 0 } else { self.settings.min_steps };
        Rounds::new(self.settings.epochs, least, self.steps_per_epoch())
    }

    /// Multiply-adds of an epoch, about.
    pub(crate) fn epoch_work(&self) -> f64 {
        let positions: usize = self.windows.iter().map(Window::positions).sum();
        let trained = self.data.counts.iter().filter(|&&count| count > 0).count();
        let competing = match self.settings.loss {
            Loss::Sampled => self.settings.negatives.min(trained),
            Loss::Full => trained,
        };
        let (dim, content) = (self.network.dim(), self.data.content_width() * self.network.dim());
        let trunk = self.network.weights.params.len().saturating_sub(content);
        let of_positions = positions * (competing * dim + trunk);
        let of_items = self.steps_per_epoch() as usize * (self.settings.batch + competing) * content;
        // A backward pass is twice a forward one.
        3.0 * (of_positions + of_items) as f64
    }

    /// The batch of step `step` (from 0): the epoch's random order of windows, cut into batches of about
    /// `settings.batch` positions.
    pub fn batch(&mut self, step: u64) -> Batch {
        let (epoch, at) = (step / self.steps_per_epoch(), (step % self.steps_per_epoch()) as usize);
        self.set_epoch(epoch);
        let chosen = &self.order.windows[self.order.starts[at]..self.order.starts[at + 1]];
        let windows: Vec<Window> = chosen.iter().map(|&w| self.windows[w as usize]).collect();
        let negatives = match self.settings.loss {
            Loss::Sampled => Some((self.settings.negatives, self.settings.sampling)),
            Loss::Full => None,
        };
        self.batcher.batch(&windows, self.settings.shards, negatives, &mut self.rng.fork(step << 1 | 1))
    }

    /// The rows that step `step` (from 0) leaves out of the vectors of its batch's items.
    pub fn row_dropout(&self, step: u64) -> RowDropout {
        RowDropout::new(self.dropout, self.key(step))
    }

    /// What all dropout of a step is a function of.
    fn key(&self, step: u64) -> u64 {
        self.rng.fork(step << 1 | 1).fork(1).next_u64()
    }

    fn set_epoch(&mut self, epoch: u64) {
        if self.order.epoch == Some(epoch) {
            return;
        }
        let mut windows: Vec<u32> = narrow::indices(self.windows.len()).collect();
        self.rng.fork(epoch << 1).shuffle(&mut windows);
        let mut starts = vec![0];
        let mut positions = 0;
        for (at, &window) in windows.iter().enumerate() {
            while positions >= starts.len() * self.settings.batch {
                starts.push(at);
            }
            positions += self.windows[window as usize].positions();
        }
        starts.resize(self.steps_per_epoch() as usize, windows.len());
        starts.push(windows.len());
        self.order = EpochOrder { epoch: Some(epoch), windows, starts };
    }

    /// Does the next step; returns the mean loss over its positions (nats) and their number.
    ///
    /// # Errors
    /// What keeps an item from being encoded, where content is trained.
    pub fn train_step(&mut self) -> Result<(f64, usize), EmbedError> {
        let step = self.step();
        let batch = self.batch(step);
        if let Some(live) = &mut self.live {
            live.visit(step, &batch.items)?;
        }
        let loss = self.gradients(&batch);
        self.train_content(&batch);
        let rows = self.row_grads(&batch);
        let rates = self.rates(step + 1);
        self.optimiser.apply(&mut self.network.weights, &rows, &rates);
        self.network.hold_scale();
        Ok((loss, batch.positions()))
    }

    /// Hands the content its gradients, and lets it learn.
    fn train_content(&mut self, batch: &Batch) {
        let Some(live) = &mut self.live else { return };
        let (dvectors, Weights { params, tower, .. }) = (&self.workspace.dvectors, &self.network.weights);
        let parts = self.network.parts(live.content());
        let grads = tower.content_backward(params, parts, &batch.items, dvectors, live.columns());
        let grads: Vec<f32> = grads.iter().map(|grad| grad.to_f64() as f32).collect();
        live.add(&batch.items, &grads);
        live.learn(self.optimiser.step);
    }

    /// Mean loss of a batch; leaves its gradients in the workspace.
    fn gradients(&mut self, batch: &Batch) -> f64 {
        let (dim, network) = (self.network.dim(), &self.network);
        let weight = T::from_f64(1.0 / batch.weight().max(1e-9));
        let (key, dropout) = (self.key(self.step()), self.row_dropout(self.step()));
        let contents = contents(&self.live, &self.data);
        let space = &mut self.workspace;

        let items = batch.items.len();
        space.vectors.resize(items * dim, T::ZERO);
        network.item_vectors(&batch.items, contents, dropout, &mut space.vectors);
        space.unit.resize(items * dim, T::ZERO);
        space.inverse.resize(items, T::ZERO);
        let rows =
            space.unit.par_chunks_mut(ROWS_PER_TASK * dim).zip(space.vectors.par_chunks(ROWS_PER_TASK * dim));
        rows.zip(space.inverse.par_chunks_mut(ROWS_PER_TASK))
            .for_each(|((unit, vectors), inverse)| unit_rows(dim, vectors, inverse, unit));
        gather(&space.unit, &batch.negatives, dim, &mut space.negatives);
        let bias: Vec<T> = batch.negative_bias.iter().map(|&b| T::from_f64(f64::from(b))).collect();

        let Workspace { vectors, unit, negatives, shards, .. } = space;
        shards.resize_with(batch.shards.len(), ShardSpace::default);
        shards.par_iter_mut().zip(&batch.shards).enumerate().for_each(|(index, (space, shard))| {
            let step = ShardStep {
                network,
                shard,
                vectors,
                unit: &unit[..batch.in_windows * dim],
                negatives: Candidates { vectors: negatives, bias: &bias },
                weight,
                key: key.wrapping_add((index as u64 + 1) << 40),
            };
            step.run(space);
        });
        self.reduce(batch);
        let loss: f64 = self.workspace.shards.iter().map(|shard| shard.loss).sum();
        loss / batch.weight().max(1e-9)
    }

    /// Adds the shards in order and carries the gradient of unit vectors on to vectors and content.
    fn reduce(&mut self, batch: &Batch) {
        let dim = self.network.dim();
        let Workspace { unit, inverse, dvectors, shards, .. } = &mut self.workspace;
        let mut negative_of = vec![None; batch.items.len()];
        batch.negatives.iter().enumerate().for_each(|(n, &slot)| negative_of[slot as usize] = Some(n));
        let row = |at: usize| at * dim..(at + 1) * dim;
        dvectors.clear();
        dvectors.resize(batch.items.len() * dim, T::ZERO);
        dvectors.par_chunks_mut(dim).enumerate().with_min_len(ROWS_PER_TASK / 4).for_each(|(slot, out)| {
            for shard in shards.iter() {
                if slot < batch.in_windows {
                    kernel::add(&shard.dunit[row(slot)], out);
                }
                if let Some(negative) = negative_of[slot] {
                    kernel::add(&shard.dnegatives[row(negative)], out);
                }
            }
            unit_rows_backward(dim, &unit[row(slot)], &inverse[slot..=slot], out);
            if slot < batch.in_windows {
                shards.iter().for_each(|shard| kernel::add(&shard.dvectors[row(slot)], out));
            }
        });
        let grads: Vec<&[T]> = shards.iter().map(|shard| shard.grads.as_slice()).collect();
        self.optimiser.sum_shards(&grads);
        let Weights { params, tower, .. } = &self.network.weights;
        let parts = self.network.parts(contents(&self.live, &self.data));
        tower.backward(params, parts, &batch.items, dvectors, &mut self.optimiser.grads);
    }

    /// How far step `step` (from 1) goes.
    fn rates(&self, step: u64) -> StepRates {
        let TrainSettings { rate, warmup_steps, final_share, weight_decay, clip, .. } = self.settings;
        let total_steps = self.steps_per_epoch() * self.epochs();
        let schedule = Schedule { peak: rate, warmup_steps, total_steps, final_share };
        let dense = Adam { rate: schedule.rate(step), weight_decay, ..Adam::default() };
        let TrainSettings { id_rate, id_weight_decay, .. } = self.settings;
        let rows = Adam { rate: dense.rate * id_rate, weight_decay: id_weight_decay, ..dense };
        StepRates { dense, rows, clip }
    }

    /// Gradients of the id rows and prefix rows of the batch; none once they stay as they are.
    fn row_grads(&self, batch: &Batch) -> Vec<RowGrads<T>> {
        let epochs = self.settings.id_epochs as u64;
        if epochs > 0 && self.step() >= epochs * self.steps_per_epoch() {
            return Vec::new();
        }
        let shard = (batch.items.as_slice(), self.row_dropout(self.step()));
        let parts = self.network.parts(self.content());
        self.network.weights.tower.row_grads(parts, std::iter::once(shard), &self.workspace.dvectors)
    }
}

/// The content vectors as they are now: those under training, or the frozen ones.
fn contents<'c>(live: &'c Option<Live>, data: &TrainingData<'c>) -> &'c [f32] {
    live.as_ref().map_or(data.content, Live::content)
}
