//! A run folder: `run.json` with everything that was asked for, and one sub-folder per stage.
//!
//! ```text
//! beauty-run/
//!   run.json                  data set (path, hash), seed, all settings
//!   features/  tokens/  model/  report/    finished stages, each with manifest.json and timing.json
//!   ids/                      published semantic ids, once they were asked for
//!   cursor.key                signs cursors of pages, once one was asked for
//!   model.partial/            a training under way, to resume
//! ```

use crate::config::Config;
use crate::error::Error;
use semrank_store::{LockedFile, is_partial_file, read_json, settle, write_json};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Version of the layout and of every JSON file of a run.
pub(crate) const FORMAT: u32 = 1;

/// File of a folder that is a run.
pub(crate) const RUN: &str = "run.json";
const LOCK: &str = ".lock";

/// The content of `run.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunFile {
    /// Version of the layout.
    pub format: u32,
    /// Version of the program that made it.
    pub semrank: String,
    /// What it was made from.
    pub dataset: DatasetRef,
    /// Of every random choice.
    pub seed: u64,
    /// All settings.
    pub config: Config,
}

/// The data set of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatasetRef {
    /// From its `dataset.toml`.
    pub name: String,
    /// Absolute.
    pub path: PathBuf,
    /// Of the content, not of the place.
    pub hash: String,
}

/// A folder that is a run, or is about to become one.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

/// Held while a process works on a run; the system frees it when the process ends.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, never read")] Option<LockedFile>);

impl RunFolder {
    /// A run folder at `path`, made if need be; refuses a folder that holds something else.
    pub(crate) fn create(path: &Path) -> Result<(RunFolder, Lock), Error> {
        let occupied = || Error::Occupied { path: path.to_owned(), expected: "run folder" };
        if path.exists() && !path.is_dir() {
            return Err(occupied());
        }
        std::fs::create_dir_all(path).map_err(Error::io("create", path))?;
        let mut entries = std::fs::read_dir(path).map_err(Error::io("read", path))?;
        // A lock and files in the making alone are a run that was killed before its first file.
        let ours = |name: &OsStr| name == LOCK || is_partial_file(name);
        let strange = entries.any(|entry| entry.is_ok_and(|entry| !ours(&entry.file_name())));
        if strange && !path.join(RUN).is_file() {
            return Err(occupied());
        }
        let folder = RunFolder { path: path.to_owned() };
        let lock = folder.lock()?;
        Ok((folder, lock))
    }

    /// An existing run.
    pub(crate) fn open(path: &Path) -> Result<(RunFolder, RunFile), Error> {
        let file = path.join(RUN);
        if !file.is_file() {
            return Err(Error::NotARun { path: path.to_owned(), missing: RUN });
        }
        let run: RunFile = read_json(&file)?;
        if run.format != FORMAT {
            return Err(Error::Version { path: file, got: run.format, expected: FORMAT });
        }
        run.config.check_all()?;
        Ok((RunFolder { path: path.to_owned() }, run))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a stage stands, its replacement settled.
    pub(crate) fn stage(&self, name: &str) -> PathBuf {
        let dir = self.path.join(name);
        settle(&dir);
        dir
    }

    /// Where the state of a training under way stands, its replacement settled.
    pub(crate) fn partial(&self) -> PathBuf {
        self.stage("model.partial")
    }

    /// Writes down what was asked for.
    pub(crate) fn write(&self, run: &RunFile) -> Result<(), Error> {
        Ok(write_json(&self.path.join(RUN), run)?)
    }

    /// Keeps other processes from working on the run until the lock is dropped.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let path = self.path.join(LOCK);
        let file = File::create(&path).map_err(Error::io("create", &path))?;
        match LockedFile::try_lock(file) {
            Ok(file) => Ok(Lock(Some(file))),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { path: self.path.clone() }),
            // A file system without locks.
            Err(std::fs::TryLockError::Error(_)) => Ok(Lock(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_was_killed_while_it_wrote_its_first_file_can_be_repeated() {
        let dir = tempfile::tempdir().unwrap();
        for name in [LOCK, ".semrank.partial-Zr20aK"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        drop(RunFolder::create(dir.path()).unwrap());
        std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
        assert!(matches!(RunFolder::create(dir.path()), Err(Error::Occupied { .. })));
    }
}
