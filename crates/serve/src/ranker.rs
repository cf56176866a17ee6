//! A run and its items as they are now, with the histories of its users and, where there is one, a click model behind it: records of the
//! log and requests in, rankings out. A server and a replay rank with this.

use crate::clicks::Clicks;
use crate::experiments::{Place, overrides};
use crate::explore::{Explore, Explored};
use crate::feedback::Mark;
use crate::forgotten::Forgotten;
use crate::histories::Events;
use crate::ingest::Apply;
use crate::memory::Memory;
use crate::messages::Ranked;
use crate::recent::Recent;
use crate::record::Record;
use crate::settings::{OpenError, ServiceSettings};
use crate::{Event, Problem, RankRequest};
use semrank_experiment::definition::{Arm, Definition};
use semrank_experiment::interleave::team_draft;
use semrank_experiment::random::Stream;
use semrank_pipeline::retrieval::{Ask, Catalogue, Page, Retrieved};
use semrank_pipeline::{Context, Error, Run};
use semrank_retrieve::{CursorKey, Eligibility, Filter, Funnel, SourceReport};
use semrank_store::journal::Journal;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Items of an answer whose request names no number.
pub(crate) const DEFAULT_K: usize = 10;

/// What a request finds.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) items: Vec<Ranked>,
    /// Candidates that are unknown or may not be shown.
    pub(crate) left_out: usize,
    pub(crate) sources: Vec<SourceReport>,
    /// The click model's features ([`Mark::version`]).
    pub(crate) version: u64,
    /// What the other arms of a test would have shown, in the definition's order; empty where that was not asked.
    pub(crate) others: Vec<Vec<Ranked>>,
    /// Whether a source failed in one of several arms.
    pub(crate) is_unsure: bool,
    /// Whether the lists of the arms differ.
    pub(crate) differs: bool,
    /// The arm that contributed each item of a mixed list.
    pub(crate) teams: Vec<usize>,
    /// How its first slots were found, where lists are explored.
    pub(crate) explored: Option<Box<Explored>>,
}

impl Found {
    /// Whether another arm would have shown another list; none where that was not found out, or a source failed in any arm.
    pub(crate) fn would_differ(&self, place: Option<&Place>) -> Option<bool> {
        place.filter(|place| place.is_shadowed && !self.is_unsure)?;
        Some(self.differs)
    }

    /// Says whether the lists of the arms differ, and mixes those of two by a team draft where there is a seed for it.
    fn compared(mut self, draft: Option<u64>, k: usize) -> Self {
        let same =
            |other: &[Ranked]| other.iter().map(|one| &one.item).eq(self.items.iter().map(|one| &one.item));
        self.differs = self.others.iter().any(|other| !same(other));
        // A list that lacks a source is not the arm's.
        let draft = draft.filter(|_| !self.is_unsure);
        let (Some(seed), [other]) = (draft, self.others.as_slice()) else { return self };
        let lists = [&self.items, other];
        let mut numbers: HashMap<&str, u64> = HashMap::new();
        let mut rankings: Vec<Vec<u64>> = Vec::new();
        for list in lists {
            let mut ranking = Vec::new();
            for one in list {
                let next = numbers.len() as u64;
                ranking.push(*numbers.entry(&one.item).or_insert(next));
            }
            rankings.push(ranking);
        }
        let mixed = team_draft(&rankings, k, &mut Stream::new(seed));
        let team = |item: &u64| usize::from(mixed.teams[1].contains(item));
        let ranked = |item: &u64| {
            let at = rankings[team(item)].iter().position(|other| other == item)?;
            lists[team(item)].get(at).cloned()
        };
        let (teams, items) =
            (mixed.list.iter().map(team).collect(), mixed.list.iter().filter_map(ranked).collect());
        (self.teams, self.items) = (teams, items);
        self
    }
}

/// A request and the moment at which it is answered.
#[derive(Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) request: &'a RankRequest,
    /// Milliseconds since 1970 (UTC), where anything says so.
    pub(crate) ms: Option<i64>,
    /// What the user did before.
    pub(crate) events: &'a Events,
    /// Whether there is no time for sources other than the ranker.
    pub(crate) is_late: bool,
    /// Where it is in a test.
    pub(crate) place: Option<&'a Place>,
    /// By what its first slots are drawn, where they may be.
    pub(crate) explore: Option<Explore<'a>>,
}

/// What ranks.
pub(crate) struct Ranker {
    /// Name of the run's folder.
    pub(crate) name: String,
    /// Hash of its model.
    pub(crate) model: String,
    pub(crate) cursors: CursorKey,
    pub(crate) catalogue: Catalogue,
    pub(crate) memory: Arc<Memory>,
    /// The moment before which histories of the data set end, where they do.
    until: Option<i64>,
    forgotten: Forgotten,
    pub(crate) clicks: Option<Clicks>,
    /// Of the sources with their quotas, and of the ranker alone.
    pub(crate) funnels: [Funnel; 2],
    /// Of every test, of every arm; or why it cannot be had.
    arms: Vec<Result<Vec<Funnel>, String>>,
    tests: Vec<String>,
}

impl Ranker {
    /// Before the first change of items and the first event of a log.
    ///
    /// # Errors
    /// A run that is not finished or not for next items; a click run over other items.
    pub(crate) fn open_before(
        run: Run,
        settings: &ServiceSettings,
        context: &Context,
    ) -> Result<Self, OpenError> {
        let journal = Arc::new(Journal::open(&settings.items(), settings.journal)?);
        Self::open(run, (settings.clicks.as_deref(), None), (journal, settings), context)
    }

    /// The same with a journal of items and histories that another ranker has as well: its run has the same data set.
    ///
    /// # Errors
    /// Those of [`Ranker::open_before`].
    pub(crate) fn open(
        run: Run,
        (clicks, memory): (Option<&Path>, Option<Arc<Memory>>),
        (journal, settings): (Arc<Journal>, &ServiceSettings),
        context: &Context,
    ) -> Result<Self, OpenError> {
        let name = run.path().file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
        let (model, cursors) = (run.model_hash()?.to_owned(), run.cursor_key()?);
        let opened = clicks.map(|clicks| Clicks::read(Run::open(clicks)?, settings, context)).transpose()?;
        let until = opened.as_ref().and_then(|opened| opened.until(settings.beginning));
        let forgotten = Forgotten::read(&settings.state)?;
        let memory = match memory {
            Some(memory) => memory,
            None => Arc::new(Memory::of(run.data()?, (opened.is_some(), until), |user| forgotten.has(user))),
        };
        opened.iter().for_each(|opened| opened.model.forget_users(|user| forgotten.has(user)));
        let mut catalogue = Catalogue::open_before(run, journal)?;
        let clicks = opened.map(|opened| Clicks::open(opened, &mut catalogue)).transpose()?;
        let (retrieval, quotas) = (catalogue.retrieval(), catalogue.run().quotas(catalogue.retrieval())?);
        let of = |name: &str| Some(quotas.of(name)).filter(|&items| items > 0);
        let early = clicks.as_ref().and_then(|clicks| clicks.ranking.early_quota(retrieval));
        let with_early = |funnel: Funnel| match &early {
            Some(quota) => funnel.with(quota.clone()),
            None => funnel,
        };
        let funnels = [
            with_early(retrieval.funnel(of)),
            retrieval.funnel(|name| of(name).filter(|_| name == "sequence")),
        ];
        let names = retrieval.names();
        let funnel = |arm: &Arm| {
            let set = overrides(&arm.set)?;
            if let Some(unknown) = set.keys().find(|name| !names.contains(&name.as_str())) {
                return Err(format!("there is no source {unknown}; there are {}", names.join(", ")));
            }
            let quota = |name: &str| set.get(name).copied().or(of(name)).filter(|&items| items > 0);
            Ok(with_early(retrieval.funnel(quota)))
        };
        let of_test = |one: &Definition| one.arms.iter().map(funnel).collect();
        let names_of = settings.experiments.iter().map(|one| one.name.clone()).collect();
        let arms = settings.experiments.iter().map(of_test).collect();
        Ok(Self {
            name,
            model,
            cursors,
            catalogue,
            memory,
            until,
            forgotten,
            clicks,
            funnels,
            arms,
            tests: names_of,
        })
    }

    /// Whether all tests can be run.
    ///
    /// # Errors
    /// [`OpenError::Experiment`]: an arm that sets what it cannot.
    pub(crate) fn check_tests(&self) -> Result<(), OpenError> {
        let first =
            self.tests.iter().zip(&self.arms).find_map(|(name, arms)| Some((name, arms.as_ref().err()?)));
        match first {
            Some((name, why)) => Err(OpenError::Experiment { name: name.clone(), why: why.clone() }),
            None => Ok(()),
        }
    }

    /// Whether a test can be run.
    pub(crate) fn has_test(&self, place: &Place) -> bool {
        self.arms.get(place.test).is_some_and(Result::is_ok)
    }

    /// Forgets everything that histories have of a log.
    ///
    /// # Errors
    /// A data set that cannot be read.
    pub(crate) fn begin_again(&mut self) -> Result<(), Error> {
        let data = self.catalogue.run().data()?;
        let kept = (self.clicks.is_some(), self.until);
        self.memory = Arc::new(Memory::of(data, kept, |user| self.forgotten.has(user)));
        Ok(())
    }

    /// Takes in a record of the log where its user `lacks` it; returns whether it was an event that is new. One whose first writing failed
    /// halfway may be there twice.
    pub(crate) fn record(&self, record: &Record, recent: &mut Recent, lacks: impl Fn(&str) -> bool) -> bool {
        match record {
            Record::Event(event) if recent.insert(event.key()) => {
                if lacks(&event.user_id) {
                    self.event(event);
                }
                return true;
            }
            Record::Forget(user) if lacks(user) => self.forget(user),
            _ => {}
        }
        false
    }

    /// Events of a user, of items that are known now.
    pub(crate) fn events_of(&self, user: Option<&str>) -> Events {
        let live = self.catalogue.retrieval().live();
        user.and_then(|user| self.memory.events(user, &live)).unwrap_or_default()
    }

    /// Lets the click model have what is known before a moment.
    pub(crate) fn advance(&self, moment: Option<i64>) -> Option<Mark> {
        self.clicks.as_ref().map(|clicks| clicks.feedback.advance(moment.unwrap_or(i64::MIN)))
    }

    /// Ranks at a moment, for somebody with these events; in a test by the funnel of its arm, and by those of the others.
    pub(crate) fn ranked(&self, now: Now) -> Result<Found, Problem> {
        let (draft, k) = (now.place.and_then(|place| place.draft), now.request.k.unwrap_or(DEFAULT_K));
        let mut found = self.lists(now)?.compared(draft, k);
        if let Some(explore) = now.explore {
            let (items, explored) = explore.applied(found.items, k);
            (found.items, found.explored) = (items, Some(Box::new(explored)));
        }
        Ok(found)
    }

    fn lists(&self, now: Now) -> Result<Found, Problem> {
        let Now { request, ms, events, is_late, place, explore } = now;
        let (k, retrieval) = (request.k.unwrap_or(DEFAULT_K), self.catalogue.retrieval());
        let k = explore.map_or(k, |explore| k.max(explore.policy.pool));
        let eligibility = Eligibility { now_ms: ms, filter: filter(request.filter.as_deref())? };
        let ask = Ask { user_id: request.user.as_deref(), ..Ask::new(events.history(), &eligibility) };
        // A late answer and one of given candidates ask no source that an arm could change.
        let of_arms = place
            .filter(|_| !is_late)
            .and_then(|place| Some((place, self.arms.get(place.test)?.as_ref().ok()?)));
        let funnels: Vec<&Funnel> = match of_arms {
            Some((place, arms)) => {
                let others =
                    arms.iter().enumerate().filter(|(arm, _)| place.is_shadowed && *arm != place.arm);
                std::iter::once(&arms[place.arm]).chain(others.map(|(_, funnel)| funnel)).collect()
            }
            None => vec![&self.funnels[usize::from(is_late)]],
        };
        if let Some(clicks) = &self.clicks {
            return clicks.ranked(retrieval, &ask, (now, &funnels), k);
        }
        if let Some(candidates) = &request.candidates {
            let (items, left_out) = retrieval.rank_these(&ask, candidates, k)?;
            let items = items.into_iter().map(Ranked::from).collect();
            return Ok(Found { items, left_out, ..Found::default() });
        }
        let mut pages = retrieval.rank_arms(&ask, &funnels, k)?;
        let is_unsure =
            pages.len() > 1 && pages.iter().flat_map(|page| &page.sources).any(SourceReport::has_failed);
        let list = |items: Vec<Retrieved>| items.into_iter().map(Ranked::from).collect();
        let others = pages.split_off(1).into_iter().map(|page| list(page.items)).collect();
        let Page { items, sources } = pages.swap_remove(0);
        Ok(Found { items: list(items), sources, others, is_unsure, ..Found::default() })
    }
}

impl From<Retrieved> for Ranked {
    fn from(one: Retrieved) -> Self {
        Self {
            item: one.item,
            score: one.score,
            probability: None,
            conversion: None,
            propensity: None,
            sources: one.sources,
        }
    }
}

impl Apply for Ranker {
    fn event(&self, event: &Event) -> bool {
        let of_clicks = self.clicks.as_ref().is_some_and(|clicks| clicks.event(event, &self.catalogue));
        self.memory.event(event) || of_clicks
    }

    fn forget(&self, user: &str) {
        self.memory.forget(user);
        self.catalogue.retrieval().forget(user);
        self.clicks.iter().for_each(|clicks| clicks.feedback.forget(user));
    }

    fn rewritten(&self, newest: i64) {
        self.memory.rewritten(newest);
    }
}

/// Reads a filter; an empty one is none.
pub(crate) fn filter(text: Option<&str>) -> Result<Option<Filter>, Problem> {
    let filter = text.filter(|text| !text.trim().is_empty()).map(str::parse::<Filter>).transpose();
    filter.map_err(|error| Problem::at("$.filter", error.to_string()))
}
