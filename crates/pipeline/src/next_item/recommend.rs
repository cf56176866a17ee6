//! The best items of one query, with the parts of their scores.

use super::view::ModelView;
use crate::Error;
use semrank_core::{EventLog, ItemId, Kind, narrow};
use semrank_model::evaluate::{EvaluateError, Query, Scorer, best_items};
use semrank_model::{Encoded, Ranker, SimilarContent};
use serde::Serialize;
use std::collections::BTreeMap;

/// History items named for one recommendation.
const MOST_SOURCES: usize = 3;

/// The word for a kind.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Organic => "organic",
        Kind::Ad => "ad",
    }
}

/// A recommended item.
#[derive(Debug, Clone, Serialize)]
pub struct Recommendation {
    /// From 1.
    pub rank: usize,
    /// The item's id.
    pub item: String,
    /// Its texts in one line.
    pub text: String,
    /// `ad` or `organic`.
    pub kind: &'static str,
    /// What it was ranked by.
    pub score: f32,
    /// What the score is made of.
    #[serde(skip_serializing_if = "Parts::is_empty")]
    pub parts: Parts,
    /// Items of the history that brought it, by co-occurrence and by content, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brought_by: Vec<Source>,
    /// The item itself.
    #[serde(skip)]
    pub row: ItemId,
}

/// Summands of a score.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Parts {
    /// Logit of the sequence model.
    pub network: f32,
    /// Weighted item-item term.
    pub item_item: f32,
    /// Weighted content neighbours.
    pub content: f32,
    /// Weighted popularity prior.
    pub popularity: f32,
    /// What the seen policy adds.
    pub seen: f32,
    /// What lifted it to a place that is kept for items without training events.
    #[serde(skip_serializing_if = "is_zero")]
    pub kept_place: f32,
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

impl Parts {
    fn is_empty(&self) -> bool {
        *self == Parts::default()
    }
}

/// An item of the history and what all its events add to a score.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    /// The item's id.
    pub item: String,
    /// Its texts in one line.
    pub text: String,
    /// Both parts.
    pub score: f32,
    /// Its share of the item-item term.
    pub item_item: f32,
    /// Its share of the content neighbours.
    pub content: f32,
}

impl Recommendation {
    /// Keeps item, text, kind and score only.
    pub fn forget_explanation(&mut self) {
        self.parts = Parts::default();
        self.brought_by.clear();
    }
}

/// Recommends from one run: item vectors are computed once, however many users are asked for.
pub struct Recommender<'a> {
    view: ModelView<'a>,
    encoded: Encoded<'a>,
    similar: SimilarContent,
}

impl<'a> Recommender<'a> {
    /// Of a model and the log of its data set.
    pub fn new(view: ModelView<'a>) -> Self {
        Self::over(view, &view.data.dataset.events)
    }

    /// Of a model and another log of the same items, into which queries point.
    pub fn over(view: ModelView<'a>, events: &'a EventLog) -> Self {
        Self { view, encoded: view.encoded_over(events), similar: view.similar() }
    }

    /// The best `k` items for which `allowed` holds, best first, ties by catalogue row; items that the seen policy masks are
    /// never among them.
    ///
    /// # Errors
    /// Scores that are no numbers.
    pub fn best(
        &self,
        query: Query,
        k: usize,
        allowed: impl Fn(ItemId) -> bool,
    ) -> Result<Vec<Recommendation>, Error> {
        let ranker = self.view.ranker(&self.encoded, &self.similar);
        let mut scores = vec![0.0f32; self.encoded.items()];
        ranker.score(&[query], &mut scores);
        if let Some(item) = scores.iter().position(|score| score.is_nan()) {
            let (scorer, user) = (ranker.name().to_owned(), query.user.0);
            return Err(EvaluateError::NotANumber { scorer, user, item: narrow::index(item) }.into());
        }
        let allowed = |item: ItemId| scores[item.index()] > f32::NEG_INFINITY && allowed(item);
        let best = best_items(&scores, k, allowed);
        Ok(describe(&self.view, &ranker, query, &best, &scores))
    }
}

fn describe(
    view: &ModelView,
    ranker: &Ranker,
    query: Query,
    best: &[ItemId],
    scores: &[f32],
) -> Vec<Recommendation> {
    let catalog = &view.data.dataset.catalog;
    let parts = ranker.explain(&query, best);
    let is_new = |item: ItemId| {
        view.model.new_items.as_ref().is_some_and(|new| new.items.binary_search(&item.0).is_ok())
    };
    let one =
        |(at, (&item, [network, item_item, content, popularity, seen])): (usize, (&ItemId, [f32; 5]))| {
            let own = network + item_item + content + popularity + seen;
            let kept_place = if is_new(item) { (scores[item.index()] - own).max(0.0) } else { 0.0 };
            Recommendation {
                rank: at + 1,
                item: catalog.name(item).to_owned(),
                text: catalog.label(item),
                kind: kind(catalog.kinds[item.index()]),
                score: scores[item.index()],
                parts: Parts { network, item_item, content, popularity, seen, kept_place },
                brought_by: sources(view, ranker, query, item),
                row: item,
            }
        };
    best.iter().zip(parts).enumerate().map(one).collect()
}

/// The items of the history that add most to a score.
fn sources(view: &ModelView, ranker: &Ranker, query: Query, item: ItemId) -> Vec<Source> {
    let (catalog, history) = (&view.data.dataset.catalog, ranker.terms.encoded.history(&query));
    // By item: the events of one add up.
    let mut shares: BTreeMap<ItemId, [f32; 2]> = BTreeMap::new();
    let terms = ranker.terms;
    let parts = [
        (ranker.blend.alpha, terms.item_item.sources(history, item)),
        (ranker.blend.content, terms.similar.sources(history, item)),
    ];
    for (part, (weight, sources)) in parts.into_iter().enumerate() {
        sources
            .into_iter()
            .for_each(|(source, added)| shares.entry(source).or_default()[part] += weight * added);
    }
    let mut found: Vec<Source> = shares
        .into_iter()
        .map(|(source, [item_item, content])| Source {
            item: catalog.name(source).to_owned(),
            text: catalog.label(source),
            score: item_item + content,
            item_item,
            content,
        })
        .filter(|source| source.score > 0.0)
        .collect();
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(MOST_SOURCES);
    found
}
