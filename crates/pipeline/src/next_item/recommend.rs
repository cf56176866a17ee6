//! The best items of one query, with the parts of their scores.

use super::view::ModelView;
use crate::Error;
use semrank_core::{History, ItemId, Kind, UserId};
use semrank_measure::ranking::{EvaluateError, Scorer};
use semrank_retrieve::Provenance;
use semrank_sequence::{Arena, Parts, Servable, UserState};
use serde::Serialize;

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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// Items of the history that brought it, by the item-item term and by content, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub brought_by: Vec<Source>,
    /// Sources of the first stage that find it within their quotas; empty before they were asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Provenance>,
    /// The item itself.
    #[serde(skip)]
    pub row: ItemId,
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
        self.parts = None;
        self.brought_by.clear();
        self.sources.clear();
    }
}

/// Recommends from one run: item vectors are computed once, however many users are asked for.
pub struct Recommender<'a> {
    view: ModelView<'a>,
    servable: Servable,
}

impl<'a> Recommender<'a> {
    /// Of a model.
    pub fn new(view: ModelView<'a>) -> Self {
        Self { view, servable: view.servable() }
    }

    /// The best `k` items for which `allowed` holds, best first, ties by catalogue row; items that the seen policy masks are
    /// never among them.
    ///
    /// # Errors
    /// Scores that are not numbers.
    pub fn best(
        &self,
        (user, history): (UserId, History),
        k: usize,
        allowed: impl Fn(ItemId) -> bool,
    ) -> Result<Vec<Recommendation>, Error> {
        let (state, mut arena) = (self.servable.user(history), Arena::default());
        let best = self.servable.top_k(&state, k, &allowed, &mut arena).map_err(|item| {
            let scorer = self.servable.name().to_owned();
            EvaluateError::NotANumber { scorer, user: user.0, item: item.0 }
        })?;
        let parts = self.servable.explain(&state, best);
        let catalog = &self.view.data.dataset.catalog;
        let one = |(at, (&(score, item), parts)): (usize, (&(f32, u32), Parts))| {
            let row = ItemId(item);
            Recommendation {
                rank: at + 1,
                item: catalog.name(row).to_owned(),
                text: catalog.label(row),
                kind: kind(catalog.kinds[row.index()]),
                score,
                parts: Some(parts),
                brought_by: self.brought_by(&state, row),
                sources: Vec::new(),
                row,
            }
        };
        Ok(best.iter().zip(parts).enumerate().map(one).collect())
    }

    /// The items of the history that add most to a score.
    fn brought_by(&self, user: &UserState, item: ItemId) -> Vec<Source> {
        let catalog = &self.view.data.dataset.catalog;
        let source = |(source, [item_item, content]): (ItemId, [f32; 2])| Source {
            item: catalog.name(source).to_owned(),
            text: catalog.label(source),
            score: item_item + content,
            item_item,
            content,
        };
        let sources = self.servable.sources(user, item).into_iter().map(source);
        let mut found: Vec<Source> = sources.filter(|source| source.score > 0.0).collect();
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(MOST_SOURCES);
        found
    }
}
