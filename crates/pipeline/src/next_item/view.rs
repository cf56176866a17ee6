//! A trained next-item model with the data that it scores.

use crate::config::Config;
use crate::data::Data;
use crate::tokens::Content;
use semrank_core::{EventLog, ItemId, UserId};
use semrank_model::artefact::Trained;
use semrank_model::evaluate::Query;
use semrank_model::{Encoded, Ranker, SimilarContent, TrainedContent};
use std::collections::BTreeMap;

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
    pub model: &'a Trained,
}

impl<'a> ModelView<'a> {
    /// The network with all item vectors.
    pub fn encoded(&self) -> Encoded<'a> {
        self.encoded_over(&self.data.dataset.events)
    }

    /// The same, for queries into another log of the same items.
    pub fn encoded_over(&self, events: &'a EventLog) -> Encoded<'a> {
        let items = self.data.dataset.catalog.len();
        Encoded::new(&self.model.network, events, items, self.item_contents())
    }

    /// The network with the vectors that it takes to score some items for each query.
    fn encoded_for(&self, wanted: &[(Query, Vec<ItemId>)]) -> Encoded<'a> {
        if self.model.facts.blend.new_places > 0 {
            // A place that is kept for a new item lies between two of all the others.
            return self.encoded();
        }
        let dataset = &self.data.dataset;
        let queries: Vec<Query> = wanted.iter().map(|one| one.0).collect();
        let items = wanted.iter().flat_map(|one| &one.1).copied();
        let needed = (&queries[..], items);
        let (network, all) = (&self.model.network, dataset.catalog.len());
        Encoded::some(network, &dataset.events, all, needed, self.item_contents())
    }

    fn item_contents(&self) -> &'a [f32] {
        TrainedContent::vectors_or(self.model.content.as_ref(), &self.content.features.values)
    }

    /// The content neighbours.
    pub fn similar(&self) -> SimilarContent {
        self.content.similar(&self.config.blend)
    }

    /// The whole scorer.
    pub fn ranker<'b>(&self, encoded: &'b Encoded<'b>, similar: &'b SimilarContent) -> Ranker<'b>
    where
        'a: 'b,
    {
        self.model.ranker(encoded, similar)
    }

    /// One score per pair, in their order; each user's whole history counts.
    pub fn scores(&self, pairs: &[(UserId, ItemId)]) -> Vec<f32> {
        let mut by_user: BTreeMap<UserId, Vec<usize>> = BTreeMap::new();
        pairs.iter().enumerate().for_each(|(at, pair)| by_user.entry(pair.0).or_default().push(at));
        let wanted = |(&user, places): (&UserId, &Vec<usize>)| {
            let end = self.data.dataset.events.range(user).end;
            (Query { user, end }, places.iter().map(|&at| pairs[at].1).collect())
        };
        let wanted: Vec<(Query, Vec<ItemId>)> = by_user.iter().map(wanted).collect();
        let encoded = self.encoded_for(&wanted);
        let similar = self.similar();
        let found = self.ranker(&encoded, &similar).score_items(&wanted);
        let mut out = vec![0.0; pairs.len()];
        for (places, scores) in by_user.values().zip(found) {
            places.iter().zip(scores).for_each(|(&at, score)| out[at] = score);
        }
        out
    }
}
