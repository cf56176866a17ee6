//! Requests to a run's first stage: candidates, their pages, where given items would come from, and the ranker's list.

use super::Retrieval;
use super::sources::{CACHED_ITEMS, Live};
use crate::Error;
use semrank_core::{History, ItemId};
use semrank_retrieve::{
    Answer, Asked, Bitmap, Candidate, Cursor, Eligibility, Funnel, Provenance, Request, Scored, SourceReport,
};
use semrank_sequence::Parts;
use serde::Serialize;
use std::collections::HashMap;

/// For whom, and what of.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Events, oldest first.
    pub history: History<'a>,
    /// Of somebody who has an id.
    pub user_id: Option<&'a str>,
    /// What the user typed, if they did.
    pub search: Option<&'a str>,
    /// What may be shown.
    pub eligibility: &'a Eligibility,
}

impl<'a> Ask<'a> {
    /// For somebody without an id.
    pub fn new(history: History<'a>, eligibility: &'a Eligibility) -> Self {
        Self { history, user_id: None, search: None, eligibility }
    }
}

/// A candidate with its id.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Retrieved {
    /// The item's id.
    pub item: String,
    /// Of the fusion; of a ranked item the ranker's.
    pub score: f32,
    /// Which sources found it.
    pub sources: Vec<Provenance>,
}

/// Candidates, best first, and what each source did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Page {
    /// The candidates.
    pub items: Vec<Retrieved>,
    /// The sources, in the funnel's order.
    pub sources: Vec<SourceReport>,
}

impl Page {
    fn of(live: &Live, answer: Answer) -> Self {
        let item = |found: Candidate| Retrieved {
            item: live.names.name(found.item).to_owned(),
            score: found.score,
            sources: found.sources,
        };
        Self { items: answer.items.into_iter().map(item).collect(), sources: answer.sources }
    }
}

impl Live {
    /// Rows of the items of these that are known and may be shown, ascending, each once.
    pub(crate) fn rows_of(&self, request: &Request, items: &[String]) -> Vec<ItemId> {
        let rows = items.iter().filter_map(|item| self.names.get(item));
        let mut rows: Vec<ItemId> = rows.filter(|&row| request.eligible.contains(row)).map(ItemId).collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }
}

impl Retrieval {
    /// The best `k` candidates of a funnel, and what each source did.
    ///
    /// # Errors
    /// A filter that does not fit the columns; [`Error::NothingToShow`] where every item is held back.
    pub fn retrieve(&self, ask: &Ask, funnel: &Funnel, k: usize) -> Result<Page, Error> {
        self.with_request(ask, |live, request| Ok(Page::of(live, funnel.retrieve(request, k))))
    }

    /// The best `size` candidates that no earlier page has shown, and whether another page may have more; `cursor` takes them in.
    ///
    /// # Errors
    /// A filter that does not fit the columns; [`Error::NothingToShow`] where every item is held back.
    pub fn page(
        &self,
        ask: &Ask,
        funnel: &Funnel,
        (size, cursor): (usize, &mut Cursor),
    ) -> Result<(Page, bool), Error> {
        self.with_request(ask, |live, request| {
            let (answer, has_more) = funnel.page(request, size, cursor);
            Ok((Page::of(live, answer), has_more))
        })
    }

    /// The ranker's best `k` of what a funnel finds. Where the user has an id and nothing narrows the list, its beginning is remembered: the
    /// source `cached` of [`Retrieval::serving`] finds it at the next request.
    ///
    /// # Errors
    /// Those of [`Retrieval::retrieve`]; scores that are not numbers.
    pub fn rank(&self, ask: &Ask, funnel: &Funnel, k: usize) -> Result<Page, Error> {
        let mut pages = self.rank_arms(ask, &[funnel], k)?;
        Ok(pages.swap_remove(0))
    }

    /// The same for several funnels, the first of which is shown; each source is asked once for each quota. Every list is what its funnel
    /// alone gives: places that are kept for new items depend on a list's candidates.
    ///
    /// # Errors
    /// Those of [`Retrieval::rank`].
    pub fn rank_arms(&self, ask: &Ask, funnels: &[&Funnel], k: usize) -> Result<Vec<Page>, Error> {
        self.with_request(ask, |live, request| {
            let mut asked = Asked::default();
            let arm = |(arm, funnel): (usize, &&Funnel)| {
                let answer = funnel.gather_after(request, k, &mut asked);
                let mut found = Bitmap::new(request.eligible.len());
                answer.items.iter().for_each(|candidate| _ = found.set(candidate.item, true));
                let narrowed = Request { eligible: &found, ..*request };
                let ranked = self.ranker().top_k(&narrowed, k.max(CACHED_ITEMS))?;
                if arm == 0 {
                    self.remember(ask, ranked.iter().map(|&(score, item)| Scored { item, score }));
                }
                let mut sources: HashMap<u32, Vec<Provenance>> =
                    answer.items.into_iter().map(|candidate| (candidate.item, candidate.sources)).collect();
                let item = |&(score, item): &(f32, u32)| Retrieved {
                    item: live.names.name(item).to_owned(),
                    score,
                    sources: sources.remove(&item).unwrap_or_default(),
                };
                Ok(Page { items: ranked.iter().take(k).map(item).collect(), sources: answer.sources })
            };
            funnels.iter().enumerate().map(arm).collect()
        })
    }

    /// The best `k` of some items in the ranker's order, and how many of them were left out: unknown, or not to be shown. An item that is
    /// named twice counts once.
    ///
    /// # Errors
    /// Those of [`Retrieval::retrieve`]; scores that are not numbers.
    pub fn rank_these(
        &self,
        ask: &Ask,
        items: &[String],
        k: usize,
    ) -> Result<(Vec<Retrieved>, usize), Error> {
        self.with_request(ask, |live, request| {
            let rows = live.rows_of(request, items);
            let mut scores = vec![0.0; rows.len()];
            live.servable.score_items(request.user, &rows, &mut scores);
            if let Some(at) = scores.iter().position(|score| score.is_nan()) {
                return Err(semrank_retrieve::Error::Score(rows[at]).into());
            }
            let mut best: Vec<(f32, ItemId)> = scores.into_iter().zip(rows).collect();
            best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let left_out = items.len() - best.len();
            let item = |&(score, item): &(f32, ItemId)| Retrieved {
                item: live.names.name(item.0).to_owned(),
                score,
                sources: Vec::new(),
            };
            Ok((best.iter().take(k).map(item).collect(), left_out))
        })
    }

    /// What the scores of ranked items are made of, in their order.
    ///
    /// # Errors
    /// Those of [`Retrieval::retrieve`].
    pub fn parts(&self, ask: &Ask, ranked: &[(f32, &str)]) -> Result<Vec<Parts>, Error> {
        self.with_request(ask, |live, request| {
            let row = |&(score, item): &(f32, &str)| Some((score, live.names.get(item)?));
            let rows: Vec<(f32, u32)> = ranked.iter().filter_map(row).collect();
            Ok(live.servable.explain(request.user, &rows))
        })
    }

    /// Remembers the beginning of a ranking of a user with an id, where nothing narrowed it.
    pub(crate) fn remember(&self, ask: &Ask, ranked: impl Iterator<Item = Scored>) {
        let user_id = ask.user_id.filter(|_| ask.search.is_none() && ask.eligibility.filter.is_none());
        if let Some(user_id) = user_id {
            self.cached.remember(user_id, ranked.take(CACHED_ITEMS).collect());
        }
    }

    /// Forgets what the ranker last put first for a user.
    pub fn forget(&self, user_id: &str) {
        self.cached.forget(user_id);
    }

    /// Which sources of a funnel find each of some items within their quotas, and at which rank.
    ///
    /// # Errors
    /// A filter that does not fit the columns; [`Error::NothingToShow`] where every item is held back.
    pub fn provenance(
        &self,
        ask: &Ask,
        funnel: &Funnel,
        items: &[ItemId],
    ) -> Result<Vec<Vec<Provenance>>, Error> {
        self.with_request(ask, |_, request| {
            let found = funnel.find(request);
            let of = |item: &ItemId| found.iter().filter_map(|found| found.provenance(item.0)).collect();
            Ok(items.iter().map(of).collect())
        })
    }

    /// Answers with what is asked for, as the sources read it.
    pub(crate) fn with_request<T>(
        &self,
        ask: &Ask,
        answer: impl FnOnce(&Live, &Request) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let live = self.live();
        if live.items.live().count() == 0 && !live.items.is_empty() {
            return Err(Error::NothingToShow { items: live.items.len() });
        }
        let user = live.servable.user(ask.history);
        let mut eligible = live.items.which(ask.eligibility)?;
        live.servable.masked(&user).iter().for_each(|item| _ = eligible.set(item.0, false));
        let request = Request {
            user_id: ask.user_id,
            search: ask.search,
            filter: ask.eligibility.filter.as_ref(),
            names: Some(&live.names),
            ..Request::new(&live.servable, &user, &eligible)
        };
        answer(&live, &request)
    }
}
