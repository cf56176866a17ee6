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
    /// A journal that another program writes.
    #[error("{} is in use: another program writes this journal", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A segment of a journal that is altered, cut or incomplete in a way that no crash explains.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Where, in bytes from its start.
        offset: u64,
        /// What the reader found.
        reason: String,
    },
    /// A segment of a journal in a format that this program does not know.
    #[error("{} is in version {version} of the journal's format; this program reads version 1", path.display())]
    JournalVersion {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// A journal that could not write or sync once, and takes nothing until it is opened again.
    #[error("the journal takes no more records since it could not write: {reason}")]
    JournalStopped {
        /// What failed first.
        reason: String,
        /// The kind of the system's error.
        kind: std::io::ErrorKind,
    },
    /// A record that a journal does not hold.
    #[error("record {asked} was asked for; the journal {} holds {first} up to before {next}", path.display())]
    JournalRange {
        /// The folder.
        path: PathBuf,
        /// What was asked for.
        asked: u64,
        /// Its first record.
        first: u64,
        /// One beyond its last record.
        next: u64,
    },
    /// The address of a log that cannot be used.
    #[error("the log {url}: {reason}")]
    LogUrl {
        /// Without a password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A log on a server that cannot be reached, or does not answer in time. What was appended may be in it or not; it is kept, and
    /// written once when the server is back.
    #[error("the log {log} cannot be reached: {reason}")]
    LogUnavailable {
        /// Its address.
        log: String,
        /// What was tried, and what came of it.
        reason: String,
    },
    /// A log on a server that is not what it should be: not durable, of another program, or without records that it had.
    #[error("the log {log} {reason}")]
    LogRefused {
        /// Its address.
        log: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// A log on a server that another program writes now.
    #[error("the log {log} is in use: another program writes it{}", if *taken_over { " and has taken it over" } else { "" })]
    LogTaken {
        /// Its address.
        log: String,
        /// Whether this program wrote it before.
        taken_over: bool,
    },
    /// Records that are too large to be written together.
    #[error("{bytes} bytes of records are to be written together; {most} are allowed")]
    RecordTooLarge {
        /// Their size, with 4 bytes for each.
        bytes: usize,
        /// The limit.
        most: usize,
    },
}

impl Error {
    /// For `map_err`: a system error about a path.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    }

    /// Whether the same may work in a moment, without anything being opened again: a server that is slow or starts again.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Error::LogUnavailable { .. })
    }

    /// Advice for the user.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Io { source, .. } => io_help(source),
            Error::Locked { .. } => Some("stop the other program, or give this one a folder of its own".into()),
            Error::Journal { .. } => Some(
                "nothing was changed. Put this file back from a backup; without one, copy the folder, then move this file and the \
                 later ones away: the journal ends before it then, and what they hold is lost"
                    .into(),
            ),
            Error::JournalVersion { .. } => Some("open it with the program that wrote it, or a newer one".into()),
            Error::JournalStopped { kind, .. } => Some(match kind {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    "the disk is full: free some space, then start again; every record that was confirmed is kept".into()
                }
                _ => "check the disk, then start again; every record that was confirmed is kept".into(),
            }),
            Error::JournalRange { asked, next, .. } if asked > next => Some(
                "the journal is older than what was made of it: put its latest files back, or start anew from both".into(),
            ),
            Error::JournalRange { .. } => {
                Some("what came before was removed after a snapshot: start from that snapshot".into())
            }
            Error::LogUnavailable { .. } => {
                Some("check that the server runs and can be reached from here; then try again".into())
            }
            Error::LogRefused { advice, .. } => Some(advice.clone()),
            Error::LogTaken { .. } => Some("stop the other program, or give this one a log of its own".into()),
            Error::RecordTooLarge { .. } => Some("write them in several parts".into()),
            Error::Json { .. } | Error::Sealed { .. } | Error::NoName { .. } | Error::LogUrl { .. } => None,
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
