//! Content hashes (BLAKE3, hex) of data sets.

use crate::{Error, Examples, examples};
use semrank_store::{hash_file, settle};
use std::path::Path;

/// The files that every data set has, in the order in which they are hashed; examples follow where there are any.
pub(crate) const FILES: [&str; 3] = [crate::meta::FILE, crate::dataset::ITEMS, crate::dataset::EVENTS];

/// The hash of a data set: of the names and hashes of its files, not of its place.
///
/// # Errors
/// When one of its files cannot be read.
pub fn hash_dataset(dir: &Path) -> Result<String, Error> {
    settle(dir);
    let mut hasher = blake3::Hasher::new();
    let examples = Examples::exist(dir).then_some(examples::FILE);
    for name in FILES.into_iter().chain(examples) {
        hasher.update(format!("{name} {}\n", hash_file(&dir.join(name))?).as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}
