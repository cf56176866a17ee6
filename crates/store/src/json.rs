//! JSON files for programs and people: indented, with a newline at the end.

use crate::{Error, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Writes a JSON file that appears whole or not at all.
///
/// # Errors
/// I/O errors; a value that JSON cannot hold.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|source| Error::Json { path: path.to_owned(), source })?;
    text.push('\n');
    write_atomically(path, |out| out.write_all(text.as_bytes()))
}

/// Reads a JSON file.
///
/// # Errors
/// I/O errors; [`Error::Json`] where it is not such a value.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Json { path: path.to_owned(), source })
}
