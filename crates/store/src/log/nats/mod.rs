//! `nats://HOST:PORT?stream=NAME`: a log in a stream of NATS JetStream, a message for each batch ([`frame`](super::frame)).
//!
//! **Durable** is what the server confirms after it has synced the stream's file: the stream is in files, without limits and kept until
//! it is removed, which is checked, and the server has `sync_interval: always`, which clients are not told. With `monitor=HOST:PORT`,
//! where the server tells its settings over HTTP, that is checked, too.
//!
//! **One writer, and once.** Every message says which message of the stream it follows. So of two programs that write the one is
//! refused that does not know of the other; who opens the log writes a batch without records, and so the newer program goes on. A
//! message that is sent again, since its answer was lost, is refused as well: then the message in its place is read, and is its own.

mod monitor;
mod stream;

use super::frame::{Assembly, Head, bodies, decode};
use super::remote::{Batch, Remote, Server, retry};
use super::url::ServerUrl;
use super::{DurableLog, Visit};
use crate::Error;
use async_nats::jetstream::context::PublishErrorKind;
use std::hash::{BuildHasher, RandomState};
use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use stream::{Nats, Published};

/// Bytes of a message beside its body: the headers that are sent with it.
const HEADERS_BYTES: usize = 1024;

/// The number of a batch's first record, and its messages.
type Sending = (u64, Arc<Vec<Vec<u8>>>);

/// The log, as its writer or a reader knows it.
struct NatsLog {
    nats: Nats,
    writer: u64,
    /// The last message that is known: what is written next follows it.
    last: AtomicU64,
    /// The first message.
    first: AtomicU64,
    /// Bodies of the batch that is being written, by its first record.
    sending: Mutex<Option<Sending>>,
    can_write: bool,
}

/// Opens the log for writing, and begins it where it is not there.
pub(super) fn open(url: &ServerUrl) -> Result<Arc<dyn DurableLog>, Error> {
    let until = Instant::now() + url.wait;
    let nats = Nats::connect(url, until)?;
    if let Some(monitor) = &url.monitor {
        monitor::check(monitor, until).map_err(|(reason, advice)| nats.refused(&reason, &advice))?;
    }
    nats.make(until)?;
    let mut log = NatsLog::of(nats, true);
    let holds = retry(until, |until| log.begin(until))?;
    Ok(Arc::new(Remote::new(url.to_string(), log, url.wait, holds)))
}

/// Opens the log for reading; none where it is not there.
pub(super) fn open_to_read(url: &ServerUrl) -> Result<Option<Arc<dyn DurableLog>>, Error> {
    let until = Instant::now() + url.wait;
    let nats = Nats::connect(url, until)?;
    if !nats.is_there(until)? {
        return Ok(None);
    }
    let log = NatsLog::of(nats, false);
    let holds = retry(until, |until| log.look(until))?;
    Ok(Some(Arc::new(Remote::new(url.to_string(), log, url.wait, holds))))
}

impl NatsLog {
    fn of(nats: Nats, can_write: bool) -> Self {
        let writer = RandomState::new().hash_one(Instant::now());
        let [last, first] = [0, 1].map(AtomicU64::new);
        Self { nats, writer, last, first, sending: Mutex::new(None), can_write }
    }

    fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Learns what the stream holds: records that are kept.
    fn look(&self, until: Instant) -> Result<Range<u64>, Error> {
        let messages = self.nats.messages(until)?;
        self.last.store(messages.end - 1, Ordering::Release);
        self.first.store(messages.start, Ordering::Release);
        if messages.is_empty() {
            if messages.end > 1 {
                return Err(self.nats.damaged("all of its messages were removed".into()));
            }
            return Ok(0..0);
        }
        let first = self.head(messages.start, until)?;
        if first.part > 0 {
            return Err(self.nats.damaged(format!("message {} is the rest of a batch", messages.start)));
        }
        Ok(first.first..self.head(messages.end - 1, until)?.next())
    }

    /// Becomes the writer: other programs that write find that they are not.
    fn begin(&mut self, until: Instant) -> Result<Range<u64>, Error> {
        let holds = self.look(until)?;
        self.nats.check(until)?;
        let batch = Arc::new(Batch::from(holds.end));
        match self.write(&batch, until) {
            // Somebody wrote in between, and does no more now.
            Err(Error::LogTaken { .. }) => Err(self.nats.away("another program writes it")),
            other => other.map(|()| holds),
        }
    }

    fn head(&self, message: u64, until: Instant) -> Result<Head, Error> {
        let body = self.nats.message(message, until)?;
        let body = body.ok_or_else(|| self.nats.damaged(format!("message {message} is missing")))?;
        let (head, _) = decode(&body).ok_or_else(|| self.nats.foreign(message))?;
        Ok(head)
    }

    /// The first message whose batch begins with record `first` or later.
    fn first_from(&self, first: u64, until: Instant) -> Result<u64, Error> {
        let (mut low, mut high) = (self.first.load(Ordering::Acquire), self.last() + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.head(middle, until)?.first < first {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        Ok(low)
    }

    /// The first message of the batch that has a record, or of those that begin with the same one.
    fn message_of(&self, record: u64, until: Instant) -> Result<u64, Error> {
        let after = self.first_from(record + 1, until)?;
        let Some(before) = after.checked_sub(1).filter(|&at| at >= self.first.load(Ordering::Acquire)) else {
            return Ok(after);
        };
        self.first_from(self.head(before, until)?.first, until)
    }

    fn bodies(&self, batch: &Batch) -> Arc<Vec<Vec<u8>>> {
        let encode =
            || Arc::new(bodies(batch, self.writer, self.nats.max_payload().saturating_sub(HEADERS_BYTES)));
        if batch.records.is_empty() {
            return encode();
        }
        let mut sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        match &*sending {
            // The same bytes each time, whatever the server allows by then.
            Some((first, bodies)) if *first == batch.first => bodies.clone(),
            _ => sending.insert((batch.first, encode())).1.clone(),
        }
    }
}

impl Server for NatsLog {
    fn write(&self, batch: &Arc<Batch>, until: Instant) -> Result<(), Error> {
        if !self.can_write {
            return Err(self.nats.refused("was opened for reading", "open it for writing"));
        }
        let bodies = self.bodies(batch);
        let last = self.last();
        for (follows, body) in (last..).zip(bodies.iter()) {
            let id = format!("{:016x}-{}-{}", self.writer, batch.first, follows);
            match self.nats.publish(body, (follows, id), until)? {
                Published::At(sequence) if sequence == follows + 1 => {}
                Published::At(sequence) => {
                    return Err(self
                        .nats
                        .damaged(format!("a message that follows {follows} was confirmed as {sequence}")));
                }
                Published::Refused(PublishErrorKind::WrongLastSequence) => {
                    match self.nats.message(follows + 1, until)? {
                        // An earlier try got through.
                        Some(there) if there == *body => {}
                        Some(_) => return Err(self.nats.taken()),
                        None => return Err(self.nats.lost(follows)),
                    }
                }
                Published::Refused(kind) => return Err(self.nats.away(&kind.to_string())),
            }
        }
        self.last.store(last + bodies.len() as u64, Ordering::Release);
        Ok(())
    }

    fn read(&self, range: Range<u64>, wait: Duration, visit: Visit) -> Result<(), Error> {
        let from = retry(Instant::now() + wait, |until| self.message_of(range.start, until))?;
        let (mut expected, mut next, mut is_enough) = (from, range.start, false);
        let mut assembly = Assembly::default();
        self.nats.read(from..self.last() + 1, wait, &mut |message, body| {
            if message != expected {
                return Err(self.nats.damaged(format!("message {expected} is missing")));
            }
            expected += 1;
            let body = decode(body).ok_or_else(|| self.nats.foreign(message))?;
            let mut gap = None;
            let given = assembly.take(body, &mut |number, record| {
                if number < range.start {
                    return ControlFlow::Continue(());
                }
                if number != next {
                    gap = Some(number);
                }
                if number >= range.end || gap.is_some() {
                    return ControlFlow::Break(());
                }
                next += 1;
                let flow = visit(number, record);
                is_enough |= flow.is_break() || next == range.end;
                flow
            });
            match (given, gap) {
                (_, Some(number)) => {
                    Err(self.nats.damaged(format!("record {number} stands in the place of {next}")))
                }
                (None, _) => {
                    Err(self.nats.damaged(format!("message {message} does not follow the one before")))
                }
                (Some(_), None) if is_enough => Ok(ControlFlow::Break(())),
                (Some(_), None) => Ok(ControlFlow::Continue(())),
            }
        })?;
        match is_enough {
            true => Ok(()),
            false => Err(self.nats.damaged(format!("record {next} is missing"))),
        }
    }

    fn remove_before(&self, sequence: u64, until: Instant) -> Result<u64, Error> {
        let message = retry(until, |until| self.message_of(sequence, until))?;
        // The number of the next record is in a message: one stays.
        let message = message.min(self.last());
        // Asked to remove what is before its first message, the server removes everything.
        if message > self.first.load(Ordering::Acquire) {
            retry(until, |until| self.nats.remove_before(message, until))?;
            self.first.store(message, Ordering::Release);
        }
        Ok(retry(until, |until| self.head(message, until))?.first)
    }
}
