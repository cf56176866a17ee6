//! The log of a service as the rows of a test.

use crate::event::key_of_id;
use crate::recent::Recent;
use crate::{Event, Log, LogError, Record};
use semrank_experiment::log::{LoggedEvent, LoggedExposure};

/// A row of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialRow {
    /// A unit's request in an arm.
    Exposure(Box<LoggedExposure>),
    /// Something that a user did.
    Event(Box<LoggedEvent>),
}

/// Rows within which an exposure that a client repeated after a failure is known.
const REPEATED_WITHIN: usize = 100_000;

/// Gives the exposures and events of a log, in its order. Events without an id are known by what they say; an exposure that stands there
/// twice, since its request was repeated, is given once.
///
/// # Errors
/// A record that cannot be read; those of `visit`.
pub fn trial_rows<E: From<LogError> + From<semrank_store::Error>>(
    log: &Log,
    mut visit: impl FnMut(TrialRow) -> Result<(), E>,
) -> Result<(), E> {
    let mut recent = Recent::new(REPEATED_WITHIN);
    log.for_each(|_, record| match record {
        Record::Exposure(_, row) if !recent.insert(key_of_id(&format!("{} {}", row.event_id, row.unit))) => {
            Ok(())
        }
        Record::Exposure(_, exposure) => visit(TrialRow::Exposure(exposure)),
        Record::Event(event) => visit(TrialRow::Event(Box::new(logged(event)))),
        _ => Ok(()),
    })
}

fn logged(event: Event) -> LoggedEvent {
    let id = event.event_id.clone().unwrap_or_else(|| format!("{:032x}", event.key()));
    let Event { user_id, item_id, action, timestamp, received_at, rest: mut columns, .. } = event;
    columns.insert("user_id".into(), user_id.into());
    columns.insert("item_id".into(), item_id.into());
    LoggedEvent { event_id: id, action, timestamp, received_at: Some(received_at), columns }
}
