//! A locked file: in goes an open file, out comes the file that no other program can lock until it is dropped.
//!
//! ```
//! use semrank_store::LockedFile;
//!
//! let dir = tempfile::tempdir()?;
//! let path = dir.path().join("log");
//! let held = LockedFile::try_lock(std::fs::File::create(&path)?)?;
//! assert!(LockedFile::try_lock(std::fs::File::open(&path)?).is_err());
//! drop(held);
//! assert!(LockedFile::try_lock(std::fs::File::open(&path)?).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fs::{File, TryLockError};
use std::ops::{Deref, DerefMut};

/// A file with an exclusive lock; the system frees it at the latest when the process ends.
#[derive(Debug)]
pub struct LockedFile(File);

impl LockedFile {
    /// Locks `file` without waiting.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] when another process holds it, an I/O error where it cannot lock.
    pub fn try_lock(file: File) -> Result<LockedFile, TryLockError> {
        file.try_lock()?;
        Ok(LockedFile(file))
    }
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is starting shares the lock until it runs its program.
        let _ = self.0.unlock();
    }
}

impl Deref for LockedFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for LockedFile {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}
