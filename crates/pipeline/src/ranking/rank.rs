//! A request in, the best items with probabilities and sources out.

use super::early::EarlyModel;
use crate::response::{ClickModel, LaterItem, Moment};
use crate::retrieval::{Ask, Live, Quotas, Retrieval};
use crate::{Error, Run};
use semrank_core::ItemId;
use semrank_response::Score;
use semrank_retrieve::{Asked, Candidate, Funnel, Provenance, Quota, Request, Scored, SourceReport};
use serde::Serialize;
use std::collections::HashMap;

/// Candidates of the early-stage model, where it is a source.
const EARLY_ITEMS: usize = 200;

/// A click model behind a funnel. Ranking borrows; what was shown and what came of it goes to [`ClickRanking::clicks`].
pub struct ClickRanking {
    clicks: ClickModel,
    early: Option<EarlyModel>,
}

/// How many items a request goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depth {
    /// Candidates that the click model scores at most.
    pub candidates: usize,
    /// Items of the answer.
    pub k: usize,
}

/// A ranked item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The item's id.
    pub item: String,
    /// Of the task's probability: what items are ordered by.
    pub log_odds: f64,
    /// Of the task: of a click, or of a click and a conversion.
    pub probability: f64,
    /// Of a click.
    pub click: f64,
    /// Of a conversion, given a click; none where conversions are not predicted.
    pub conversion: Option<f64>,
    /// Which sources found it.
    pub sources: Vec<Provenance>,
}

/// Scores of items, and the items by their log odds.
struct Ordered {
    scores: Vec<Score>,
    order: Vec<(f64, usize)>,
    version: u64,
}

/// The best items, best first, and what each source did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RankedPage {
    /// The items.
    pub items: Vec<Ranked>,
    /// Candidates that the click model scored.
    pub scored: usize,
    /// Changes that its features had seen ([`ClickModel::version`]).
    pub version: u64,
    /// The sources, in the funnel's order.
    pub sources: Vec<SourceReport>,
}

impl ClickRanking {
    /// A click model behind the first stage of a run, with the early-stage model that `semrank index RUN --clicks CLICKS` made, if it did.
    ///
    /// # Errors
    /// [`Error::OtherCatalogue`]; an early-stage model that is damaged, or of other runs.
    pub fn open(run: &Run, retrieval: &Retrieval, clicks: ClickModel) -> Result<Self, Error> {
        clicks.check_catalogue(run.data()?)?;
        Ok(Self { early: run.early(retrieval, &clicks)?, clicks })
    }

    /// The click model.
    pub fn clicks(&self) -> &ClickModel {
        &self.clicks
    }

    /// The early-stage model.
    pub fn early(&self) -> Option<&EarlyModel> {
        self.early.as_ref()
    }

    /// The funnel of a process that stays: that of [`Retrieval::serving`], with the early-stage model.
    pub fn funnel(&self, retrieval: &Retrieval, quotas: &Quotas) -> Funnel {
        self.with_early(retrieval, retrieval.serving(quotas))
    }

    /// A funnel with the early-stage model as a source, where it finds more of the click model's list than other sources do.
    pub fn with_early(&self, retrieval: &Retrieval, funnel: Funnel) -> Funnel {
        match self.early_quota(retrieval) {
            Some(quota) => funnel.with(quota),
            None => funnel,
        }
    }

    /// The early-stage model as a source, where it is one; funnels that share it ask it once.
    pub fn early_quota(&self, retrieval: &Retrieval) -> Option<Quota> {
        let early = self.early.as_ref().filter(|early| early.report.is_source)?;
        Some(retrieval.early_stage(early.model.clone(), EARLY_ITEMS))
    }

    /// The best items of what a funnel finds, by the task's probability, of equal ones the lower item. The beginning of a list that nothing
    /// narrows is remembered for the source `cached`.
    ///
    /// # Errors
    /// Those of [`Retrieval::retrieve`]; a probability that is not a number.
    pub fn rank(
        &self,
        retrieval: &Retrieval,
        at: (&Ask, &Moment),
        funnel: &Funnel,
        depth: Depth,
    ) -> Result<RankedPage, Error> {
        let mut pages = self.rank_arms(retrieval, at, &[funnel], depth)?;
        Ok(pages.swap_remove(0))
    }

    /// The same for several funnels, the first of which is shown: each source is asked once for each quota, and each candidate is scored once.
    ///
    /// # Errors
    /// Those of [`ClickRanking::rank`].
    pub fn rank_arms(
        &self,
        retrieval: &Retrieval,
        (ask, moment): (&Ask, &Moment),
        funnels: &[&Funnel],
        depth: Depth,
    ) -> Result<Vec<RankedPage>, Error> {
        retrieval.with_request(ask, |live, request| {
            let (least, mut asked) = (depth.candidates.max(depth.k), Asked::default());
            let arms: Vec<(Vec<Candidate>, Vec<SourceReport>)> = funnels
                .iter()
                .map(|funnel| {
                    let answer = funnel.gather_after(request, least, &mut asked);
                    (self.cut(live, request, answer.items, least), answer.sources)
                })
                .collect();
            let mut items: Vec<ItemId> =
                arms.iter().flat_map(|(found, _)| found).map(|candidate| ItemId(candidate.item)).collect();
            if funnels.len() > 1 {
                items.sort_unstable();
                items.dedup();
            }
            let Ordered { scores, order, version } = self.ordered((ask, moment), &items)?;
            let page = |(arm, (found, sources)): (usize, (Vec<Candidate>, Vec<SourceReport>))| {
                let scored = found.len();
                let mut own: HashMap<u32, Vec<Provenance>> =
                    found.into_iter().map(|candidate| (candidate.item, candidate.sources)).collect();
                let of_arm = || order.iter().filter(|(_, at)| own.contains_key(&items[*at].0));
                if arm == 0 {
                    let best = of_arm().map(|&(score, at)| Scored { item: items[at].0, score: score as f32 });
                    retrieval.remember(ask, best);
                }
                let first: Vec<usize> = of_arm().take(depth.k).map(|(_, at)| *at).collect();
                let ranked = |at: usize| {
                    let sources = own.remove(&items[at].0).unwrap_or_default();
                    self.ranked(live, items[at], &scores[at], sources)
                };
                RankedPage { items: first.into_iter().map(ranked).collect(), scored, version, sources }
            };
            Ok(arms.into_iter().enumerate().map(page).collect())
        })
    }

    /// The best `k` of some items, each once; those that are unknown or may not be shown are left out.
    ///
    /// # Errors
    /// Those of [`ClickRanking::rank`].
    pub fn rank_these(
        &self,
        retrieval: &Retrieval,
        (ask, moment): (&Ask, &Moment),
        items: &[String],
        k: usize,
    ) -> Result<RankedPage, Error> {
        retrieval.with_request(ask, |live, request| {
            let rows = live.rows_of(request, items);
            let Ordered { scores, order, version } = self.ordered((ask, moment), &rows)?;
            let ranked = |&(_, at): &(f64, usize)| self.ranked(live, rows[at], &scores[at], Vec::new());
            let items = order.iter().take(k).map(ranked).collect();
            Ok(RankedPage { items, scored: rows.len(), version, sources: Vec::new() })
        })
    }

    /// Scores of items, and the items by their log odds, best first, of equal ones the lower item.
    fn ordered(&self, (ask, moment): (&Ask, &Moment), items: &[ItemId]) -> Result<Ordered, Error> {
        let (scores, version) = self.clicks.score_with_version((ask.user_id, ask.history), moment, items);
        let mut order: Vec<(f64, usize)> =
            scores.iter().map(|score| self.clicks.log_odds(score)).zip(0..).collect();
        if let Some(&(_, at)) = order.iter().find(|(score, _)| score.is_nan()) {
            return Err(semrank_retrieve::Error::Score(items[at]).into());
        }
        order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(items[a.1].cmp(&items[b.1])));
        Ok(Ordered { scores, order, version })
    }

    fn ranked(&self, live: &Live, item: ItemId, score: &Score, sources: Vec<Provenance>) -> Ranked {
        Ranked {
            item: live.names.name(item.0).to_owned(),
            log_odds: self.clicks.log_odds(score),
            probability: self.clicks.probability(score),
            click: score.click(),
            conversion: score.conversion_log_odds.map(|_| score.conversion()),
            sources,
        }
    }

    /// Takes in items that came after training, with the rows that the funnel gave them; one that the click model knows already stays as it is.
    ///
    /// # Errors
    /// An item whose content is of another width, or that is not the next of the funnel's: then nothing has changed.
    pub fn put(&self, later: &[(ItemId, LaterItem)]) -> Result<(), Error> {
        let known = self.clicks.items();
        let new: Vec<&(ItemId, LaterItem)> = later.iter().filter(|(row, _)| row.index() >= known).collect();
        let is_out_of_turn = |(at, one): &(usize, &&(ItemId, LaterItem))| one.0.index() != known + at;
        if let Some((_, (_, item))) = new.iter().enumerate().find(is_out_of_turn) {
            let (item, column) = (item.id.to_owned(), "item_id".to_owned());
            return Err(Error::Field {
                item,
                column,
                expected: "the funnel's first item that the click model lacks",
            });
        }
        self.clicks.put(&new.iter().map(|(_, item)| *item).collect::<Vec<_>>())
    }

    /// The first candidates: by the early-stage model where that wins, else in the order of the fusion.
    fn cut(&self, live: &Live, request: &Request, mut found: Vec<Candidate>, most: usize) -> Vec<Candidate> {
        match &self.early {
            Some(early) if early.report.cuts && found.len() > most => {
                let fused = request.servable.fused_query(request.user, 0.0).values;
                let rows = |item: u32, row: &mut [f32]| live.servable.fused_row(ItemId(item), row);
                early.model.cut(&fused, &rows, found, most)
            }
            _ => {
                found.truncate(most);
                found
            }
        }
    }
}
