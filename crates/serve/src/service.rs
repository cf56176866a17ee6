//! The service without HTTP: a run, its items, its users and the log, in; rankings, candidates, histories out.

use crate::event::LARGEST_TIME;
use crate::experiments::{Counted, Experiments, Exposed, ExposureRow, Place};
use crate::explore::{Explore, Explored};
use crate::ingest::{Apply, Ingest, Receipt, TakeOut};
use crate::log::Log;
use crate::ranker::{DEFAULT_K, Found, Now, Ranker, filter};
use crate::record::{Answer, Record, Shown};
use crate::recover::{Recovered, recover};
use crate::reload::{Current, Runs};
use crate::settings::{Clock, OpenError, ServiceSettings};
use crate::shadow::{Answered, Shadows};
use crate::snapshot::{Keeper, SnapshotError, Snapshots, Written};
use crate::traces::Traces;
use crate::{Candidates, Event, Problem, RankRequest, Ranked, Ranking, RetrieveRequest};
use semrank_experiment::explore::Exploration;
use semrank_experiment::log::SlateItem;
use semrank_pipeline::response::Beginning;
use semrank_pipeline::retrieval::{Ask, Change};
use semrank_pipeline::{Context, Run};
use semrank_retrieve::{Cursor, Eligibility, Scope};
use semrank_store::journal::Journal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Candidates of a request, at most: limits count candidates, not requests.
pub const MOST_CANDIDATES: usize = 10_000;

/// In an answer that was made without sources other than the ranker.
pub(crate) const WITHOUT_SOURCES: &str = "sources";

/// A run that is served.
pub struct Service {
    pub(crate) ranker: Arc<Current>,
    /// Held while items change, and while another ranker takes over.
    pub(crate) changing: Mutex<()>,
    /// Held while another ranker is made; the runs that ranked before.
    pub(crate) reloading: Mutex<Option<Runs>>,
    pub(crate) items: Arc<Journal>,
    /// None with a click model: what it has learned is in no snapshot.
    keeper: Option<Keeper>,
    snapshots: Arc<Snapshots>,
    pub(crate) ingest: Arc<Ingest>,
    pub(crate) log: Log,
    pub(crate) settings: ServiceSettings,
    replayed: usize,
    pub(crate) experiments: Experiments,
    pub(crate) shadows: Shadows,
    pub(crate) traces: Option<Traces>,
}

impl Service {
    /// Opens a run with its state.
    ///
    /// # Errors
    /// A run that is not finished or not for next items; state that is damaged, or that another process holds.
    pub fn open(run: Run, settings: ServiceSettings, context: &Context) -> Result<Self, OpenError> {
        settings.explore.iter().try_for_each(Exploration::check).map_err(OpenError::Explore)?;
        let traces = settings.traces.as_deref().map(Traces::open).transpose()?;
        let runs = Runs { run: run.path().to_owned(), clicks: settings.clicks.clone() };
        let data = run.data()?.hash.clone();
        let log = Log::open(&settings.log, settings.journal)?;
        let items = Arc::new(Journal::open(&settings.items(), settings.journal)?);
        let clicks = (settings.clicks.as_deref(), None);
        let mut ranker = Ranker::open(run, clicks, (items.clone(), &settings), context)?;
        // Before the log is read: a click model counts impressions of items that it knows.
        ranker.catalogue.advance(u64::MAX, context)?;
        let recovered = recover(&mut ranker, &settings, (&data, &log), context)?;
        let Recovered { recent, snapshots, events: replayed } = recovered;
        let ranker = Arc::new(Current::new(ranker, runs));
        let applied: Arc<dyn Apply> = ranker.clone();
        let of = snapshots.clone();
        let take_out: TakeOut = Box::new(move |users| of.take_out(users).map_err(|error| error.to_string()));
        let ingest = Ingest::start((log.clone(), recent), (applied, take_out), settings.most_waiting)?;
        let ingest = Arc::new(ingest);
        let keeper = || Keeper::start(snapshots.clone(), ingest.clone(), settings.snapshots);
        let keeper = settings.clicks.is_none().then(keeper).transpose()?;
        let (changing, reloading) = (Mutex::default(), Mutex::default());
        let now_ms = match settings.clock {
            Clock::Wall => Self::wall_ms(),
            Clock::Log => ranker.get().memory.newest().unwrap_or_default(),
        };
        ranker.get().check_tests()?;
        let experiments = Experiments::open(&settings.experiments, &settings.state, now_ms)?;
        Ok(Self {
            ranker,
            changing,
            reloading,
            items,
            keeper,
            snapshots,
            ingest,
            log,
            settings,
            replayed,
            experiments,
            shadows: Shadows::default(),
            traces,
        })
    }

    /// What ranks now.
    pub(crate) fn ranker(&self) -> Arc<Ranker> {
        self.ranker.get()
    }

    /// The way in.
    pub fn ingest(&self) -> &Ingest {
        &self.ingest
    }

    /// Events that were read from the log when it was opened: those that no snapshot had.
    pub fn replayed(&self) -> usize {
        self.replayed
    }

    /// What is known of the last snapshot.
    pub fn snapshot(&self) -> Written {
        *self.snapshots.written()
    }

    /// Writes a snapshot before its time.
    pub(crate) fn write_snapshot(&self) -> Result<(), SnapshotError> {
        self.snapshots.write(&self.ingest)
    }

    /// Time of the newest event.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.ranker().memory.newest()
    }

    /// Users that the service knows.
    pub fn users(&self) -> usize {
        self.ranker().memory.users()
    }

    /// Items that may be shown.
    pub fn items(&self) -> usize {
        self.ranker().catalogue.retrieval().live().items.live().count()
    }

    /// Name of the run's folder.
    pub fn run(&self) -> String {
        self.ranker().name.clone()
    }

    /// Hash of the trained model.
    pub fn model(&self) -> String {
        self.ranker().model.clone()
    }

    /// Names of the sources.
    pub fn sources(&self) -> Vec<&'static str> {
        self.ranker().catalogue.retrieval().names()
    }

    /// Names of the tests.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        self.experiments.definitions().map(|definition| definition.name.as_str())
    }

    /// The arm of a unit in a test; none where it takes no part now, an error where there is no such test.
    pub(crate) fn arm_of(
        &self,
        test: &str,
        unit: (&str, &serde_json::Map<String, serde_json::Value>),
    ) -> Result<Option<&str>, ()> {
        self.experiments.arm_of(test, unit, self.now_ms())
    }

    /// Milliseconds since 1970 (UTC).
    pub fn wall_ms() -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn now_ms(&self) -> Option<i64> {
        match self.settings.clock {
            Clock::Wall => Some(Self::wall_ms()),
            Clock::Log => self.newest(),
        }
    }

    /// The moment before which labels are known to a request for a moment: nobody makes a server's clock go faster.
    fn until(&self, moment: Option<i64>) -> Option<i64> {
        match self.settings.clock {
            Clock::Wall => Some(Self::wall_ms()),
            Clock::Log if self.settings.beginning == Beginning::Test => moment,
            Clock::Log => self.newest(),
        }
    }

    /// Whether an answer now sees what a client has seen.
    fn check_as_of(&self, wanted: Option<u64>) -> Result<u64, Problem> {
        let as_of = self.ingest.as_of();
        match wanted {
            Some(wanted) if wanted > as_of => Err(Problem::at(
                "$.min_as_of",
                format!("the log has {as_of} records; {wanted} were acknowledged by another server"),
            )),
            _ => Ok(as_of),
        }
    }

    /// Ranks; `received` is when the request came in.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn rank(&self, request: &RankRequest, received: Instant) -> Result<Ranking, Problem> {
        let (ranking, pending) = self.rank_before_sync(request, received)?;
        Ok(self.synced(ranking, pending))
    }

    /// Waits until what a test counts from is durable.
    pub(crate) fn synced(&self, mut ranking: Ranking, pending: Option<Pending>) -> Ranking {
        if let Some(Pending { record, counted }) = pending {
            match self.log.journal().commit(record) {
                Ok(()) => self.experiments.is_durable(counted),
                Err(_) => ranking.degraded.push("log".to_owned()),
            }
        }
        ranking
    }

    /// The same in the order of the scores: for an answer that has no room for probabilities.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) fn rank_by_score(&self, request: &RankRequest, received: Instant) -> Result<Ranking, Problem> {
        let (ranking, pending) = self.ranked(request, received, None)?;
        Ok(self.synced(ranking, pending))
    }

    /// A ranking before what a test counts from is durable: only [`Service::synced`] makes it an answer.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub(crate) fn rank_before_sync(
        &self,
        request: &RankRequest,
        received: Instant,
    ) -> Result<(Ranking, Option<Pending>), Problem> {
        self.ranked(request, received, self.settings.explore)
    }

    fn ranked(
        &self,
        request: &RankRequest,
        received: Instant,
        explore: Option<Exploration>,
    ) -> Result<(Ranking, Option<Pending>), Problem> {
        checked_k(request.k, DEFAULT_K)?;
        if let Some(user) = &request.user {
            crate::event::check_id(user, "$.user")?;
        }
        let given = request.candidates.as_ref().map_or(0, Vec::len);
        if given > MOST_CANDIDATES {
            return Err(Problem::at(
                "$.candidates",
                format!("{given} candidates; at most {MOST_CANDIDATES} are ranked"),
            ));
        }
        if request.time.is_some_and(|time| time.checked_abs().is_none_or(|time| time > LARGEST_TIME)) {
            return Err(Problem::at("$.time", "milliseconds since 1970 (UTC) are expected"));
        }
        if let Some(id) = &request.request_id {
            crate::event::check_id(id, "$.request_id")?;
        }
        self.check_as_of(request.min_as_of)?;
        let ranker = self.ranker();
        let items_as_of = ranker.catalogue.as_of();
        let request_id = request.request_id.clone().unwrap_or_else(new_request_id);
        let (as_of, now_ms, events, mark) = self.ingest.reading(|as_of| {
            let now_ms = request.time.or(self.now_ms());
            let mark = ranker.advance(self.until(now_ms));
            (as_of, now_ms, ranker.events_of(request.user.as_deref()), mark)
        });
        let deadline = Duration::from_millis(request.deadline_ms.unwrap_or(self.settings.deadline_ms));
        // Most of the time was spent waiting: the ranker's own list is the shortest way to an answer.
        let is_late = request.candidates.is_none() && received.elapsed() * 2 > deadline;
        let place = self.experiments.place(request, &request_id, now_ms);
        // A test that cannot say that it has begun has not: without its row the unit would not count.
        let begun = place.as_ref().is_none_or(|place| self.experiments.begin(place).is_ok());
        let place = place.filter(|_| begun);
        // A list of a test is that of its arm alone.
        let policy = explore.filter(|_| place.is_none());
        let explore = policy.map(|policy| Explore { policy, request_id: &request_id });
        let now = Now { request, ms: now_ms, events: &events, is_late, place: place.as_ref(), explore };
        let began = Instant::now();
        let found = ranker.ranked(now)?;
        let ranked = Instant::now();
        let known_before = mark.as_ref().map(|mark| mark.known_before);
        let answered = Answered { request_id: &request_id, as_of, known_before, took: ranked - began };
        self.shadows.offer(now, &found, answered);
        let (would_differ, predicted) =
            (found.would_differ(place.as_ref()), predicted(&found, place.as_ref()));
        let mut degraded: Vec<String> = is_late.then(|| WITHOUT_SOURCES.to_owned()).into_iter().collect();
        let failed = found.sources.iter().filter(|source| source.error.is_some());
        degraded.extend(failed.map(|source| format!("source {}", source.name)));
        degraded.extend((!begun).then(|| "experiment".to_owned()));
        let mut out = Ranking {
            request_id,
            experiment: place.as_ref().map(|place| self.experiments.in_test(place)),
            exploration: found.explored.as_ref().map(|explored| explored.told()),
            items: found.items,
            run: ranker.name.clone(),
            as_of,
            degraded,
            left_out: found.left_out,
            sources: found.sources,
        };
        let items_as_of = items_as_of.filter(|_| items_as_of == ranker.catalogue.as_of());
        let is_exact = mark.is_none_or(|mark| mark.version == found.version && mark.is_of_log);
        // Times of this machine would make two runs over one log differ.
        let has_wall_time = self.settings.clock == Clock::Wall;
        let asked_sources = !is_late && request.candidates.is_none();
        let exposed = place.zip(now_ms).map(|(place, now_ms)| {
            let exposed = Exposed {
                request,
                request_id: &out.request_id,
                now_ms,
                received_at: has_wall_time.then(Self::wall_ms),
                would_differ,
                slate: slate(&out.items),
                teams: found.teams,
                events_before: events.items.len(),
                predicted,
                micros: (has_wall_time && asked_sources).then(|| received.elapsed().as_micros() as u64),
            };
            self.experiments.exposure(&place, exposed)
        });
        let (at, logging) = ((now_ms, items_as_of, known_before, is_exact), Instant::now());
        let pending =
            self.keep(&ranker, (request, &out), at, (exposed, found.explored)).unwrap_or_else(|_| {
                // A full disk keeps nobody from seeing a ranking.
                out.degraded.push("log".to_owned());
                None
            });
        if let Some(traces) = &self.traces {
            traces.offer([received, began, ranked, logging, Instant::now()], &out);
        }
        if !request.explain {
            out.items.iter_mut().for_each(|item| item.sources.clear());
        }
        Ok((out, pending))
    }

    /// Appends an answer to the log. It is durable with the next event, or within a second; one that a test counts from has to be before it is given.
    fn keep(
        &self,
        ranker: &Ranker,
        (request, ranking): (&RankRequest, &Ranking),
        (now_ms, items_as_of, known_before, is_exact): (Option<i64>, Option<u64>, Option<i64>, bool),
        (exposed, explored): (Option<ExposureRow>, Option<Box<Explored>>),
    ) -> Result<Option<Pending>, semrank_store::Error> {
        let shown = |(slot, item): (usize, &Ranked)| Shown {
            item: item.item.clone(),
            slot: slot + 1,
            score: item.score,
            sources: item.sources.iter().map(|source| source.name.to_owned()).collect(),
            propensity: item.propensity,
        };
        let answer = Answer {
            request_id: ranking.request_id.clone(),
            user: request.user.clone(),
            now: now_ms,
            time: Self::wall_ms(),
            request: serde_json::json!(request),
            run: ranker.model.clone(),
            clicks: ranker.clicks.as_ref().map(|clicks| clicks.ranking.clicks().hash().to_owned()),
            known_before,
            is_exact,
            as_of: ranking.as_of,
            items_as_of,
            candidates: ranking.sources.iter().map(|source| source.items).sum::<usize>()
                + request.candidates.as_ref().map_or(0, Vec::len),
            items: ranking.items.iter().enumerate().map(shown).collect(),
            degraded: ranking.degraded.clone(),
            test: exposed.as_ref().map(|(placed, ..)| placed.clone()),
            explored,
        };
        let journal = self.log.journal();
        let mut records = vec![Record::answer(&answer)];
        records.extend(exposed.as_ref().map(|(_, row, _)| Record::exposure(request.user.as_deref(), row)));
        let record = journal.append_batch(&records)?.end - 1;
        Ok(exposed.and_then(|(_, _, counted)| counted).map(|counted| Pending { record, counted }))
    }

    /// Finds candidates.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn retrieve(&self, request: &RetrieveRequest) -> Result<Candidates, Problem> {
        let k = checked_k(request.k, 500)?;
        let eligibility = Eligibility { now_ms: self.now_ms(), filter: filter(request.filter.as_deref())? };
        let as_of = self.check_as_of(request.min_as_of)?;
        let ranker = self.ranker();
        let events = ranker.events_of(request.user.as_deref());
        let retrieval = ranker.catalogue.retrieval();
        let (user_id, search) = (request.user.as_deref(), request.search.as_deref());
        let ask = Ask { user_id, search, ..Ask::new(events.history(), &eligibility) };
        let only;
        let funnel = match &request.source {
            Some(name) => {
                only = retrieval.only(name, k)?;
                &only
            }
            None if search.is_some() => {
                only = retrieval.only("text", k)?;
                &only
            }
            None => &ranker.funnels[0],
        };
        let Some(cursor) = &request.cursor else {
            return Ok(Candidates { page: retrieval.retrieve(&ask, funnel, k)?, cursor: None, as_of });
        };
        let scope = scope(&ranker.model, request);
        let wrong = |error: semrank_retrieve::CursorError| Problem::at("$.cursor", error.to_string());
        let mut cursor = match cursor.as_str() {
            "" => Cursor::first(eligibility.now_ms.unwrap_or_default()),
            text => Cursor::open(text, &ranker.cursors, scope).map_err(wrong)?,
        };
        let (page, has_more) = retrieval.page(&ask, funnel, (k, &mut cursor))?;
        let next = has_more.then(|| cursor.seal(&ranker.cursors, scope)).transpose().map_err(wrong)?;
        Ok(Candidates { page, cursor: Some(next), as_of })
    }

    /// Changes items; they are as they are told from the next request on.
    ///
    /// # Errors
    /// A value that its column cannot hold, an item that is not there; a full disk.
    pub fn change(&self, changes: &[Change]) -> Result<(), Problem> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.ranker().catalogue.apply(changes, &Context::default())?)
    }

    /// Forgets a user: their history, what is remembered of their rankings, and every record of the log that names them.
    ///
    /// # Errors
    /// 503 where the log cannot be written.
    pub async fn forget(&self, user: &str) -> Result<Receipt, Problem> {
        let receipt = self.ingest.forget(user.to_owned()).await;
        // Also where the log says later that it has it.
        self.experiments.forget(user);
        self.shadows.forget(user);
        receipt
    }

    /// Takes events in.
    ///
    /// # Errors
    /// 429 where too many wait; 503 where the log cannot be written.
    pub async fn events(&self, events: Vec<Event>) -> Result<Receipt, Problem> {
        self.ingest.events(events).await
    }

    /// Makes everything durable that was acknowledged or answered.
    ///
    /// # Errors
    /// A disk that fails.
    pub fn flush(&self) -> Result<(), semrank_store::Error> {
        self.ingest.settle();
        self.log.journal().commit_all()
    }

    /// Writes what waits, and takes no more.
    pub fn stop(&self) {
        self.shadows.stop();
        self.keeper.iter().for_each(Keeper::stop);
        self.ingest.stop();
        // What cannot be written was not acknowledged.
        let _ = self.flush();
        // Last, since a collector may be slow.
        self.traces.iter().for_each(Traces::stop);
    }
}

/// What pages of one list have in common.
fn scope(model: &str, request: &RetrieveRequest) -> Scope {
    let mut parts = vec![("run", model)];
    let RetrieveRequest { user, search, source, filter, .. } = request;
    let one = [("user", user), ("search", search), ("source", source), ("filter", filter)];
    parts.extend(one.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    Scope::of(parts)
}

/// How many items are asked for.
fn checked_k(asked: Option<usize>, default: usize) -> Result<usize, Problem> {
    let k = asked.unwrap_or(default);
    if k == 0 || k > MOST_CANDIDATES {
        return Err(Problem::at("$.k", format!("`k` is from 1 to {MOST_CANDIDATES}")));
    }
    Ok(k)
}

/// What was shown, as a test's log keeps it.
fn slate(items: &[Ranked]) -> Vec<SlateItem> {
    let one = |item: &Ranked| SlateItem {
        item: item.item.clone(),
        sources: item.sources.iter().map(|source| source.name.to_owned()).collect(),
        team: None,
        probability: item.probability,
    };
    items.iter().map(one).collect()
}

/// The probabilities of the list of control, summed: a unit has the same whatever its arm. None without a click model, and where the other
/// lists were not found.
fn predicted(found: &Found, place: Option<&Place>) -> Option<f64> {
    let first_of_others = found.others.first().filter(|_| found.teams.is_empty())?;
    let control = if place?.arm == 0 { &found.items } else { first_of_others };
    control.iter().map(|item| item.probability).sum()
}

/// An answer whose record has to be durable before it is given.
pub(crate) struct Pending {
    record: u64,
    counted: Counted,
}

/// Of an answer: time, then chance, so that ids sort by time.
fn new_request_id() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:012x}-{:016x}", Service::wall_ms(), RandomState::new().hash_one(0))
}
