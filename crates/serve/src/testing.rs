//! What tests with damaged bodies and records read. Not for use elsewhere.

use crate::api::InferRequest;
use crate::body::{events, parse};
use crate::{Problem, RankRequest, Record, RetrieveRequest};

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
