//! The log of a service: a [`DurableLog`] of [`Record`]s, read back in order, rewritten when users are to be forgotten.

use crate::Problem;
use crate::record::Record;
use semrank_store::Error as StoreError;
use semrank_store::journal::Options;
use semrank_store::log::{DurableLog, LogUrl};
use std::collections::HashSet;
use std::sync::Arc;

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The journal.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No log.
    #[error("{log}: there is no log; name the folder or URL that `semrank serve --state` or `--log` names")]
    Missing {
        /// Its address.
        log: String,
    },
    /// A record.
    #[error("{log}: record {sequence} cannot be read: {}", problem.detail)]
    Record {
        /// Its address.
        log: String,
        /// Its number.
        sequence: u64,
        /// What is wrong with it.
        problem: Box<Problem>,
    },
}

/// The log.
#[derive(Clone)]
pub struct Log {
    journal: Arc<dyn DurableLog>,
    url: LogUrl,
}

/// Why a reading ended before the last record.
enum Ended {
    Found(String),
    Failed(StoreError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// Where the records that count begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counting {
    /// Records up to this one were copied.
    copied: Option<u64>,
    /// Copies after this record are of a rewriting that was not finished.
    complete: Option<u64>,
}

impl Log {
    /// Opens a log, or begins one; `options` are those of a folder.
    ///
    /// # Errors
    /// One that another process writes, that is damaged, or cannot be reached.
    pub fn open(url: &LogUrl, options: Options) -> Result<Self, LogError> {
        Ok(Self { journal: url.open(options)?, url: url.clone() })
    }

    /// Opens a log that is there, to read it.
    ///
    /// # Errors
    /// Those of [`Log::open`], though a log on a server may have a writer; [`LogError::Missing`].
    pub fn existing(url: &LogUrl, options: Options) -> Result<Self, LogError> {
        let journal = url.open_to_read(options)?;
        let journal = journal.ok_or_else(|| LogError::Missing { log: url.to_string() })?;
        Ok(Self { journal, url: url.clone() })
    }

    /// One that is kept somehow.
    #[cfg(test)]
    pub(crate) fn of(journal: Arc<dyn DurableLog>) -> Self {
        Self { journal, url: std::path::PathBuf::new().into() }
    }

    /// Whether a number of a record is of the log as it is: before a rewriting, records had others.
    pub(crate) fn has_number(&self, sequence: u64) -> bool {
        let first = self.journal.first_sequence();
        first == 0 || sequence > first
    }

    /// What is appended to.
    pub fn journal(&self) -> &Arc<dyn DurableLog> {
        &self.journal
    }

    /// Gives every record that counts, oldest first, with its number.
    ///
    /// # Errors
    /// A record that cannot be read; those of `visit`.
    pub fn for_each<E: From<LogError> + From<StoreError>>(
        &self,
        visit: impl FnMut(u64, Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_from(0, visit)
    }

    /// The same from record `from` on, before which nothing has been rewritten since; 0 for all.
    ///
    /// # Errors
    /// As for [`Log::for_each`].
    pub fn for_each_from<E: From<LogError> + From<StoreError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_that_counts(from, |sequence, payload| visit(sequence, self.read(sequence, payload)?))
    }

    /// Hash of the record before `sequence`; none where the log does not have it.
    ///
    /// # Errors
    /// A damaged journal.
    pub(crate) fn hash_before(&self, sequence: u64) -> Result<Option<String>, LogError> {
        let journal = &self.journal;
        let before = sequence.checked_sub(1);
        let Some(before) = before.filter(|&at| at >= journal.first_sequence() && at < journal.durable_end())
        else {
            return Ok(None);
        };
        match journal
            .for_each(before, |_, payload| Err(Ended::Found(blake3::hash(payload).to_hex().to_string())))
        {
            Err(Ended::Found(hash)) => Ok(Some(hash)),
            Err(Ended::Failed(error)) => Err(error.into()),
            Ok(()) => Ok(None),
        }
    }

    /// Whether records before `sequence` have been rewritten since it.
    ///
    /// # Errors
    /// A damaged journal.
    pub(crate) fn was_rewritten(&self, sequence: u64) -> Result<bool, LogError> {
        let ([_, rewritten], mut found) = (Record::rewriting(), false);
        self.journal.for_each(sequence, |_, payload| {
            found |= payload == rewritten;
            Ok::<(), StoreError>(())
        })?;
        Ok(found)
    }

    /// Rewrites the log without the records of some users; `kept` sees what stays. Nothing else may be appended meanwhile but answers.
    ///
    /// # Errors
    /// A full disk: then the log counts as it did, and the rewriting has to be repeated.
    pub fn without(&self, users: &HashSet<String>, mut kept: impl FnMut(&Record)) -> Result<(), LogError> {
        let first = self.journal.rotate()?;
        let [rewriting, rewritten] = Record::rewriting();
        // Answers and exposures may come in between: what stands before this record is copied, and counts as copied.
        let begin = self.journal.append(&rewriting)?;
        self.journal.commit(begin)?;
        self.each_that_counts(0, |sequence, payload| {
            if sequence < begin {
                let record = self.read(sequence, payload)?;
                if !record.user().is_some_and(|user| users.contains(user)) {
                    self.journal.append(&Record::copy(payload))?;
                    kept(&record);
                }
            }
            Ok::<(), LogError>(())
        })?;
        self.journal.append(&rewritten)?;
        self.journal.commit_all()?;
        Ok(self.journal.remove_before(first)?)
    }

    fn read(&self, sequence: u64, payload: &[u8]) -> Result<Record, LogError> {
        Record::read(payload).map_err(|problem| LogError::Record {
            log: self.url.to_string(),
            sequence,
            problem: Box::new(problem),
        })
    }

    fn each_that_counts<E: From<LogError> + From<StoreError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let first = self.journal.first_sequence().max(from);
        let (mut counting, mut begun) = (Counting::default(), None);
        let [rewriting, rewritten] = Record::rewriting();
        let mark = |sequence: u64, payload: &[u8]| {
            if payload == rewriting {
                begun = Some(sequence);
            } else if payload == rewritten {
                counting = Counting { copied: begun, complete: Some(sequence) };
            }
            Ok::<(), StoreError>(())
        };
        self.journal.for_each(first, mark)?;
        self.journal.for_each(first, |sequence, payload| {
            let was_copied = counting.copied.is_some_and(|begin| sequence <= begin);
            let is_half = Record::is_copy(payload) && counting.complete.is_none_or(|end| sequence > end);
            if was_copied || is_half || payload == rewriting || payload == rewritten {
                return Ok(());
            }
            visit(sequence, payload)
        })
    }
}
