//! What tests and measurements look at. Not for use elsewhere.

use crate::api::InferRequest;
use crate::body::{events, parse};
use crate::{Named, Problem, RankRequest, Record, RetrieveRequest, Service};

/// What a service made of its log.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// Of the users that were asked for.
    pub histories: Vec<Option<Vec<Named>>>,
    /// Number of all users.
    pub users: usize,
    /// Time of the newest event.
    pub newest: Option<i64>,
    /// Ids of the newest events, oldest first.
    pub ids: Vec<u8>,
}

/// What a service made of its log. Not for threads of a runtime.
///
/// # Errors
/// A service that has stopped.
pub fn derived(service: &Service, users: &[String]) -> Result<Derived, Problem> {
    let histories = users.iter().map(|user| service.history(user)).collect();
    let (newest, (_, ids)) = (service.newest(), service.ingest().ids()?);
    Ok(Derived { histories, users: service.users(), newest, ids })
}

/// Writes a snapshot now; returns what it says against it.
pub fn snapshot(service: &Service) -> Result<(), String> {
    service.write_snapshot().map_err(|error| error.to_string())
}

/// Reads a body as every route does that takes one, and as a record of the log; returns whether any could.
pub fn body(bytes: &[u8]) -> bool {
    let read: [Result<(), Problem>; 5] = [
        events(bytes, i64::MAX).map(drop),
        parse::<RankRequest>(bytes).map(drop),
        parse::<RetrieveRequest>(bytes).map(drop),
        parse::<InferRequest>(bytes).and_then(|request| request.rank()).map(drop),
        Record::read(bytes).map(drop),
    ];
    read.iter().any(Result::is_ok)
}
