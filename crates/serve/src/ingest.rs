//! The way of an event: received, made durable together with others that wait, then in its user's history, then acknowledged.
//!
//! One thread writes. It takes all that waits, drops what the log has already, appends the rest as one batch, syncs once, and lets the
//! histories have it, so that whoever reads an acknowledgement finds the event in the next answer. The log is the only thing that must
//! survive; histories and the memory of ids are made from it when the server starts.
//!
//! A log on a server may be away for a while ([`is_temporary`](semrank_store::Error::is_temporary)). Then nothing is acknowledged, and what
//! was appended last is *unsettled*: the log writes it when the server is back, once, and the histories have it then. Events that are sent
//! again meanwhile are known by their ids.

#[cfg(test)]
mod tests;
mod writer;

use crate::log::Log;
use crate::recent::Recent;
use crate::{Event, Problem};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use writer::Writer;

/// What became of events that were sent together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the first record of the log that the next answer may lack.
    pub as_of: u64,
    /// Events that were new.
    pub accepted: usize,
    /// Events that the log has already.
    pub duplicates: usize,
    /// New events of an action that the model does not know: rankings do not read them.
    pub unread: usize,
}

/// What takes in records that have become durable.
pub trait Apply: Send + Sync + 'static {
    /// Takes in an event; returns whether rankings read it.
    fn event(&self, event: &Event) -> bool;
    /// Forgets a user.
    fn forget(&self, user: &str);
    /// The log was rewritten without some users; `newest` is the time of the newest event that stays.
    fn rewritten(&self, newest: i64);
}

/// Takes users out of everything on the disk; returns the ids of the events that stay, and the time of the newest.
pub(crate) type TakeOut = Box<dyn Fn(&HashSet<String>) -> Result<(Recent, i64), String> + Send>;

enum Work {
    Events {
        events: Vec<Event>,
        _room: OwnedSemaphorePermit,
    },
    Forget(String),
    /// Asks for the ids of the events before.
    Ids(std::sync::mpsc::Sender<Vec<u8>>),
}

struct Job {
    work: Work,
    reply: oneshot::Sender<Result<Receipt, Problem>>,
}

/// The way in.
pub struct Ingest {
    jobs: Mutex<Option<mpsc::UnboundedSender<Job>>>,
    room: Arc<Semaphore>,
    most_waiting: usize,
    applied: Arc<RwLock<u64>>,
    is_unsettled: Arc<AtomicBool>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Ingest {
    /// Starts the thread that writes; at most `most_waiting` events wait for it.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        (log, recent): (Log, Recent),
        (apply, take_out): (Arc<dyn Apply>, TakeOut),
        most_waiting: usize,
    ) -> std::io::Result<Self> {
        let (jobs, received) = mpsc::unbounded_channel();
        let most_waiting = most_waiting.clamp(1, Semaphore::MAX_PERMITS);
        let applied = Arc::new(RwLock::new(log.journal().durable_end()));
        let is_unsettled = Arc::new(AtomicBool::new(false));
        let shared = (applied.clone(), is_unsettled.clone());
        let writer = Writer::new((log, recent), (apply, take_out), shared);
        let writer = std::thread::Builder::new().name("log".into()).spawn(move || writer.run(received))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            room: Arc::new(Semaphore::new(most_waiting)),
            most_waiting,
            applied,
            is_unsettled,
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Number of the first record that answers may lack.
    pub fn as_of(&self) -> u64 {
        self.reading(|as_of| as_of)
    }

    /// Reads what records were applied to while none is: it lacks exactly the records from the number on that `read` gets.
    pub fn reading<T>(&self, read: impl FnOnce(u64) -> T) -> T {
        let as_of = self.applied.read().unwrap_or_else(PoisonError::into_inner);
        read(*as_of)
    }

    /// Does something while no record is applied and nobody reads; `work` gets the number of the first record that is not applied.
    pub(crate) fn standing_still<T>(&self, work: impl FnOnce(u64) -> T) -> T {
        let applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        work(*applied)
    }

    /// Events that wait.
    pub fn waiting(&self) -> usize {
        self.most_waiting - self.room.available_permits()
    }

    /// Makes events durable and lets the next answer see them.
    ///
    /// # Errors
    /// 429 where too many wait; 503 where the log cannot be written: then they may be in it when the server starts again, or not.
    pub async fn events(&self, events: Vec<Event>) -> Result<Receipt, Problem> {
        if events.is_empty() {
            return Ok(Receipt { as_of: self.as_of(), ..Receipt::default() });
        }
        let count = u32::try_from(events.len()).unwrap_or(u32::MAX);
        if events.len() > self.most_waiting {
            return Err(Problem::new(
                axum::http::StatusCode::PAYLOAD_TOO_LARGE,
                format!("{count} events at once; at most {} are taken", self.most_waiting),
            ));
        }
        let room = self.room.clone().try_acquire_many_owned(count);
        let room = room.map_err(|_| Problem::busy("too many events wait to be written"))?;
        self.send(Work::Events { events, _room: room }).await
    }

    /// Tries again to write what a log that was away did not confirm; does not wait for it.
    pub(crate) fn settle(&self) {
        if self.is_unsettled.load(Ordering::Relaxed)
            && let Ok(_room) = self.room.clone().try_acquire_many_owned(0)
        {
            let _ = self.put(Work::Events { events: Vec::new(), _room });
        }
    }

    /// Forgets a user from now on.
    ///
    /// # Errors
    /// 503 where the log cannot be written.
    pub async fn forget(&self, user: String) -> Result<Receipt, Problem> {
        self.send(Work::Forget(user)).await
    }

    /// The ids of the events that are remembered, and the number of the first record that they lack. Not for threads of a runtime.
    ///
    /// # Errors
    /// 503 where the log cannot be written, or no more.
    pub(crate) fn ids(&self) -> Result<(u64, Vec<u8>), Problem> {
        let (tell, ids) = std::sync::mpsc::channel();
        let receipt = self.put(Work::Ids(tell))?.blocking_recv().map_err(|_| stopped())??;
        Ok((receipt.as_of, ids.recv().map_err(|_| stopped())?))
    }

    async fn send(&self, work: Work) -> Result<Receipt, Problem> {
        self.put(work)?.await.map_err(|_| stopped())?
    }

    fn put(&self, work: Work) -> Result<oneshot::Receiver<Result<Receipt, Problem>>, Problem> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().ok_or_else(stopped)?.send(Job { work, reply }).map_err(|_| stopped())?;
        Ok(answer)
    }

    /// Takes no more, and returns when all that was sent is written.
    pub fn stop(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // It does not panic; if it did, everybody who waited has been told.
            let _ = writer.join();
        }
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.stop();
    }
}

fn stopped() -> Problem {
    Problem::unavailable("the server is stopping")
}

fn size(job: &Job) -> usize {
    match &job.work {
        Work::Events { events, .. } => events.len(),
        Work::Forget(_) | Work::Ids(_) => 1,
    }
}
