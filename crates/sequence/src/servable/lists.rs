//! Scores of a few items: users with the items that each asks for in, the scores that a whole row would hold at these
//! items out, without the row.
//!
//! Users are taken in blocks, and a block scores the items that any of its users asks for: candidates of different
//! users overlap, and a product of matrices is cheap. Only where places are kept for new items, and one of these
//! items is asked for, the rest of the catalogue matters: then it is looked at tile by tile.

use super::{Blended, Servable, Sides, UserState};
use crate::columns::Columns;
use crate::places::{Others, most_kept};
use rayon::prelude::*;
use semrank_core::{History, ItemId};

/// Users of a block.
const USERS: usize = 64;
/// Scores of a tile: 4 MB.
const TILE_SCORES: usize = 1 << 20;

impl Servable {
    /// The scores of some items for a user, in their order.
    ///
    /// # Panics
    /// When `out` is not as long as `items`, or an item is not below [`Servable::items`].
    pub fn score_items(&self, user: &UserState, items: &[ItemId], out: &mut [f32]) {
        assert_eq!(items.len(), out.len(), "a score for each item");
        let wanted = [items];
        self.blended().lists(std::slice::from_ref(user), &wanted, &mut [out]);
    }

    /// For each history the scores of its items, in their order.
    pub fn score_lists(&self, wanted: &[(History, Vec<ItemId>)]) -> Vec<Vec<f32>> {
        let block = |block: &[(History, Vec<ItemId>)]| {
            let histories: Vec<History> = block.iter().map(|one| one.0).collect();
            let items: Vec<&[ItemId]> = block.iter().map(|one| one.1.as_slice()).collect();
            let mut out: Vec<Vec<f32>> = items.iter().map(|items| vec![0.0; items.len()]).collect();
            let mut rows: Vec<&mut [f32]> = out.iter_mut().map(Vec::as_mut_slice).collect();
            self.blended().lists(&self.users(&histories), &items, &mut rows);
            out
        };
        wanted.par_chunks(USERS).flat_map_iter(block).collect()
    }
}

impl Blended<'_> {
    fn lists(&self, users: &[UserState], wanted: &[&[ItemId]], out: &mut [&mut [f32]]) {
        let mut listed: Vec<u32> = wanted.iter().copied().flatten().map(|item| item.0).collect();
        listed.sort_unstable();
        listed.dedup();
        let tiles = listed.chunks(TILE_SCORES / USERS).map(Columns::List);
        self.tiles(users, tiles, |columns, user, scores| {
            for (item, out) in wanted[user].iter().zip(out[user].iter_mut()) {
                if let Some(at) = columns.place(item.index()) {
                    *out = scores[at];
                }
            }
        });
        if self.blend.new_places > 0 {
            self.lift(users, wanted, out);
        }
    }

    /// Scores tile after tile; `take` gets the columns, the number of a user and its scores.
    fn tiles<'c>(
        &self,
        users: &[UserState],
        tiles: impl Iterator<Item = Columns<'c>>,
        mut take: impl FnMut(&Columns, usize, &[f32]),
    ) {
        let (sides, mut scores) = (Sides::of(users.iter()), Vec::new());
        for columns in tiles {
            scores.resize(users.len() * columns.len(), 0.0);
            self.scores(users, &sides, &columns, &mut scores);
            for (at, scores) in scores.chunks_exact(columns.len()).enumerate() {
                take(&columns, at, scores);
            }
        }
    }

    /// Raises the scores of items that a place is kept for.
    fn lift(&self, users: &[UserState], wanted: &[&[ItemId]], out: &mut [&mut [f32]]) {
        let Some(new) = &self.servable.new_items else { return };
        let (items, places) = (self.servable.items(), self.blend.new_places as usize);
        for ((user, wanted), out) in users.iter().zip(wanted).zip(out) {
            let favoured = self.servable.favoured(user, self.blend.seen, most_kept(places), |_| true);
            if !wanted.iter().any(|item| favoured.contains(&item.0)) {
                continue;
            }
            let mut others = Others::new(places);
            let all = (0..items).step_by(TILE_SCORES);
            let all = all.map(|first| Columns::Range(first..items.min(first + TILE_SCORES)));
            self.tiles(std::slice::from_ref(user), all, |columns, _, scores| {
                others.add(columns.first(), scores, &new.items);
            });
            for (item, place) in others.places(&favoured) {
                let same = wanted.iter().zip(out.iter_mut()).filter(|(other, _)| other.0 == item);
                same.for_each(|(_, score)| *score = score.max(place));
            }
        }
    }
}
