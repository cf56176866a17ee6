//! Scores of a few items: queries with the items that each asks for in, the scores that a whole row would hold at these
//! items out, without the row.
//!
//! Queries are taken in blocks, and a block scores the items that any of its queries asks for: candidates of different
//! users overlap, and a product of matrices is cheap. Only where places are kept for new items, and one of these
//! items is asked for, the rest of the catalogue matters: then it is looked at tile by tile.

use super::{Ranker, TermSpace, distinct};
use crate::columns::Columns;
use crate::places::{Others, most_kept};
use rayon::prelude::*;
use semrank_core::ItemId;
use semrank_measure::ranking::Query;

/// Queries of a block.
const QUERIES: usize = 64;
/// Scores of a tile: 4 MB.
const TILE_SCORES: usize = 1 << 20;

/// What a block of queries is compared with items by.
struct Sides {
    queries: Vec<Query>,
    /// `[queries x D]`.
    hidden: Vec<f32>,
    /// `[queries x content width]`.
    profiles: Vec<f32>,
}

impl Ranker<'_> {
    /// For each query the scores of its items, in their order: those that [`Scorer::score`](semrank_measure::ranking::Scorer::score)
    /// gives them.
    pub fn score_items(&self, wanted: &[(Query, Vec<ItemId>)]) -> Vec<Vec<f32>> {
        wanted.par_chunks(QUERIES).flat_map_iter(|block| self.score_block(block)).collect()
    }

    /// The parts of some items' scores for a query, for explanations: logit, item-item, content, prior, seen.
    pub fn explain(&self, query: &Query, items: &[ItemId]) -> Vec<[f32; 5]> {
        let super::Terms { encoded, item_item, similar, .. } = self.terms;
        let listed: Vec<u32> = distinct(items).iter().map(|item| item.0).collect();
        let columns = Columns::List(&listed);
        let sides = self.sides(vec![*query]);
        let (mut logits, mut contents) = (vec![0.0; listed.len()], vec![0.0; listed.len()]);
        encoded.logits_of(&sides.hidden, &columns, &mut logits);
        similar.add_of(&sides.profiles, self.blend.content, &columns, &mut contents);
        let mut space = TermSpace::new(encoded.items());
        item_item.add(self.history(query), &mut space.term, &mut space.touched);
        let (seen, seen_bias) = (distinct(self.history(query)), encoded.seen_bias(self.blend.seen));
        let parts = |item: &ItemId| {
            let seen = if seen.binary_search(item).is_ok() { seen_bias } else { 0.0 };
            let term = self.blend.alpha * space.term[item.index()];
            let [logit, content] =
                columns.place(item.index()).map_or([0.0; 2], |at| [logits[at], contents[at]]);
            [logit, term, content, self.prior[item.index()], seen]
        };
        items.iter().map(parts).collect()
    }

    fn score_block(&self, block: &[(Query, Vec<ItemId>)]) -> Vec<Vec<f32>> {
        let sides = self.sides(block.iter().map(|one| one.0).collect());
        let mut listed: Vec<u32> = block.iter().flat_map(|one| &one.1).map(|item| item.0).collect();
        listed.sort_unstable();
        listed.dedup();
        let mut out: Vec<Vec<f32>> = block.iter().map(|one| vec![0.0; one.1.len()]).collect();
        self.tiles(
            &sides,
            listed.chunks(TILE_SCORES / QUERIES).map(Columns::List),
            |columns, query, scores| {
                for (item, out) in block[query].1.iter().zip(&mut out[query]) {
                    if let Some(at) = columns.place(item.index()) {
                        *out = scores[at];
                    }
                }
            },
        );
        if self.blend.new_places > 0 {
            self.lift(block, &sides, &mut out);
        }
        out
    }

    fn sides(&self, queries: Vec<Query>) -> Sides {
        let hidden = self.terms.encoded.hidden(&queries);
        let profiles = self.terms.similar.profiles(queries.iter().map(|query| self.history(query)));
        Sides { queries, hidden, profiles }
    }

    /// Scores tile after tile; `take` gets the columns, the number of a query and its scores.
    fn tiles<'c>(
        &self,
        sides: &Sides,
        tiles: impl Iterator<Item = Columns<'c>>,
        mut take: impl FnMut(&Columns, usize, &[f32]),
    ) {
        let super::Terms { encoded, similar, .. } = self.terms;
        let (mut space, mut scores) = (TermSpace::new(encoded.items()), Vec::new());
        for columns in tiles {
            scores.resize(sides.queries.len() * columns.len(), 0.0);
            encoded.logits_of(&sides.hidden, &columns, &mut scores);
            similar.add_of(&sides.profiles, self.blend.content, &columns, &mut scores);
            let prior = columns.rows(self.prior, 1);
            let rows = scores.chunks_exact_mut(columns.len());
            for (at, (query, scores)) in sides.queries.iter().zip(rows).enumerate() {
                self.add_rest(query, &columns, &prior, &mut space, scores);
                take(&columns, at, scores);
            }
        }
    }

    /// Raises the scores of items that a place is kept for.
    fn lift(&self, block: &[(Query, Vec<ItemId>)], sides: &Sides, out: &mut [Vec<f32>]) {
        let Some(new) = self.terms.new_items else { return };
        let most = most_kept(self.blend.new_places as usize);
        let favoured = block.iter().map(|(query, _)| self.favoured(query, new, most));
        let asks =
            |(at, favoured): &(usize, Vec<u32>)| block[*at].1.iter().any(|item| favoured.contains(&item.0));
        let asked: Vec<(usize, Vec<u32>)> = favoured.enumerate().filter(asks).collect();
        let some = sides.some(asked.iter().map(|one| one.0));
        let mut others: Vec<Others> =
            asked.iter().map(|_| Others::new(self.blend.new_places as usize)).collect();
        let (items, width) = (self.terms.encoded.items(), TILE_SCORES / asked.len().max(1));
        let all = (0..items).step_by(width).map(|first| Columns::Range(first..items.min(first + width)));
        if !asked.is_empty() {
            self.tiles(&some, all, |columns, at, scores| others[at].add(columns.first(), scores, &new.items));
        }
        for ((at, favoured), mut others) in asked.into_iter().zip(others) {
            for (item, place) in others.places(&favoured) {
                let same = block[at].1.iter().zip(&mut out[at]).filter(|(other, _)| other.0 == item);
                same.for_each(|(_, score)| *score = score.max(place));
            }
        }
    }
}

impl Sides {
    /// Those of some queries.
    fn some(&self, queries: impl Iterator<Item = usize> + Clone) -> Sides {
        let rows = |matrix: &[f32]| -> Vec<f32> {
            let width = matrix.len() / self.queries.len().max(1);
            queries.clone().flat_map(|at| &matrix[at * width..(at + 1) * width]).copied().collect()
        };
        Sides {
            hidden: rows(&self.hidden),
            profiles: rows(&self.profiles),
            queries: queries.clone().map(|at| self.queries[at]).collect(),
        }
    }
}
