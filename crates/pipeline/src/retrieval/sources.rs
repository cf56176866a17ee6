//! The sources of a trained next-item model.

use super::candidates::Quotas;
use super::items::items;
use crate::next_item::{EncodedItem, Interest, ModelView, interests_among};
use crate::{Data, Error};
use semrank_core::{Catalog, Dictionary, ItemId, narrow};
use semrank_retrieve::report::DEEP;
use semrank_retrieve::sourcer::{
    Cached, CoEngagement, Content, ContentSettings, EarlyStage, Engagement, Fresh, Http, Popular, SemanticId,
    Sequence, Text,
};
use semrank_retrieve::{Bitmap, Early, Flat, Funnel, Index, IndexUrl, Items, Precision, Quota, Sourcer};
use semrank_sequence::{ItemInput, Prior, Servable};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Half-life of what counts as popular.
const POPULAR_DAYS: f64 = 7.0;
/// Users whose last ranking is kept, and how much of it: 40 MB at most.
const CACHED_USERS: usize = 50_000;
pub(super) const CACHED_ITEMS: usize = 100;

/// A run's first stage. Items may be put in, changed, paused and deleted while requests go on: a change is seen by every request that
/// begins after it has returned, and by none in part.
pub struct Retrieval {
    live: RwLock<Live>,
    sequence: Arc<Sequence>,
    content: Option<Arc<Content>>,
    ids: Option<Arc<SemanticId>>,
    text: Option<Arc<Text>>,
    /// Has no quota that validation could choose: it knows nothing before somebody was ranked for.
    pub(super) cached: Arc<Cached>,
    sources: Vec<Arc<dyn Sourcer>>,
    /// Width of a content vector before the part that is aligned with behaviour.
    plain: usize,
    deadline: Duration,
}

/// What changes.
pub struct Live {
    /// The ranker.
    pub servable: Servable,
    /// What may be shown.
    pub items: Items,
    /// Ids of the items.
    pub names: Dictionary,
}

impl Retrieval {
    /// Builds every source that the model has the means for.
    ///
    /// # Errors
    /// Vectors that are not numbers; item columns that cannot be read; an address that cannot be one; an index's server that cannot be
    /// reached.
    pub fn new(view: ModelView) -> Result<Self, Error> {
        let (data, servable) = (view.data, view.servable());
        let url = view.config.retrieve.index()?;
        let rows = empty_index(&url, "sequence", servable.fused_width())?;
        let exact: Box<dyn Index> =
            if rows.is_exact() { rows } else { Box::new(Flat::new(rows.width(), Precision::fastest())) };
        let sequence = Arc::new(Sequence::over(exact, &servable)?);
        let content = content(view, &url)?.map(Arc::new);
        let ids = view.content.tokens.clone().map(|ids| Arc::new(SemanticId::new(ids)));
        let mut sources: Vec<Arc<dyn Sourcer>> = vec![sequence.clone()];
        sources.extend(content.clone().map(|source| source as Arc<dyn Sourcer>));
        sources.extend(ids.clone().map(|source| source as Arc<dyn Sourcer>));
        sources.push(Arc::new(CoEngagement));
        sources.push(Arc::new(Popular::new(&popularity(data))));
        let new: Bitmap = data.scope.counts().iter().map(|&count| count == 0).collect();
        if new.count() > 0 {
            sources.push(Arc::new(Fresh::new(new)));
        }
        let text = text(data)?.map(Arc::new);
        sources.extend(text.clone().map(|source| source as Arc<dyn Sourcer>));
        let deadline = view.config.retrieve.deadline();
        for spec in view.config.retrieve.sources()? {
            sources.push(Arc::new(Http::open(&spec, deadline)?));
        }
        let live = Live { servable, items: items(data, &|_| true)?, names: data.dataset.catalog.ids.clone() };
        let (cached, plain) = (Arc::new(Cached::new(CACHED_USERS)), view.content.aligned);
        Ok(Self { live: RwLock::new(live), sequence, content, ids, text, cached, sources, plain, deadline })
    }

    /// The ranker and the items, as they stay until the guard is dropped.
    pub fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in an item, or replaces what is known of its content, and does what `set` does besides: every source finds it from now on.
    ///
    /// # Errors
    /// A vector that is not of finite numbers: then nothing has changed. A server of an index that fails: some sources may have the
    /// change, and all of them have it once it is put again.
    pub fn put(
        &self,
        id: &str,
        item: &EncodedItem,
        set: impl FnOnce(&mut Items, u32),
    ) -> Result<ItemId, Error> {
        let mut live = self.change();
        let Live { servable, items, names } = &mut *live;
        let row = names.get(id).unwrap_or(narrow::index(items.len()));
        if item.content.iter().chain(&item.similar).any(|value| !value.is_finite()) {
            return Err(semrank_retrieve::Error::NotFinite(row).into());
        }
        // An id that was given never changes, whatever the text says later.
        let codes = self.ids.as_ref().and_then(|ids| ids.of(row));
        let codes = codes.as_ref().unwrap_or(&item.codes);
        servable.put(ItemId(row), &ItemInput { codes, ..item.input() });
        self.sequence.put(servable, row)?;
        if let Some(content) = &self.content {
            content.put(row, &item.content[..self.plain])?;
        }
        if let Some(text) = &self.text {
            text.put(row, &item.text)?;
        }
        if row as usize == items.len() {
            if let Some(ids) = &self.ids {
                ids.push(&item.codes);
            }
            names.insert(id);
            items.push();
        }
        set(items, row);
        Ok(ItemId(row))
    }

    /// Changes what decides whether an item may be shown; returns whether there is such an item.
    pub fn set(&self, id: &str, set: impl FnOnce(&mut Items, u32)) -> bool {
        let mut live = self.change();
        let Some(item) = live.names.get(id) else { return false };
        set(&mut live.items, item);
        true
    }

    /// The interests in some events, oldest first, of items of the run's catalogue; the strongest first.
    ///
    /// # Errors
    /// Those of the content index.
    pub fn interests(&self, catalog: &Catalog, events: &[ItemId]) -> Result<Vec<Interest>, Error> {
        let Some(content) = &self.content else { return Ok(Vec::new()) };
        let (mut vectors, mut with_content) = (Vec::new(), Vec::new());
        for &item in events.iter().filter(|item| item.index() < catalog.len()) {
            if let Some(vector) = content.vector(item.0)? {
                vectors.extend(vector);
                with_content.push(item);
            }
        }
        let width = vectors.len().checked_div(with_content.len()).unwrap_or(0);
        Ok(interests_among(catalog, (vectors, width), &with_content))
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
        self.with_deadline(self.deadline, quota)
    }

    /// The funnel of a process that stays: the sources that have a quota and, beside them, what the ranker put first when it last ranked
    /// for the user ([`Retrieval::rank`]).
    pub fn serving(&self, quotas: &Quotas) -> Funnel {
        let of = |name: &str| Some(quotas.of(name)).filter(|&items| items > 0);
        let cached = Quota { source: self.cached.clone(), items: CACHED_ITEMS, deadline: self.deadline };
        self.funnel(of).with(cached)
    }

    /// The early-stage model of a click ranker as a source.
    pub fn early_stage(&self, model: Arc<Early>, items: usize) -> Quota {
        let source = Arc::new(EarlyStage::new(self.sequence.clone(), model));
        Quota { source, items, deadline: self.deadline }
    }

    /// Every source, as deep as figures look, however long it takes.
    pub(super) fn deep(&self) -> Funnel {
        self.with_deadline(Duration::MAX, |_| Some(DEEP))
    }

    pub(crate) fn with_deadline(&self, deadline: Duration, quota: impl Fn(&str) -> Option<usize>) -> Funnel {
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
}

/// The content source, where items have contents: in their own space, which says other things than the aligned one that the ranker reads.
fn content(view: ModelView, url: &IndexUrl) -> Result<Option<Content>, Error> {
    let (texts, width) = view.content.texts();
    if texts.is_empty() {
        return Ok(None);
    }
    let index = empty_index(url, "content", width)?;
    let engagement = Engagement::new(view.data.scope.counts());
    let out = Content::new(index, engagement, ContentSettings::default());
    out.fill(&texts)?;
    Ok(Some(out))
}

/// A source's own table, without what an earlier process left there.
fn empty_index(url: &IndexUrl, source: &str, width: usize) -> Result<Box<dyn Index>, Error> {
    let index = url.of_source(source).open(width, Precision::fastest())?;
    index.clear()?;
    Ok(index)
}

/// The texts of the catalogue as a source, where the data set has texts.
fn text(data: &Data) -> Result<Option<Text>, Error> {
    let catalog = &data.dataset.catalog;
    if !data.has_text() {
        return Ok(None);
    }
    let items = narrow::indices(catalog.len());
    let texts = items.map(|item| catalog.texts_of(ItemId(item)).collect::<Vec<_>>().join("\n"));
    Ok(Text::new(texts)?)
}

/// How popular items were at the end of the training events.
fn popularity(data: &Data) -> Vec<f32> {
    let prior = match data.dataset.events.timed() {
        true => Prior::Recent { half_life_days: POPULAR_DAYS },
        false => Prior::Popularity,
    };
    prior.values(&data.training(&[], None))
}
