//! Small JSON files that know their own hash, so that an altered one is noticed.
//!
//! ```text
//! {"content": {…},
//! "blake3": "…"}
//! ```

use crate::{Error, write_atomically};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

const START: &str = "{\"content\": ";
const MIDDLE: &str = ",\n\"blake3\": \"";
const END: &str = "\"}\n";

/// Writes `content` in one step; returns its hash.
///
/// # Errors
/// I/O errors; a value that JSON cannot hold.
pub fn write(path: &Path, content: &impl Serialize) -> Result<String, Error> {
    let text = serde_json::to_string_pretty(content).map_err(|error| damaged(path, error.to_string()))?;
    let hash = blake3::hash(text.as_bytes()).to_hex();
    let file = format!("{START}{text}{MIDDLE}{hash}{END}");
    write_atomically(path, |out| out.write_all(file.as_bytes()))?;
    Ok(hash.to_string())
}

/// Reads a file and its hash.
///
/// # Errors
/// [`Error::Sealed`] where it was cut short or altered.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<(T, String), Error> {
    let file = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => damaged(path, "it is not text".into()),
        _ => Error::io("read", path)(error),
    })?;
    let parts = file
        .strip_prefix(START)
        .and_then(|file| file.strip_suffix(END))
        .and_then(|file| file.rsplit_once(MIDDLE))
        .ok_or_else(|| damaged(path, "it is cut short or has no hash".into()))?;
    let hash = blake3::hash(parts.0.as_bytes()).to_hex().to_string();
    if hash != parts.1 {
        return Err(damaged(path, format!("its content has the hash {hash}, it says {}", parts.1)));
    }
    let content = serde_json::from_str(parts.0).map_err(|error| damaged(path, error.to_string()))?;
    Ok((content, hash))
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Sealed { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_altered_byte_and_every_missing_end_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        let hash = write(&path, &vec![1, 22, 333]).unwrap();
        assert_eq!(read::<Vec<u32>>(&path).unwrap(), (vec![1, 22, 333], hash));
        let bytes = std::fs::read(&path).unwrap();
        for i in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[i] ^= 1;
            for file in [&bytes[..i], &altered] {
                std::fs::write(&path, file).unwrap();
                assert!(matches!(read::<Vec<u32>>(&path), Err(Error::Sealed { .. })), "byte {i}");
            }
        }
    }
}
