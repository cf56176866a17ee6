//! One training step of the ranking model: samples in, new parameters out.
//!
//! A step's samples are ordered by user and cut into a fixed number of shards that run in parallel and are added in order; all
//! randomness is a function of (seed, step). So a seed gives the same bytes for any number of threads.

use super::diverged::Diverged;
use super::loss::{HEADS, Head, HeadSum, Losses};
use super::network::{Drops, HeadColumns, Inputs, PointwiseNetwork, Saved};
use super::progress::add;
use super::rows::RowData;
use super::samples::{Plan, Timed};
use super::settings::PointwiseSettings;
use super::shard::Numbering;
use super::store::FeatureStore;
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::{Adam, Dropout, Scalar, Schedule};
use semrank_tower::{Optimiser, RowDropout, RowGrads, Snapshot, StepRates};

/// Trains a [`PointwiseNetwork`].
#[derive(Debug)]
pub(crate) struct Stepper<T> {
    pub(crate) network: PointwiseNetwork<T>,
    /// The running mean of the parameters, where it is kept.
    pub(crate) mean: Option<PointwiseNetwork<T>>,
    settings: PointwiseSettings,
    window_days: f64,
    dropout: [f64; 3],
    pub(crate) schedule: Schedule,
    pub(crate) optimiser: Optimiser<T>,
    rng: Rng,
    /// Samples of the next step, in the shards.
    samples: usize,
    shards: Vec<ShardSpace<T>>,
}

/// Buffers of one shard.
#[derive(Debug, Default)]
struct ShardSpace<T> {
    samples: Vec<Timed>,
    numbering: Numbering,
    inputs: Inputs,
    saved: Saved<T>,
    grads: Vec<T>,
    drops: Drops,
    heads: [HeadSum; HEADS],
    predictions: Vec<Prediction>,
}

/// What was predicted of a row before its click was learned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prediction {
    pub(crate) row: u32,
    pub(crate) click: f64,
    /// The logit of conversion given click; 0 where it is not predicted.
    pub(crate) conversion: f64,
}

/// What a step found.
#[derive(Debug, Default)]
pub(crate) struct Stepped {
    pub(crate) heads: [HeadSum; HEADS],
    /// One per click sample, in no order of meaning.
    pub(crate) predictions: Vec<Prediction>,
}

impl<T: Scalar> Stepper<T> {
    /// A fresh trainer of a fresh network. Where a log is read several times, the caller tells the schedule its steps.
    pub(crate) fn new(
        network: PointwiseNetwork<T>,
        settings: &PointwiseSettings,
        plan: &Plan,
        [id_dropout, prefix_dropout]: [f64; 2],
        seed: u64,
    ) -> Self {
        let hidden = if plan.once { 0.0 } else { settings.dropout };
        let final_share = if plan.once { 1.0 } else { settings.final_share };
        let mut mean = (settings.average > 0.0 && !plan.once).then(|| network.clone());
        mean.iter_mut().for_each(|mean| mean.weights.forget_moments());
        Self {
            optimiser: Optimiser::new(network.weights.params.len()),
            mean,
            network,
            settings: settings.clone(),
            window_days: plan.window_days(),
            dropout: [id_dropout, prefix_dropout, hidden],
            schedule: Schedule {
                peak: 1.0,
                warmup_steps: settings.warmup_steps,
                total_steps: u64::MAX,
                final_share,
            },
            rng: Rng::new(seed, "ranking training"),
            samples: 0,
            shards: Vec::new(),
        }
    }

    /// Takes in the samples of the next step; their rows have features, which are copied.
    pub(crate) fn take(&mut self, data: &RowData, features: &FeatureStore, samples: &mut [Timed]) {
        samples.sort_by_cached_key(|timed| (data.order_key(timed.row as usize), *timed));
        let (parts, count) = (self.settings.shards, samples.len());
        self.samples = count;
        self.shards.resize_with(parts, ShardSpace::default);
        let shape = &self.network.shape;
        self.shards.par_iter_mut().enumerate().for_each(|(index, shard)| {
            shard.samples.clear();
            shard.samples.extend_from_slice(&samples[count * index / parts..count * (index + 1) / parts]);
            let rows = shard.samples.iter().map(|timed| timed.row as usize);
            let rows = rows.map(|row| (data.request(row), features.of(row)));
            shard.numbering.fill(data.reader(shape), rows, &mut shard.inputs);
        });
    }

    /// Does a step over the samples that were taken in.
    ///
    /// # Errors
    /// A loss that is not finite; the parameters stay as they were.
    pub(crate) fn step(&mut self, data: &RowData) -> Result<Stepped, Diverged> {
        self.gradients(data);
        self.check_losses()?;
        let rows = self.row_grads(data);
        let rates = self.rates(self.optimiser.step + 1);
        self.optimiser.apply(&mut self.network.weights, &rows, &rates);
        self.follow();
        let mut out = Stepped::default();
        for shard in &mut self.shards {
            add(&mut out.heads, &shard.heads);
            out.predictions.append(&mut shard.predictions);
        }
        Ok(out)
    }

    fn check_losses(&self) -> Result<(), Diverged> {
        const LOSSES: [&str; HEADS] = ["click loss", "conversion loss", "delay loss", "dwell loss"];
        for (head, what) in LOSSES.into_iter().enumerate() {
            let sum: f64 = self.shards.iter().map(|shard| shard.heads[head].loss).sum();
            if !sum.is_finite() {
                return Err(self.diverged(what, sum));
            }
        }
        Ok(())
    }

    /// The error of a number that is not finite.
    pub(crate) fn diverged(&self, what: &'static str, got: f64) -> Diverged {
        let PointwiseSettings { rate, table_rate, .. } = self.settings;
        Diverged { what, got, steps: self.optimiser.step, rate, table_rate }
    }

    /// The network to score with: the running mean, or the network itself.
    pub(crate) fn scoring(&self) -> &PointwiseNetwork<T> {
        self.mean.as_ref().unwrap_or(&self.network)
    }

    /// Scores with these parameters from now on.
    pub(crate) fn restore(&mut self, snapshot: Snapshot<T>) {
        self.mean = None;
        self.network.weights.restore(snapshot);
    }

    /// Moves the mean a little towards the parameters; early on, when the mean is of little, by more.
    fn follow(&mut self) {
        let Some(mean) = &mut self.mean else { return };
        let step = self.optimiser.step as f64;
        let decay = self.settings.average.min(step / (step + 10.0));
        mean.weights.follow(&self.network.weights, T::from_f64(1.0 - decay));
    }

    /// Leaves the gradient of the mean loss of the samples in the shards and in `grads`.
    fn gradients(&mut self, data: &RowData) {
        let key = self.rng.fork(self.optimiser.step).next_u64();
        let network = &self.network;
        let losses = Losses {
            columns: network.columns,
            settings: &self.settings,
            window_days: self.window_days,
            log_shape: network.delay_shape(),
        };
        let scale = 1.0 / self.samples.max(1) as f64;
        let [ids, prefixes, hidden] = self.dropout;
        self.shards.par_iter_mut().enumerate().for_each(|(index, shard)| {
            let key = key.wrapping_add((index as u64 + 1) << 40);
            let drops = Drops {
                rows: RowDropout::new([ids, prefixes], key),
                hidden: Dropout::new(hidden, key.rotate_left(31)),
            };
            shard.run(network, data, &losses, drops, scale);
        });
        let grads: Vec<&[T]> = self.shards.iter().map(|shard| shard.grads.as_slice()).collect();
        self.optimiser.sum_shards(&grads);
    }

    /// How far step `step` (from 1) goes.
    fn rates(&self, step: u64) -> StepRates {
        let PointwiseSettings { rate, table_rate, weight_decay, clip, .. } = self.settings;
        let share = self.schedule.rate(step);
        let adam = |rate: f64| Adam { rate: rate * share, weight_decay, ..Adam::default() };
        StepRates { dense: adam(rate), rows: adam(table_rate), clip }
    }

    /// Gradients of the rows of items, advertisers and prefixes.
    fn row_grads(&self, data: &RowData) -> Vec<RowGrads<T>> {
        let dvectors: Vec<T> =
            self.shards.iter().flat_map(|shard| shard.saved.dvectors.iter().copied()).collect();
        let shards = self.shards.iter();
        let shards = shards.map(|shard| (shard.inputs.items.as_slice(), shard.drops.rows));
        self.network.weights.tower.row_grads(data.items.parts(), shards, &dvectors)
    }
}

/// Squared length of `Σ d_i w_i`, given the inner products of all `w`.
fn squared_length(d: &[f64], products: &[f64]) -> f64 {
    let rows = d.iter().zip(products.chunks_exact(d.len()));
    rows.filter(|(d, _)| **d != 0.0)
        .map(|(di, row)| di * d.iter().zip(row).map(|(dj, product)| dj * product).sum::<f64>())
        .sum()
}

impl<T: Scalar> ShardSpace<T> {
    /// Forward, losses and backward of the shard's samples; gradients of the loss times `scale`.
    fn run(
        &mut self,
        network: &PointwiseNetwork<T>,
        data: &RowData,
        losses: &Losses,
        drops: Drops,
        scale: f64,
    ) {
        network.forward(data.items, &self.inputs, drops, None, &mut self.saved);
        self.grads.clear();
        self.grads.resize(network.weights.params.len(), T::ZERO);
        self.heads = [HeadSum::default(); HEADS];
        self.drops = drops;
        let dlogits = self.losses(network, data, losses, scale);
        network.backward(data.items, &self.inputs, drops, (&dlogits, &mut self.saved), &mut self.grads);
    }

    fn losses(
        &mut self,
        network: &PointwiseNetwork<T>,
        data: &RowData,
        losses: &Losses,
        scale: f64,
    ) -> Vec<T> {
        let (count, columns) = (network.columns.count, network.columns);
        let products = network.head_products();
        let mut out = Vec::with_capacity(self.saved.logits.len());
        let (mut logits, mut dlogits, mut part) = (vec![0.0; count], vec![0.0; count], vec![0.0; count]);
        for (timed, row_logits) in self.samples.iter().zip(self.saved.logits.chunks_exact(count)) {
            let row = timed.row as usize;
            logits.iter_mut().zip(row_logits).for_each(|(to, from)| *to = from.to_f64());
            dlogits.fill(0.0);
            let dwell_ms = data.examples.dwell_ms.get(row).copied().unwrap_or(-1);
            let found = losses.of(timed.sample, dwell_ms, &logits, &mut dlogits);
            for (head, (sum, loss)) in self.heads.iter_mut().zip(found.losses).enumerate() {
                let Some(loss) = loss else { continue };
                // A sample is about one head, and about dwell, whose logit is its own.
                let of_head =
                    |column: usize| (Some(column) == columns.dwell) == (head == Head::Dwell as usize);
                for (column, (to, &from)) in part.iter_mut().zip(&dlogits).enumerate() {
                    *to = if of_head(column) { from } else { 0.0 };
                }
                *sum = HeadSum {
                    loss: sum.loss + loss,
                    samples: sum.samples + 1,
                    squared: sum.squared + squared_length(&part, &products),
                };
            }
            let scale = scale * data.weight(row);
            network.add_delay_shape(found.shape * scale, &mut self.grads);
            out.extend(dlogits.iter().map(|&d| T::from_f64(d * scale)));
            if timed.is_first() {
                let conversion = columns.conversion_logit(|column| logits[column]).unwrap_or(0.0);
                let click = logits[HeadColumns::CLICK];
                self.predictions.push(Prediction { row: timed.row, click, conversion });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_sum_has_cross_terms() {
        // 2 (1, 0) - (1, 1) = (1, -1).
        assert_eq!(squared_length(&[2.0, -1.0], &[1.0, 1.0, 1.0, 2.0]), 2.0);
    }
}
