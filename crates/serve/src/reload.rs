//! Another run takes over while the server answers: it is made beside the one that ranks, checked with requests that were answered before,
//! brought to the same record of the log, and then it ranks; who asks in the middle of it gets an answer of the one or the other.

use crate::ingest::Apply;
use crate::log::Log;
use crate::ranker::{Now, Ranker};
use crate::recent::Recent;
use crate::record::{Answer, Record};
use crate::recover::Moments;
use crate::{Event, OpenError, Problem, RankRequest, Service};
use axum::http::StatusCode;
use semrank_pipeline::{Context, Run};
use serde::Serialize;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use utoipa::ToSchema;

/// Requests of the log, the newest, that a run is checked with.
const CHECKED: usize = 100;

/// Runs that rank together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Runs {
    /// Folder of a run of the same data set, on the server's machine.
    #[schema(value_type = String)]
    pub run: PathBuf,
    /// Folder of a click or conversion run that ranks what the first one finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub clicks: Option<PathBuf>,
}

/// What the check of a run has found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Reloaded {
    /// The runs.
    pub runs: Runs,
    /// Hash of the first one's model.
    pub model: String,
    /// Requests of the log that it was asked, the newest.
    pub requests: usize,
    /// Share of the items of their answers that it shows as well.
    pub overlap: f64,
    /// Share of the answers whose first item it puts first as well.
    pub same_first: f64,
    /// Whether it ranks now.
    pub ranks: bool,
}

/// What ranks, and of which runs it is.
pub(crate) struct Current(RwLock<(Arc<Ranker>, Runs)>);

impl Current {
    pub(crate) fn new(ranker: Ranker, runs: Runs) -> Self {
        Self(RwLock::new((Arc::new(ranker), runs)))
    }

    pub(crate) fn get(&self) -> Arc<Ranker> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Puts another one in its place; returns the runs that ranked before.
    fn replace(&self, ranker: Arc<Ranker>, runs: Runs) -> Runs {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), (ranker, runs)).1
    }
}

impl Apply for Current {
    fn event(&self, event: &Event) -> bool {
        self.get().event(event)
    }

    fn forget(&self, user: &str) {
        self.get().forget(user);
    }

    fn rewritten(&self, newest: i64) {
        self.get().rewritten(newest);
    }
}

impl Service {
    /// Checks runs, and lets them rank unless they are only to be checked. Blocks until it is done; requests are answered meanwhile.
    ///
    /// # Errors
    /// Runs that cannot be opened or have another data set; a request of the log that they cannot answer; a user who is forgotten
    /// meanwhile. Then nothing has changed.
    pub fn reload(&self, runs: Runs, only_check: bool) -> Result<Reloaded, Problem> {
        let Ok(mut before) = self.reloading.try_lock() else {
            return Err(Problem::busy("another run is being made ready"));
        };
        let context = Context::default();
        let (opened, mut learned, mut out) = self.made_ready(&runs)?;
        if only_check {
            return Ok(out);
        }
        let opened = Arc::new(opened);
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.ingest.standing_still(|as_of| {
            if self.log.journal().first_sequence() != learned.first {
                return Err(Problem::busy("a user was forgotten meanwhile, and the log is another one now"));
            }
            opened.catalogue.advance(u64::MAX, &context)?;
            // Later records are durable, and will be applied to what takes over here.
            learn(&opened, &self.log, &mut learned, as_of).map_err(|error| wrong(&error))?;
            *before = Some(self.ranker.replace(opened.clone(), runs));
            Ok(())
        })?;
        out.ranks = true;
        Ok(out)
    }

    /// Lets the runs rank that ranked before the last [`Service::reload`].
    ///
    /// # Errors
    /// Those of [`Service::reload`]; 409 where none ranked before.
    pub fn roll_back(&self) -> Result<Reloaded, Problem> {
        let before = self.reloading.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let none =
            || Problem::new(StatusCode::CONFLICT, "no other run has ranked since the server was started");
        self.reload(before.ok_or_else(none)?, false)
    }

    /// A ranker of other runs, brought to the log and the items of now, and what its check has found.
    pub(crate) fn made_ready(&self, runs: &Runs) -> Result<(Ranker, Learned, Reloaded), Problem> {
        let (old, context) = (self.ranker.get(), Context::default());
        // What was answered a moment ago is asked as well.
        self.flush().map_err(|error| wrong(&error.into()))?;
        let first = self.log.journal().first_sequence();
        let opened = self.opened(runs, &old, &context).map_err(|error| wrong(&error))?;
        opened.catalogue.advance(u64::MAX, &context)?;
        let mut learned = Learned { as_of: 0, recent: Recent::new(self.settings.remembered_ids), first };
        let as_of = self.ingest.as_of();
        let answers = learn(&opened, &self.log, &mut learned, as_of).map_err(|error| wrong(&error))?;
        let mut out = checked(&opened, &answers)?;
        out.runs = runs.clone();
        Ok((opened, learned, out))
    }

    fn opened(&self, runs: &Runs, old: &Ranker, context: &Context) -> Result<Ranker, OpenError> {
        let run = Run::open(&runs.run)?;
        let [got, expected] = [run.data()?, old.catalogue.run().data()?].map(|data| &data.hash);
        if got != expected {
            return Err(OpenError::OtherData { run: runs.run.clone() });
        }
        // Dwell times are kept from the start, or never.
        if runs.clicks.is_some() != old.clicks.is_some() {
            return Err(OpenError::OtherKind { had_clicks: old.clicks.is_some() });
        }
        let memory = (runs.clicks.as_deref(), Some(old.memory.clone()));
        let opened = Ranker::open(run, memory, (self.items.clone(), &self.settings), context)?;
        opened.check_tests()?;
        Ok(opened)
    }
}

/// Lets a click model learn of the log from where it stands up to a record; histories are shared. Returns the newest answers.
///
/// # Errors
/// A log that is damaged.
pub(crate) fn learn(
    ranker: &Ranker,
    log: &Log,
    Learned { as_of, recent, .. }: &mut Learned,
    end: u64,
) -> Result<VecDeque<Answer>, OpenError> {
    let mut answers = VecDeque::new();
    let mut moments = Moments::of(ranker, log, *as_of)?;
    log.for_each_from(*as_of, |sequence, record| {
        moments.advance(ranker, sequence);
        match record {
            Record::Answer(answer) => {
                answers.push_back(answer);
                answers.drain(..answers.len().saturating_sub(CHECKED));
            }
            _ if sequence >= end => {}
            Record::Event(event) if recent.insert(event.key()) => {
                ranker.clicks.iter().for_each(|clicks| _ = clicks.event(&event, &ranker.catalogue));
            }
            Record::Forget(user) => ranker.clicks.iter().for_each(|clicks| clicks.feedback.forget(&user)),
            Record::Event(_) | Record::Exposure(..) | Record::Rewriting | Record::Rewritten => {}
        }
        Ok::<(), OpenError>(())
    })?;
    moments.advance(ranker, u64::MAX);
    *as_of = end;
    Ok(answers)
}

/// How far a click model has read the log.
pub(crate) struct Learned {
    as_of: u64,
    recent: Recent,
    /// Number of the log's first record when it was begun: another one after a rewriting.
    pub(crate) first: u64,
}

/// Asks a ranker what was asked before.
fn checked(ranker: &Ranker, answers: &VecDeque<Answer>) -> Result<Reloaded, Problem> {
    let (mut requests, mut shown, mut common, mut same_first) = (0, 0, 0, 0);
    // A list that was drawn says little of the run that ranked.
    let is_by_score = |answer: &&Answer| {
        !answer.items.is_empty() && answer.explored.as_ref().is_none_or(|explored| !explored.drawn)
    };
    for answer in answers.iter().filter(is_by_score) {
        let Ok(request) = serde_json::from_value::<RankRequest>(answer.request.clone()) else { continue };
        let events = ranker.events_of(request.user.as_deref());
        let found = ranker.ranked(Now {
            request: &request,
            ms: answer.now,
            events: &events,
            is_late: false,
            place: None,
            explore: None,
        })?;
        if found.items.is_empty() && request.filter.is_none() && request.candidates.is_none() {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                format!("the run shows nothing for the request {}", answer.request_id),
            ));
        }
        let is_common = |then: &&crate::Shown| found.items.iter().any(|now| now.item == then.item);
        common += answer.items.iter().filter(is_common).count();
        same_first += usize::from(found.items.first().is_some_and(|now| now.item == answer.items[0].item));
        (requests, shown) = (requests + 1, shown + answer.items.len());
    }
    let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
    Ok(Reloaded {
        runs: Runs { run: PathBuf::new(), clicks: None },
        model: ranker.model.clone(),
        requests,
        overlap: share(common, shown),
        same_first: share(same_first, requests),
        ranks: false,
    })
}

fn wrong(error: &OpenError) -> Problem {
    Problem::new(StatusCode::CONFLICT, error.to_string())
}
