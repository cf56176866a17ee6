//! The sources of a trained next-item model.

use super::items::items;
use crate::next_item::ModelView;
use crate::{Data, Error};
use semrank_core::{Dictionary, ItemId, narrow};
use semrank_retrieve::report::DEEP;
use semrank_retrieve::sourcer::{
    CoEngagement, Content, ContentSettings, Fresh, Popular, SemanticId, Sequence,
};
use semrank_retrieve::{Bitmap, Eligibility, Flat, Funnel, Index, Items, Precision, Quota, Request, Sourcer};
use semrank_sequence::{Prior, Servable, UserState};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// From when on a source is late: far above what any takes in memory.
const DEADLINE: Duration = Duration::from_millis(500);
/// Half-life of what counts as popular.
const POPULAR_DAYS: f64 = 7.0;

/// A run's first stage.
pub struct Retrieval {
    /// What may be shown.
    pub items: Items,
    /// The ranker.
    pub servable: Arc<Servable>,
    sequence: Arc<Sequence>,
    sources: Vec<Arc<dyn Sourcer>>,
}

/// A candidate with its id.
#[derive(Debug, Clone, Serialize)]
pub struct Retrieved {
    /// The item's id.
    pub item: String,
    /// Of the fusion.
    pub score: f32,
    /// Which sources found it.
    pub sources: Vec<semrank_retrieve::Provenance>,
}

impl Retrieval {
    /// Builds every source that the model has the means for.
    ///
    /// # Errors
    /// Vectors that are not numbers; item columns that cannot be read.
    pub fn new(view: ModelView) -> Result<Self, Error> {
        let (data, servable) = (view.data, Arc::new(view.servable()));
        let sequence = Arc::new(Sequence::new(servable.clone(), Precision::fastest())?);
        let mut sources: Vec<Arc<dyn Sourcer>> = vec![sequence.clone()];
        sources.extend(content(&servable)?);
        if let Some(ids) = &view.content.tokens {
            sources.push(Arc::new(SemanticId::new(Arc::new(ids.clone()))));
        }
        sources.push(Arc::new(CoEngagement));
        sources.push(Arc::new(Popular::new(&popularity(data))));
        let new: Bitmap = data.scope.counts().iter().map(|&count| count == 0).collect();
        if new.count() > 0 {
            sources.push(Arc::new(Fresh::new(servable.clone(), new)));
        }
        Ok(Self { items: items(data)?, servable, sequence, sources })
    }

    /// Names of the sources.
    pub fn names(&self) -> Vec<&'static str> {
        self.sources.iter().map(|source| source.name()).collect()
    }

    /// The ranker as a source.
    pub fn ranker(&self) -> &Sequence {
        &self.sequence
    }

    /// A funnel of the sources with these quotas; a source without one is left out.
    pub fn funnel(&self, quota: impl Fn(&str) -> Option<usize>) -> Funnel {
        self.with_deadline(DEADLINE, quota)
    }

    /// Every source, as deep as figures look, however long it takes.
    pub(super) fn deep(&self) -> Funnel {
        self.with_deadline(Duration::MAX, |_| Some(DEEP))
    }

    fn with_deadline(&self, deadline: Duration, quota: impl Fn(&str) -> Option<usize>) -> Funnel {
        let with_quota = |source: &Arc<dyn Sourcer>| {
            let items = quota(source.name())?;
            Some(Quota { source: source.clone(), items, deadline })
        };
        Funnel::new(self.sources.iter().filter_map(with_quota).collect())
    }

    /// A funnel of one source.
    ///
    /// # Errors
    /// [`semrank_retrieve::Error::Source`] where there is none of this name.
    pub fn only(&self, name: &str, items: usize) -> Result<Funnel, Error> {
        if !self.names().contains(&name) {
            return Err(semrank_retrieve::Error::Source {
                name: name.to_owned(),
                nearest: semrank_core::nearest(name, self.names()).map(str::to_owned),
                known: self.names().join(", "),
            }
            .into());
        }
        Ok(self.funnel(|other| (other == name).then_some(items)))
    }

    /// The best `k` candidates of a funnel for a user, and what each source did.
    ///
    /// # Errors
    /// A filter that does not fit the columns.
    pub fn retrieve(
        &mut self,
        (user, funnel): (&UserState, &Funnel),
        asked: &Eligibility,
        k: usize,
        ids: &Dictionary,
    ) -> Result<(Vec<Retrieved>, Vec<semrank_retrieve::SourceReport>), Error> {
        let mut eligible = self.items.which(asked)?;
        self.servable.masked(user).iter().for_each(|item| _ = eligible.set(item.0, false));
        let answer = funnel.retrieve(&Request { user, user_id: None, eligible: &eligible }, k);
        let items = answer.items.into_iter().map(|found| Retrieved {
            item: ids.name(found.item).to_owned(),
            score: found.score,
            sources: found.sources,
        });
        Ok((items.collect(), answer.sources))
    }
}

/// The content source, where items have contents. An item without any has no direction: it is near nothing.
fn content(servable: &Arc<Servable>) -> Result<Option<Arc<dyn Sourcer>>, Error> {
    let rows = || {
        narrow::indices(servable.items()).filter_map(|item| Some((item, servable.content_row(ItemId(item))?)))
    };
    let Some((_, first)) = rows().next() else { return Ok(None) };
    let index = Arc::new(Flat::new(first.len(), Precision::fastest()));
    for (item, row) in rows() {
        index.put(item, row, 0.0)?;
    }
    let servable = servable.clone();
    let vectors = Arc::new(move |item: ItemId| servable.content_row(item).map(<[f32]>::to_vec));
    Ok(Some(Arc::new(Content::new(index, vectors, ContentSettings::default()))))
}

/// How popular items were at the end of the training events.
fn popularity(data: &Data) -> Vec<f32> {
    let prior = match data.dataset.events.timed() {
        true => Prior::Recent { half_life_days: POPULAR_DAYS },
        false => Prior::Popularity,
    };
    prior.values(&data.training(&[], None))
}
