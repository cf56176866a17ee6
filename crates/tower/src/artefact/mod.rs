//! Features to and from a folder, and what every artefact of a model needs: tensors by name, and errors that name
//! the file.
//!
//! Tensors are safetensors, the rest is JSON. Equal training gives equal bytes: no file holds a time, a path or a hash
//! of the data. Files are written under their final names: write into a staged folder
//! ([`StagedDir`](semrank_store::StagedDir)) and commit it.
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
mod tensors;

pub use features::{load_features, save_features};
pub use tensors::Tensors;

use semrank_nn::checkpoint;
use std::path::{Path, PathBuf};

/// Why an artefact cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of tensors.
    #[error(transparent)]
    Tensors(#[from] checkpoint::Error),
    /// A file that cannot be read or written, or is not such JSON.
    #[error(transparent)]
    Store(#[from] semrank_store::Error),
    /// An artefact of another catalogue or another shape of network.
    #[error("{}: {what} is {got}, expected {expected}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// In the file.
        got: String,
        /// What belongs to the given data.
        expected: String,
    },
}

/// Checks that what a file holds belongs to the given data.
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
