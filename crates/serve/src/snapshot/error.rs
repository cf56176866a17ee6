//! Why there is no snapshot.

use crate::LogError;

/// Why there is no snapshot, or none that can be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    #[error("{0}")]
    Database(Box<redb::Error>),
    #[error(transparent)]
    Store(#[from] semrank_store::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("{0}")]
    Unusable(String),
    /// A user was forgotten while it was written.
    #[error("it would have users who were forgotten meanwhile")]
    Outdated,
    #[error("{0}")]
    Ingest(String),
}

macro_rules! from_redb {
    ($($error:ident),+) => {$(
        impl From<redb::$error> for SnapshotError {
            fn from(error: redb::$error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )+};
}

from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError);
