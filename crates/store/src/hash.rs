//! Content hashes (BLAKE3, hex) of files and of all files of a folder.

use crate::Error;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The hash of a file's bytes, read in blocks.
///
/// # Errors
/// When the file cannot be read.
pub fn hash_file(path: &Path) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    hasher.update_reader(file).map_err(Error::io("read", path))?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// The hash of a text.
pub fn hash_text(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The hash of every file below `dir`, by its path from there (`sub/file`); `counts` says of a file's name whether it belongs in.
///
/// # Errors
/// When a file or folder cannot be read.
pub fn hash_tree(dir: &Path, counts: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, String>, Error> {
    let mut out = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let entry = entry.map_err(Error::io("read", dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            let inside = hash_tree(&entry.path(), counts)?.into_iter();
            out.extend(inside.map(|(file, hash)| (format!("{name}/{file}"), hash)));
        } else if counts(&name) {
            out.insert(name, hash_file(&entry.path())?);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_sub_folders_are_hashed_by_their_path() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
        for file in ["top", "a/page.html", "a/b/deep"] {
            std::fs::write(dir.path().join(file), file).unwrap();
        }
        let found = hash_tree(dir.path(), &|name| !name.ends_with(".html")).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a/b/deep", "top"]);
        assert_eq!(found["top"], hash_text("top"));
        std::fs::write(dir.path().join("a/b/deep"), "altered").unwrap();
        assert_ne!(hash_tree(dir.path(), &|_| true).unwrap()["a/b/deep"], found["a/b/deep"]);
    }
}
