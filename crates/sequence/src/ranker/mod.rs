//! The trained model as a scorer: the network's logits, the item-item term, the content neighbours, the popularity prior,
//! the seen policy.
//!
//! `score(u, j) = scale · cos(h_u, v_j) + alpha · k(u, j) + content · s(u, j) + beta · prior_j`, and what the seen policy
//! says about items that already are in the history. Of every ten places the last `new_places` go to items without training
//! events ([`crate::keep_places`]), in an order of their own ([`NewItems`]). All of it is chosen on validation
//! ([`crate::choose`]).

mod encoded;
mod some;
#[cfg(test)]
pub(crate) mod tests;

pub use encoded::Encoded;

use crate::columns::Columns;
use crate::places::most_kept;
use crate::{ItemItem, NewItems, Prior, SimilarContent, keep_places};
use semrank_core::ItemId;
use semrank_measure::ranking::{Query, Scorer};
use semrank_nn::kernel;
use serde::{Deserialize, Serialize};

/// What happens to items that already are in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeenPolicy {
    /// They are never recommended again.
    Mask,
    /// Their logit gets the bias that training learned.
    Learned,
    /// Nothing.
    None,
}

/// What is chosen on validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// Weight of the item-item term.
    pub alpha: f32,
    /// Weight of the content neighbours.
    pub content: f32,
    /// Weight of the popularity prior.
    pub beta: f32,
    /// Of every ten places the last so many are kept for items without training events.
    pub new_places: u32,
    /// Which prior.
    pub prior: Prior,
    /// Items of the history.
    pub seen: SeenPolicy,
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
    /// The items without events, where something is known of them.
    pub new_items: Option<&'a NewItems>,
}

/// The whole scorer.
#[derive(Debug)]
pub struct Ranker<'a> {
    /// What is blended.
    pub terms: Terms<'a>,
    /// What does not depend on the user, one number an item: `beta · prior`.
    pub prior: &'a [f32],
    /// Weights and policy.
    pub blend: Blend,
}

impl Ranker<'_> {
    fn history(&self, query: &Query) -> &[ItemId] {
        self.terms.encoded.history(query)
    }

    /// All that is added to the logits and content neighbours of some items for a query; `prior` is that of these items.
    fn add_rest(
        &self,
        query: &Query,
        columns: &Columns,
        prior: &[f32],
        space: &mut TermSpace,
        scores: &mut [f32],
    ) {
        let Terms { encoded, item_item, .. } = self.terms;
        let history = self.history(query);
        if self.blend.alpha != 0.0 {
            let TermSpace { term, touched } = space;
            item_item.add(history, term, touched);
            for item in touched.drain(..) {
                // A candidate may stand in the list twice: its term is taken once and cleared.
                let term = std::mem::take(&mut term[item as usize]);
                if let Some(at) = columns.place(item as usize) {
                    scores[at] += self.blend.alpha * term;
                }
            }
        }
        kernel::add(prior, scores);
        let bias = encoded.seen_bias(self.blend.seen);
        if bias != 0.0 {
            let seen = distinct(history);
            let places = seen.iter().filter_map(|item| columns.place(item.index()));
            places.for_each(|at| scores[at] += bias);
        }
    }

    /// The `most` new items that places are kept for first, best first. What the seen policy masks is not among them.
    pub(crate) fn favoured(&self, query: &Query, new: &NewItems, most: usize) -> Vec<u32> {
        let history = self.history(query);
        let mut near = self.terms.similar.near(history, &new.items);
        if self.blend.seen == SeenPolicy::Mask {
            let places = history.iter().filter_map(|item| new.items.binary_search(&item.0).ok());
            places.for_each(|at| near[at] = f32::NEG_INFINITY);
        }
        new.order(query.user, near, most)
    }
}

/// Items, ascending, each once.
pub(crate) fn distinct(history: &[ItemId]) -> Vec<ItemId> {
    let mut seen = history.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen
}

/// The item-item term of one query: one entry an item, and the items that have one.
pub(crate) struct TermSpace {
    term: Vec<f32>,
    touched: Vec<u32>,
}

impl TermSpace {
    pub(crate) fn new(items: usize) -> Self {
        Self { term: vec![0.0; items], touched: Vec::new() }
    }

    /// The items with a term, ascending, and their terms.
    pub(crate) fn terms(&mut self, item_item: &ItemItem, history: &[ItemId]) -> (Vec<u32>, Vec<f32>) {
        item_item.add(history, &mut self.term, &mut self.touched);
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let terms = touched.iter().map(|&item| std::mem::take(&mut self.term[item as usize])).collect();
        (touched, terms)
    }
}

impl Scorer for Ranker<'_> {
    fn name(&self) -> &str {
        "model"
    }

    fn score(&self, queries: &[Query], out: &mut [f32]) {
        let Terms { encoded, similar, new_items, .. } = self.terms;
        let items = encoded.items();
        encoded.logits(queries, out);
        similar.add(queries.iter().map(|query| self.history(query)), self.blend.content, out);
        let (all, mut space) = (Columns::Range(0..items), TermSpace::new(items));
        for (query, scores) in queries.iter().zip(out.chunks_exact_mut(items)) {
            self.add_rest(query, &all, self.prior, &mut space, scores);
            if let Some(new) = new_items.filter(|_| self.blend.new_places > 0) {
                let places = self.blend.new_places as usize;
                let favoured = self.favoured(query, new, most_kept(places));
                keep_places(places, &favoured, &new.items, scores);
            }
        }
    }
}
