//! One training step of the ranking model: lessons in, new parameters out.
//!
//! A step's lessons are ordered by user and cut into a fixed number of shards that run in parallel and are added in order; all
//! randomness is a function of (seed, step). So a seed gives the same bytes for any number of threads.

use super::diverged::Diverged;
use super::lessons::{Plan, Timed};
use super::loss::{HEADS, Head, HeadSum, Losses};
use super::network::{Drops, HeadColumns, Inputs, PointwiseNetwork, Saved};
use super::rows::RowData;
use super::settings::PointwiseSettings;
use super::shard::Numbering;
use super::store::FeatureStore;
use rayon::prelude::*;
use semrank_core::{Rng, narrow};
use semrank_nn::{Adam, AdamState, Dropout, Scalar, Schedule, clip_factor, kernel};
use semrank_tower::{RowDropout, RowGrads, squared};

/// Values of the dense gradient that one task adds up.
const CHUNK: usize = 1 << 14;

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
    pub(crate) moments: AdamState<T>,
    rng: Rng,
    pub(crate) step: u64,
    shards: Vec<ShardSpace<T>>,
    grads: Vec<T>,
}

/// Buffers of one shard.
#[derive(Debug, Default)]
struct ShardSpace<T> {
    lessons: Vec<Timed>,
    numbering: Numbering,
    inputs: Inputs,
    saved: Saved<T>,
    grads: Vec<T>,
    drops: Option<Drops>,
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
    /// One a click lesson, in no order of meaning.
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
        Self {
            moments: AdamState::new(network.params.len()),
            mean: (settings.average > 0.0 && !plan.once).then(|| network.clone()),
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
            step: 0,
            shards: Vec::new(),
            grads: Vec::new(),
        }
    }

    /// Does a step over `lessons`, whose rows have features.
    ///
    /// # Errors
    /// A loss that is no finite number; the parameters stay as they were.
    pub(crate) fn step(
        &mut self,
        data: &RowData,
        features: &FeatureStore,
        lessons: &mut [Timed],
    ) -> Result<Stepped, Diverged> {
        self.gradients(data, features, lessons);
        self.check_losses()?;
        self.step += 1;
        self.apply(data);
        self.follow();
        let mut out = Stepped::default();
        for shard in &mut self.shards {
            for (sum, part) in out.heads.iter_mut().zip(shard.heads) {
                sum.loss += part.loss;
                sum.lessons += part.lessons;
                sum.squared += part.squared;
            }
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
        Diverged { what, got, steps: self.step, rate, table_rate }
    }

    /// The network to score with: the running mean, or the network itself.
    pub(crate) fn scoring(&self) -> &PointwiseNetwork<T> {
        self.mean.as_ref().unwrap_or(&self.network)
    }

    /// Scores with this network from now on.
    pub(crate) fn replace(&mut self, network: PointwiseNetwork<T>) {
        self.mean = None;
        self.network = network;
    }

    /// Moves the mean a little towards the parameters; early on, when the mean is of little, by more.
    fn follow(&mut self) {
        let Some(mean) = &mut self.mean else { return };
        let decay = self.settings.average.min(self.step as f64 / (self.step as f64 + 10.0));
        let towards = T::from_f64(1.0 - decay);
        blend(towards, &self.network.params, &mut mean.params);
        for ((_, from), (_, to)) in self.network.tables().zip(mean.tables_mut()) {
            blend(towards, &from.values, &mut to.values);
        }
    }

    /// Leaves the gradient of the mean loss of `lessons` in the shards and in `grads`.
    fn gradients(&mut self, data: &RowData, features: &FeatureStore, lessons: &mut [Timed]) {
        lessons.sort_by_key(|timed| (data.order_key(timed.row as usize), *timed));
        let parts = self.settings.shards;
        self.shards.resize_with(parts, ShardSpace::default);
        let key = self.rng.fork(self.step).next_u64();
        let network = &self.network;
        let losses = Losses {
            columns: network.columns,
            settings: &self.settings,
            window_days: self.window_days,
            log_shape: network.delay_shape(),
        };
        let scale = 1.0 / lessons.len().max(1) as f64;
        let [ids, prefixes, hidden] = self.dropout;
        let count = lessons.len();
        self.shards.par_iter_mut().enumerate().for_each(|(index, shard)| {
            let part = &lessons[count * index / parts..count * (index + 1) / parts];
            let key = key.wrapping_add((index as u64 + 1) << 40);
            let drops = Drops {
                rows: RowDropout {
                    ids: Dropout::new(ids, key),
                    prefixes: Dropout::new(prefixes, key.rotate_left(17)),
                },
                hidden: Dropout::new(hidden, key.rotate_left(31)),
            };
            shard.lessons.clear();
            shard.lessons.extend_from_slice(part);
            shard.run(network, (data, features), &losses, drops, scale);
        });
        self.grads.clear();
        self.grads.resize(self.network.params.len(), T::ZERO);
        let shards = &self.shards;
        self.grads.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let range = chunk * CHUNK..chunk * CHUNK + out.len();
            shards.iter().for_each(|shard| kernel::add(&shard.grads[range.clone()], out));
        });
    }

    /// Clips, and moves all parameters.
    fn apply(&mut self, data: &RowData) {
        let rows = self.table_grads(data);
        let tables = rows.iter().flatten().map(|grads| squared(&grads.grads)).sum::<f64>();
        let factor = T::from_f64(clip_factor(squared(&self.grads) + tables, self.settings.clip));
        let share = self.schedule.rate(self.step);
        let adam = |rate: f64| Adam {
            rate: rate * share,
            weight_decay: self.settings.weight_decay,
            ..Adam::default()
        };
        let dense = adam(self.settings.rate);
        self.moments.update(&dense, self.step, factor, &self.grads, &mut self.network.params);
        let (sparse, network) = (adam(self.settings.table_rate), &mut self.network);
        let tables = [&mut network.ids, &mut network.advertisers, &mut network.prefixes];
        for (table, grads) in tables.into_iter().zip(&rows) {
            if let (Some(table), Some(grads)) = (table, grads) {
                table.update(&sparse, self.step, factor, &grads.rows, &grads.grads);
            }
        }
    }

    /// Gradients of the rows of items, advertisers and prefixes.
    fn table_grads(&self, data: &RowData) -> [Option<RowGrads<T>>; 3] {
        let (network, dim) = (&self.network, self.network.sizes.dim);
        let mut dvectors = Vec::new();
        let mut pairs: [Vec<(u32, u32)>; 3] = Default::default();
        for shard in &self.shards {
            let first = dvectors.len() / dim;
            dvectors.extend_from_slice(&shard.saved.dvectors);
            let Some(drops) = shard.drops else { continue };
            for (slot, &item) in shard.inputs.items.iter().enumerate() {
                let place = narrow::index(first + slot);
                if network.ids.is_some() && drops.rows.keeps_id(slot) {
                    pairs[0].push((network.id_row(item), place));
                }
                if let (Some(_), Some(advertiser)) = (&network.advertisers, data.items.advertiser(item)) {
                    pairs[1].push((network.advertiser_row(advertiser), place));
                }
                if network.prefixes.is_some() {
                    let kept = drops.rows.kept_prefixes(slot, data.items.prefixes(item));
                    pairs[2].extend(kept.map(|&row| (row, place)));
                }
            }
        }
        let used = [network.ids.is_some(), network.advertisers.is_some(), network.prefixes.is_some()];
        let mut used = used.into_iter();
        pairs.map(|pairs| used.next().unwrap_or(false).then(|| RowGrads::sum(pairs, &dvectors, dim)))
    }
}

/// `y += share (x - y)`.
fn blend<T: Scalar>(share: T, x: &[T], y: &mut [T]) {
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        kernel::scale(T::ONE - share, y);
        kernel::axpy(share, x, y);
    });
}

/// Squared length of `Σ d_i w_i`, given the inner products of all `w`.
fn squared_length(d: &[f64], products: &[f64]) -> f64 {
    let rows = d.iter().zip(products.chunks_exact(d.len()));
    rows.filter(|(d, _)| **d != 0.0)
        .map(|(di, row)| di * d.iter().zip(row).map(|(dj, product)| dj * product).sum::<f64>())
        .sum()
}

impl<T: Scalar> ShardSpace<T> {
    /// Forward, losses and backward of the shard's lessons; gradients of the loss times `scale`.
    fn run(
        &mut self,
        network: &PointwiseNetwork<T>,
        (data, features): (&RowData, &FeatureStore),
        losses: &Losses,
        drops: Drops,
        scale: f64,
    ) {
        let rows = self.lessons.iter().map(|timed| timed.row as usize);
        let rows = rows.map(|row| (data.request(row), features.of(row)));
        self.numbering.fill(data.reader(&network.shape), rows, &mut self.inputs);
        network.forward(data.items, &self.inputs, drops, None, &mut self.saved);
        self.grads.clear();
        self.grads.resize(network.params.len(), T::ZERO);
        self.heads = [HeadSum::default(); HEADS];
        self.drops = Some(drops);
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
        for (timed, row_logits) in self.lessons.iter().zip(self.saved.logits.chunks_exact(count)) {
            let row = timed.row as usize;
            logits.iter_mut().zip(row_logits).for_each(|(to, from)| *to = from.to_f64());
            dlogits.fill(0.0);
            let dwell_ms = data.examples.dwell_ms.get(row).copied().unwrap_or(-1);
            let found = losses.of(timed.lesson, dwell_ms, &logits, &mut dlogits);
            for (head, (sum, loss)) in self.heads.iter_mut().zip(found.losses).enumerate() {
                let Some(loss) = loss else { continue };
                // A lesson is about one head, and about dwell, whose logit is its own.
                let of_head =
                    |column: usize| (Some(column) == columns.dwell) == (head == Head::Dwell as usize);
                for (column, (to, &from)) in part.iter_mut().zip(&dlogits).enumerate() {
                    *to = if of_head(column) { from } else { 0.0 };
                }
                *sum = HeadSum {
                    loss: sum.loss + loss,
                    lessons: sum.lessons + 1,
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
