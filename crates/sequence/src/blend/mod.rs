//! Chooses, on validation cases only, the weights of item-item term, content neighbours and prior, the prior's half-life
//! and the seen policy.
//!
//! First a coarse grid, then steps to the best neighbour until none is better. Logits are computed once per case and round,
//! tile by tile; every combination is then a rank count over the same rows. The best NDCG@10 wins, ties go to the combination tried first
//! (smaller weights). A handful of cases chooses among what chance prefers, so there the middle of the grid has a head start
//! ([`ENOUGH_CASES`]).
//!
//! | file | does |
//! |---|---|
//! | `grid` | the combinations |
//! | `effort` | how many cases are looked at, by the work of the training |
//! | `count` | ranks among all items |
//! | `shortlist` | ranks among the items that may come first: for large catalogues |
//! | `places` | how many places are kept for items without events |

mod count;
mod effort;
mod grid;
mod places;
mod shortlist;

use crate::{Blend, BlendSettings, Prior, Servable, TrainingData, UserState};
use count::Weighted;
use effort::{Effort, Sizes};
use grid::{BETA, CONTENT, Grid, PRIOR, Point, SEEN};
use rayon::prelude::*;
use semrank_core::{EventLog, History};
use semrank_data::Case;
use semrank_measure::{RankMetrics, ranking::EvaluateError};
use shortlist::{Anchors, Shortlist};
use std::collections::{BTreeMap, BTreeSet};

/// Cases of a block, and items that it is scored with at a time: tiles of 4 MB, whose rows stay in the cache while all
/// combinations pass over them.
const BLOCK: usize = 64;
const TILE_ITEMS: usize = 1 << 14;
/// Cases between two reports of progress.
const REPORTED: usize = 8 * BLOCK;
/// From so many cases on, the best combination is the one that ranks them best. With fewer, one that is further from the middle
/// of the grid has to rank them better: with n cases by `1 / n - 1 / ENOUGH_CASES` for each axis from its middle to its end, about
/// one target more in the first place.
const ENOUGH_CASES: usize = 200;

/// How a blend is chosen.
#[derive(Debug, Clone, Copy)]
pub struct BlendTask<'a> {
    /// The weights to try.
    pub settings: &'a BlendSettings,
    /// Whether training let seen items compete (else only masking and doing nothing are tried).
    pub learned_seen: bool,
    /// Multiply-adds of the training: the choice takes a share of them.
    pub work: f64,
}

/// How far a choice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlendProgress {
    /// From 1; 0 while cases are prepared.
    pub round: usize,
    /// Cases done in this round.
    pub done: usize,
    /// Cases of a round.
    pub cases: usize,
}

/// Told of the progress.
type Say<'s> = &'s mut dyn FnMut(BlendProgress);

/// A chosen blend and its validation NDCG@10.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The weights and the policy.
    pub blend: Blend,
    /// Prior times beta, one number per item.
    pub prior: Vec<f32>,
    /// NDCG@10 over the validation cases used.
    pub ndcg_10: f64,
    /// Validation cases that chose the weights.
    pub cases: usize,
}

/// Finds a good combination.
///
/// # Errors
/// A score that is not a number.
pub fn choose(
    servable: &Servable,
    data: &TrainingData,
    cases: &[Case],
    task: &BlendTask,
    say: Say,
) -> Result<Chosen, EvaluateError> {
    let settings = task.settings;
    let mut kinds = vec![Prior::Popularity];
    if data.events.timed() {
        kinds.extend(settings.half_lives_days.iter().map(|&half_life_days| Prior::Recent { half_life_days }));
    }
    let priors: Vec<Vec<f32>> = kinds.iter().map(|kind| kind.values(data)).collect();
    let grid = Grid::new(kinds, settings, servable, task.learned_seen);
    let sizes = Sizes {
        items: servable.items(),
        new_items: servable.new_items.as_ref().map_or(0, |new| new.items.len()),
        widths: [servable.model.network.dim(), servable.similar.width()],
        points: grid.coarse().len(),
    };
    let effort = Effort::new(cases, sizes, task.work);
    let search =
        Search { servable, events: data.events, priors: &priors, grid: &grid, tile_items: TILE_ITEMS };
    let (point, ndcg_10) = search.best(&search.ranked(&effort, say), say);
    let (blend, prior) = (grid.blend(point), search.prior(point));
    let chosen = Chosen { blend, prior, ndcg_10, cases: effort.cases.len() };
    places::keep(chosen, servable, data, &effort.places, settings)
}

struct Search<'a> {
    servable: &'a Servable,
    events: &'a EventLog,
    priors: &'a [Vec<f32>],
    grid: &'a Grid,
    tile_items: usize,
}

/// What combinations are compared on.
enum Ranked {
    /// Cases that are ranked among all items.
    Whole(Vec<Case>),
    /// Cases with the items that may come first.
    Short(Vec<Shortlist>),
}

impl Ranked {
    fn len(&self) -> usize {
        match self {
            Ranked::Whole(cases) => cases.len(),
            Ranked::Short(lists) => lists.len(),
        }
    }
}

impl Search<'_> {
    fn users(&self, cases: &[Case]) -> Vec<UserState> {
        let histories: Vec<History> = cases.iter().map(|case| case.history(self.events)).collect();
        self.servable.users(&histories)
    }

    fn ranked(&self, effort: &Effort, say: Say) -> Ranked {
        if effort.whole {
            return Ranked::Whole(effort.cases.clone());
        }
        let anchors = Anchors::new(self.grid, self.priors);
        let mut lists = Vec::with_capacity(effort.cases.len());
        for cases in effort.cases.chunks(REPORTED) {
            let blocks: Vec<Vec<Shortlist>> =
                cases.par_chunks(BLOCK).map(|block| self.shortlists(&anchors, block)).collect();
            lists.extend(blocks.into_iter().flatten());
            say(BlendProgress { round: 0, done: lists.len(), cases: effort.cases.len() });
        }
        Ranked::Short(lists)
    }

    /// The best combination of the coarse grid, then of its neighbours, until none is better; and its NDCG@10.
    fn best(&self, cases: &Ranked, say: Say) -> (Point, f64) {
        let head_start = (1.0 / cases.len().max(1) as f64 - 1.0 / ENOUGH_CASES as f64).max(0.0);
        let (mut best, mut best_value) = (Point::default(), f64::NEG_INFINITY);
        let mut best_ndcg = 0.0;
        let mut tried = BTreeSet::new();
        let mut points = self.grid.coarse();
        if head_start > 0.0 {
            points.insert(0, self.grid.middle());
        }
        for round in 1.. {
            let before = best_value;
            for (&point, ndcg) in points.iter().zip(self.ndcg_10(&points, (cases, round), say)) {
                let value = ndcg - head_start * self.grid.distance_from_middle(point);
                if value > best_value {
                    (best, best_value, best_ndcg) = (point, value, ndcg);
                }
            }
            tried.extend(points);
            points = self.grid.around(best).into_iter().filter(|point| !tried.contains(point)).collect();
            if best_value <= before || points.is_empty() {
                break;
            }
        }
        (best, best_ndcg)
    }

    /// What does not depend on the user.
    fn prior(&self, point: Point) -> Vec<f32> {
        let blend = self.grid.blend(point);
        self.priors[point[PRIOR]].iter().map(|prior| blend.beta * prior).collect()
    }

    fn ndcg_10(&self, points: &[Point], (cases, round): (&Ranked, usize), say: Say) -> Vec<f64> {
        let mut said = |done: usize| say(BlendProgress { round, done, cases: cases.len() });
        let ranks = self.ranks(points, cases, &mut said);
        let metric = |at: usize| RankMetrics::from_ranks(ranks.iter().map(|ranks| ranks[at] as usize));
        (0..points.len()).map(|at| metric(at).summary().ndcg_10).collect()
    }

    /// The target's rank, one list per case and one entry per point.
    fn ranks(&self, points: &[Point], cases: &Ranked, done: &mut dyn FnMut(usize)) -> Vec<Vec<u32>> {
        let mut priors = BTreeMap::new();
        for point in points {
            priors.entry([point[PRIOR], point[BETA]]).or_insert_with(|| self.prior(*point));
        }
        let points: Vec<Weighted> = points
            .iter()
            .map(|point| Weighted {
                dense: [point[SEEN], point[PRIOR], point[BETA], point[CONTENT]],
                blend: self.grid.blend(*point),
                seen_bias: self.servable.seen_bias(self.grid.blend(*point).seen),
                prior: &priors[&[point[PRIOR], point[BETA]]],
            })
            .collect();
        let mut out = Vec::with_capacity(cases.len());
        match cases {
            Ranked::Whole(cases) => {
                for cases in cases.chunks(REPORTED) {
                    let blocks = cases.par_chunks(BLOCK).flat_map_iter(|block| self.block(&points, block));
                    out.extend(blocks.collect::<Vec<_>>());
                    done(out.len());
                }
            }
            Ranked::Short(lists) => {
                for lists in lists.chunks(REPORTED) {
                    out.extend(lists.par_iter().map(|list| list.ranks(&points)).collect::<Vec<_>>());
                    done(out.len());
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ITEMS, USERS, World};
    use semrank_core::UserId;

    fn cases(world: &World) -> Vec<Case> {
        let case = |user| {
            let end = world.events.range(UserId(user)).end - 1;
            Case { user: UserId(user), end, target: world.events.event(end).item }
        };
        (0..USERS as u32).map(case).collect()
    }

    fn priors() -> ([Vec<f32>; 2], Vec<Prior>) {
        let values = [vec![0.5; ITEMS], (0..ITEMS).map(|item| (item % 7) as f32).collect()];
        (values, vec![Prior::Popularity, Prior::Recent { half_life_days: 3.0 }])
    }

    fn search<'w>(world: &'w World, priors: &'w [Vec<f32>], grid: &'w Grid, tile_items: usize) -> Search<'w> {
        Search { servable: &world.servable, events: &world.events, priors, grid, tile_items }
    }

    #[test]
    fn ranks_do_not_depend_on_tiles() {
        let world = World::new();
        let (cases, (priors, kinds)) = (cases(&world), priors());
        let grid = Grid::new(kinds, &BlendSettings::default(), &world.servable, true);
        let ranks = |tile_items: usize| {
            search(&world, &priors, &grid, tile_items).ranks(
                &grid.coarse(),
                &Ranked::Whole(cases.clone()),
                &mut |_| (),
            )
        };
        let whole = ranks(TILE_ITEMS);
        assert!(whole.iter().flatten().all(|rank| (1..=ITEMS as u32).contains(rank)));
        // Ranks say something, and tiles end within, at and beyond a multiple of the catalogue.
        assert!(whole.iter().any(|ranks| ranks.iter().any(|rank| rank != &ranks[0])));
        for tile_items in [ITEMS, ITEMS / 2, 300, 64] {
            assert_eq!(ranks(tile_items), whole, "tiles of {tile_items}");
        }
    }

    /// Among the first ten places, which are all that NDCG@10 counts.
    #[test]
    fn a_short_list_ranks_as_the_whole_catalogue_does_at_the_top() {
        let world = World::new();
        let (cases, (priors, kinds)) = (cases(&world), priors());
        let grid = Grid::new(kinds, &BlendSettings::default(), &world.servable, true);
        let search = search(&world, &priors, &grid, 300);
        let effort = |whole| Effort { cases: cases.clone(), whole, places: Vec::new() };
        let ranks = |whole| {
            let ranked = search.ranked(&effort(whole), &mut |_| ());
            search.ranks(&grid.coarse(), &ranked, &mut |_| ())
        };
        let (whole, short) = (ranks(true), ranks(false));
        let mut at_the_top = 0;
        for (whole, short) in whole.iter().flatten().zip(short.iter().flatten()) {
            assert!(short <= whole, "{short} of some, {whole} of all");
            assert!(short == whole || *whole > 10 && *short > 10, "{short} of some, {whole} of all");
            at_the_top += usize::from(*whole <= 10);
        }
        assert!(at_the_top > 50, "{at_the_top}");
    }

    #[test]
    fn a_handful_of_cases_does_not_go_to_the_end_of_the_grid() {
        let world = World::new();
        let (cases, (priors, kinds)) = (cases(&world), priors());
        let grid = Grid::new(kinds, &BlendSettings::default(), &world.servable, true);
        let search = search(&world, &priors, &grid, TILE_ITEMS);
        let best = |cases: &[Case]| search.best(&Ranked::Whole(cases.to_vec()), &mut |_| ()).0;
        // A case that no combination ranks among the first ten says nothing, and two of random targets say next to nothing.
        assert_eq!(grid.distance_from_middle(grid.middle()), 0.0);
        for two in cases.chunks(2) {
            let away = grid.distance_from_middle(best(two));
            assert!(away <= 2.0, "{away} for two cases");
        }
        assert_eq!(best(&[]), grid.middle());
    }
}
