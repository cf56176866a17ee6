//! What can be wrong with a file or folder, where, and what to do.

use std::path::{Path, PathBuf};

/// A file or folder that cannot be read or written, or holds something else than it should.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused: no such file, no permission, disk full.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `create` …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file that is not the JSON that was expected.
    #[error("{} is damaged: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the reader said, with line and column.
        source: serde_json::Error,
    },
    /// A sealed file that was cut short or altered.
    #[error("{} is damaged: {reason}", path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// What the reader found.
        reason: String,
    },
    /// A path such as `/` or `..`, at which no folder can be made.
    #[error("{} does not name a folder to make", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
}

impl Error {
    /// For `map_err`: a system error about a path.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }

    /// Advice for the user.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Io { source, .. } => io_help(source),
            Error::Json { .. } | Error::Sealed { .. } | Error::NoName { .. } => None,
        }
    }
}

/// What a person can do about an error of the system.
pub fn io_help(source: &std::io::Error) -> Option<String> {
    match source.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Some("the disk is full; nothing half-written was left behind".into())
        }
        std::io::ErrorKind::NotFound => Some("check the path: there is no such file or folder".into()),
        std::io::ErrorKind::PermissionDenied => {
            Some("check the permissions of the file and its folder".into())
        }
        _ => None,
    }
}
