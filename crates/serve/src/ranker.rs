//! A run and its items as they are now, with the histories of its users: requests in, rankings out. A server and a replay rank with this.

use crate::histories::Events;
use crate::memory::Memory;
use crate::{Problem, RankRequest};
use semrank_pipeline::retrieval::{Ask, Catalogue, Page, Retrieved};
use semrank_pipeline::{Error, Run};
use semrank_retrieve::{Eligibility, Filter, Funnel, SourceReport};
use semrank_store::journal::Journal;
use std::sync::Arc;

/// Items of an answer whose request names no number.
pub(crate) const DEFAULT_K: usize = 10;

/// What a request finds.
pub(crate) struct Found {
    pub(crate) items: Vec<Retrieved>,
    /// Candidates that are unknown or may not be shown.
    pub(crate) left_out: usize,
    pub(crate) sources: Vec<SourceReport>,
}

/// What ranks.
pub(crate) struct Ranker {
    pub(crate) catalogue: Catalogue,
    pub(crate) memory: Arc<Memory>,
    /// Of the sources with their quotas, and of the ranker alone.
    pub(crate) funnels: [Funnel; 2],
}

impl Ranker {
    /// Before the first change of items and the first event of a log.
    ///
    /// # Errors
    /// A run that is not finished or not for next items.
    pub(crate) fn open_before(run: Run, journal: Journal) -> Result<Self, Error> {
        let memory = Arc::new(Memory::of(run.data()?));
        let catalogue = Catalogue::open_before(run, journal)?;
        let retrieval = catalogue.retrieval();
        let quotas = catalogue.run().quotas(retrieval)?;
        let of = |name: &str| Some(quotas.of(name)).filter(|&items| items > 0);
        let funnels =
            [retrieval.funnel(of), retrieval.funnel(|name| of(name).filter(|_| name == "sequence"))];
        Ok(Self { catalogue, memory, funnels })
    }

    /// Events of a user, of items that are known now.
    pub(crate) fn events_of(&self, user: Option<&str>) -> Events {
        let live = self.catalogue.retrieval().live();
        user.and_then(|user| self.memory.events(user, &live)).unwrap_or_default()
    }

    /// Ranks at a moment, for somebody with these events.
    pub(crate) fn ranked(
        &self,
        request: &RankRequest,
        (now_ms, events): (Option<i64>, &Events),
        is_late: bool,
    ) -> Result<Found, Problem> {
        let (k, retrieval) = (request.k.unwrap_or(DEFAULT_K), self.catalogue.retrieval());
        let eligibility = Eligibility { now_ms, filter: filter(request.filter.as_deref())? };
        let ask = Ask { user_id: request.user.as_deref(), ..Ask::new(events.history(), &eligibility) };
        match &request.candidates {
            Some(candidates) => {
                let (items, left_out) = retrieval.rank_these(&ask, candidates, k)?;
                Ok(Found { items, left_out, sources: Vec::new() })
            }
            None => {
                let Page { items, sources } = retrieval.rank(&ask, &self.funnels[usize::from(is_late)], k)?;
                Ok(Found { items, left_out: 0, sources })
            }
        }
    }
}

/// Reads a filter; an empty one is none.
pub(crate) fn filter(text: Option<&str>) -> Result<Option<Filter>, Problem> {
    let filter = text.filter(|text| !text.trim().is_empty()).map(str::parse::<Filter>).transpose();
    filter.map_err(|error| Problem::at("$.filter", error.to_string()))
}
