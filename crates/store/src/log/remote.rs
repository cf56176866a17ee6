//! A log on a server: records are collected and written together, as by a [journal](crate::journal), with deadlines and retries.
//!
//! One batch at a time is on its way. Where its fate is unknown, since the answer did not come, it stays: the next who commits writes
//! it again, with the same numbers. A [`Server`] has to take a batch that it has already for written.
//!
//! ```text
//! pending   appended, not sent        7 8 9
//! sent      on its way, or unknown    4 5 6      a commit of 8 writes 4 5 6 again, then 7 8 9
//! durable   confirmed                 … 2 3
//! ```

use super::{DurableLog, Visit};
use crate::Error;
use crate::journal::LARGEST_BATCH_BYTES;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that wait in memory before an append writes them without being asked.
const MOST_PENDING_BYTES: usize = 1 << 20;
/// What a record costs beside its payload, as in a journal.
const RECORD_BYTES: usize = 4;
/// Pauses between two tries.
const PAUSES_MS: Range<u64> = 20..320;

/// Records that are written together.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    pub(super) first: u64,
    pub(super) records: Vec<Vec<u8>>,
    bytes: usize,
}

impl Batch {
    pub(super) fn from(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    /// One beyond its last record.
    pub(super) fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }
}

/// A server that keeps one log, of which this program is the writer.
pub(super) trait Server: Send + Sync {
    /// Writes a batch whose first record follows the last one, or that is written already; it is durable when this returns `Ok`.
    ///
    /// # Errors
    /// A temporary one where its fate is unknown; any other where the log is lost to this program.
    fn write(&self, batch: &Arc<Batch>, until: Instant) -> Result<(), Error>;

    /// Gives records of a range that is durable.
    fn read(&self, range: Range<u64>, wait: Duration, visit: Visit) -> Result<(), Error>;

    /// Removes records before a number, as far as it can; returns the first that is kept.
    fn remove_before(&self, sequence: u64, until: Instant) -> Result<u64, Error>;
}

/// A log on a server.
pub(super) struct Remote<S> {
    /// Without a password.
    name: String,
    server: S,
    /// How long an append or commit may take.
    wait: Duration,
    state: Mutex<State>,
    /// A batch became durable, or a try has ended.
    tried: Condvar,
}

struct State {
    pending: Batch,
    sent: Option<Arc<Batch>>,
    is_writing: bool,
    first: u64,
    durable: u64,
    /// What the last try failed with.
    away: Option<String>,
    /// Whether the log is lost to this program.
    stopped: Option<String>,
}

impl<S: Server> Remote<S> {
    /// A log that holds these records.
    pub(super) fn new(name: String, server: S, wait: Duration, holds: Range<u64>) -> Self {
        let state = State {
            pending: Batch::from(holds.end),
            sent: None,
            is_writing: false,
            first: holds.start,
            durable: holds.end,
            away: None,
            stopped: None,
        };
        Self { name, server, wait, state: Mutex::new(state), tried: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unavailable(&self, reason: impl Into<String>) -> Error {
        Error::LogUnavailable { log: self.name.clone(), reason: reason.into() }
    }

    fn check(&self, state: &State) -> Result<(), Error> {
        match &state.stopped {
            None => Ok(()),
            Some(reason) => {
                Err(Error::JournalStopped { reason: reason.clone(), kind: std::io::ErrorKind::Other })
            }
        }
    }

    fn out_of_range(&self, state: &State, asked: u64) -> Error {
        let (first, next) = (state.first, state.durable);
        Error::JournalRange { path: PathBuf::from(&self.name), asked, first, next }
    }

    /// Writes what is on its way or pending until `is_done`.
    fn write_until<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        is_done: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, Error> {
        let (until, mut pause_ms) = (Instant::now() + self.wait, PAUSES_MS.start);
        loop {
            if is_done(&state) {
                return Ok(state);
            }
            self.check(&state)?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.unavailable(state.away.as_deref().unwrap_or("it is slow")));
            }
            if state.is_writing {
                state = self.wait_for(state, left);
                continue;
            }
            state = self.try_once(state);
            if state.away.is_some() {
                // A server that refuses connections does so at once.
                state = self.wait_for(state, left.min(Duration::from_millis(pause_ms)));
                pause_ms = (pause_ms * 2).min(PAUSES_MS.end);
            }
        }
    }

    fn wait_for<'a>(&'a self, state: MutexGuard<'a, State>, most: Duration) -> MutexGuard<'a, State> {
        self.tried.wait_timeout(state, most).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Writes one batch, once. It has all the time that a write may take, however long somebody has waited for others: a server is not
    /// away because they were slow.
    fn try_once<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let batch = match &state.sent {
            Some(sent) => sent.clone(),
            None => {
                let next = Batch::from(state.pending.end());
                Arc::new(std::mem::replace(&mut state.pending, next))
            }
        };
        state.sent = Some(batch.clone());
        state.is_writing = true;
        drop(state);
        let written = self.server.write(&batch, Instant::now() + self.wait);
        let mut state = self.state();
        state.is_writing = false;
        match written {
            Ok(()) => {
                (state.durable, state.sent, state.away) = (batch.end(), None, None);
            }
            Err(Error::LogUnavailable { reason, .. }) => state.away = Some(reason),
            Err(other) => state.stopped = Some(other.to_string()),
        }
        self.tried.notify_all();
        state
    }
}

impl<S: Server> DurableLog for Remote<S> {
    fn first_sequence(&self) -> u64 {
        self.state().first
    }

    fn next_sequence(&self) -> u64 {
        self.state().pending.end()
    }

    fn durable_end(&self) -> u64 {
        self.state().durable
    }

    fn append_records(&self, payloads: &[&[u8]]) -> Result<Range<u64>, Error> {
        let sizes = payloads.iter().map(|payload| payload.len().saturating_add(RECORD_BYTES));
        let bytes = sizes.fold(0, usize::saturating_add);
        if bytes > LARGEST_BATCH_BYTES {
            return Err(Error::RecordTooLarge { bytes, most: LARGEST_BATCH_BYTES });
        }
        let mut state = self.state();
        self.check(&state)?;
        if let Some(reason) = &state.away {
            return Err(self.unavailable(reason));
        }
        // A large batch may go beyond the limit: it would never find room while small ones come.
        let has_room = |state: &State| state.pending.bytes < MOST_PENDING_BYTES;
        if !has_room(&state) {
            state = self.write_until(state, has_room)?;
            self.check(&state)?;
        }
        let first = state.pending.end();
        state.pending.records.extend(payloads.iter().map(|payload| payload.to_vec()));
        state.pending.bytes += bytes;
        Ok(first..state.pending.end())
    }

    fn commit(&self, sequence: u64) -> Result<(), Error> {
        let state = self.state();
        if sequence >= state.pending.end() {
            return Err(self.out_of_range(&state, sequence));
        }
        self.write_until(state, |state| state.durable > sequence).map(drop)
    }

    fn rotate(&self) -> Result<u64, Error> {
        let next = self.next_sequence();
        if let Some(last) = next.checked_sub(1).filter(|_| next > self.durable_end()) {
            self.commit(last)?;
        }
        let state = self.state();
        self.check(&state)?;
        // A batch ends here, so what comes next is in another one.
        Ok(state.durable)
    }

    fn read(&self, from: u64, visit: Visit) -> Result<(), Error> {
        let range = {
            let state = self.state();
            if from < state.first || from > state.durable {
                return Err(self.out_of_range(&state, from));
            }
            from..state.durable
        };
        if range.is_empty() { Ok(()) } else { self.server.read(range, self.wait, visit) }
    }

    fn remove_before(&self, sequence: u64) -> Result<(), Error> {
        let sequence = {
            let state = self.state();
            self.check(&state)?;
            sequence.min(state.durable)
        };
        let first = self.server.remove_before(sequence, Instant::now() + self.wait)?;
        let mut state = self.state();
        state.first = state.first.max(first);
        Ok(())
    }
}

/// Tries something until it works or fails for good, with pauses.
pub(super) fn retry<T>(
    until: Instant,
    mut once: impl FnMut(Instant) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut pause_ms = PAUSES_MS.start;
    loop {
        match once(until) {
            Err(error) if error.is_temporary() => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(error);
                }
                std::thread::sleep(left.min(Duration::from_millis(pause_ms)));
                pause_ms = (pause_ms * 2).min(PAUSES_MS.end);
            }
            other => return other,
        }
    }
}
