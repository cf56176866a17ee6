//! Why a log cannot become a data set.

use crate::{LogError, OpenError};
use semrank_data::Error as DataError;
use std::path::PathBuf;

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The run, its items' changes or the log.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The data set, of the run or in the making.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A data set that has examples instead of a log.
    #[error("{}: events that were received can be added to a log with times only", path.display())]
    NoLog {
        /// The data set.
        path: PathBuf,
    },
}

impl From<semrank_pipeline::Error> for ExportError {
    fn from(error: semrank_pipeline::Error) -> Self {
        Self::Open(error.into())
    }
}

impl From<LogError> for ExportError {
    fn from(error: LogError) -> Self {
        Self::Open(error.into())
    }
}

impl From<semrank_store::Error> for ExportError {
    fn from(error: semrank_store::Error) -> Self {
        Self::Open(error.into())
    }
}
