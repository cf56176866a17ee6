//! Cases in, the rank of every target and lists of the best items out, tile by tile.
//!
//! A tile is a block of queries times all items, about 4 MB of scores, written by the scorer and read back from the
//! cache (more where the catalogue is large). Blocks are fixed and their results are in the order of the cases, so nothing
//! depends on the number of threads.

use super::count::count_above;
use super::{EvaluateError, Protocol, RankOptions, Scorer};
use rayon::prelude::*;
use semrank_core::{Best, EventLog, History, ItemId, narrow};
use semrank_data::Case;

/// Scores of one tile.
const TILE_SCORES: usize = 1 << 20;
/// Queries of a tile of a large catalogue, whose item vectors would otherwise be read from memory once for every few of them; as
/// long as their scores stay below 64 MB a thread.
const LEAST_QUERIES: usize = 32;
const MOST_SCORES: usize = 1 << 24;
/// Most queries of one tile; small catalogues would otherwise leave threads without work.
const MOST_QUERIES: usize = 256;

/// Results under one protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranked {
    /// The rank of every case's target, from 1.
    pub ranks: Vec<u32>,
    items: Vec<ItemId>,
    ends: Vec<usize>,
}

impl Ranked {
    /// The best items of the `case`-th case: highest score first, ties by catalogue row.
    ///
    /// Shorter than [`RankOptions::list`] where fewer items are left to rank.
    pub fn list(&self, case: usize) -> &[ItemId] {
        let start = if case == 0 { 0 } else { self.ends[case - 1] };
        &self.items[start..self.ends[case]]
    }

    fn append(&mut self, next: Ranked) {
        let start = self.items.len();
        self.ranks.extend(next.ranks);
        self.items.extend(next.items);
        self.ends.extend(next.ends.iter().map(|end| start + end));
    }
}

/// Results under both protocols, parallel to the cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranking {
    /// Nothing is removed.
    pub strict: Ranked,
    /// Items of the history other than the target are removed.
    pub filtered: Ranked,
}

impl Ranking {
    /// The results under `protocol`.
    pub fn of(&self, protocol: Protocol) -> &Ranked {
        match protocol {
            Protocol::Strict => &self.strict,
            Protocol::Filtered => &self.filtered,
        }
    }
}

/// Ranks every case's target among all `items`.
///
/// # Errors
/// [`EvaluateError::NotANumber`] for the first case, in order, with a NaN score.
///
/// # Panics
/// When a case's target or history has an item not below `items`, or its `end` is not of its user.
pub fn rank(
    scorer: &dyn Scorer,
    events: &EventLog,
    items: usize,
    cases: &[Case],
    options: RankOptions,
) -> Result<Ranking, EvaluateError> {
    let block = histories_of_a_tile(items);
    let blocks: Vec<Result<Ranking, EvaluateError>> = cases
        .par_chunks(block)
        .map_init(|| Worker::new(scorer, events, items, options), Worker::rank_block)
        .collect();
    let mut out = Ranking::default();
    for block in blocks {
        let block = block?;
        out.strict.append(block.strict);
        out.filtered.append(block.filtered);
    }
    Ok(out)
}

/// How many histories are scored together on all `items`.
pub fn histories_of_a_tile(items: usize) -> usize {
    let (usual, most) = (TILE_SCORES / items.max(1), MOST_SCORES / items.max(1));
    usual.max(LEAST_QUERIES.min(most)).clamp(1, MOST_QUERIES)
}

/// One thread's buffers.
struct Worker<'a> {
    scorer: &'a dyn Scorer,
    events: &'a EventLog,
    items: usize,
    options: RankOptions,
    scores: Vec<f32>,
    /// One entry per item: whether the current case has it in its history, the target excepted.
    seen: Vec<bool>,
    best: Best,
}

impl<'a> Worker<'a> {
    fn new(scorer: &'a dyn Scorer, events: &'a EventLog, items: usize, options: RankOptions) -> Self {
        let seen = vec![false; items];
        Self { scorer, events, items, options, scores: Vec::new(), seen, best: Best::default() }
    }

    fn rank_block(&mut self, cases: &[Case]) -> Result<Ranking, EvaluateError> {
        let histories: Vec<History> = cases.iter().map(|case| case.history(self.events)).collect();
        let mut scores = std::mem::take(&mut self.scores);
        scores.resize(cases.len() * self.items, 0.0);
        self.scorer.score(&histories, &mut scores);
        let mut out = Ranking::default();
        let ranked = cases
            .iter()
            .zip(scores.chunks(self.items))
            .try_for_each(|(case, row)| self.rank_case(case, row, &mut out));
        self.scores = scores;
        ranked.map(|()| out)
    }

    fn rank_case(&mut self, case: &Case, row: &[f32], out: &mut Ranking) -> Result<(), EvaluateError> {
        let target = row[case.target.index()];
        let above = count_above(row, target);
        if above.nan {
            return Err(self.not_a_number(case, row));
        }
        let history = case.history(self.events).items;
        let mut removed = 0;
        for &item in history.iter().filter(|&&item| item != case.target) {
            // An item counts once, however often it was seen.
            let first = !std::mem::replace(&mut self.seen[item.index()], true);
            removed += u32::from(first && row[item.index()] >= target);
        }
        out.strict.ranks.push(narrow::count(above.count));
        out.filtered.ranks.push(narrow::count(above.count) - removed);
        if self.options.list > 0 {
            self.push_lists(row, out);
        }
        history.iter().for_each(|item| self.seen[item.index()] = false);
        Ok(())
    }

    fn push_lists(&mut self, row: &[f32], out: &mut Ranking) {
        let k = self.options.list;
        let (strict, filtered) = (&mut out.strict, &mut out.filtered);
        self.best.of(row, k, |_| true, |item| strict.items.push(ItemId(item)));
        self.best.of(row, k, |item| !self.seen[item as usize], |item| filtered.items.push(ItemId(item)));
        strict.ends.push(strict.items.len());
        filtered.ends.push(filtered.items.len());
    }

    fn not_a_number(&self, case: &Case, row: &[f32]) -> EvaluateError {
        let item = row.iter().position(|score| score.is_nan()).unwrap_or_default();
        EvaluateError::NotANumber {
            scorer: self.scorer.name().into(),
            user: case.user.0,
            item: narrow::index(item),
        }
    }
}
