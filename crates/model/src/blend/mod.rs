//! Chooses, on validation cases only, the weights of item-item term, content neighbours and prior, the prior's half-life
//! and the seen policy.
//!
//! First a coarse grid, then steps to the best neighbour until none is better. Logits are computed once a case and round,
//! tile by tile; every combination is then a rank count over the same rows. The best NDCG@10 wins, ties go to the combination tried first
//! (smaller weights).

mod grid;

use crate::columns::Columns;
use crate::evaluate::{EvaluateError, Query, RankOptions, rank};
use crate::ranker::{TermSpace, distinct};
use crate::{Blend, BlendSettings, Prior, Ranker, Terms, TrainingData};
use grid::{BETA, CONTENT, Grid, PRIOR, Point, SEEN};
use rayon::prelude::*;
use semrank_core::{ItemId, RankMetrics};
use semrank_data::Case;
use semrank_nn::kernel;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Cases of a block, and items that it is scored with at a time: tiles of 4 MB, whose rows stay in the cache while all
/// combinations pass over them.
const BLOCK: usize = 64;
const TILE_ITEMS: usize = 1 << 14;

/// Work of the search: cases x items x combinations stay below this, by taking every n-th case.
const MOST_COUNTED: usize = 40_000_000_000;

/// A chosen blend and its validation NDCG@10.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The weights and the policy.
    pub blend: Blend,
    /// Prior times beta, one number an item.
    pub prior: Vec<f32>,
    /// NDCG@10 over the validation cases used.
    pub ndcg_10: f64,
}

/// Finds a good combination. `learned_seen` says whether training let seen items compete (else only masking and doing
/// nothing are tried).
///
/// # Errors
/// A score that is no number.
pub fn choose(
    terms: &Terms,
    data: &TrainingData,
    cases: &[Case],
    settings: &BlendSettings,
    learned_seen: bool,
) -> Result<Chosen, EvaluateError> {
    let mut kinds = vec![Prior::Popularity];
    if data.events.timed() {
        kinds.extend(settings.half_lives_days.iter().map(|&half_life_days| Prior::Recent { half_life_days }));
    }
    let priors: Vec<Vec<f32>> = kinds.iter().map(|kind| kind.values(data)).collect();
    let grid = Grid::new(kinds, settings, terms, learned_seen);
    let search = Search { terms, priors: &priors, grid: &grid, tile_items: TILE_ITEMS };
    let (point, ndcg_10) = search.run(cases);
    let chosen = Chosen { blend: grid.blend(point), prior: search.prior(point), ndcg_10 };
    keep_places(chosen, terms, data, cases, settings)
}

/// Keeps as many places for items without events as helps those who want them, while NDCG@10 over all cases loses at most
/// `place_price` times their share of the targets.
fn keep_places(
    mut chosen: Chosen,
    terms: &Terms,
    data: &TrainingData,
    cases: &[Case],
    settings: &BlendSettings,
) -> Result<Chosen, EvaluateError> {
    let is_new: Vec<bool> = cases.iter().map(|case| data.counts[case.target.index()] == 0).collect();
    let new_share = is_new.iter().filter(|new| **new).count() as f64 / cases.len().max(1) as f64;
    let may_lose = settings.place_price * new_share;
    if terms.new_items.is_none() || may_lose == 0.0 {
        return Ok(chosen);
    }
    let ndcg_10 = |new_places: usize| {
        let blend = Blend { new_places: new_places as u32, ..chosen.blend };
        let ranker = Ranker { terms: *terms, prior: &chosen.prior, blend };
        let ranking = rank(&ranker, data.events, data.items(), cases, RankOptions::default())?;
        let ranks = ranking.strict.ranks.iter().zip(&is_new);
        let of = |wanted: bool| {
            let ranks = ranks.clone().filter(move |(_, new)| **new || !wanted);
            RankMetrics::from_ranks(ranks.map(|(&rank, _)| rank as usize)).summary().ndcg_10
        };
        Ok::<_, EvaluateError>((of(false), of(true)))
    };
    let (without, mut best_new) = ndcg_10(0)?;
    let mut best = (0, without);
    for &places in &settings.new_places {
        let (all, new) = ndcg_10(places)?;
        if all >= without * (1.0 - may_lose) && new > best_new {
            best_new = new;
            best = (places as u32, all);
        }
    }
    (chosen.blend.new_places, chosen.ndcg_10) = best;
    Ok(chosen)
}

struct Search<'a> {
    terms: &'a Terms<'a>,
    priors: &'a [Vec<f32>],
    grid: &'a Grid,
    tile_items: usize,
}

impl Search<'_> {
    /// A good combination and its NDCG@10 over the cases used.
    fn run(&self, cases: &[Case]) -> (Point, f64) {
        let per_case = self.terms.encoded.items() * self.grid.coarse().len();
        let stride = (cases.len() * per_case).div_ceil(MOST_COUNTED).max(1);
        let sample: Vec<Case> = cases.iter().copied().step_by(stride).collect();
        self.best(&sample)
    }

    /// The best combination of the coarse grid, then of its neighbours, until none is better.
    fn best(&self, cases: &[Case]) -> (Point, f64) {
        let (mut best, mut best_value) = (Point::default(), f64::NEG_INFINITY);
        let mut tried = BTreeSet::new();
        let mut points = self.grid.coarse();
        while !points.is_empty() {
            let before = best_value;
            for (&point, value) in points.iter().zip(self.ndcg_10(&points, cases)) {
                if value > best_value {
                    (best, best_value) = (point, value);
                }
            }
            if best_value <= before {
                break;
            }
            tried.extend(points);
            points = self.grid.around(best).into_iter().filter(|point| !tried.contains(point)).collect();
        }
        (best, best_value)
    }

    /// What does not depend on the user.
    fn prior(&self, point: Point) -> Vec<f32> {
        let blend = self.grid.blend(point);
        self.priors[point[PRIOR]].iter().map(|prior| blend.beta * prior).collect()
    }

    fn ndcg_10(&self, points: &[Point], cases: &[Case]) -> Vec<f64> {
        let ranks = self.ranks(points, cases);
        let metric = |at: usize| RankMetrics::from_ranks(ranks.iter().map(|ranks| ranks[at] as usize));
        (0..points.len()).map(|at| metric(at).summary().ndcg_10).collect()
    }

    /// The target's rank, one list a case and one entry a point.
    fn ranks(&self, points: &[Point], cases: &[Case]) -> Vec<Vec<u32>> {
        let mut priors = BTreeMap::new();
        for point in points {
            priors.entry([point[PRIOR], point[BETA]]).or_insert_with(|| self.prior(*point));
        }
        let points: Vec<Weighted> = points
            .iter()
            .map(|point| Weighted {
                dense: [point[SEEN], point[PRIOR], point[BETA], point[CONTENT]],
                blend: self.grid.blend(*point),
                seen_bias: self.terms.encoded.seen_bias(self.grid.blend(*point).seen),
                prior: &priors[&[point[PRIOR], point[BETA]]],
            })
            .collect();
        cases.par_chunks(BLOCK).flat_map_iter(|block| self.block(&points, block)).collect()
    }

    /// The ranks of a block of cases, one a case and point, counted tile by tile.
    fn block(&self, points: &[Weighted], cases: &[Case]) -> Vec<Vec<u32>> {
        let Terms { encoded, similar, .. } = self.terms;
        let queries: Vec<Query> = cases.iter().map(|case| Query { user: case.user, end: case.end }).collect();
        let hidden = encoded.hidden(&queries);
        let profiles = similar.profiles(queries.iter().map(|query| encoded.history(query)));
        let mut tile = Tile::default();
        let mut targets: Vec<u32> = cases.iter().map(|case| case.target.0).collect();
        targets.sort_unstable();
        targets.dedup();
        tile.fill(self.terms, (&hidden, &profiles), &Columns::List(&targets));
        let mut space = TermSpace::new(encoded.items());
        let mut counts: Vec<Count> = cases
            .iter()
            .enumerate()
            .map(|(at, case)| {
                let column = targets.binary_search(&case.target.0).unwrap_or(0);
                let own = tile.row(at, targets.len()).map(|row| row[column]);
                Count::new(self.terms, points, (case, own), &mut space)
            })
            .collect();
        let (items, mut plain) = (encoded.items(), Plain::default());
        for first in (0..items).step_by(self.tile_items) {
            let range = first..items.min(first + self.tile_items);
            tile.fill(self.terms, (&hidden, &profiles), &Columns::Range(range.clone()));
            for (at, count) in counts.iter_mut().enumerate() {
                count.add(points, &range, tile.row(at, range.len()), &mut plain);
            }
        }
        counts.into_iter().map(|count| count.ranks).collect()
    }
}

/// Logits and content neighbours of a block of cases and some items, each `[cases x columns]`.
#[derive(Default)]
struct Tile {
    logits: Vec<f32>,
    contents: Vec<f32>,
}

impl Tile {
    fn fill(&mut self, terms: &Terms, (hidden, profiles): (&[f32], &[f32]), columns: &Columns) {
        let scores = hidden.len() / terms.encoded.dim() * columns.len();
        self.logits.resize(scores, 0.0);
        terms.encoded.logits_of(hidden, columns, &mut self.logits);
        self.contents.clear();
        self.contents.resize(scores, 0.0);
        terms.similar.add_of(profiles, 1.0, columns, &mut self.contents);
    }

    fn row(&self, case: usize, columns: usize) -> [&[f32]; 2] {
        [&self.logits, &self.contents].map(|part| &part[case * columns..(case + 1) * columns])
    }
}

/// A combination made ready.
struct Weighted<'a> {
    /// Equal where only alpha differs.
    dense: [usize; 4],
    blend: Blend,
    prior: &'a [f32],
    seen_bias: f32,
}

impl Weighted<'_> {
    /// Scores without the item-item term of the items `range`, of which `seen` are in the history.
    fn dense(
        &self,
        range: &Range<usize>,
        [logits, contents]: [&[f32]; 2],
        seen: &[ItemId],
        out: &mut Vec<f32>,
    ) {
        out.clear();
        out.extend_from_slice(logits);
        kernel::axpy(self.blend.content, contents, out);
        kernel::add(&self.prior[range.clone()], out);
        seen.iter().for_each(|item| out[item.index() - range.start] += self.seen_bias);
    }
}

/// The rank count of one case.
struct Count {
    target: usize,
    /// The history, ascending, each item once.
    seen: Vec<ItemId>,
    /// Items with an item-item term, ascending, and their terms.
    touched: Vec<u32>,
    terms: Vec<f32>,
    /// The target's score, one a point.
    floors: Vec<f32>,
    /// Items that score at least that, one a point; the target itself is one of them, so this is its pessimistic rank.
    ranks: Vec<u32>,
}

/// Scores without the item-item term, of all items of a tile and of its touched ones.
#[derive(Default)]
struct Plain {
    all: Vec<f32>,
    touched: Vec<f32>,
}

impl Count {
    fn new(
        terms: &Terms,
        points: &[Weighted],
        (case, own): (&Case, [f32; 2]),
        space: &mut TermSpace,
    ) -> Self {
        let history = terms.encoded.events().before(case.user, case.end).items;
        let (touched, values) = space.terms(terms.item_item, history);
        let mut count = Self {
            target: case.target.index(),
            seen: distinct(history),
            terms: values,
            touched,
            floors: Vec::with_capacity(points.len()),
            ranks: vec![0; points.len()],
        };
        let mut score = Vec::new();
        let range = count.target..count.target + 1;
        let seen = within(&count.seen, &range, |item| item.index());
        let touched = within(&count.touched, &range, |&item| item as usize);
        let term = count.terms.get(touched.start).filter(|_| !touched.is_empty()).copied().unwrap_or(0.0);
        for point in points {
            let own = own.each_ref().map(std::slice::from_ref);
            point.dense(&range, own, &count.seen[seen.clone()], &mut score);
            count.floors.push(score[0] + point.blend.alpha * term);
        }
        count
    }

    /// Counts the items `range`, given their logits and content neighbours.
    fn add(&mut self, points: &[Weighted], range: &Range<usize>, row: [&[f32]; 2], plain: &mut Plain) {
        let seen = &self.seen[within(&self.seen, range, |item| item.index())];
        let touched = within(&self.touched, range, |&item| item as usize);
        let (touched, terms) = (&self.touched[touched.clone()], &self.terms[touched]);
        let mut current = None;
        for ((point, &floor), rank) in points.iter().zip(&self.floors).zip(&mut self.ranks) {
            // Points that differ in alpha alone follow each other: the dense part is made once.
            if current != Some(point.dense) {
                current = Some(point.dense);
                point.dense(range, row, seen, &mut plain.all);
                plain.touched.clear();
                plain.touched.extend(touched.iter().map(|&item| plain.all[item as usize - range.start]));
            }
            // Only items with a term change with alpha: count all, then those again.
            let (without, with) = count_touched(floor, point.blend.alpha, &plain.touched, terms);
            *rank += count_at_least(floor, &plain.all) + with - without;
        }
    }
}

/// Where the values of `range` stand among ascending ones.
fn within<T>(values: &[T], range: &Range<usize>, of: impl Fn(&T) -> usize) -> Range<usize> {
    values.partition_point(|value| of(value) < range.start)
        ..values.partition_point(|value| of(value) < range.end)
}

kernel! {
    /// How many touched items score at least `floor` without their term, and with it.
    fn count_touched<T: Scalar>(floor: T, alpha: T, plain: &[T], terms: &[T]) -> (u32, u32) {
        let without = plain.iter().map(|&score| u32::from(score >= floor)).sum();
        let with = plain.iter().zip(terms).map(|(&s, &term)| u32::from(s + alpha * term >= floor)).sum();
        (without, with)
    }
}

kernel! {
    /// How many scores are at least `floor`.
    fn count_at_least<T: Scalar>(floor: T, scores: &[T]) -> u32 {
        scores.iter().map(|&score| u32::from(score >= floor)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranker::tests::{ITEMS, USERS, World};
    use semrank_core::UserId;

    #[test]
    fn ranks_do_not_depend_on_tiles() {
        let world = World::new();
        let encoded = world.encoded();
        let terms = world.terms(&encoded);
        let cases: Vec<Case> = (0..USERS as u32)
            .map(|user| {
                let end = world.events.range(UserId(user)).end - 1;
                Case { user: UserId(user), end, target: world.events.event(end).item }
            })
            .collect();
        let priors = [vec![0.5; ITEMS], (0..ITEMS).map(|item| (item % 7) as f32).collect()];
        let kinds = vec![Prior::Popularity, Prior::Recent { half_life_days: 3.0 }];
        let grid = Grid::new(kinds, &BlendSettings::default(), &terms, true);
        let ranks = |tile_items: usize| {
            let search = Search { terms: &terms, priors: &priors, grid: &grid, tile_items };
            search.ranks(&grid.coarse(), &cases)
        };
        let whole = ranks(TILE_ITEMS);
        assert!(whole.iter().flatten().all(|rank| (1..=ITEMS as u32).contains(rank)));
        // Ranks say something, and tiles end within, at and beyond a multiple of the catalogue.
        assert!(whole.iter().any(|ranks| ranks.iter().any(|rank| rank != &ranks[0])));
        for tile_items in [ITEMS, ITEMS / 2, 300, 64] {
            assert_eq!(ranks(tile_items), whole, "tiles of {tile_items}");
        }
    }
}
