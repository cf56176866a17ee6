//! A trained next-item model with the data that it scores.

use crate::config::Config;
use crate::data::Data;
use crate::tokens::Content;
use semrank_core::{History, ItemId, UserId};
use semrank_sequence::{ItemVectors, Servable, SimilarContent, TrainedContent, artefact::Trained};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Borrowed from a [`Run`](crate::Run).
#[derive(Clone, Copy)]
pub struct ModelView<'a> {
    /// What is scored.
    pub data: &'a Data,
    /// All settings.
    pub config: &'a Config,
    /// What the items' texts say.
    pub content: &'a Content,
    /// Network, item-item term, prior and their weights.
    pub model: &'a Arc<Trained>,
}

impl ModelView<'_> {
    /// The model, ready to score.
    pub fn servable(&self) -> Servable {
        Servable::new(self.model.clone(), &self.content.features.values, self.similar())
    }

    /// The same with the vectors only that it takes to score some items for each history.
    fn servable_for(&self, wanted: &[(History, Vec<ItemId>)]) -> Servable {
        if self.model.facts.blend.new_places > 0 {
            // A place that is kept for a new item lies between two of all the others.
            return self.servable();
        }
        let (histories, items) =
            (wanted.iter().map(|one| one.0), wanted.iter().flat_map(|one| one.1.iter().copied()));
        let (network, all) = (&self.model.network, self.data.dataset.catalog.len());
        let contents = TrainedContent::vectors_or(self.model.content.as_ref(), &self.content.features.values);
        let vectors = ItemVectors::some(network, all, (histories, items), contents);
        Servable::with_vectors(self.model.clone(), vectors, self.similar())
    }

    fn similar(&self) -> SimilarContent {
        self.content.similar(&self.config.blend)
    }

    /// One score per pair, in their order; each user's whole history counts.
    pub fn scores(&self, pairs: &[(UserId, ItemId)]) -> Vec<f32> {
        let mut by_user: BTreeMap<UserId, Vec<usize>> = BTreeMap::new();
        pairs.iter().enumerate().for_each(|(at, pair)| by_user.entry(pair.0).or_default().push(at));
        let wanted = |(&user, places): (&UserId, &Vec<usize>)| {
            (self.data.dataset.events.of(user), places.iter().map(|&at| pairs[at].1).collect())
        };
        let wanted: Vec<(History, Vec<ItemId>)> = by_user.iter().map(wanted).collect();
        let found = self.servable_for(&wanted).score_lists(&wanted);
        let mut out = vec![0.0; pairs.len()];
        for (places, scores) in by_user.values().zip(found) {
            places.iter().zip(scores).for_each(|(&at, score)| out[at] = score);
        }
        out
    }
}
