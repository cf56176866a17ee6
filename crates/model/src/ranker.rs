//! The trained model as a scorer: the network's logits, the item-item term, the content neighbours, the popularity prior,
//! the seen policy.
//!
//! `score(u, j) = scale · cos(h_u, v_j) + alpha · k(u, j) + content · s(u, j) + beta · prior_j`, and what the seen policy
//! says about items that already are in the history. Of every ten places the last `new_places` go to items without training
//! events ([`crate::keep_places`]), in an order of their own ([`NewItems`]). All of it is chosen on validation
//! ([`crate::choose`]).

use crate::evaluate::{Query, Scorer};
use crate::{
    ItemItem, Network, NewItems, Prior, RowDropout, Sequences, SimilarContent, TrunkSaved, keep_places,
    push_history,
};
use rayon::prelude::*;
use semrank_core::{EventLog, ItemId, narrow};
use semrank_nn::{Mat, kernel, matmul, unit_rows};
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

/// The network with all item vectors computed once.
#[derive(Debug)]
pub struct Encoded<'a> {
    network: &'a Network<f32>,
    events: &'a EventLog,
    vectors: Vec<f32>,
    unit: Vec<f32>,
}

impl<'a> Encoded<'a> {
    /// Computes the vectors of all items; `content` is `[items x C]` or empty.
    pub fn new(network: &'a Network<f32>, events: &'a EventLog, items: usize, content: &[f32]) -> Self {
        let dim = network.dim();
        let all: Vec<u32> = narrow::indices(items).collect();
        let mut vectors = vec![0.0; items * dim];
        network.item_vectors(&all, content, RowDropout::off(), &mut vectors);
        let mut unit = vec![0.0; items * dim];
        unit.par_chunks_mut(1024 * dim).zip(vectors.par_chunks(1024 * dim)).for_each(|(unit, vectors)| {
            unit_rows(dim, vectors, &mut vec![0.0; vectors.len() / dim], unit);
        });
        Self { network, events, vectors, unit }
    }

    /// The log that queries point into.
    pub fn events(&self) -> &'a EventLog {
        self.events
    }

    /// The items of a query's history, oldest first.
    pub fn history(&self, query: &Query) -> &'a [ItemId] {
        self.events.before(query.user, query.end).items
    }

    /// What a policy adds to the score of a seen item.
    pub fn seen_bias(&self, policy: SeenPolicy) -> f32 {
        match policy {
            SeenPolicy::Mask => f32::NEG_INFINITY,
            SeenPolicy::Learned => self.network.seen_bias(),
            SeenPolicy::None => 0.0,
        }
    }

    /// Number of items.
    pub fn items(&self) -> usize {
        self.unit.len() / self.network.dim()
    }

    /// `scale · cos(h_u, v_j)`, `[queries x items]`.
    pub fn logits(&self, queries: &[Query], out: &mut [f32]) {
        let dim = self.network.dim();
        let mut sequences = Sequences::default();
        sequences.clear();
        for query in queries {
            let start = self.events.range(query.user).start;
            push_history(&mut sequences, self.events, start, query.end, self.network.history());
        }
        let mut saved = TrunkSaved::default();
        self.network.trunk_last(&sequences, &self.vectors, &mut saved);
        let mut last = vec![0.0; queries.len() * dim];
        // A user without history has no position; zero scores leave the ranking to the prior.
        let with_history = sequences.offsets.windows(2).enumerate().filter(|(_, ends)| ends[1] > ends[0]);
        for ((query, _), hidden) in with_history.zip(saved.hidden.chunks_exact(dim)) {
            last[query * dim..(query + 1) * dim].copy_from_slice(hidden);
        }
        let mut unit = vec![0.0; last.len()];
        unit_rows(dim, &last, &mut vec![0.0; queries.len()], &mut unit);
        let queries = Mat::new(&unit, queries.len(), dim);
        matmul(out, 0.0, queries, Mat::new(&self.unit, self.items(), dim).t(), self.network.scale());
    }
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

    /// The parts of one item's score for a query, for explanations: logit, item-item, content, prior, seen.
    pub fn explain(&self, query: &Query, items: &[ItemId]) -> Vec<[f32; 5]> {
        let Terms { encoded, item_item, similar, .. } = self.terms;
        let count = encoded.items();
        let mut logits = vec![0.0; count];
        encoded.logits(&[*query], &mut logits);
        let mut term = vec![0.0; count];
        item_item.add(self.history(query), &mut term, &mut Vec::new());
        let mut contents = vec![0.0; count];
        similar.add([self.history(query)].into_iter(), self.blend.content, &mut contents);
        let seen_bias = encoded.seen_bias(self.blend.seen);
        items
            .iter()
            .map(|&item| {
                let seen = if self.history(query).contains(&item) { seen_bias } else { 0.0 };
                let at = item.index();
                [logits[at], self.blend.alpha * term[at], contents[at], self.prior[at], seen]
            })
            .collect()
    }
}

impl Scorer for Ranker<'_> {
    fn name(&self) -> &str {
        "model"
    }

    fn score(&self, queries: &[Query], out: &mut [f32]) {
        let Terms { encoded, item_item, similar, new_items } = self.terms;
        let items = encoded.items();
        encoded.logits(queries, out);
        similar.add(queries.iter().map(|query| self.history(query)), self.blend.content, out);
        let (mut term, mut touched) = (vec![0.0f32; items], Vec::new());
        for (query, scores) in queries.iter().zip(out.chunks_exact_mut(items)) {
            let history = self.history(query);
            if self.blend.alpha != 0.0 {
                item_item.add(history, &mut term, &mut touched);
                for item in touched.drain(..) {
                    // A candidate may stand in the list twice: its term is taken once and cleared.
                    scores[item as usize] += self.blend.alpha * std::mem::take(&mut term[item as usize]);
                }
            }
            kernel::add(self.prior, scores);
            let bias = encoded.seen_bias(self.blend.seen);
            if bias != 0.0 {
                let mut seen: Vec<ItemId> = history.to_vec();
                seen.sort_unstable();
                seen.dedup();
                seen.iter().for_each(|item| scores[item.index()] += bias);
            }
            if let Some(new) = new_items.filter(|_| self.blend.new_places > 0) {
                let mut near = similar.near(history, &new.items);
                let masked = |item: u32| scores[item as usize] == f32::NEG_INFINITY;
                let out = near.iter_mut().zip(&new.items).filter(|(_, item)| masked(**item));
                out.for_each(|(near, _)| *near = f32::NEG_INFINITY);
                keep_places(self.blend.new_places as usize, &new.order(query.user, near), scores);
            }
        }
    }
}
