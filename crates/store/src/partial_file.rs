//! A file in the making: a locked sibling of its final place, `.semrank.partial-…`, that takes its name when it is
//! whole.
//!
//! A killed program leaves the sibling behind. The lock on it is the system's and ends with the program, so the process that makes the
//! next file in that folder, whatever its name, removes the siblings that are not locked, and none of a living program.
//!
//! ```text
//! vectors.parquet               the file of an earlier run
//! .semrank.partial-x81Qnf       held: another program is writing
//! .semrank.partial-Zr20aK       not held: its program was killed, it goes
//! ```

use crate::LockedFile;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use tempfile::{NamedTempFile, PersistError};

const PREFIX: &str = ".semrank.partial-";

/// Whether a name in a folder is that of a file in the making, be it of a living program or of one that was killed.
pub fn is_partial_file(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(PREFIX.as_bytes())
}

/// New names to try. One is lost only to a program that tidies up in the instant between making a file and locking it.
const TRIES: usize = 100;

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct PartialFile {
    file: NamedTempFile,
    // None where the file system has no locks; then no files are ever removed.
    _lock: Option<LockedFile>,
}

impl PartialFile {
    /// Begins a file in `folder`; removes what killed programs left there.
    ///
    /// # Errors
    /// I/O errors.
    pub(crate) fn begin(folder: &Path) -> io::Result<PartialFile> {
        remove_dead(folder);
        for _ in 0..TRIES {
            let file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
            let lock = match LockedFile::try_lock(file.as_file().try_clone()?) {
                Ok(lock) => Some(lock),
                Err(TryLockError::Error(_)) => None,
                Err(TryLockError::WouldBlock) => continue,
            };
            if file.path().exists() {
                return Ok(PartialFile { file, _lock: lock });
            }
        }
        Err(io::Error::other(format!("{TRIES} new files were removed by other programs")))
    }

    /// The file, to write into.
    pub(crate) fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Gives the file its name; an existing one is replaced.
    ///
    /// # Errors
    /// I/O errors; an existing one stays.
    pub(crate) fn persist(self, path: &Path) -> io::Result<()> {
        let persisted = self.file.persist(path);
        persisted.map(drop).map_err(|PersistError { error, .. }| error)
    }
}

/// Removes the files in the making that no living program holds. A failure to tidy up must not fail the work.
fn remove_dead(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let lock = File::open(entry.path()).ok().and_then(|file| LockedFile::try_lock(file).ok());
            if lock.is_some() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_of_the_dead_go_and_those_of_the_living_and_of_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let live = PartialFile::begin(dir.path()).unwrap();
        for name in [".semrank.partial-dead01", ".partial-of-others", "semrank.partial-x"] {
            fs::write(dir.path().join(name), "half").unwrap();
        }
        fs::create_dir(dir.path().join(".semrank.partial-folder")).unwrap();
        let mut second = PartialFile::begin(dir.path()).unwrap();
        assert!(live.file.path().exists());
        assert!(!dir.path().join(".semrank.partial-dead01").exists());
        second.as_file_mut().write_all(b"whole").unwrap();
        second.persist(&dir.path().join("file")).unwrap();
        drop(live);
        let left = [".partial-of-others", ".semrank.partial-folder", "file", "semrank.partial-x"];
        assert_eq!(names(dir.path()), left);
        assert!(LockedFile::try_lock(File::open(dir.path().join("file")).unwrap()).is_ok(), "a free file");
    }

    #[test]
    fn many_writers_of_one_folder_never_remove_each_others_files() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let folder = dir.path();
                scope.spawn(move || {
                    for round in 0..50 {
                        let mut file = PartialFile::begin(folder).unwrap();
                        file.as_file_mut().write_all(&[writer]).unwrap();
                        file.persist(&folder.join(format!("{writer}-{round}"))).unwrap();
                    }
                });
            }
        });
        assert_eq!(names(dir.path()).len(), 8 * 50);
    }
}
