//! Where a journal's segments lie: a folder, or what a test puts in its place to model a crash.
//!
//! The journal relies on no more than this: what was written to a file before a sync of it that succeeded is there after a crash; a
//! name is there, or gone, after a crash once the folder was synced; a crash leaves of any other change all, nothing or a part, and
//! leaves bytes alone that were not written.

use crate::atomic::{parent, sync_dir};
use crate::{Error, LockedFile};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Named files.
pub trait Storage: Send + Sync {
    /// How a file is called in messages.
    fn path(&self, name: &str) -> PathBuf;
    /// Names of all files, in any order.
    ///
    /// # Errors
    /// The system's; so are those of all methods here.
    fn names(&self) -> io::Result<Vec<String>>;
    /// Opens a file that is there.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, name: &str) -> io::Result<Box<dyn StoredFile>>;
    /// Makes an empty file, which must not be there yet.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>>;
    /// Gives a file another name; what stood there goes. After a crash either holds the whole file.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes what was created, renamed and removed durable.
    ///
    /// # Errors
    /// The system's.
    fn sync(&self) -> io::Result<()>;
}

/// An open file. One thread uses it at a time.
pub trait StoredFile: Send {
    /// Its size.
    ///
    /// # Errors
    /// The system's; so are those of all methods here.
    fn bytes(&self) -> io::Result<u64>;
    /// Fills `out` from offset `at` on.
    ///
    /// # Errors
    /// The system's; a file that ends before.
    fn read_at(&mut self, at: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` from offset `at` on.
    ///
    /// # Errors
    /// The system's; a part may be written then.
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Extends the file to a size by zeros, whose space is reserved where the file system can do that.
    ///
    /// # Errors
    /// The system's.
    fn reserve(&mut self, bytes: u64) -> io::Result<()>;
    /// Makes all writes durable.
    ///
    /// # Errors
    /// The system's; it is not known then which writes are.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Makes all writes and the size durable.
    ///
    /// # Errors
    /// As [`StoredFile::sync_data`].
    fn sync_all(&mut self) -> io::Result<()>;
}

const LOCK: &str = "lock";

/// A folder on disk.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    // Held by the writer; a reader has none and opens files for reading only.
    lock: Option<LockedFile>,
}

impl Folder {
    /// Makes the folder where it is not there, and locks it against other writers until this is dropped.
    ///
    /// # Errors
    /// [`Error::Locked`] where another writer has it; the system's.
    pub fn lock(path: &Path) -> Result<Folder, Error> {
        make(path)?;
        let name = path.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&name);
        let file = file.map_err(Error::io("create", &name))?;
        match LockedFile::try_lock(file) {
            Ok(lock) => Ok(Folder { path: path.to_owned(), lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &name)(error)),
        }
    }

    /// A folder to read from, beside its writer.
    pub fn read(path: &Path) -> Folder {
        Folder { path: path.to_owned(), lock: None }
    }
}

/// Makes a folder, and those above it, durable.
fn make(path: &Path) -> Result<(), Error> {
    let named = path.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    let missing: Vec<&Path> = named.take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(path).map_err(Error::io("create", path))?;
    missing.iter().try_for_each(|folder| sync_dir(parent(folder)))?;
    if missing.is_empty() {
        // A program may have been killed after making it. Who may not read the folder above did not make this one.
        match sync_dir(parent(path)) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {}
            done => return done,
        }
    }
    Ok(())
}

impl Storage for Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.path)?.map(|entry| entry.map(|entry| entry.file_name()));
        let names = names.map(|name| name.map(|name| name.to_string_lossy().into_owned()));
        names.collect()
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let file = OpenOptions::new().read(true).write(self.lock.is_some()).open(self.path.join(name))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn StoredFile>> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(self.path.join(name))?;
        Ok(Box::new(DiskFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    #[cfg(unix)]
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct DiskFile(File);

impl StoredFile for DiskFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    #[cfg(unix)]
    fn read_at(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, out, at)
    }

    #[cfg(unix)]
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.0, bytes, at)
    }

    #[cfg(not(unix))]
    fn read_at(&mut self, at: u64, out: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek};
        self.0.seek(io::SeekFrom::Start(at))?;
        self.0.read_exact(out)
    }

    #[cfg(not(unix))]
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        use std::io::{Seek, Write};
        self.0.seek(io::SeekFrom::Start(at))?;
        self.0.write_all(bytes)
    }

    fn reserve(&mut self, bytes: u64) -> io::Result<()> {
        reserve(&self.0, bytes)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

#[cfg(target_os = "linux")]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::INTR) => continue,
            // Some network and overlay file systems cannot reserve; a full disk shows when the segment is written then.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => return file.set_len(bytes),
            done => return Ok(done?),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)
}
