//! A log walked through again: a ranker learns it record by record, and stands at each answer where the server stood when it gave it.

use crate::OpenError;
use crate::log::Log;
use crate::ranker::Ranker;
use crate::recent::Recent;
use crate::record::{Answer, Record};

/// What a walk has met.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walked {
    /// Events that are new.
    pub(crate) events: usize,
    /// Answers from before a rewriting of the log: what they saw has other numbers now.
    pub(crate) left_out: usize,
}

/// Gives every answer when the ranker has the records that it saw. Labels that a click model had then, and items, are left to `visit`.
///
/// # Errors
/// A log that cannot be read; those of `visit`.
pub(crate) fn walk(
    (ranker, log): (&Ranker, &Log),
    remembered_ids: usize,
    mut visit: impl FnMut(&Answer) -> Result<(), OpenError>,
) -> Result<Walked, OpenError> {
    let mut out = Walked::default();
    // An answer stands behind the events that it saw, and behind some that came while it was made.
    let mut answers = Vec::new();
    log.for_each(|_, record| {
        match record {
            Record::Answer(answer) if !log.has_number(answer.as_of) => out.left_out += 1,
            Record::Answer(answer) => answers.push(answer),
            _ => {}
        }
        Ok::<(), OpenError>(())
    })?;
    answers.sort_by_key(|answer| (answer.as_of, answer.known_before));
    let mut answers = answers.iter().peekable();
    let mut recent = Recent::new(remembered_ids);
    log.for_each(|sequence, record| {
        while let Some(answer) = answers.next_if(|answer| answer.as_of <= sequence) {
            visit(answer)?;
        }
        out.events += usize::from(ranker.record(&record, &mut recent, |_| true));
        Ok::<(), OpenError>(())
    })?;
    answers.try_for_each(visit)?;
    Ok(out)
}
