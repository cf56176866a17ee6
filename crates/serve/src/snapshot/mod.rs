//! Snapshots: what is derived from the log, written from time to time, so that a start reads only the records after it.
//!
//! The log decides. A snapshot is used only where it is of this run's data set, the log holds the very record that came before it (by its
//! hash), and no record before it was rewritten since; else, and where it is damaged, the whole log is read. It is written by a thread of
//! its own, part by part: each [`Derived`] part is copied while no record is applied, so requests wait for one part at most, and each
//! knows the first record that it lacks.
//!
//! ```text
//! records   … 70 71 72 | 73 74 75 76 | 77 …        ids of events and shard 0 were copied as of 73, shard 1 as of 77:
//!                        └ shard 0 ┘               a start reads from 73 on, and shard 1 takes nothing before 77
//! ```
//!
//! Before a user's records are taken out of the log, every snapshot and the one in the making are removed ([`Snapshots::take_out`]). A crash
//! in between leaves the record that the user is to be forgotten, which the next start reads, with a snapshot or without.
//!
//! | file | does |
//! |---|---|
//! | `file` | parts -> a file that is whole, and known to be so |
//! | `keeper` | the thread that writes them |

mod error;
mod file;
mod keeper;

pub(crate) use error::SnapshotError;
pub(crate) use keeper::Keeper;
pub use keeper::SnapshotEvery;

use crate::ServiceSettings;
use crate::forgotten::Forgotten;
use crate::ingest::Ingest;
use crate::log::Log;
use crate::recent::Recent;
use crate::record::Record;
use file::{About, Snapshot};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The part that has the ids of events.
const IDS: &str = "ids";

/// State that is derived from the log, such as a shard of the histories or what a model knows of its users.
pub(crate) trait Derived: Send + Sync {
    /// Which part of a snapshot it is.
    fn name(&self) -> String;
    /// Its bytes. No record is applied meanwhile.
    fn save(&self) -> Vec<u8>;
    /// Becomes what was saved; it is as it was made for the run before. `None` for bytes that [`Derived::save`] did not give.
    fn restore(&self, saved: &[u8]) -> Option<()>;
}

/// Where a replay begins.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// The first record to read; 0 for all.
    pub(crate) from: u64,
    parts: HashMap<String, u64>,
}

impl Start {
    /// The first record that a part lacks.
    pub(crate) fn as_of(&self, part: &str) -> u64 {
        self.parts.get(part).copied().unwrap_or_default()
    }
}

/// What is known of the last snapshot.
#[derive(Debug, Clone, Copy)]
pub struct Written {
    /// Number of the first record that it lacks; 0 where there is none.
    pub as_of: u64,
    /// When this service wrote it, or else when it started.
    pub at: Instant,
    /// Seconds that it took.
    pub seconds: f64,
    /// Snapshots that could not be written.
    pub failures: u64,
}

/// The snapshots of a service.
pub(crate) struct Snapshots {
    folder: PathBuf,
    data: String,
    remembered_ids: usize,
    log: Log,
    parts: Vec<Arc<dyn Derived>>,
    /// Goes up when users are forgotten.
    generation: AtomicU64,
    /// Held while files change.
    files: Mutex<()>,
    written: Mutex<Written>,
}

impl Snapshots {
    /// Of a data set and what is derived from a log.
    pub(crate) fn new(
        settings: &ServiceSettings,
        data: &str,
        log: &Log,
        parts: Vec<Arc<dyn Derived>>,
    ) -> Self {
        Self {
            folder: settings.state.clone(),
            data: data.to_owned(),
            remembered_ids: settings.remembered_ids,
            log: log.clone(),
            parts,
            generation: AtomicU64::new(0),
            files: Mutex::new(()),
            written: Mutex::new(Written { as_of: 0, at: Instant::now(), seconds: 0.0, failures: 0 }),
        }
    }

    /// Gives all parts and the ids of events what the last usable snapshot has. None where there is no snapshot.
    ///
    /// # Errors
    /// Why a snapshot cannot be used; parts may have got something of it, and are to be made anew.
    pub(crate) fn restore(&self, ids: &mut Recent) -> Option<Result<Start, SnapshotError>> {
        let paths = match file::remove_partial(&self.folder).and_then(|()| file::all(&self.folder)) {
            Ok(paths) => paths,
            Err(error) => return Some(Err(error)),
        };
        let mut failed = None;
        let mut usable = Vec::new();
        for path in paths {
            match self.open(&path) {
                Ok(snapshot) => usable.push(snapshot),
                Err(error) => failed = Some(Err(error)),
            }
        }
        // A killed program may have left the one before.
        match usable.into_iter().max_by_key(|snapshot| snapshot.about.as_of) {
            Some(snapshot) => Some(self.take_in(&snapshot, ids)),
            None => failed,
        }
    }

    fn open(&self, path: &Path) -> Result<Snapshot, SnapshotError> {
        let snapshot = file::open(path)?;
        let About { data, as_of, record, remembered_ids, .. } = &snapshot.about;
        let reason = if *data != self.data {
            "it is of another data set"
        } else if *remembered_ids != self.remembered_ids {
            "it remembers another number of ids of events"
        } else if self.log.hash_before(*as_of)?.as_ref() != Some(record) || self.log.was_rewritten(*as_of)? {
            "it is of another log, or of this one before it was rewritten"
        } else {
            return Ok(snapshot);
        };
        Err(SnapshotError::Unusable(reason.into()))
    }

    fn take_in(&self, snapshot: &Snapshot, ids: &mut Recent) -> Result<Start, SnapshotError> {
        let about = &snapshot.about;
        let unusable = |name: &str| SnapshotError::Unusable(format!("it has no {name} that can be read"));
        let saved = |name: &str| {
            let at = about.parts.iter().position(|part| part.name == name).ok_or_else(|| unusable(name))?;
            snapshot.part(at)
        };
        *ids = Recent::restore(self.remembered_ids, &saved(IDS)?).ok_or_else(|| unusable(IDS))?;
        for part in &self.parts {
            part.restore(&saved(&part.name())?).ok_or_else(|| unusable(&part.name()))?;
        }
        self.written().as_of = about.as_of;
        let parts = about.parts.iter().map(|part| (part.name.clone(), part.as_of)).collect();
        Ok(Start { from: about.as_of, parts })
    }

    /// Writes a snapshot, where something has changed since the last one.
    ///
    /// # Errors
    /// A disk that fails, a log that takes no more; a user who is forgotten meanwhile.
    pub(crate) fn write(&self, ingest: &Ingest) -> Result<(), SnapshotError> {
        let (begun, generation) = (Instant::now(), self.generation.load(Ordering::Acquire));
        if ingest.as_of() == self.written().as_of {
            return Ok(());
        }
        let (as_of, ids) = ingest.ids().map_err(|problem| SnapshotError::Ingest(problem.detail))?;
        let _files = self.files();
        let is_wanted = || self.generation.load(Ordering::Acquire) == generation;
        // None where the log was rewritten and nothing has come since.
        let Some(record) = self.log.hash_before(as_of)?.filter(|_| is_wanted()) else {
            return Err(SnapshotError::Outdated);
        };
        let about = About::new(&self.data, (as_of, record), self.remembered_ids);
        let parts = self.parts.iter().map(|part| match is_wanted() {
            true => Ok(ingest.reading(|as_of| (part.name(), as_of, part.save()))),
            false => Err(SnapshotError::Outdated),
        });
        let ids = std::iter::once(Ok((IDS.to_owned(), as_of, ids)));
        file::write(&self.folder, about, ids.chain(parts), is_wanted)?;
        let (at, seconds) = (Instant::now(), begun.elapsed().as_secs_f64());
        let mut written = self.written();
        *written = Written { as_of, at, seconds, ..*written };
        Ok(())
    }

    /// Takes users out of all snapshots, then out of the log. Returns the ids of the events that stay, and the time of the newest.
    ///
    /// # Errors
    /// A disk that fails: then they may still be on it.
    pub(crate) fn take_out(&self, users: &HashSet<String>) -> Result<(Recent, i64), SnapshotError> {
        // The one that is being written ends now; none is begun while the files are held.
        self.generation.fetch_add(1, Ordering::AcqRel);
        let _files = self.files();
        Forgotten::add(&self.folder, users)?;
        file::remove_all(&self.folder)?;
        self.written().as_of = 0;
        let (mut ids, mut newest) = (Recent::new(self.remembered_ids), i64::MIN);
        self.log.without(users, |record| {
            if let Record::Event(event) = record {
                ids.insert(event.key());
                newest = newest.max(event.timestamp);
            }
        })?;
        Ok((ids, newest))
    }

    /// What is known of the last one.
    pub(crate) fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
