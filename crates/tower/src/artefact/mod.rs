//! Features to and from a folder, and what every artefact of a model needs: JSON, and errors that name the file.
//!
//! Tensors are safetensors, the rest is JSON. Equal training gives equal bytes: no file holds a time, a path or a hash
//! of the data. Files are written under their final names: write into a staged folder
//! ([`StagedDir`](semrank_data::StagedDir)) and commit it.
//!
//! | file | holds |
//! |---|---|
//! | `vectors.safetensors`, `features.json` | one content vector an item; width and fingerprint |
//!
//! ```
//! use semrank_tower::artefact::{load_features, save_features};
//! use semrank_embed::ItemFeatures;
//! # let folder = std::env::temp_dir().join(format!("semrank-artefact-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let features = ItemFeatures { dim: 2, values: vec![0.6, 0.8, 1.0, 0.0], fingerprint: "by hand".into() };
//! save_features(&folder, &features)?;
//! assert_eq!(load_features(&folder, 2)?, features);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod features;

pub use features::{load_features, save_features};

use semrank_nn::checkpoint;
use serde::{Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// Why an artefact cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of tensors.
    #[error(transparent)]
    Tensors(#[from] checkpoint::Error),
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no such JSON.
    #[error("{} is damaged: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        source: serde_json::Error,
    },
    /// An artefact of another catalogue or another shape of network.
    #[error("{}: {what} is {got}, expected {expected}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// In the file.
        got: String,
        /// What belongs to the data at hand.
        expected: String,
    },
}

/// Writes a value as indented JSON with a final line end.
///
/// # Errors
/// [`Error::Io`], and [`Error::Json`] for a value that JSON cannot hold.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::Json { path: path.to_owned(), source })?;
    text.push('\n');
    std::fs::write(path, text).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Reads a value from a JSON file.
///
/// # Errors
/// [`Error::Io`], and [`Error::Json`] for a file that does not hold such a value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let text = std::fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
    serde_json::from_slice(&text).map_err(|source| Error::Json { path: path.to_owned(), source })
}

/// Checks that what a file holds belongs to the data at hand.
///
/// # Errors
/// [`Error::Foreign`] where the two differ.
pub fn same<T: PartialEq + std::fmt::Debug>(
    path: &Path,
    what: &'static str,
    got: T,
    expected: T,
) -> Result<(), Error> {
    if got == expected {
        return Ok(());
    }
    let (got, expected) = (format!("{got:?}"), format!("{expected:?}"));
    Err(Error::Foreign { path: path.to_owned(), what, got, expected })
}
