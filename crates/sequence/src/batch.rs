//! From windows to batches: negatives, masks, shards. The items of a batch are numbered once: first those of its windows, then
//! the negatives that are not among them.

use crate::past::{LongHistories, Taken};
use crate::{Sequences, TrainingData, Window};
use semrank_core::{History, ItemId, Rng, narrow};
use semrank_nn::Masked;
use semrank_tower::{Negatives, gap_bucket};

/// One part of a batch.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    /// Inputs.
    pub sequences: Sequences,
    /// Positions that have a target, ascending.
    pub with_target: Vec<u32>,
    /// Their targets, as items of the batch.
    pub targets: Vec<u32>,
    /// How much each of them counts.
    pub weights: Vec<f32>,
    /// Whether the target is already in the history.
    pub target_seen: Vec<bool>,
    /// Negatives that do not count at each of them.
    pub masked: Masked,
    /// Negatives that are in the history and count.
    pub seen: Masked,
}

/// One training step's input.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Catalogue items of the batch.
    pub items: Vec<u32>,
    /// The first so many `items` occur in windows.
    pub in_windows: usize,
    /// Negatives, as items of the batch.
    pub negatives: Vec<u32>,
    /// What is added to each negative's logit.
    pub negative_bias: Vec<f32>,
    /// The windows, cut into parts of about the same number of events.
    pub shards: Vec<Shard>,
}

impl Batch {
    /// Positions with a target.
    pub fn positions(&self) -> usize {
        self.shards.iter().map(|shard| shard.targets.len()).sum()
    }

    /// Sum of their weights.
    pub fn weight(&self) -> f64 {
        self.shards.iter().flat_map(|shard| &shard.weights).map(|&weight| f64::from(weight)).sum()
    }
}

/// How much an old event still counts. Age is the share of training events that are younger, so that busy and quiet
/// times and the length of the log do not matter.
#[derive(Debug)]
struct Recency {
    times: Vec<i64>,
    half_life: f64,
}

impl Recency {
    fn new(data: &TrainingData, half_life: f64) -> Self {
        let events = (0..data.train_ends.len()).flat_map(|user| data.range(user));
        let mut times: Vec<i64> = events.map(|at| data.events.event(at).time).collect();
        times.sort_unstable();
        Self { times, half_life }
    }

    fn weight(&self, time: i64) -> f32 {
        let older = self.times.partition_point(|&other| other <= time);
        let age = 1.0 - older as f64 / self.times.len() as f64;
        (-age / self.half_life).exp2() as f32
    }
}

/// Whether items of the history compete for the next place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenInTraining {
    /// They are masked: nothing repeats.
    Masked,
    /// They compete, with a learned bias.
    Competing,
}

/// Makes batches; holds one number per item of the catalogue.
#[derive(Debug)]
pub struct Batcher<'a> {
    data: TrainingData<'a>,
    seen: SeenInTraining,
    recency: Option<Recency>,
    long: LongHistories,
    /// Trained items: the only ones that may be negatives.
    pool: Vec<u32>,
    /// Running sum of the pool's training events.
    cumulative: Vec<u64>,
    slot_of: Vec<u32>,
    negative_of: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl<'a> Batcher<'a> {
    /// For one data set; `half_life` as in [`semrank_tower::TrainSettings`].
    pub fn new(data: TrainingData<'a>, seen: SeenInTraining, half_life: f64) -> Self {
        let pool: Vec<u32> =
            narrow::indices(data.items()).filter(|&item| data.counts[item as usize] > 0).collect();
        let cumulative = pool
            .iter()
            .scan(0u64, |sum, &item| {
                *sum += u64::from(data.counts[item as usize]);
                Some(*sum)
            })
            .collect();
        let none = vec![NONE; data.items()];
        let recency = (half_life > 0.0 && data.events.timed()).then(|| Recency::new(&data, half_life));
        let long = LongHistories::new(&data);
        Self { data, seen, recency, long, pool, cumulative, slot_of: none.clone(), negative_of: none }
    }

    /// Whether items of the history compete.
    pub fn seen(&self) -> SeenInTraining {
        self.seen
    }

    /// Trained items, ascending.
    pub fn pool(&self) -> &[u32] {
        &self.pool
    }

    /// A batch of `windows`, cut into `shards` parts, against `negatives` drawn by `rng` (`None`: the whole pool).
    pub fn batch(
        &mut self,
        windows: &[Window],
        shards: usize,
        negatives: Option<(usize, Negatives)>,
        rng: &mut Rng,
    ) -> Batch {
        let mut batch = Batch::default();
        for window in windows {
            for at in window.first..window.end {
                let item = self.data.events.event(at).item.0;
                if self.slot_of[item as usize] == NONE {
                    self.slot_of[item as usize] = narrow::index(batch.items.len());
                    batch.items.push(item);
                }
            }
        }
        batch.in_windows = batch.items.len();
        self.draw(negatives, rng, &mut batch);
        batch.shards = cut(windows, shards).map(|part| self.shard(part, &batch)).collect();
        batch.items.iter().for_each(|&item| self.slot_of[item as usize] = NONE);
        batch.negatives.iter().for_each(|&slot| self.negative_of[batch.items[slot as usize] as usize] = NONE);
        batch
    }

    fn draw(&mut self, negatives: Option<(usize, Negatives)>, rng: &mut Rng, batch: &mut Batch) {
        match negatives {
            Some((count, Negatives::Uniform)) if count < self.pool.len() => {
                while batch.negatives.len() < count {
                    let item = self.pool[rng.below(self.pool.len())];
                    self.add_negative(item, 0.0, batch);
                }
            }
            Some((count, Negatives::Popularity)) if count < self.pool.len() => {
                let total = self.cumulative.last().copied().unwrap_or(0);
                for _ in 0..count {
                    let draw = rng.below(total as usize) as u64;
                    let item = self.pool[self.cumulative.partition_point(|&sum| sum <= draw)];
                    let expected = count as f64 * f64::from(self.data.counts[item as usize]) / total as f64;
                    // Drawn with replacement and kept once: the chance to be among the negatives.
                    let included = -(-expected).exp_m1();
                    self.add_negative(item, -included.ln() as f32, batch);
                }
            }
            _ => (0..self.pool.len()).for_each(|i| self.add_negative(self.pool[i], 0.0, batch)),
        }
    }

    /// Adds a negative unless the batch has it already.
    fn add_negative(&mut self, item: u32, bias: f32, batch: &mut Batch) {
        if self.negative_of[item as usize] != NONE {
            return;
        }
        if self.slot_of[item as usize] == NONE {
            self.slot_of[item as usize] = narrow::index(batch.items.len());
            batch.items.push(item);
        }
        self.negative_of[item as usize] = narrow::index(batch.negatives.len());
        batch.negatives.push(self.slot_of[item as usize]);
        batch.negative_bias.push(bias);
    }

    fn shard(&self, windows: &[Window], batch: &Batch) -> Shard {
        let mut shard = Shard::default();
        shard.sequences.clear();
        shard.masked.clear();
        shard.seen.clear();
        let mut taken = Taken::new(batch.items.len());
        for window in windows {
            self.take_past(window, &batch.items, &mut taken);
            self.add_window(window, &mut taken, &mut shard);
        }
        if !self.data.active.is_empty() {
            self.mask_inactive(windows, batch, &mut shard);
        }
        shard
    }

    /// Fills `taken` with what the batch's items have of the events before a window.
    fn take_past(&self, window: &Window, items: &[u32], taken: &mut Taken) {
        let past = &self.data.events.items()[window.user_start..window.first];
        taken.clear();
        self.long.each(window.user_start, past, items, |item| {
            let slot = self.slot_of[item.index()];
            if slot != NONE {
                taken.add_past(slot, self.negative(item));
            }
        });
        taken.sort();
    }

    /// An item's number among the negatives.
    fn negative(&self, item: ItemId) -> Option<u32> {
        Some(self.negative_of[item.index()]).filter(|&negative| negative != NONE)
    }

    fn add_window(&self, window: &Window, taken: &mut Taken, shard: &mut Shard) {
        let events = self.data.events;
        let history = events.slice(window.user_start..window.end - 1);
        for at in window.first..window.end - 1 {
            let (event, next) = (events.event(at), events.event(at + 1));
            let slot = self.slot_of[event.item.index()];
            taken.add(slot, self.negative(event.item));
            push_event(&mut shard.sequences, &history, at - window.user_start, slot);
            if !self.data.is_target(next.action) {
                continue;
            }
            let target = self.slot_of[next.item.index()];
            shard.with_target.push(narrow::index(shard.sequences.len()) - 1);
            shard.targets.push(target);
            shard.weights.push(self.recency.as_ref().map_or(1.0, |recency| recency.weight(next.time)));
            let own = self.negative(next.item);
            shard.masked.indices.extend(own);
            match self.seen {
                SeenInTraining::Masked => shard.masked.indices.extend(&taken.negatives),
                SeenInTraining::Competing => {
                    shard.seen.indices.extend(taken.negatives.iter().filter(|&&other| Some(other) != own));
                    shard.target_seen.push(taken.has(target));
                }
            }
            shard.masked.end_position();
            shard.seen.end_position();
        }
        shard.sequences.offsets.push(shard.sequences.len());
    }

    /// Masks negatives that could not be shown at the time of a position's target.
    fn mask_inactive(&self, windows: &[Window], batch: &Batch, shard: &mut Shard) {
        let limited: Vec<(u32, (i64, i64))> = batch
            .negatives
            .iter()
            .enumerate()
            .map(|(n, &slot)| (narrow::index(n), self.data.active[batch.items[slot as usize] as usize]))
            .filter(|&(_, active)| active != (i64::MIN, i64::MAX))
            .collect();
        let events = self.data.events;
        let times = windows.iter().flat_map(|window| {
            (window.first + 1..window.end)
                .filter(|&at| self.data.is_target(events.event(at).action))
                .map(|at| events.event(at).time)
        });
        let plain = std::mem::take(&mut shard.masked);
        shard.masked.clear();
        for (position, time) in times.enumerate() {
            let range = plain.offsets[position]..plain.offsets[position + 1];
            shard.masked.indices.extend(&plain.indices[range]);
            let inactive = limited.iter().filter(|(_, (from, to))| time < *from || time >= *to);
            shard.masked.indices.extend(inactive.map(|&(negative, _)| negative));
            shard.masked.end_position();
        }
    }
}

/// Appends the event `at` of a history; positions count from the newest.
fn push_event(sequences: &mut Sequences, history: &History, at: usize, slot: u32) {
    sequences.items.push(slot);
    sequences.positions.push(narrow::index(history.len() - 1 - at));
    sequences.actions.push(history.actions[at].0);
    let previous = at.checked_sub(1).map(|before| history.times[before]);
    sequences.gaps.push(previous.map_or(0, |previous| gap_bucket(history.times[at] - previous)));
}

/// Cuts windows into `parts` runs of about the same number of events.
fn cut(windows: &[Window], parts: usize) -> impl Iterator<Item = &[Window]> {
    let total: usize = windows.iter().map(|window| window.end - window.first).sum();
    let mut rest = windows;
    let mut done = 0;
    (1..=parts).map(move |part| {
        let goal = total * part / parts;
        let mut taken = 0;
        while taken < rest.len() && done < goal {
            done += rest[taken].end - rest[taken].first;
            taken += 1;
        }
        let (now, later) = rest.split_at(taken);
        rest = later;
        now
    })
}

/// Appends the last `most` events of a history as one sequence; items are catalogue rows.
pub(crate) fn push_history(sequences: &mut Sequences, history: &History, most: usize) {
    for at in history.len().saturating_sub(most)..history.len() {
        push_event(sequences, history, at, history.items[at].0);
    }
    sequences.offsets.push(sequences.len());
}
