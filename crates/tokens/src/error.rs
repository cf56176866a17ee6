//! Errors of semantic ids; each message says what was found, what was expected and what to do.

use semrank_core::counted;
use semrank_core::settings::SettingError;
use std::path::{Path, PathBuf};

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its limits.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A vector that no code can be near to.
    #[error(
        "the vector of item row {row} has {value} in column {column}; expected finite numbers up to 1e15"
    )]
    NotFinite {
        /// Row of the item, from 0.
        row: usize,
        /// First bad column, from 0.
        column: usize,
        /// What stands there.
        value: f32,
    },
    /// Fewer items than a level has codes.
    #[error(
        "{} cannot be given {codes} codes per level: expected at least as many items as codes",
        counted(*items, "item", "items")
    )]
    FewItems {
        /// Items there are.
        items: usize,
        /// Codes asked for.
        codes: usize,
    },
    /// Vectors of another width than the codebook's.
    #[error("{what} is {got} wide, the codebook expects {expected}")]
    Width {
        /// What has the wrong width.
        what: &'static str,
        /// Found.
        got: usize,
        /// The codebook's.
        expected: usize,
    },
    /// Ids of another number of levels or codes.
    #[error("{what}: got {got}, expected {expected}")]
    Ids {
        /// What was asked for.
        what: &'static str,
        /// Found.
        got: String,
        /// Valid values.
        expected: String,
    },
    /// A codebook fitted on the vectors of another encoder.
    #[error(
        "the codebook was fitted on features with the fingerprint {expected}, these features have {got}: \
         their vectors cannot be compared"
    )]
    Fingerprint {
        /// Fingerprint of the features that were given.
        got: String,
        /// Of the features that the codebook was fitted on.
        expected: String,
    },
    /// A file that ends early, was altered, or is not what its name says.
    #[error("{} is damaged or not {expected}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The expected kind of file.
        expected: &'static str,
        /// The defect found.
        reason: String,
    },
    /// A file that another version or another codebook wrote.
    #[error("{}: {what} is {got}, expected {expected}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// The quantity.
        what: &'static str,
        /// Found.
        got: String,
        /// Valid values.
        expected: String,
    },
    /// The same item twice in one call.
    #[error("item `{item}` is given twice, in rows {first} and {second}; expected every item once")]
    Duplicate {
        /// The item's id.
        item: String,
        /// Row of the first.
        first: usize,
        /// Row of the second.
        second: usize,
    },
    /// A folder that holds a generation already.
    #[error("{} already exists: published ids never move; expected a new folder", path.display())]
    Published {
        /// The folder.
        path: PathBuf,
    },
    /// Another program is adding items.
    #[error("{} is being appended to by another program; try again when it has finished", path.display())]
    Busy {
        /// The file it has locked.
        path: PathBuf,
    },
    /// More items than there are ids.
    #[error(
        "{items} items cannot have an id each: {} of {codes} codes make {ids} ids",
        counted(*levels, "level", "levels")
    )]
    NoFreeId {
        /// Items, published ones included.
        items: usize,
        /// Levels.
        levels: usize,
        /// Codes of a level.
        codes: usize,
        /// Ids there are.
        ids: String,
    },
    /// The source of the vectors failed.
    #[error("cannot read vectors: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A training whose numbers are none any more.
    #[error("the {what} of {of} is {got} in step {step} with {setting}={rate}: training has diverged")]
    Diverged {
        /// `loss`, or another number.
        what: &'static str,
        /// Description in a line.
        got: f64,
        /// `the alignment tower` or `the RQ-VAE`.
        of: &'static str,
        /// The setting of its learning rate.
        setting: &'static str,
        /// What it was.
        rate: f64,
        /// Steps done.
        step: u64,
    },
    /// A file or folder that could not be read, written or hashed.
    #[error(transparent)]
    Store(semrank_store::Error),
    /// A file of tensors.
    #[error(transparent)]
    Checkpoint(#[from] semrank_nn::checkpoint::Error),
}

impl Error {
    /// Help for the command line.
    pub fn help(&self) -> Option<String> {
        let text = match self {
            Error::NotFinite { .. } => "encode the items again, or drop this one from the features",
            Error::FewItems { .. } => "lower tokens.codes, or fit on a larger catalogue",
            Error::Width { .. } | Error::Fingerprint { .. } => {
                "use the features of the encoder that the codebook was fitted on, or fit a new generation"
            }
            Error::Damaged { .. } | Error::Checkpoint(_) => {
                "restore the file from a copy; published ids must not be fitted again under the same generation"
            }
            Error::Diverged { setting, .. } => return Some(format!("try a lower {setting}")),
            Error::NoFreeId { .. } => "raise tokens.levels or tokens.codes in a new generation, or share ids",
            Error::Store(error) => return error.help(),
            _ => return None,
        };
        Some(text.into())
    }

    /// The same in a block that begins at row `first`.
    pub(crate) fn of_block(self, first: usize) -> Self {
        match self {
            Error::NotFinite { row, column, value } => Error::NotFinite { row: first + row, column, value },
            error => error,
        }
    }

    /// A file of a generation of ids that was cut short or altered.
    pub(crate) fn damaged(path: &Path, reason: String) -> Self {
        Error::Damaged { path: path.to_owned(), expected: "a file of a generation of ids", reason }
    }

    /// Wraps an error of the system.
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let store = semrank_store::Error::io(action, &path.into());
        move |source| store(source).into()
    }
}

impl From<semrank_store::Error> for Error {
    fn from(error: semrank_store::Error) -> Self {
        match error {
            semrank_store::Error::Sealed { path, reason } => Error::damaged(&path, reason),
            other => Error::Store(other),
        }
    }
}
