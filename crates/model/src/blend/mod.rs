//! Chooses, on validation cases only, the weights of item-item term, content neighbours and prior, the prior's half-life
//! and the seen policy.
//!
//! First a coarse grid, then steps to the best neighbour until none is better. Logits are computed once a case and round;
//! every combination is then a rank count over the same row. The best NDCG@10 wins, ties go to the combination tried first
//! (smaller weights).

mod grid;

use crate::evaluate::{EvaluateError, Query, RankOptions, rank};
use crate::{Blend, BlendSettings, Prior, Ranker, Terms, TrainingData};
use grid::{BETA, CONTENT, Grid, PRIOR, Point, SEEN};
use rayon::prelude::*;
use semrank_core::{ItemId, RankMetrics};
use semrank_data::Case;
use semrank_nn::kernel;
use std::collections::{BTreeMap, BTreeSet};

const BLOCK: usize = 64;

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
    let search = Search { terms, priors: &priors, grid: &grid };
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
        let mut priors = BTreeMap::new();
        for point in points {
            priors.entry([point[PRIOR], point[BETA]]).or_insert_with(|| self.prior(*point));
        }
        let points: Vec<Weighted> = points
            .iter()
            .map(|point| Weighted {
                dense: [point[SEEN], point[PRIOR], point[BETA], point[CONTENT]],
                blend: self.grid.blend(*point),
                prior: &priors[&[point[PRIOR], point[BETA]]],
            })
            .collect();
        let ranks: Vec<Vec<u32>> =
            cases.par_chunks(BLOCK).flat_map_iter(|block| self.block(&points, block)).collect();
        let metric = |at: usize| RankMetrics::from_ranks(ranks.iter().map(|ranks| ranks[at] as usize));
        (0..points.len()).map(|at| metric(at).summary().ndcg_10).collect()
    }

    fn block(&self, points: &[Weighted], cases: &[Case]) -> Vec<Vec<u32>> {
        let Terms { encoded, similar, .. } = self.terms;
        let items = encoded.items();
        let queries: Vec<Query> = cases.iter().map(|case| Query { user: case.user, end: case.end }).collect();
        let mut logits = vec![0.0; cases.len() * items];
        encoded.logits(&queries, &mut logits);
        let mut contents = vec![0.0; logits.len()];
        similar.add(queries.iter().map(|query| encoded.history(query)), 1.0, &mut contents);
        let mut space = CaseSpace { term: vec![0.0; items], ..CaseSpace::default() };
        let rows = logits.chunks_exact(items).zip(contents.chunks_exact(items));
        cases.iter().zip(rows).map(|(case, rows)| self.case(points, case, rows, &mut space)).collect()
    }

    fn case(
        &self,
        points: &[Weighted],
        case: &Case,
        (logits, contents): (&[f32], &[f32]),
        space: &mut CaseSpace,
    ) -> Vec<u32> {
        let history = self.terms.encoded.events().before(case.user, case.end).items;
        let mut seen: Vec<ItemId> = history.to_vec();
        seen.sort_unstable();
        seen.dedup();
        let target = case.target.index();
        let CaseSpace { term, scores, touched, terms, plain } = space;
        self.terms.item_item.add(history, term, touched);
        touched.sort_unstable();
        touched.dedup();
        terms.clear();
        terms.extend(touched.iter().map(|&item| term[item as usize]));
        let mut current = None;
        let mut ranks = Vec::with_capacity(points.len());
        for Weighted { dense, blend, prior } in points {
            // Points that differ in alpha alone follow each other: the dense part is made once.
            if current != Some(dense) {
                current = Some(dense);
                scores.clear();
                scores.extend_from_slice(logits);
                kernel::axpy(blend.content, contents, scores);
                kernel::add(prior, scores);
                let bias = self.terms.encoded.seen_bias(blend.seen);
                seen.iter().for_each(|item| scores[item.index()] += bias);
                plain.clear();
                plain.extend(touched.iter().map(|&item| scores[item as usize]));
            }
            // Only items with a term change with alpha: count all, then those again.
            let floor = scores[target] + blend.alpha * term[target];
            let (without, with) = count_touched(floor, blend.alpha, plain, terms);
            ranks.push(count_at_least(floor, scores) + with - without);
        }
        touched.drain(..).for_each(|item| term[item as usize] = 0.0);
        ranks
    }
}

/// A combination made ready.
struct Weighted<'a> {
    /// Equal where only alpha differs.
    dense: [usize; 4],
    blend: Blend,
    prior: &'a [f32],
}

#[derive(Default)]
struct CaseSpace {
    /// The item-item term, one entry an item, and the items that have one.
    term: Vec<f32>,
    touched: Vec<u32>,
    /// Scores without the term, one an item.
    scores: Vec<f32>,
    /// Term and score of each touched item.
    terms: Vec<f32>,
    plain: Vec<f32>,
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
    /// How many scores are at least `floor`; the target itself is one of them, so this is its pessimistic rank.
    fn count_at_least<T: Scalar>(floor: T, scores: &[T]) -> u32 {
        scores.iter().map(|&score| u32::from(score >= floor)).sum()
    }
}
