//! The one thread that writes the log: what waits becomes one batch, then durable, then part of what the next answer sees.

use super::{Apply, Job, Receipt, TakeOut, Work, size, stopped};
use crate::log::Log;
use crate::recent::Recent;
use crate::record::Record;
use crate::{Event, Problem};
use semrank_store::journal::LARGEST_BATCH_BYTES;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::mpsc;

/// Events of one write, at most.
const MOST_TOGETHER: usize = 16_384;
/// Bytes of one write, at most; far from what a log takes, so that one more event always fits.
const MOST_BYTES: usize = LARGEST_BATCH_BYTES / 2;

/// What a record of the log says.
enum Said {
    Event(Event),
    Forget(String),
}

/// The thread that writes.
pub(super) struct Writer {
    log: Log,
    recent: Recent,
    /// Whether nobody knows what is in the log before the next start reads it.
    has_failed: bool,
    /// What was appended and not confirmed, and will be.
    unsettled: Vec<Said>,
    is_unsettled: Arc<AtomicBool>,
    /// Users who are forgotten and still in the log.
    leaving: HashSet<String>,
    apply: Arc<dyn Apply>,
    take_out: TakeOut,
    applied: Arc<RwLock<u64>>,
}

impl Writer {
    pub(super) fn new(
        (log, recent): (Log, Recent),
        (apply, take_out): (Arc<dyn Apply>, TakeOut),
        (applied, is_unsettled): (Arc<RwLock<u64>>, Arc<AtomicBool>),
    ) -> Self {
        let (unsettled, leaving) = (Vec::new(), HashSet::new());
        Self { log, recent, has_failed: false, unsettled, is_unsettled, leaving, apply, take_out, applied }
    }

    /// Writes jobs until no more can come.
    pub(super) fn run(mut self, mut jobs: mpsc::UnboundedReceiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut together = vec![first];
            let mut events = size(&together[0]);
            while events < MOST_TOGETHER
                && let Ok(job) = jobs.try_recv()
            {
                events += size(&job);
                together.push(job);
            }
            self.write(together);
        }
    }

    /// Writes jobs, in their order, with as few syncs as their sizes allow.
    fn write(&mut self, jobs: Vec<Job>) {
        if let Err(error) = self.settle() {
            return refuse(jobs, &error);
        }
        let mut done: Vec<(Job, Receipt)> = Vec::with_capacity(jobs.len());
        let (mut payloads, mut bytes, mut failed, mut written) = (Vec::new(), 0, None, 0);
        for mut job in jobs {
            let mut receipt = Receipt::default();
            match &mut job.work {
                Work::Forget(user) => payloads.push(Record::forget(user)),
                Work::Ids(_) => {}
                Work::Events { events, .. } => {
                    let before = events.len();
                    events.retain(|event| self.recent.insert(event.key()));
                    (receipt.accepted, receipt.duplicates) = (events.len(), before - events.len());
                    for event in events.iter() {
                        let payload = Record::event(event);
                        if bytes + payload.len() > MOST_BYTES && failed.is_none() {
                            failed = self.append(&mut payloads, &mut written).err();
                            bytes = 0;
                        }
                        bytes += payload.len() + 64;
                        payloads.push(payload);
                    }
                }
            }
            done.push((job, receipt));
        }
        if failed.is_none() {
            let appended = self.append(&mut payloads, &mut written);
            failed = appended.and_then(|()| self.log.journal().commit_all()).err();
        }
        if let Some(error) = failed {
            return self.fail(done, &error, written);
        }
        self.apply(&mut done);
        let forgotten = done.iter().filter_map(|(job, _)| match &job.work {
            Work::Forget(user) => Some(user.clone()),
            Work::Events { .. } | Work::Ids(_) => None,
        });
        let rewritten = self.rewrite(forgotten.collect());
        let as_of = *self.applied.read().unwrap_or_else(PoisonError::into_inner);
        for (job, receipt) in done {
            let answer = match (&job.work, &rewritten) {
                (Work::Forget(_), Err(problem)) => Err(problem.clone()),
                // The next start has to read the record that asks for it, so no snapshot may come after that.
                (Work::Ids(_), _) if self.has_failed || !self.leaving.is_empty() => Err(stopped()),
                (Work::Ids(tell), _) => {
                    let _ = tell.send(self.recent.save());
                    Ok(Receipt { as_of, ..receipt })
                }
                _ => Ok(Receipt { as_of, ..receipt }),
            };
            // Who has gone does not want to know.
            let _ = job.reply.send(answer);
        }
    }

    /// Says that nothing is acknowledged. Of a log that is away, the first `appended` records are kept until it has them.
    fn fail(&mut self, done: Vec<(Job, Receipt)>, error: &semrank_store::Error, appended: usize) {
        let is_temporary = error.is_temporary();
        self.has_failed |= !is_temporary;
        let (mut said, mut jobs) = (Vec::new(), Vec::with_capacity(done.len()));
        for (mut job, _) in done {
            match &mut job.work {
                Work::Events { events, .. } => {
                    said.extend(std::mem::take(events).into_iter().map(Said::Event))
                }
                Work::Forget(user) => said.push(Said::Forget(user.clone())),
                Work::Ids(_) => {}
            }
            jobs.push(job);
        }
        let dropped = said.split_off(if is_temporary { appended.min(said.len()) } else { 0 });
        self.recent.take_back(dropped.iter().filter(|one| matches!(one, Said::Event(_))).count());
        self.unsettled = said;
        self.is_unsettled.store(!self.unsettled.is_empty(), Ordering::Relaxed);
        refuse(jobs, error);
    }

    /// Writes what a log that was away did not confirm, and lets the next answer see it.
    fn settle(&mut self) -> Result<(), semrank_store::Error> {
        if self.unsettled.is_empty() {
            return Ok(());
        }
        self.log.journal().commit_all()?;
        let said = std::mem::take(&mut self.unsettled);
        self.is_unsettled.store(false, Ordering::Relaxed);
        let mut forgotten = HashSet::new();
        {
            let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
            for one in said {
                match one {
                    Said::Event(event) => _ = self.apply.event(&event),
                    Said::Forget(user) => {
                        self.apply.forget(&user);
                        forgotten.insert(user);
                    }
                }
            }
            *applied = self.log.journal().durable_end();
        }
        // Who asked for it was told to ask again.
        let _ = self.rewrite(forgotten);
        Ok(())
    }

    /// Lets the next answer see what is durable now.
    fn apply(&self, done: &mut [(Job, Receipt)]) {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        for (job, receipt) in done {
            match &job.work {
                Work::Events { events, .. } => {
                    receipt.unread = events.iter().filter(|event| !self.apply.event(event)).count();
                }
                Work::Forget(user) => self.apply.forget(user),
                Work::Ids(_) => {}
            }
        }
        *applied = self.log.journal().durable_end();
    }

    /// Takes those who are forgotten out of the log and of snapshots.
    fn rewrite(&mut self, forgotten: HashSet<String>) -> Result<(), Problem> {
        if forgotten.is_empty() && self.leaving.is_empty() {
            return Ok(());
        }
        self.leaving.extend(forgotten);
        let (recent, newest) = (self.take_out)(&self.leaving).map_err(|error| {
            Problem::unavailable(format!(
                "the user is forgotten, but their records are in the log until this is asked again, or the server is started again: {error}"
            ))
        })?;
        self.leaving.clear();
        self.recent = recent;
        self.apply.rewritten(newest);
        *self.applied.write().unwrap_or_else(PoisonError::into_inner) = self.log.journal().durable_end();
        Ok(())
    }

    /// Appends records and counts them. A log that was away gets one more chance.
    fn append(&self, payloads: &mut Vec<Vec<u8>>, written: &mut usize) -> Result<(), semrank_store::Error> {
        if !payloads.is_empty() {
            let log = self.log.journal();
            let appended = match log.append_batch(payloads) {
                Err(error) if error.is_temporary() => {
                    log.commit_all()?;
                    log.append_batch(payloads)
                }
                other => other,
            };
            appended?;
            *written += payloads.len();
            payloads.clear();
        }
        Ok(())
    }
}

/// Acknowledges nothing.
fn refuse(jobs: Vec<Job>, error: &semrank_store::Error) {
    let problem = Problem::unavailable(match error.is_temporary() {
        true => format!(
            "the log cannot be written now; send this again (events with the same `event_id`): {error}"
        ),
        false => format!(
            "the log cannot be written, and takes nothing before the server is started again: {error}"
        ),
    });
    jobs.into_iter().for_each(|job| _ = job.reply.send(Err(problem.clone())));
}
