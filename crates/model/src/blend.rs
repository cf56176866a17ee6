//! Chooses, on validation cases only, the weights of item-item term, content neighbours and prior, the prior's half-life
//! and the seen policy.
//!
//! First a coarse grid, then steps to the best neighbour until none is better. Logits are computed once a case and round;
//! every combination is then a rank count over the same row. The best NDCG@10 wins, ties go to the combination tried first
//! (smaller weights).

use crate::evaluate::{EvaluateError, Query, RankOptions, rank};
use crate::{
    Blend, BlendSettings, Encoded, ItemItem, Newcomers, Ranker, SeenPolicy, SimilarContent, TrainingData,
};
use rayon::prelude::*;
use semrank_core::{ItemId, RankMetrics};
use semrank_data::Case;
use semrank_nn::kernel;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const BLOCK: usize = 64;
const DAY_MS: f64 = 86_400_000.0;

/// Work of the search: cases x items x combinations stay below this, by taking every n-th case.
const MOST_COUNTED: usize = 40_000_000_000;

/// How popular items are, one number each. An item without training events has what newcomers teach, or 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Prior {
    /// `ln(1 + training events)`.
    Popularity,
    /// `ln(1 + events)` where an event weighs half as much every half-life before the last training event.
    Recent {
        /// Half-life.
        half_life_days: f64,
    },
}

impl Prior {
    /// One number an item, from the training events.
    pub fn values(self, data: &TrainingData, newcomers: Option<&Newcomers>) -> Vec<f32> {
        let counts = match self {
            Prior::Popularity => data.counts.iter().map(|&count| f64::from(count)).collect(),
            Prior::Recent { half_life_days } => recent(data, half_life_days),
        };
        let mut values: Vec<f32> = counts.iter().map(|count| count.ln_1p() as f32).collect();
        if let Some(newcomers) = newcomers {
            newcomers.predict(data.counts, &mut values);
        }
        values
    }
}

/// Training events of each item, an event weighing half as much every half-life before the last one.
fn recent(data: &TrainingData, half_life_days: f64) -> Vec<f64> {
    let users = 0..data.train_ends.len();
    let events = || users.clone().flat_map(|user| data.range(user)).map(|at| data.events.event(at));
    let now = events().map(|event| event.time).max().unwrap_or(0);
    let mut counts = vec![0.0f64; data.items()];
    for event in events().filter(|event| data.is_target(event.action)) {
        let age_days = (now - event.time) as f64 / DAY_MS;
        counts[event.item.index()] += (-age_days / half_life_days).exp2();
    }
    counts
}

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

/// What is blended.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The network's part.
    pub encoded: &'a Encoded<'a>,
    /// The item-item term.
    pub item_item: &'a ItemItem,
    /// The content neighbours.
    pub similar: &'a SimilarContent,
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
    let newcomers = Newcomers::find(data, settings.newcomers);
    let mut kinds = vec![Prior::Popularity];
    if data.events.timed() {
        kinds.extend(settings.half_lives_days.iter().map(|&half_life_days| Prior::Recent { half_life_days }));
    }
    let priors: Vec<Vec<f32>> = kinds.iter().map(|kind| kind.values(data, newcomers.as_ref())).collect();
    let grid = Grid::new(kinds, settings, terms, learned_seen);
    let search = Search { terms, priors: &priors, grid: &grid };
    let (point, ndcg_10) = search.run(cases);
    let chosen = Chosen { blend: grid.blend(point), prior: search.prior(point), ndcg_10 };
    if newcomers.is_none() {
        return Ok(chosen);
    }
    keep_places(chosen, terms, data, cases, settings)
}

/// Keeps as many places for items without events as helps those who want them, while NDCG@10 over all cases loses at most
/// `place_price` times their share of the targets.
fn keep_places(
    chosen: Chosen,
    terms: &Terms,
    data: &TrainingData,
    cases: &[Case],
    settings: &BlendSettings,
) -> Result<Chosen, EvaluateError> {
    let untouched = untouched(data.counts);
    let is_new: Vec<bool> = cases.iter().map(|case| data.counts[case.target.index()] == 0).collect();
    let new_share = is_new.iter().filter(|new| **new).count() as f64 / cases.len().max(1) as f64;
    let ndcg_10 = |every: usize| {
        let blend = Blend { new_every: every as u32, ..chosen.blend };
        let Terms { encoded, item_item, similar } = *terms;
        let ranker =
            Ranker { encoded, item_item, similar, prior: &chosen.prior, untouched: &untouched, blend };
        let ranking = rank(&ranker, data.events, data.items(), cases, RankOptions::default())?;
        let ranks = ranking.strict.ranks.iter().zip(&is_new);
        let of = |wanted: bool| {
            let ranks = ranks.clone().filter(move |(_, new)| **new || !wanted);
            RankMetrics::from_ranks(ranks.map(|(&rank, _)| rank as usize)).summary().ndcg_10
        };
        Ok::<_, EvaluateError>((of(false), of(true)))
    };
    let (all, mut best_new) = ndcg_10(0)?;
    let floor = all * (1.0 - settings.place_price * new_share);
    let mut out = Chosen { ndcg_10: all, ..chosen.clone() };
    for &every in &settings.new_every {
        let (all, new) = ndcg_10(every)?;
        if all >= floor && new > best_new {
            best_new = new;
            (out.blend.new_every, out.ndcg_10) = (every as u32, all);
        }
    }
    Ok(out)
}

/// Items without training events, ascending.
pub fn untouched(counts: &[u32]) -> Vec<u32> {
    (0..counts.len() as u32).filter(|&item| counts[item as usize] == 0).collect()
}

/// A combination: an index into each list of the grid.
type Point = [usize; 5];

const SEEN: usize = 0;
const PRIOR: usize = 1;
const BETA: usize = 2;
const CONTENT: usize = 3;
const ALPHA: usize = 4;

/// All values that are tried.
struct Grid {
    policies: Vec<SeenPolicy>,
    priors: Vec<Prior>,
    betas: Vec<f64>,
    contents: Vec<f64>,
    alphas: Vec<f64>,
}

impl Grid {
    fn new(priors: Vec<Prior>, settings: &BlendSettings, terms: &Terms, learned_seen: bool) -> Self {
        let of = |wanted: bool, values: &[f64]| if wanted { values.to_vec() } else { vec![0.0] };
        let policies = match learned_seen {
            true => vec![SeenPolicy::Mask, SeenPolicy::Learned, SeenPolicy::None],
            false => vec![SeenPolicy::Mask, SeenPolicy::None],
        };
        Self {
            policies,
            priors,
            betas: settings.betas.clone(),
            contents: of(!terms.similar.is_empty(), &settings.contents),
            alphas: of(settings.window > 0, &settings.alphas),
        }
    }

    fn sizes(&self) -> Point {
        [self.policies.len(), self.priors.len(), self.betas.len(), self.contents.len(), self.alphas.len()]
    }

    fn blend(&self, at: Point) -> Blend {
        Blend {
            seen: self.policies[at[SEEN]],
            prior: self.priors[at[PRIOR]],
            beta: self.betas[at[BETA]] as f32,
            content: self.contents[at[CONTENT]] as f32,
            new_every: 0,
            alpha: self.alphas[at[ALPHA]] as f32,
        }
    }

    /// All policies and priors, and every third value of each weight.
    fn coarse(&self) -> Vec<Point> {
        let sizes = self.sizes();
        product(|axis| match axis {
            SEEN | PRIOR => (0..sizes[axis]).collect(),
            _ => (0..sizes[axis]).step_by(3).collect(),
        })
    }

    /// Everything at most one step of each weight away.
    fn around(&self, point: Point) -> Vec<Point> {
        let sizes = self.sizes();
        product(|axis| match axis {
            SEEN | PRIOR => vec![point[axis]],
            _ => (point[axis].saturating_sub(1)..=(point[axis] + 1).min(sizes[axis] - 1)).collect(),
        })
    }
}

/// All combinations in order, the last axis fastest.
fn product(values: impl Fn(usize) -> Vec<usize>) -> Vec<Point> {
    (0..5).fold(vec![[0; 5]], |points, axis| {
        let values = values(axis);
        let with = |point: Point| {
            values.iter().map(move |&value| {
                let mut point = point;
                point[axis] = value;
                point
            })
        };
        points.into_iter().flat_map(with).collect()
    })
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
