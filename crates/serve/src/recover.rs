//! What a service knows when it starts: what its run has, then the last snapshot, then the records of the log after it.

use crate::log::Log;
use crate::memory::Memory;
use crate::ranker::Ranker;
use crate::recent::Recent;
use crate::record::{Answer, Record};
use crate::snapshot::{Snapshots, Start};
use crate::{LogError, OpenError, ServiceSettings};
use semrank_core::counted;
use semrank_pipeline::Context;
use std::collections::HashSet;
use std::iter::Peekable;
use std::sync::Arc;

/// What a log was made into, beside the memory of the ranker.
pub(crate) struct Recovered {
    /// Ids of the newest events.
    pub(crate) recent: Recent,
    pub(crate) snapshots: Arc<Snapshots>,
    /// Events that were read from the log: those that no snapshot has.
    pub(crate) events: usize,
}

/// Brings the memory of a ranker, that of a run, to the last record of a log.
///
/// # Errors
/// A log that is damaged or cannot be rewritten.
pub(crate) fn recover(
    ranker: &mut Ranker,
    settings: &ServiceSettings,
    (data, log): (&str, &Log),
    context: &Context,
) -> Result<Recovered, OpenError> {
    let of = |memory: &Arc<Memory>| Snapshots::new(settings, data, log, memory.parts());
    let mut snapshots = of(&ranker.memory);
    let mut recent = Recent::new(settings.remembered_ids);
    // What a click model has learned is in no snapshot yet.
    let restored = if ranker.clicks.is_some() { None } else { snapshots.restore(&mut recent) };
    let start = match restored {
        None => Start::default(),
        Some(Ok(start)) => start,
        Some(Err(error)) => {
            context.note(&format!("the snapshot is not used, and the whole log is read: {error}"));
            // It may have something of the snapshot.
            ranker.begin_again()?;
            (snapshots, recent) = (of(&ranker.memory), Recent::new(settings.remembered_ids));
            Start::default()
        }
    };
    let (mut forgotten, mut events) = (HashSet::new(), 0);
    let lacks = Memory::lacks(&start);
    let mut moments = Moments::of(ranker, log, start.from)?;
    log.for_each_from(start.from, |sequence, record| {
        moments.advance(ranker, sequence);
        events += usize::from(ranker.record(&record, &mut recent, |user| lacks(user, sequence)));
        if let Record::Forget(user) = record {
            forgotten.insert(user);
        }
        Ok::<(), LogError>(())
    })?;
    moments.advance(ranker, u64::MAX);
    let after = if start.from > 0 { " after the snapshot" } else { "" };
    context.note(&format!("log: {} read{after}", counted(events, "event", "events")));
    if !forgotten.is_empty() {
        let newest;
        (recent, newest) =
            snapshots.take_out(&forgotten).map_err(|error| OpenError::Forget(error.to_string()))?;
        ranker.memory.rewritten(newest);
    }
    Ok(Recovered { recent, snapshots: Arc::new(snapshots), events })
}

/// The moments at which answers of a log were made: each let the click model have what was known by then.
pub(crate) struct Moments(Peekable<std::vec::IntoIter<(u64, i64)>>);

impl Moments {
    /// Of the answers from a record on; none where there is no click model.
    ///
    /// # Errors
    /// A log that is damaged.
    pub(crate) fn of(ranker: &Ranker, log: &Log, from: u64) -> Result<Self, LogError> {
        let mut out = Vec::new();
        if ranker.clicks.is_some() {
            log.for_each_from(from, |_, record| {
                if let Record::Answer(Answer { as_of, known_before: Some(known), .. }) = record
                    && log.has_number(as_of)
                {
                    out.push((as_of, known));
                }
                Ok::<(), LogError>(())
            })?;
        }
        out.sort_unstable();
        Ok(Self(out.into_iter().peekable()))
    }

    /// Lets a click model have what it had before a record was applied.
    pub(crate) fn advance(&mut self, ranker: &Ranker, sequence: u64) {
        while let Some((_, known)) = self.0.next_if(|(as_of, _)| *as_of <= sequence) {
            ranker.advance(Some(known));
        }
    }
}
