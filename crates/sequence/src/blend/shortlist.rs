//! The items that may come first for a case, under any weights: of a large catalogue a few thousand.
//!
//! NDCG@10 depends only on the first ten places. A score is a sum of five terms with weights of at least 0, so an item that is
//! among the first ten under some weights is high by one of the terms or by a mixture of them: the short list of a case has the best
//! items by network and content neighbours in several mixtures ([`Anchors`]), the most popular ones by each prior, all items
//! with an item-item term, the history and the target. Ranks in it are never behind those among all items, and in the first ten places
//! the same but for items that only a mixture between the anchors lifts out of the first hundreds.

use super::Search;
use super::count::{Tile, Weighted};
use super::grid::Grid;
use crate::columns::Columns;
use crate::servable::Sides;
use crate::{Servable, UserState};
use semrank_core::{Best, ItemId, narrow};
use semrank_data::Case;
use semrank_nn::kernel;

/// Items kept by each anchor.
const TOP: usize = 200;

/// What short lists are made by.
pub(super) struct Anchors {
    /// Weight of the content neighbours, and what does not depend on the user, where it counts.
    mixtures: Vec<(f32, Option<Vec<f32>>)>,
    /// The most popular items by each prior, ascending.
    popular: Vec<u32>,
}

impl Anchors {
    pub(super) fn new(grid: &Grid, priors: &[Vec<f32>]) -> Self {
        let mut popular: Vec<u32> = priors.iter().flat_map(|prior| top(prior)).collect();
        popular.sort_unstable();
        popular.dedup();
        let contents = grid.content_anchors();
        let with_prior = contents.iter().take(2).filter_map(|&content| {
            let prior = priors.first()?.iter().map(|prior| grid.middle_beta() * prior).collect();
            Some((content, Some(prior)))
        });
        let mixtures = contents.iter().map(|&content| (content, None)).chain(with_prior).collect();
        Self { mixtures, popular }
    }
}

fn top(values: &[f32]) -> Vec<u32> {
    let mut best = Best::default();
    best.begin(TOP);
    best.add(0, values, |_| true);
    best.finish().iter().map(|found| found.1).collect()
}

/// The short list of one case; vectors of one length.
pub(super) struct Shortlist {
    /// Ascending.
    items: Vec<u32>,
    logits: Vec<f32>,
    contents: Vec<f32>,
    /// The item-item term.
    terms: Vec<f32>,
    /// Places in the list of the items of the history.
    seen: Vec<u32>,
    /// The target's place in the list.
    target: usize,
}

impl Search<'_> {
    /// The short lists of a block of cases.
    pub(super) fn shortlists(&self, anchors: &Anchors, cases: &[Case]) -> Vec<Shortlist> {
        let users = self.users(cases);
        let sides = Sides::of(users.iter());
        let mut best: Vec<Vec<Best>> = cases.iter().map(|_| anchors.begin()).collect();
        let (items, mut tile, mut mixed) = (self.servable.items(), Tile::default(), Vec::new());
        for first in (0..items).step_by(self.tile_items) {
            let range = first..items.min(first + self.tile_items);
            tile.fill(self.servable, &sides, &Columns::Range(range.clone()));
            for (at, best) in best.iter_mut().enumerate() {
                let [logits, contents] = tile.row(at, range.len());
                for ((content, prior), best) in anchors.mixtures.iter().zip(best) {
                    mixed.clear();
                    mixed.extend_from_slice(logits);
                    kernel::axpy(*content, contents, &mut mixed);
                    prior.iter().for_each(|prior| kernel::add(&prior[range.clone()], &mut mixed));
                    best.add(narrow::index(first), &mixed, |_| true);
                }
            }
        }
        let one = |((case, user), mut best): ((&Case, UserState), Vec<Best>)| {
            let found = best.iter_mut().flat_map(|best| best.finish()).map(|found| found.1);
            let found = found.chain(anchors.popular.iter().copied()).collect();
            Shortlist::new(self.servable, case, user, found)
        };
        cases.iter().zip(users).zip(best).map(one).collect()
    }
}

impl Anchors {
    fn begin(&self) -> Vec<Best> {
        let one = |_| {
            let mut best = Best::default();
            best.begin(TOP);
            best
        };
        self.mixtures.iter().map(one).collect()
    }
}

impl Shortlist {
    fn new(servable: &Servable, case: &Case, user: UserState, found: Vec<u32>) -> Self {
        let mut items = found;
        items.extend(user.terms.iter().map(|term| term.0));
        items.extend(user.seen.iter().map(|item| item.0).chain([case.target.0]));
        items.sort_unstable();
        items.dedup();
        // All of these items are in the list, so that each has a place.
        let place = |item: u32| items.partition_point(|&other| other < item);
        let mut of_items = vec![0.0; items.len()];
        user.terms.iter().for_each(|&(item, term)| of_items[place(item)] = term);
        let seen = user.seen.iter().map(|ItemId(item)| narrow::index(place(*item))).collect();
        let target = place(case.target.0);
        let (mut logits, mut contents) = (vec![0.0; items.len()], vec![0.0; items.len()]);
        let Servable { model, vectors, similar, .. } = servable;
        vectors.logits_of(&model.network, &user.hidden, &Columns::List(&items), &mut logits);
        similar.add_of(&user.profile, 1.0, &Columns::List(&items), &mut contents);
        Self { items, logits, contents, terms: of_items, seen, target }
    }

    /// The target's rank in the list, one per point.
    pub(super) fn ranks(&self, points: &[Weighted]) -> Vec<u32> {
        let (mut dense, mut prior) = (Vec::new(), Vec::new());
        let (mut of_dense, mut of_prior) = (None, None);
        let rank = |point: &Weighted| {
            // Points that differ in alpha, or in the weight of contents, follow each other.
            if of_prior != Some(point.prior.as_ptr()) {
                of_prior = Some(point.prior.as_ptr());
                prior.clear();
                prior.extend(self.items.iter().map(|&item| point.prior[item as usize]));
            }
            if of_dense != Some(point.dense) {
                of_dense = Some(point.dense);
                dense.clear();
                dense.extend_from_slice(&self.logits);
                kernel::axpy(point.blend.content, &self.contents, &mut dense);
                kernel::add(&prior, &mut dense);
                self.seen.iter().for_each(|&at| dense[at as usize] += point.seen_bias);
            }
            let floor = dense[self.target] + point.blend.alpha * self.terms[self.target];
            count_at_least(floor, point.blend.alpha, &dense, &self.terms)
        };
        points.iter().map(rank).collect()
    }
}

kernel! {
    /// How many scores are at least `floor` with their term.
    fn count_at_least<T: Scalar>(floor: T, alpha: T, dense: &[T], terms: &[T]) -> u32 {
        dense.iter().zip(terms).map(|(&score, &term)| u32::from(score + alpha * term >= floor)).sum()
    }
}
