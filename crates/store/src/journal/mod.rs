//! An append-only log of records on disk, for changes that must not be lost: bytes in, a sequence number out.
//!
//! ```
//! use semrank_store::journal::{Journal, Options};
//! # let dir = tempfile::tempdir()?; let folder = dir.path().join("changes");
//! let journal = Journal::open(&folder, Options::default())?;
//! let paused = journal.append(b"pause a1")?;
//! journal.commit(paused)?; // now it survives a power cut
//! drop(journal);
//!
//! let journal = Journal::open(&folder, Options::default())?;
//! let mut seen = Vec::new();
//! journal.for_each(0, |sequence, bytes| {
//!     seen.push((sequence, bytes.to_vec()));
//!     Ok::<(), semrank_store::Error>(())
//! })?;
//! assert_eq!(seen, [(0, b"pause a1".to_vec())]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A journal is a folder of segments, `00000000000000000000.journal` and so on, named by the number of their first record, and a `lock`
//! that its one writer holds. The last segment is *active*, the others are *sealed*: they never change, and any program may read them
//! ([`sealed_segments`]) while the writer goes on.
//!
//! **Group commit.** [`Journal::append`] puts a record into memory. The first thread that waits in [`Journal::commit`] writes everything
//! that was appended as one *frame*, with one write and one sync; who comes meanwhile waits for the next frame. So eight threads that
//! wait for the disk need little more syncs than one.
//!
//! **What a crash can do.** A frame is written only when the one before is durable, so a crash can cut short the last frame alone, of
//! which nothing was confirmed. It is cut off when the journal is opened ([`Recovered::cut`]). After each sync a *mark*, a frame
//! without records, is put where the next frame will begin. So a damaged frame with a whole frame or mark behind it was durable: that
//! is an error, not a cut (`recover.rs` has the table). A segment gets its name after its header and size are durable, and a name is
//! durable before a record is written below it.
//!
//! **After a failure** of a write or a sync nobody knows what is on the disk. Everybody who waits gets the error, and the journal takes
//! no more records until it is opened again, when the last frame is written once more before it counts.
//!
//! It is relied on that a write leaves bytes alone which it does not cover, and that a sync that succeeds tells the truth.
//!
//! | file | does |
//! |---|---|
//! | `format` | the bytes of segments and frames |
//! | `storage` | where segments lie; tests put a disk there that crashes |
//! | `reader` | a segment's file -> frames, or where it is damaged |
//! | `segment` | the records of a segment; those that are sealed |
//! | `writer` | frames -> durable frames; the next segment |
//! | `recover` | the end of a journal that is opened |

mod format;
mod reader;
mod recover;
mod segment;
mod storage;
mod writer;

pub use segment::{Segment, sealed_segments};
pub use storage::{Folder, Storage, StoredFile};

use crate::Error;
use format::{Frame, RECORD_HEADER_BYTES};
use segment::sealed;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use writer::Writer;

/// Records of one batch, with 4 bytes for each. It bounds the memory of a writer and of a reader.
pub const LARGEST_BATCH_BYTES: usize = 16 << 20;

/// Bytes that wait in memory before an append writes them without being asked.
const MOST_PENDING_BYTES: usize = 1 << 20;

/// How a journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Size of a segment on disk, reserved when it is made. A batch that needs more gets a segment that is as large as it needs.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20 }
    }
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The first record that is kept.
    pub first: u64,
    /// One beyond the last record: the number of the next.
    pub next: u64,
    /// What a crash left half-written.
    pub cut: Option<Cut>,
}

/// Bytes of a write that a crash cut short; none of its records had been confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Where they began.
    pub offset: u64,
    /// How many there were.
    pub bytes: u64,
}

impl fmt::Display for Cut {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let Cut { path, offset, bytes } = self;
        write!(
            out,
            "cut off {bytes} bytes at byte {offset} of {}: a write that was not finished",
            path.display()
        )
    }
}

/// An open journal, for any number of threads.
pub struct Journal {
    storage: Arc<dyn Storage>,
    recovered: Recovered,
    /// Held by the thread that writes a frame, and by no other for long.
    writer: Mutex<Writer>,
    state: Mutex<State>,
    /// A frame became durable, or failed.
    written: Condvar,
    /// Held while segments are removed.
    removal: Mutex<()>,
}

struct State {
    /// Appended, not written yet.
    pending: Frame,
    /// An empty one, so that memory is used again.
    spare: Frame,
    /// One beyond the last durable record.
    durable: u64,
    is_writing: bool,
    /// First sequence numbers of all segments.
    firsts: Vec<u64>,
    failed: Option<(String, io::ErrorKind)>,
}

impl Journal {
    /// Opens the journal in a folder, or begins one there, and locks it against other writers.
    ///
    /// Sealed segments are checked as far as their headers; their records are when [`Journal::for_each`] reads them.
    ///
    /// # Errors
    /// [`Error::Locked`]; [`Error::Journal`] and [`Error::JournalVersion`] for what is damaged or of another program, in which case
    /// nothing was changed; the system's.
    pub fn open(folder: &Path, options: Options) -> Result<Journal, Error> {
        Self::open_in(Arc::new(Folder::lock(folder)?), options)
    }

    /// Opens the journal that lies in a storage.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_in(storage: Arc<dyn Storage>, options: Options) -> Result<Journal, Error> {
        let recover::Opened { firsts, writer, recovered } =
            recover::open(storage.clone(), options.segment_bytes)?;
        let mut pending = Frame::default();
        pending.begin(recovered.next);
        let state = State {
            pending,
            spare: Frame::default(),
            durable: recovered.next,
            is_writing: false,
            firsts,
            failed: None,
        };
        Ok(Journal {
            storage,
            recovered,
            writer: Mutex::new(writer),
            state: Mutex::new(state),
            written: Condvar::new(),
            removal: Mutex::new(()),
        })
    }

    /// What was found when it was opened.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// One beyond the last appended record: the number of the next.
    pub fn next_sequence(&self) -> u64 {
        self.state().pending.end()
    }

    /// Number of the first record that is kept.
    pub fn first_sequence(&self) -> u64 {
        self.state().firsts[0]
    }

    /// One beyond the last durable record.
    pub fn durable_end(&self) -> u64 {
        self.state().durable
    }

    /// Adds a record and returns its number. It is durable after [`Journal::commit`]; without it, it may be lost in a crash, together
    /// with all later ones. Where much is waiting, this writes it.
    ///
    /// # Errors
    /// [`Error::RecordTooLarge`]; [`Error::JournalStopped`].
    pub fn append(&self, payload: &[u8]) -> Result<u64, Error> {
        Ok(self.append_batch(&[payload])?.start)
    }

    /// Adds records that stay together: after a crash all of them are there, or none. Returns their numbers.
    ///
    /// # Errors
    /// [`Error::RecordTooLarge`], where none was added; [`Error::JournalStopped`].
    pub fn append_batch<P: AsRef<[u8]>>(&self, payloads: &[P]) -> Result<Range<u64>, Error> {
        let sizes = payloads.iter().map(|payload| payload.as_ref().len().saturating_add(RECORD_HEADER_BYTES));
        let bytes = sizes.fold(0, usize::saturating_add);
        if bytes > LARGEST_BATCH_BYTES {
            return Err(Error::RecordTooLarge { bytes, most: LARGEST_BATCH_BYTES });
        }
        let mut state = self.state();
        while !state.pending.is_empty() && state.pending.body_bytes() + bytes > MOST_PENDING_BYTES {
            state.check()?;
            state = self.write_or_wait(state);
        }
        state.check()?;
        let first = state.pending.end();
        payloads.iter().for_each(|payload| state.pending.push(payload.as_ref()));
        Ok(first..state.pending.end())
    }

    /// Returns when the record `sequence` and all before it are durable: they survive a crash of program, system and power.
    ///
    /// # Errors
    /// [`Error::JournalStopped`] where they could not be written or synced: they may be there when the journal is opened again, or not;
    /// [`Error::JournalRange`] for a record that was not appended.
    pub fn commit(&self, sequence: u64) -> Result<(), Error> {
        let mut state = self.state();
        if sequence >= state.pending.end() {
            return Err(self.out_of_range(&state, sequence));
        }
        while sequence >= state.durable {
            state.check()?;
            state = self.write_or_wait(state);
        }
        Ok(())
    }

    /// Commits everything that was appended so far.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub fn commit_all(&self) -> Result<(), Error> {
        let next = self.next_sequence();
        if next == self.durable_end() { Ok(()) } else { self.commit(next - 1) }
    }

    /// Commits everything and begins another segment, so that [`Journal::remove_before`] can remove all of it. Returns the next number.
    ///
    /// # Errors
    /// As [`Journal::commit`].
    pub fn rotate(&self) -> Result<u64, Error> {
        let mut state = self.state();
        while state.is_writing || !state.pending.is_empty() {
            state.check()?;
            state = self.write_or_wait(state);
        }
        state.check()?;
        if state.firsts.last() != Some(&state.durable) {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.rotate(0).inspect_err(|error| state.fail(error))?;
            state.firsts.push(writer.first());
        }
        Ok(state.durable)
    }

    /// Gives the durable records from number `from` on, in order, each once. What becomes durable meanwhile may be left out.
    ///
    /// # Errors
    /// [`Error::JournalRange`] where records from `from` on are not kept (`from` may be the number of the next record);
    /// [`Error::Journal`] for damage; the system's, also where [`Journal::remove_before`] removed a segment meanwhile; those of `visit`.
    pub fn for_each<E: From<Error>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut segments, last) = {
            let state = self.state();
            if from < state.firsts[0] || from > state.durable {
                return Err(self.out_of_range(&state, from).into());
            }
            let first = state.firsts[state.firsts.len() - 1];
            let last = Segment { storage: self.storage.clone(), first, end: state.durable };
            (sealed(&self.storage, &state.firsts), last)
        };
        segments.push(last);
        for segment in segments.iter().filter(|segment| segment.end > from) {
            segment.for_each(from, &mut visit)?;
        }
        Ok(())
    }

    /// The sealed segments, oldest first.
    pub fn segments(&self) -> Vec<Segment> {
        sealed(&self.storage, &self.state().firsts)
    }

    /// Removes the sealed segments that hold nothing but records before `sequence`, for which a snapshot stands in.
    ///
    /// # Errors
    /// The system's. The journal then takes no more records, as after a failed write.
    pub fn remove_before(&self, sequence: u64) -> Result<(), Error> {
        let _removal = self.removal.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let first = {
                let mut state = self.state();
                state.check()?;
                match state.firsts.get(1) {
                    Some(&next) if next <= sequence => state.firsts.remove(0),
                    _ => return Ok(()),
                }
            };
            let name = reader::segment_name(first);
            // One by one and oldest first, so that a crash never leaves a gap.
            let removed = self.storage.remove(&name).and_then(|()| self.storage.sync());
            if let Err(error) = removed.map_err(Error::io("remove", &self.storage.path(&name))) {
                self.state().fail(&error);
                return Err(error);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is pending, or waits until the thread that is writing has done so.
    fn write_or_wait<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.is_writing {
            return self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let next = state.pending.end();
        let mut frame = std::mem::take(&mut state.spare);
        frame.begin(next);
        std::mem::swap(&mut frame, &mut state.pending);
        state.is_writing = true;
        drop(state);
        let (written, marked, first) = {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let written = writer.write(&mut frame);
            let marked = if written.is_ok() { writer.mark() } else { Ok(()) };
            (written, marked, writer.first())
        };
        let mut state = self.state();
        state.is_writing = false;
        if written.is_ok() {
            state.durable = frame.end();
            if state.firsts.last() != Some(&first) {
                state.firsts.push(first);
            }
        }
        if let Err(error) = written.and(marked) {
            state.fail(&error);
        }
        state.spare = frame;
        self.written.notify_all();
        state
    }

    fn out_of_range(&self, state: &State, asked: u64) -> Error {
        Error::JournalRange {
            path: self.storage.path(""),
            asked,
            first: state.firsts[0],
            next: state.durable,
        }
    }
}

impl State {
    /// An error once something failed.
    fn check(&self) -> Result<(), Error> {
        match &self.failed {
            None => Ok(()),
            Some((reason, kind)) => Err(Error::JournalStopped { reason: reason.clone(), kind: *kind }),
        }
    }

    fn fail(&mut self, error: &Error) {
        let kind = match error {
            Error::Io { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        self.failed.get_or_insert((error.to_string(), kind));
    }
}
