//! A durable log of records by its URL, whatever keeps it: bytes in, a sequence number out.
//!
//! ```
//! use semrank_store::journal::Options;
//! use semrank_store::log::LogUrl;
//! # let dir = tempfile::tempdir()?; let folder = dir.path().join("events");
//! let log = LogUrl::from(folder).open(Options::default())?;
//! let clicked = log.append(b"ada clicked a1")?;
//! log.commit(clicked)?; // now it survives a crash of this program and of whatever keeps the log
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | URL | kept by | feature |
//! |---|---|---|
//! | a folder, `file://FOLDER` | a [journal](crate::journal) | |
//! | `redis://HOST:PORT/DB?key=NAME` | a stream of Redis, an entry for each record | `redis` |
//! | `nats://HOST:PORT?stream=NAME` | a stream of NATS JetStream, a message for each batch | `nats` |
//!
//! All keep the promises of [`DurableLog`], which one suite of tests asks of each (`tests/log`): numbers without gaps, what is committed
//! is there after a crash and once, and one writer.
//!
//! **A server that is away** makes `append` and `commit` fail within a deadline ([`Error::is_temporary`]). Nobody knows then whether the
//! last records are in the log. So the log keeps them in memory with their numbers, and every later commit writes them again, first: a
//! server that has them already knows them by their numbers, and takes nothing twice. Until that works no more is appended, so what
//! waits is bounded.
//!
//! | file | does |
//! |---|---|
//! | `url` | an address -> an open log |
//! | `remote` | group commit, deadlines and retries before any server |
//! | `wire` | a client's futures for threads that wait |
//! | `redis`, `nats` | what is asked of a server |
//! | `frame` | records -> bodies of messages |

#[cfg(feature = "nats")]
mod frame;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "nats", feature = "redis"))]
mod remote;
mod url;
#[cfg(any(feature = "nats", feature = "redis"))]
mod wire;

pub use url::LogUrl;

use crate::Error;
use crate::journal::Journal;
use std::ops::{ControlFlow, Range};

/// Gets records with their numbers, and says whether it wants more.
pub type Visit<'a> = &'a mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>;

/// An append-only log of records that has one writer.
///
/// Records have numbers from 0 on, without gaps. One that was appended is durable after [`DurableLog::commit`]; until then a crash may
/// take it, and all after it.
pub trait DurableLog: Send + Sync {
    /// Number of the first record that is kept.
    fn first_sequence(&self) -> u64;

    /// One beyond the last appended record: the number of the next.
    fn next_sequence(&self) -> u64;

    /// One beyond the last durable record.
    fn durable_end(&self) -> u64;

    /// Adds records that stay together: after a crash all of them are there, or none. Returns their numbers.
    ///
    /// # Errors
    /// None was added then: [`Error::RecordTooLarge`]; a log that is away ([`Error::is_temporary`]), or takes no more until it is opened
    /// again (all others).
    fn append_records(&self, payloads: &[&[u8]]) -> Result<Range<u64>, Error>;

    /// Returns when the record `sequence` and all before it are durable.
    ///
    /// # Errors
    /// [`Error::JournalRange`] for a record that was not appended. After a temporary error the record is written by a later commit; after
    /// any other it may be there when the log is opened again, or not.
    fn commit(&self, sequence: u64) -> Result<(), Error>;

    /// Commits everything, so that [`DurableLog::remove_before`] can remove all of it. Returns the next number.
    ///
    /// # Errors
    /// As [`DurableLog::commit`].
    fn rotate(&self) -> Result<u64, Error>;

    /// Gives the durable records from number `from` on, in order, each once, until `visit` breaks. What becomes durable meanwhile may be
    /// left out.
    ///
    /// # Errors
    /// [`Error::JournalRange`] where records from `from` on are not kept (`from` may be the number of the next record); damage; a log
    /// that is away.
    fn read(&self, from: u64, visit: Visit) -> Result<(), Error>;

    /// Removes records before `sequence`, a number that [`DurableLog::rotate`] gave and that was appended since. For another number some
    /// of the records before it may stay.
    ///
    /// # Errors
    /// As [`DurableLog::commit`].
    fn remove_before(&self, sequence: u64) -> Result<(), Error>;
}

impl dyn DurableLog + '_ {
    /// Adds one record and returns its number.
    ///
    /// # Errors
    /// As [`DurableLog::append_records`].
    pub fn append(&self, payload: &[u8]) -> Result<u64, Error> {
        Ok(self.append_records(&[payload])?.start)
    }

    /// [`DurableLog::append_records`] of records that are owned.
    ///
    /// # Errors
    /// As there.
    pub fn append_batch<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<Range<u64>, Error> {
        let payloads: Vec<&[u8]> = payloads.iter().map(AsRef::as_ref).collect();
        self.append_records(&payloads)
    }

    /// Commits everything that was appended so far; after a temporary error this tries again.
    ///
    /// # Errors
    /// As [`DurableLog::commit`].
    pub fn commit_all(&self) -> Result<(), Error> {
        let next = self.next_sequence();
        if next == self.durable_end() { Ok(()) } else { self.commit(next - 1) }
    }

    /// [`DurableLog::read`] until the first error of `visit`.
    ///
    /// # Errors
    /// As there; those of `visit`.
    pub fn for_each<E: From<Error>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut failed = None;
        self.read(from, &mut |sequence, payload| match visit(sequence, payload) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }
}

impl DurableLog for Journal {
    fn first_sequence(&self) -> u64 {
        self.first_sequence()
    }

    fn next_sequence(&self) -> u64 {
        self.next_sequence()
    }

    fn durable_end(&self) -> u64 {
        self.durable_end()
    }

    fn append_records(&self, payloads: &[&[u8]]) -> Result<Range<u64>, Error> {
        self.append_batch(payloads)
    }

    fn commit(&self, sequence: u64) -> Result<(), Error> {
        self.commit(sequence)
    }

    fn rotate(&self) -> Result<u64, Error> {
        self.rotate()
    }

    fn read(&self, from: u64, visit: Visit) -> Result<(), Error> {
        let read = self.for_each(from, |sequence, payload| match visit(sequence, payload) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Ended::Asked),
        });
        match read {
            Err(Ended::Failed(error)) => Err(error),
            Ok(()) | Err(Ended::Asked) => Ok(()),
        }
    }

    fn remove_before(&self, sequence: u64) -> Result<(), Error> {
        self.remove_before(sequence)
    }
}

/// Why a reading ended early.
enum Ended {
    Asked,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
