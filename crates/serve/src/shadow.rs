//! A second run in the shadow of the one that ranks: a share of the requests is ranked by it as well, after they are answered, and how its
//! lists differ is summed up.
//!
//! Requests wait in a short queue for one thread; where it is full they are dropped and counted, so no answer ever waits for the shadow. It
//! has the histories and items of now, which may be a moment later than those of the request. Lists that were drawn or mixed are not
//! compared.

mod figures;

pub(crate) use figures::Means;

use crate::log::Log;
use crate::ranker::{Found, Now, Ranker};
use crate::reload::{Learned, Runs, learn};
use crate::{Problem, RankRequest, Reloaded, Service};
use axum::http::StatusCode;
use figures::{Figures, List};
use semrank_experiment::hash::wide;
use semrank_pipeline::Context;
use semrank_store::journal::Journal;
use serde::Serialize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use utoipa::ToSchema;

/// Requests that wait to be ranked by the shadow, at most.
const MOST_WAITING: usize = 64;
/// How often the shadow looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);
/// A click model in the shadow learns of the log so often.
const LEARN: Duration = Duration::from_secs(1);

/// How a second run differs from the one that ranks.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ShadowReport {
    /// The runs.
    pub runs: Runs,
    /// Hash of the first one's model.
    pub model: String,
    /// Share of the requests that it ranks as well.
    pub share: f64,
    /// Requests that both have ranked.
    pub requests: u64,
    /// Requests that were dropped, since the shadow was busy with others.
    pub dropped: u64,
    /// Requests that it could not rank.
    pub errors: u64,
    /// Why it could not rank the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Share of the items of a list, as long as it was asked for, that are in both lists; the mean over requests.
    pub overlap: f64,
    /// Share of the requests with the same items in the same order.
    pub same_list: f64,
    /// Share of the requests with the same first item.
    pub same_first: f64,
    /// Kendall's tau of the items in both lists, 1 for the same order and -1 for the opposite; the mean over requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank_correlation: Option<f64>,
    /// Mean absolute difference of the scores of items in both lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score_difference: Option<f64>,
    /// Median and 99th percentile of its times for a list, in microseconds.
    pub micros: [u64; 2],
    /// The same of the run that ranks.
    pub micros_of_ranking: [u64; 2],
}

/// The shadow of a service, if it has one.
#[derive(Default)]
pub(crate) struct Shadows(RwLock<Option<Arc<Shadow>>>);

struct Shadow {
    runs: Runs,
    share: f64,
    common: Arc<Common>,
    queue: SyncSender<Offered>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread has in common with who offers.
struct Common {
    ranker: Ranker,
    figures: Mutex<Figures>,
    dropped: AtomicU64,
    stop: AtomicBool,
}

/// A request that was answered.
struct Offered {
    request: RankRequest,
    now_ms: Option<i64>,
    is_late: bool,
    as_of: u64,
    known_before: Option<i64>,
    shown: List,
    took: Duration,
}

/// What the service knows of an answer beside its request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) as_of: u64,
    /// The click model saw labels that were known before this moment.
    pub(crate) known_before: Option<i64>,
    /// Time of the ranking.
    pub(crate) took: Duration,
}

impl Shadows {
    fn get(&self) -> Option<Arc<Shadow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a shadow in the place of another, which is stopped.
    fn put(&self, shadow: Option<Arc<Shadow>>) -> Option<Arc<Shadow>> {
        let before = std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), shadow);
        before.inspect(|before| before.stop())
    }

    /// Gives an answer to the shadow, if it has a share in it and room for it; never waits.
    pub(crate) fn offer(&self, now: Now, found: &Found, answered: Answered) {
        let Some(shadow) = self.get() else { return };
        let is_mixed = now.place.is_some() || found.explored.as_ref().is_some_and(|explored| explored.drawn);
        let place = wide("shadow", answered.request_id) as f64 / 2f64.powi(64);
        if is_mixed || place >= shadow.share {
            return;
        }
        let Answered { as_of, known_before, took, .. } = answered;
        let shown = found.items.iter().map(|one| (one.item.clone(), one.score)).collect();
        let (request, now_ms) = (now.request.clone(), now.ms);
        let offered = Offered { request, now_ms, is_late: now.is_late, as_of, known_before, shown, took };
        if shadow.queue.try_send(offered).is_err() {
            shadow.common.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets what the shadow remembers of a user beside the histories, which it shares.
    pub(crate) fn forget(&self, user: &str) {
        if let Some(shadow) = self.get() {
            shadow.common.ranker.catalogue.retrieval().forget(user);
        }
    }

    /// What is known of the shadow.
    pub(crate) fn report(&self) -> Option<ShadowReport> {
        self.get().map(|shadow| shadow.report())
    }

    /// Lets the shadow go.
    pub(crate) fn stop(&self) -> Option<ShadowReport> {
        self.put(None).map(|shadow| shadow.report())
    }
}

impl Shadow {
    fn stop(&self) {
        self.common.stop.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It panics where a ranker does, and then there is nothing more to stop.
        thread.map(JoinHandle::join);
    }

    fn report(&self) -> ShadowReport {
        let figures = self.common.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let Means {
            overlap,
            same_list,
            same_first,
            rank_correlation,
            score_difference,
            micros,
            micros_of_ranking,
        } = figures.means();
        ShadowReport {
            runs: self.runs.clone(),
            model: self.common.ranker.model.clone(),
            share: self.share,
            requests: figures.requests,
            dropped: self.common.dropped.load(Ordering::Relaxed),
            errors: figures.errors,
            last_error: figures.last_error.clone(),
            overlap,
            same_list,
            same_first,
            rank_correlation,
            score_difference,
            micros,
            micros_of_ranking,
        }
    }
}

impl Service {
    /// Lets runs rank a share of the requests in the shadow of those that rank, once they have answered what was asked before; another
    /// shadow goes. Blocks until it is done.
    ///
    /// # Errors
    /// Those of [`Service::reload`]; a share outside 0 to 1.
    pub fn shadow(&self, runs: Runs, share: f64) -> Result<ShadowReport, Problem> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(Problem::at("$.share", "a share above 0, at most 1, is expected"));
        }
        let Ok(_one_at_a_time) = self.reloading.try_lock() else {
            return Err(Problem::busy("another run is being made ready"));
        };
        let (ranker, learned, _) = self.made_ready(&runs)?;
        let common = Arc::new(Common {
            ranker,
            figures: Mutex::default(),
            dropped: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        });
        let (queue, offered) = sync_channel(MOST_WAITING);
        let behind = Behind { log: self.log.clone(), items: self.items.clone(), learned, learned_at: None };
        let of_thread = common.clone();
        let spawned = std::thread::Builder::new()
            .name("shadow".into())
            .spawn(move || behind.work(&of_thread, &offered));
        let thread = spawned.map_err(|error| Problem::unavailable(error.to_string()))?;
        let shadow = Arc::new(Shadow { runs, share, common, queue, thread: Mutex::new(Some(thread)) });
        let report = shadow.report();
        self.shadows.put(Some(shadow));
        Ok(report)
    }

    /// How the shadow differs.
    ///
    /// # Errors
    /// 404 where there is none.
    pub fn shadow_report(&self) -> Result<ShadowReport, Problem> {
        self.shadows.report().ok_or_else(no_shadow)
    }

    /// Lets the shadow go; returns how it differed.
    ///
    /// # Errors
    /// 404 where there is none.
    pub fn drop_shadow(&self) -> Result<ShadowReport, Problem> {
        self.shadows.stop().ok_or_else(no_shadow)
    }

    /// Lets the runs of the shadow rank, and the shadow go. They are opened once more and checked as by [`Service::reload`].
    ///
    /// # Errors
    /// Those of [`Service::reload`], then the shadow stays; 404 where there is none.
    pub fn promote_shadow(&self) -> Result<Reloaded, Problem> {
        let shadow = self.shadows.get().ok_or_else(no_shadow)?;
        let reloaded = self.reload(shadow.runs.clone(), false)?;
        self.shadows.put(None);
        Ok(reloaded)
    }
}

fn no_shadow() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no run is in the shadow; POST /v1/admin/shadow names one")
}

/// The thread of a shadow.
struct Behind {
    log: Log,
    items: Arc<Journal>,
    learned: Learned,
    learned_at: Option<Instant>,
}

impl Behind {
    fn work(mut self, common: &Common, offered: &Receiver<Offered>) {
        while !common.stop.load(Ordering::Acquire) {
            let offered = match offered.recv_timeout(LOOK) {
                Ok(offered) => offered,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let ranked = self.ranked(&common.ranker, &offered);
            let mut figures = common.figures.lock().unwrap_or_else(PoisonError::into_inner);
            match ranked {
                Ok((other, took)) => figures.compare(&offered.shown, &other, took, offered.took),
                Err(why) => figures.failed(why),
            }
        }
    }

    /// The list of the second run, and its time.
    fn ranked(&mut self, ranker: &Ranker, offered: &Offered) -> Result<(List, Duration), String> {
        if !self.log.has_number(offered.as_of) {
            return Err("a user was forgotten after this request".into());
        }
        let context = Context::default();
        if ranker.catalogue.as_of() != Some(self.items.durable_end()) {
            ranker.catalogue.advance(u64::MAX, &context).map_err(|error| error.to_string())?;
        }
        if ranker.clicks.is_some() && self.learned_at.is_none_or(|at| at.elapsed() > LEARN) {
            if self.log.journal().first_sequence() != self.learned.first {
                return Err(
                    "a user was forgotten, and the log is another one now; load the shadow again".into()
                );
            }
            learn(ranker, &self.log, &mut self.learned, offered.as_of).map_err(|error| error.to_string())?;
            self.learned_at = Some(Instant::now());
        }
        let Offered { request, now_ms, is_late, known_before, .. } = offered;
        let began = Instant::now();
        ranker.advance(*known_before);
        let events = ranker.events_of(request.user.as_deref());
        let now =
            Now { request, ms: *now_ms, events: &events, is_late: *is_late, place: None, explore: None };
        let found = ranker.ranked(now).map_err(|problem| problem.detail)?;
        let list = found.items.into_iter().map(|one| (one.item, one.score)).collect();
        Ok((list, began.elapsed()))
    }
}
