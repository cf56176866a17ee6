//! What a user has taken before a position of a window, as far as a batch asks for it: which of its items, and which of
//! them are negatives.
//!
//! The trunk reads a window, but what was taken long before it is no negative either. A window looks back over at most
//! [`SCANNED`] events, or asks an index of the user's items for each item of the batch, so an epoch's work is linear in
//! the length of a history: 200,000 events cost 4,000 times the work of 50, not 16 million times.

use crate::TrainingData;
use semrank_core::ItemId;
use std::collections::BTreeMap;

/// Events that are looked through one by one; longer pasts are indexed. Their index takes 16 bytes per item and asks some
/// ten comparisons of each item of the batch, of which there are some 2,000.
const SCANNED: usize = 16_384;

/// For each long history, by its first event: its items, ascending, and how many events come before each one's first.
#[derive(Debug, Default)]
pub(crate) struct LongHistories {
    firsts: BTreeMap<usize, Vec<(ItemId, usize)>>,
}

impl LongHistories {
    /// Of the training events.
    pub(crate) fn new(data: &TrainingData) -> Self {
        let ranges = (0..data.train_ends.len()).map(|user| data.range(user));
        let long = ranges.filter(|range| range.len() > SCANNED);
        Self { firsts: long.map(|range| (range.start, firsts(&data.events.items()[range]))).collect() }
    }

    /// Calls `note` with every item of `wanted`, and perhaps others, that is among the `past` of a history: its events
    /// from the global index `start` on.
    pub(crate) fn each(&self, start: usize, past: &[ItemId], wanted: &[u32], note: impl FnMut(ItemId)) {
        match self.firsts.get(&start).filter(|_| past.len() > SCANNED.max(wanted.len())) {
            None => past.iter().copied().for_each(note),
            Some(firsts) => {
                let first = |item| firsts.binary_search_by_key(&item, |entry| entry.0).map(|at| firsts[at].1);
                let taken = |item: &ItemId| first(*item).is_ok_and(|first| first < past.len());
                wanted.iter().copied().map(ItemId).filter(taken).for_each(note);
            }
        }
    }
}

fn firsts(items: &[ItemId]) -> Vec<(ItemId, usize)> {
    let mut out: Vec<(ItemId, usize)> = items.iter().enumerate().map(|(at, &item)| (item, at)).collect();
    out.sort_unstable();
    out.dedup_by_key(|entry| entry.0);
    out.shrink_to_fit();
    out
}

/// What one user has taken so far, among the items of a batch; reuse it for the next window.
#[derive(Debug)]
pub(crate) struct Taken {
    /// One entry per item of the batch: the last window that met it.
    met: Vec<u32>,
    window: u32,
    /// Negatives among them, ascending.
    pub(crate) negatives: Vec<u32>,
}

impl Taken {
    /// Nothing yet, of a batch of so many items.
    pub(crate) fn new(items: usize) -> Self {
        Self { met: vec![0; items], window: 0, negatives: Vec::new() }
    }

    /// Begins the next window.
    pub(crate) fn clear(&mut self) {
        self.window += 1;
        self.negatives.clear();
    }

    /// Whether an item of the batch was taken.
    pub(crate) fn has(&self, slot: u32) -> bool {
        self.met[slot as usize] == self.window
    }

    /// Takes an item of the batch; `negative` is its number among the negatives. Leaves them in any order: call
    /// [`Taken::sort`] when the past is complete.
    pub(crate) fn add_past(&mut self, slot: u32, negative: Option<u32>) {
        if !self.has(slot) {
            self.met[slot as usize] = self.window;
            self.negatives.extend(negative);
        }
    }

    /// Puts the negatives of the past in order.
    pub(crate) fn sort(&mut self) {
        self.negatives.sort_unstable();
    }

    /// As [`Taken::add_past`], in its place.
    pub(crate) fn add(&mut self, slot: u32, negative: Option<u32>) {
        if self.has(slot) {
            return;
        }
        self.met[slot as usize] = self.window;
        if let Some(negative) = negative {
            let place = self.negatives.partition_point(|&other| other < negative);
            self.negatives.insert(place, negative);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Batcher, SeenInTraining, Window};
    use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, Rng, UserId};
    use semrank_tower::Negatives;
    use std::collections::BTreeSet;

    const ITEMS: usize = 40;
    const HISTORY: usize = 50;

    /// One user per length, with items drawn at random.
    fn log(lengths: &[usize]) -> EventLog {
        let (mut log, mut rng) = (EventLogBuilder::default(), Rng::new(3, "past"));
        for (user, &length) in lengths.iter().enumerate() {
            for time in 0..length {
                // New items come up to the end: what was taken depends on where a window stands.
                let item = ItemId(rng.below((2 + time * ITEMS / length).min(ITEMS)) as u32);
                log.push(UserId(user as u32), Event { item, action: ActionId(0), time: time as i64 });
            }
        }
        log.finish(lengths.len(), false)
    }

    fn with_data(lengths: &[usize], test: impl FnOnce(TrainingData)) {
        let events = log(lengths);
        let train_ends: Vec<usize> =
            (0..lengths.len()).map(|user| events.range(UserId(user as u32)).end).collect();
        test(TrainingData::new(&events, &train_ends, &[1; ITEMS]));
    }

    fn batches<'a>(
        data: TrainingData<'a>,
        seen: SeenInTraining,
        windows: &'a [Window],
    ) -> impl Iterator<Item = crate::Batch> + 'a {
        let mut batcher = Batcher::new(data, seen, 0.0);
        windows.chunks(15).enumerate().map(move |(step, windows)| {
            batcher.batch(windows, 2, Some((12, Negatives::Uniform)), &mut Rng::new(step as u64, "step"))
        })
    }

    /// The lists of a batch against a look at the whole history at every position.
    fn check(data: TrainingData, seen: SeenInTraining) {
        let windows = data.windows(HISTORY);
        let mut at = 0;
        for batch in batches(data, seen, &windows) {
            let items = data.events.items();
            for shard in &batch.shards {
                let positions = shard.sequences.offsets.windows(2).flat_map(|ends| {
                    let window = &windows[at];
                    at += 1;
                    let start = (0..data.train_ends.len())
                        .map(|user| data.range(user))
                        .find(|range| range.end > window.first)
                        .map_or(0, |range| range.start);
                    (0..ends[1] - ends[0]).map(move |i| (start, window.first + i))
                });
                for (position, (start, at)) in positions.enumerate() {
                    let (past, next) = (&items[start..=at], items[at + 1]);
                    let taken: BTreeSet<u32> = past.iter().map(|item| item.0).collect();
                    let among = |wanted: &dyn Fn(u32) -> bool| -> Vec<u32> {
                        let negatives = batch.negatives.iter().enumerate();
                        negatives
                            .filter(|(_, slot)| wanted(batch.items[**slot as usize]))
                            .map(|(n, _)| n as u32)
                            .collect()
                    };
                    let list = |masked: &semrank_nn::Masked| {
                        masked.indices[masked.offsets[position]..masked.offsets[position + 1]].to_vec()
                    };
                    let masks = seen == SeenInTraining::Masked;
                    let masked = among(&|item| item == next.0 || masks && taken.contains(&item));
                    assert_eq!(list(&shard.masked), masked);
                    let competing = among(&|item| !masks && item != next.0 && taken.contains(&item));
                    assert_eq!(list(&shard.seen), competing);
                    if !masks {
                        assert_eq!(shard.target_seen[position], past.contains(&next));
                    }
                }
            }
        }
        assert_eq!(at, windows.len());
    }

    #[test]
    fn lists_are_those_of_the_whole_history() {
        for seen in [SeenInTraining::Masked, SeenInTraining::Competing] {
            with_data(&[3, 0, 70, 400, 1, 120], |data| check(data, seen));
        }
    }

    #[test]
    fn an_index_knows_what_a_look_through_the_past_finds() {
        with_data(&[2 * SCANNED], |data| {
            let long = LongHistories::new(&data);
            let items = data.events.items();
            for past in [SCANNED - 1, SCANNED, SCANNED + 1, SCANNED * 3 / 2, items.len()] {
                let mut found = BTreeSet::new();
                let wanted: Vec<u32> = (0..ITEMS as u32).rev().collect();
                long.each(0, &items[..past], &wanted, |item| {
                    found.insert(item);
                });
                assert_eq!(found, items[..past].iter().copied().collect());
            }
        });
    }

    #[test]
    fn a_look_back_costs_a_scan_or_the_batch_whatever_the_length_of_the_past() {
        with_data(&[1_000_000], |data| {
            let (long, items) = (LongHistories::new(&data), data.events.items());
            let wanted: Vec<u32> = (0..ITEMS as u32).collect();
            for past in (0..=items.len()).step_by(9_999) {
                let mut looks = 0;
                long.each(0, &items[..past], &wanted, |_| looks += 1);
                assert!(looks <= SCANNED.max(wanted.len()), "{looks} of {past}");
            }
        });
    }

    #[test]
    fn a_million_events_of_one_user_are_a_batch_each_position_once() {
        for seen in [SeenInTraining::Masked, SeenInTraining::Competing] {
            with_data(&[1_000_000], |data| {
                let windows = data.windows(HISTORY);
                let positions: usize = batches(data, seen, &windows).map(|batch| batch.positions()).sum();
                assert_eq!(positions, 999_999);
            });
        }
    }
}
