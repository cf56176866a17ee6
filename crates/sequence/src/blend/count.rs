//! The rank of each case's target among all items, for many combinations of weights at once.
//!
//! In: a block of cases and the combinations. Out: one rank per case and combination. The block is scored tile by tile, and every
//! combination is a rank count over the same row; those that differ in the item-item term's weight alone count only the items that
//! have such a term again.

use super::Search;
use crate::columns::Columns;
use crate::servable::Sides;
use crate::{Blend, Servable, UserState};
use semrank_core::ItemId;
use semrank_data::Case;
use semrank_nn::kernel;
use std::ops::Range;

impl Search<'_> {
    /// The ranks of a block of cases, one a case and point, counted tile by tile.
    pub(super) fn block(&self, points: &[Weighted], cases: &[Case]) -> Vec<Vec<u32>> {
        let users = self.users(cases);
        let sides = Sides::of(users.iter());
        let mut tile = Tile::default();
        let mut targets: Vec<u32> = cases.iter().map(|case| case.target.0).collect();
        targets.sort_unstable();
        targets.dedup();
        tile.fill(self.servable, &sides, &Columns::List(&targets));
        let mut counts: Vec<Count> = cases
            .iter()
            .zip(users)
            .enumerate()
            .map(|(at, (case, user))| {
                let column = targets.binary_search(&case.target.0).unwrap_or(0);
                let own = tile.row(at, targets.len()).map(|row| row[column]);
                Count::new(user, points, (case, own))
            })
            .collect();
        let (items, mut plain) = (self.servable.items(), Plain::default());
        for first in (0..items).step_by(self.tile_items) {
            let range = first..items.min(first + self.tile_items);
            tile.fill(self.servable, &sides, &Columns::Range(range.clone()));
            for (at, count) in counts.iter_mut().enumerate() {
                count.add(points, &range, tile.row(at, range.len()), &mut plain);
            }
        }
        counts.into_iter().map(|count| count.ranks).collect()
    }
}

/// Logits and content neighbours of a block of cases and some items, each `[cases x columns]`.
#[derive(Default)]
pub(super) struct Tile {
    logits: Vec<f32>,
    contents: Vec<f32>,
}

impl Tile {
    pub(super) fn fill(&mut self, servable: &Servable, sides: &Sides, columns: &Columns) {
        let Servable { model, vectors, similar, .. } = servable;
        let scores = sides.hidden.len() / model.network.dim() * columns.len();
        self.logits.resize(scores, 0.0);
        vectors.logits_of(&model.network, &sides.hidden, columns, &mut self.logits);
        self.contents.clear();
        self.contents.resize(scores, 0.0);
        similar.add_of(&sides.profiles, 1.0, columns, &mut self.contents);
    }

    pub(super) fn row(&self, case: usize, columns: usize) -> [&[f32]; 2] {
        [&self.logits, &self.contents].map(|part| &part[case * columns..(case + 1) * columns])
    }
}

/// A combination made ready.
pub(super) struct Weighted<'a> {
    /// Equal where only alpha differs.
    pub(super) dense: [usize; 4],
    pub(super) blend: Blend,
    pub(super) prior: &'a [f32],
    pub(super) seen_bias: f32,
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
    /// The target's score, one per point.
    floors: Vec<f32>,
    /// Items that score at least that, one per point; the target itself is one of them, so this is its pessimistic rank.
    ranks: Vec<u32>,
}

/// Scores without the item-item term, of all items of a tile and of its touched ones.
#[derive(Default)]
struct Plain {
    all: Vec<f32>,
    touched: Vec<f32>,
}

impl Count {
    fn new(user: UserState, points: &[Weighted], (case, own): (&Case, [f32; 2])) -> Self {
        let (touched, terms) = user.terms.into_iter().unzip();
        let mut count = Self {
            target: case.target.index(),
            seen: user.seen,
            terms,
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
