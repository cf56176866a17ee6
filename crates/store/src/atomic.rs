//! Files and folders that appear whole or not at all.
//!
//! A file is written under a temporary name in its own folder, synced and renamed. A folder is staged as a sibling
//! of its final place, `.NAME.partial-…`, and renamed on commit; a killed program leaves only the sibling, which the
//! next staging of the same folder removes. A live stage holds a lock on its folder, so it is never removed.
//!
//! Where two folders cannot change places in one step, the old one stands aside for a moment as `.NAME.previous`. A program that is
//! killed in that moment leaves no `NAME`: [`settle`] puts the old one back, and every reader of a folder calls it first.

use crate::partial_file::PartialFile;
use crate::{Error, LockedFile};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a reader waits for a folder that is being replaced: two renames take microseconds.
const LONGEST_SWAP_MS: u64 = 2000;

/// Writes a file that appears complete or not at all.
///
/// When this returns `Ok`, the content and the name have reached the disk. A killed call leaves the old file, and a partial one
/// that the next call for a file in this folder removes.
///
/// # Errors
/// I/O errors, with the path; the old file, if any, is untouched then.
pub fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
) -> Result<(), Error> {
    let parent = parent(path);
    let mut file = PartialFile::begin(parent).map_err(Error::io("create a file beside", path))?;
    let written = (|| {
        let mut buffer = BufWriter::new(file.as_file_mut());
        write(&mut buffer)?;
        buffer.flush()?;
        drop(buffer);
        allow_reading(file.as_file_mut())?;
        file.as_file_mut().sync_all()
    })();
    written.map_err(Error::io("write", path))?;
    file.persist(path).map_err(Error::io("write", path))?;
    sync_dir(parent)
}

/// A folder in the making: write below [`path`](StagedDir::path), then [`commit`](StagedDir::commit). Dropping it
/// removes everything.
#[derive(Debug)]
pub struct StagedDir {
    stage: tempfile::TempDir,
    target: PathBuf,
    // Held until the stage is renamed or removed; tells a live stage from an abandoned one.
    _lock: Option<LockedFile>,
}

impl StagedDir {
    /// Stages a folder that will become `target`; removes what a killed program left of an earlier try.
    ///
    /// # Errors
    /// I/O errors, e.g. when the parent folder cannot be made or written.
    pub fn new(target: &Path) -> Result<StagedDir, Error> {
        let parent = parent(target);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        let prefix = stage_prefix(target)?;
        settle(target);
        remove_previous(target);
        remove_abandoned(parent, &prefix);
        let stage = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(parent)
            .map_err(Error::io("create a folder beside", target))?;
        allow_listing(stage.path()).map_err(Error::io("create", target))?;
        let lock = lock(stage.path());
        Ok(StagedDir { stage, target: target.to_owned(), _lock: lock })
    }

    /// The folder to write into.
    pub fn path(&self) -> &Path {
        self.stage.path()
    }

    /// Syncs every file, then puts the folder in its place; an existing one is removed. On Linux the two change
    /// places in one step, so that a reader finds the old folder or the new one; where the file system cannot do that, a reader finds
    /// one of them after [`settle`].
    ///
    /// # Errors
    /// I/O errors; the target is untouched then.
    pub fn commit(self) -> Result<(), Error> {
        sync_tree(self.stage.path())?;
        let target = &self.target;
        if target.exists() {
            swap(self.stage.path(), target).map_err(Error::io("replace", target))?;
            sync_dir(parent(target))?;
            // The stage's name now holds the old folder.
            return self.stage.close().map_err(Error::io("remove the old", target));
        }
        let stage = self.stage.keep();
        fs::rename(&stage, target).map_err(|error| {
            let _ = fs::remove_dir_all(&stage);
            Error::io("create", target)(error)
        })?;
        sync_dir(parent(target))
    }
}

pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn stage_prefix(target: &Path) -> Result<OsString, Error> {
    let name = target.file_name().ok_or_else(|| Error::NoName { path: target.to_owned() })?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".partial-");
    Ok(prefix)
}

fn remove_abandoned(parent: &Path, prefix: &OsString) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
        if ours && lock(&entry.path()).is_some() {
            // A failure to tidy up must not fail the work.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// An exclusive lock on a folder, if no living process holds it. The system frees it when the process ends.
fn lock(dir: &Path) -> Option<LockedFile> {
    LockedFile::try_lock(File::open(dir).ok()?).ok()
}

/// Puts a folder back that stands aside because the program that was replacing it was killed; where the new one is in its place, the
/// old one goes, so that it cannot come back when the new one is deleted. A replacement under way is waited for. Whoever reads what a [`StagedDir`] replaces calls this first; it does nothing where no folder stands aside.
/// What cannot be put back, say on a disk that cannot be written, stays absent: reading it is an error that says so.
pub fn settle(target: &Path) {
    let Some(aside) = aside(target) else { return };
    for _ in 0..LONGEST_SWAP_MS {
        if target.exists() {
            return remove_previous(target);
        }
        let Ok(previous) = File::open(&aside) else { return };
        // The lock goes with the folder: who replaces it holds it until the new one is in its place.
        if !matches!(previous.try_lock(), Err(TryLockError::WouldBlock)) {
            let _ = fs::rename(&aside, target);
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Where the old folder stands while the new one takes its place; none for a path that names no folder.
fn aside(target: &Path) -> Option<PathBuf> {
    let mut name = OsString::from(".");
    name.push(target.file_name()?);
    name.push(".previous");
    Some(parent(target).join(name))
}

/// Removes an old folder that a killed program left aside though the new one was in its place.
fn remove_previous(target: &Path) {
    let Some(aside) = aside(target).filter(|aside| target.exists() && aside.exists()) else { return };
    if lock(&aside).is_some() {
        let _ = fs::remove_dir_all(aside);
    }
}

#[cfg(target_os = "linux")]
fn swap(stage: &Path, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, stage, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(()),
        // Some network and overlay file systems cannot exchange.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            swap_in_steps(stage, target)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn swap(stage: &Path, target: &Path) -> io::Result<()> {
    swap_in_steps(stage, target)
}

fn swap_in_steps(stage: &Path, target: &Path) -> io::Result<()> {
    let old = OldFolder::set_aside(target)?;
    if let Err(error) = fs::rename(stage, target) {
        fs::rename(&old.aside, target)?;
        return Err(error);
    }
    fs::rename(&old.aside, stage)
}

/// The old folder while the new one is not in its place yet.
struct OldFolder {
    aside: PathBuf,
    // Tells readers that they are to wait and not to put it back.
    _lock: Option<LockedFile>,
}

impl OldFolder {
    fn set_aside(target: &Path) -> io::Result<OldFolder> {
        let aside = aside(target).ok_or(io::ErrorKind::InvalidInput)?;
        let old = OldFolder { aside, _lock: lock(target) };
        fs::rename(target, &old.aside)?;
        Ok(old)
    }
}

fn sync_tree(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(&path).and_then(|file| file.sync_all()).map_err(Error::io("write", &path))?;
        }
    }
    sync_dir(dir)
}

#[cfg(unix)]
pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

#[cfg(not(unix))]
pub(crate) fn sync_dir(_: &Path) -> Result<(), Error> {
    Ok(())
}

// Temporary files and folders are private; what they become is meant to be shared like any other output.
#[cfg(unix)]
fn allow_reading(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(unix)]
fn allow_listing(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn allow_reading(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn allow_listing(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_atomically(&path, |out| out.write_all(b"old")).unwrap();
        let failed = write_atomically(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        let error = failed.unwrap_err();
        assert!(error.help().unwrap().contains("disk is full"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(entries(dir.path()), ["a.txt"]);
    }

    #[test]
    fn a_folder_is_replaced_on_commit_and_removed_on_drop() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("set");
        for content in ["one", "two"] {
            let stage = StagedDir::new(&target).unwrap();
            fs::write(stage.path().join("file"), content).unwrap();
            stage.commit().unwrap();
            assert_eq!(fs::read_to_string(target.join("file")).unwrap(), content);
        }
        drop(StagedDir::new(&target).unwrap());
        assert_eq!(entries(dir.path()), ["set"]);
    }

    #[test]
    fn abandoned_stages_go_and_live_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("set");
        fs::create_dir(dir.path().join(".set.partial-dead")).unwrap();
        let live = StagedDir::new(&target).unwrap();
        let second = StagedDir::new(&target).unwrap();
        assert!(live.path().exists() && second.path().exists());
        assert_eq!(entries(dir.path()).len(), 2);
    }

    #[test]
    fn the_fallback_swap_keeps_both_folders() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        fs::create_dir(&a).unwrap();
        fs::create_dir(&b).unwrap();
        fs::write(a.join("new"), "").unwrap();
        swap_in_steps(&a, &b).unwrap();
        assert!(b.join("new").exists() && !a.join("new").exists());
        assert_eq!(entries(dir.path()), ["a", "b"]);
    }

    const CHILD: &str = "SEMRANK_TEST_SET_ASIDE";

    /// Not a test of its own: the program that [`a_kill_between_the_renames_loses_nothing`] starts and kills.
    #[test]
    fn child_that_stops_between_the_renames() {
        let Some(target) = std::env::var_os(CHILD) else { return };
        let target = Path::new(&target);
        let stage = StagedDir::new(target).unwrap();
        fs::write(stage.path().join("file"), "new").unwrap();
        let _old = OldFolder::set_aside(target).unwrap();
        println!("aside");
        io::stdout().flush().unwrap();
        std::thread::sleep(Duration::from_secs(600));
    }

    #[test]
    fn a_kill_between_the_renames_loses_nothing() {
        use std::io::BufRead;
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("set");
        fs::create_dir(&target).unwrap();
        fs::write(target.join("file"), "old").unwrap();
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "atomic::tests::child_that_stops_between_the_renames", "--nocapture"])
            .env(CHILD, &target)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = io::BufReader::new(child.stdout.take().unwrap());
        assert!(stdout.lines().any(|line| line.unwrap().contains("aside")), "the child ended early");
        settle(&target);
        assert!(!target.exists(), "a living program is about to put the new folder there");
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        settle(&target);
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "old");
        drop(StagedDir::new(&target).unwrap());
        assert_eq!(entries(dir.path()), ["set"]);
    }

    #[test]
    fn a_folder_that_was_deleted_does_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("set");
        fs::create_dir(&target).unwrap();
        drop(OldFolder::set_aside(&target).unwrap());
        fs::create_dir(&target).unwrap();
        settle(&target);
        assert_eq!(entries(dir.path()), ["set"], "a program was killed after its second rename");
        fs::remove_dir(&target).unwrap();
        settle(&target);
        assert!(entries(dir.path()).is_empty());
    }

    #[test]
    fn an_old_folder_left_aside_goes_when_the_new_one_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("set");
        fs::create_dir(&target).unwrap();
        drop(OldFolder::set_aside(&target).unwrap());
        fs::create_dir(&target).unwrap();
        drop(StagedDir::new(&target).unwrap());
        assert_eq!(entries(dir.path()), ["set"]);
    }
}
