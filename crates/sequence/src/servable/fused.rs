//! A score as one inner product and a sparse correction, so that the best items of a user are found by one exact search.
//!
//! ```text
//! row_j   = [item vector of length 1 | content vector of length 1], bias_j = beta · prior_j
//! query_u = [scale · h_u             | content · profile_u        ]
//! score(u, j) = <query_u, row_j> + bias_j + constant(u) + sparse(u, j)
//! ```
//!
//! The constant moves all items of a user alike. The sparse part is not 0 for items with an item-item term and, under a seen policy,
//! for items of the history: a few thousand, which are scored one by one. Both sums round, so a search returns what may be among the best within
//! [`FusedQuery::slack`], and [`Servable::best_of`] scores that as the evaluation does: the same items with the same scores, bit by
//! bit.

use super::{SeenPolicy, Servable, Sides, UserState};
use crate::columns::Columns;
use crate::places::{Others, most_kept};
use semrank_core::{Best, ItemId};
use semrank_nn::kernel;

/// What a user's items are searched by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FusedQuery {
    /// As wide as a row.
    pub values: Vec<f32>,
    /// How far below the k-th best score of a search an item may be and still be among the best `k`.
    pub slack: f32,
    /// Items that a search must leave out, ascending: they have terms of their own.
    pub corrected: Vec<u32>,
}

/// How far a fused score and a score may be apart, less the constant, and twice, as both the k-th and another item may be off.
fn rounding(query: &[f32], largest_bias: f32) -> f32 {
    // Sums of D terms are off by D · 2^-24 of the product of lengths (Higham 2002, section 3.1). Rows have two parts of length 1, and the
    // mean of the contents has at most that: the constant is subtracted last, so its size counts as well.
    let terms = (query.len() + 64) as f32;
    4.0 * terms * f32::EPSILON * (3.0 * kernel::dot(query, query).sqrt() + largest_bias)
}

impl Servable {
    /// Width of a fused row.
    pub fn fused_width(&self) -> usize {
        self.model.network.dim() + if self.has_content() { self.similar.width() } else { 0 }
    }

    fn has_content(&self) -> bool {
        !self.similar.is_empty() && self.model.facts.blend.content != 0.0
    }

    /// Writes an item's row and returns its bias.
    ///
    /// # Panics
    /// When there is no such item, or `row` has another width than [`Servable::fused_width`].
    pub fn fused_row(&self, item: ItemId, row: &mut [f32]) -> f32 {
        let (vector, content) = row.split_at_mut(self.model.network.dim());
        vector.copy_from_slice(self.vectors.unit_row(item));
        if self.has_content() {
            content.copy_from_slice(self.similar.unit_row(item));
        }
        self.prior[item.index()]
    }

    /// An item's content vector, of length 1; none where it has no content.
    pub fn content_row(&self, item: ItemId) -> Option<&[f32]> {
        let is_known = !self.similar.is_empty() && item.index() < self.items();
        let row = is_known.then(|| self.similar.unit_row(item));
        row.filter(|row| row.iter().any(|value| *value != 0.0))
    }

    /// What a user's items are searched by; `largest_bias` is the largest of [`Servable::fused_row`], without its sign.
    pub fn fused_query(&self, user: &UserState, largest_bias: f32) -> FusedQuery {
        let (blend, scale) = (self.model.facts.blend, self.model.network.scale());
        let hidden = user.hidden.iter().map(|value| scale * value);
        let profile = user.profile.iter().map(|value| blend.content * value);
        let values: Vec<f32> =
            if self.has_content() { hidden.chain(profile).collect() } else { hidden.collect() };
        let terms = user.terms.iter().filter(|_| blend.alpha != 0.0).map(|term| term.0);
        let seen = user.seen.iter().filter(|_| self.seen_bias(blend.seen) != 0.0).map(|item| item.0);
        let mut corrected: Vec<u32> = terms.chain(seen).collect();
        corrected.sort_unstable();
        corrected.dedup();
        FusedQuery { slack: rounding(&values, largest_bias), values, corrected }
    }

    /// The best `k` of some items, and those that places are kept for, with the scores of [`Servable::top_k`]. `found` holds, in any
    /// order, all items that can be among the best: those of a search for [`Servable::wanted`] items, and the corrected ones.
    /// `allows` says which items may be shown.
    ///
    /// # Errors
    /// The first item whose score is not a number.
    pub fn best_of(
        &self,
        user: &UserState,
        k: usize,
        found: &[u32],
        allows: impl Fn(u32) -> bool,
    ) -> Result<Vec<(f32, u32)>, ItemId> {
        let blended = self.blended();
        let places = blended.blend.new_places as usize;
        let new = self.new_items.as_ref().filter(|_| places > 0);
        let favoured = match new {
            Some(_) => self.favoured(user, blended.blend.seen, most_kept(places), &allows),
            None => Vec::new(),
        };
        let mut items: Vec<u32> = found.iter().chain(&favoured).copied().collect();
        items.sort_unstable();
        items.dedup();
        items.retain(|&item| allows(item));
        let mut scores = vec![0.0; items.len()];
        let sides = Sides::of(std::iter::once(user));
        blended.scores(std::slice::from_ref(user), &sides, &Columns::List(&items), &mut scores);
        if let Some(at) = scores.iter().position(|score| score.is_nan()) {
            return Err(ItemId(items[at]));
        }
        if let Some(new) = new {
            let mut others = Others::new(places);
            items.iter().zip(&scores).for_each(|(&item, &score)| others.add(item, &[score], &new.items));
            for (item, place) in others.places(&favoured) {
                if let Ok(at) = items.binary_search(&item) {
                    scores[at] = scores[at].max(place);
                }
            }
        }
        let mut best = Best::default();
        best.begin(k);
        best.add(0, &scores, |at| scores[at as usize] > f32::NEG_INFINITY);
        Ok(best.finish().iter().map(|&(score, at)| (score, items[at as usize])).collect())
    }

    /// How many items [`Servable::best_of`] needs of a search to find the best `k`: of all items, and of those with training events.
    /// The latter, where places are kept for new items, lie between them.
    pub fn wanted(&self, k: usize) -> [usize; 2] {
        let places = self.model.facts.blend.new_places as usize;
        let has_places = places > 0 && self.new_items.is_some();
        [k, if has_places { Others::most(places) } else { 0 }]
    }

    /// Items of the history, where the seen policy never recommends them again.
    pub fn masked<'u>(&self, user: &'u UserState) -> &'u [ItemId] {
        if self.model.facts.blend.seen == SeenPolicy::Mask { &user.seen } else { &[] }
    }

    /// Items without training events that places are kept for, ascending; none where no place is.
    pub fn new_items(&self) -> &[u32] {
        let new = self.new_items.as_ref().filter(|_| self.model.facts.blend.new_places > 0);
        new.map_or(&[], |new| &new.items)
    }

    /// The best `most` of the items without training events that the model has an order of, for a user, among those that are allowed.
    pub fn new_items_for(&self, user: &UserState, most: usize, allowed: impl Fn(u32) -> bool) -> Vec<u32> {
        self.favoured(user, self.model.facts.blend.seen, most, allowed)
    }
}
