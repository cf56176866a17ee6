//! In place of `traces` where this program was built without the feature `otlp`.

use crate::{OpenError, Ranking};
use std::time::Instant;

/// Nothing that could be there.
pub(crate) enum Traces {}

impl Traces {
    /// # Errors
    /// [`OpenError::Traces`]: always.
    pub(crate) fn open(_url: &str) -> Result<Self, OpenError> {
        let why = "this semrank was built without them; build it with --features otlp".to_owned();
        Err(OpenError::Traces { why })
    }

    pub(crate) fn offer(&self, _moments: [Instant; 5], _ranking: &Ranking) {
        match *self {}
    }

    pub(crate) fn lost(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn stop(&self) {
        match *self {}
    }
}
