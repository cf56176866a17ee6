//! The best items of one query, with the parts of their scores.

use crate::error::Error;
use crate::run::{Finished, kind};
use semrank_core::{History, ItemId, UserId};
use semrank_measure::ranking::{EvaluateError, Scorer};
use semrank_sequence::{Arena, Parts, Servable, UserState};
use serde::Serialize;

/// History items named for one recommendation.
const MOST_SOURCES: usize = 3;

/// A recommended item.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Recommendation {
    /// From 1.
    pub(crate) rank: usize,
    /// The item's id.
    pub(crate) item: String,
    /// Its texts in one line.
    pub(crate) text: String,
    /// `ad` or `organic`.
    pub(crate) kind: &'static str,
    /// What it was ranked by.
    pub(crate) score: f32,
    /// What the score is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<Parts>,
    /// Items of the history that brought it, by co-occurrence and by content, strongest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) brought_by: Vec<Source>,
    #[serde(skip)]
    pub(crate) row: ItemId,
}

/// An item of the history and what all its events add to a score.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Source {
    /// The item's id.
    pub(crate) item: String,
    /// Its texts in one line.
    pub(crate) text: String,
    /// Both parts.
    pub(crate) score: f32,
    /// Its share of the item-item term.
    pub(crate) item_item: f32,
    /// Its share of the content neighbours.
    pub(crate) content: f32,
}

impl Recommendation {
    /// Keeps item, text, kind and score only.
    pub(crate) fn forget_explanation(&mut self) {
        self.parts = None;
        self.brought_by.clear();
    }
}

/// Recommends from one run: item vectors are computed once, however many users are asked for.
pub(crate) struct Recommender<'a> {
    run: &'a Finished,
    servable: Servable,
}

impl<'a> Recommender<'a> {
    pub(crate) fn new(run: &'a Finished) -> Self {
        Self { run, servable: run.servable() }
    }

    /// The best `k` items for which `allowed` holds, best first, ties by catalogue row; items that the seen policy masks are
    /// never among them.
    pub(crate) fn best(
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
        let catalog = &self.run.data.dataset.catalog;
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
                row,
            }
        };
        Ok(best.iter().zip(parts).enumerate().map(one).collect())
    }

    /// The items of the history that add most to a score.
    fn brought_by(&self, user: &UserState, item: ItemId) -> Vec<Source> {
        let catalog = &self.run.data.dataset.catalog;
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
