//! A cache of vectors, keyed by the texts they were made from: a text is encoded once.
//!
//! A cache is a folder with one sub-folder per encoder fingerprint. Every process appends to segments of its own and
//! reads all that was there when it opened the folder, so several processes never wait for each other; at worst they
//! encode the same text twice. A segment is a pair of files that only grow:
//!
//! ```text
//! cache/3f0c…/facts.json               fingerprint and width
//! cache/3f0c…/1789…-4711.vectors       f32, little endian, one vector after the other
//! cache/3f0c…/1789…-4711.keys          one entry per vector: key (16 bytes), checksum of the vector (8 bytes)
//! ```
//!
//! Vectors are written before their keys, and a vector is checked when it is read: after a kill or a power cut, the text
//! of a torn entry is encoded again.
//!
//! ```
//! use semrank_embed::{Cache, Document, Field};
//! # let folder = tempfile::tempdir()?;
//! let fields = [Field { name: "title", text: "Nail file" }];
//! let key = Cache::key(&Document { id: "7", fields: &fields });
//! let mut cache = Cache::open(folder.path(), "an encoder", 2)?;
//! cache.put(&[key], &[0.6, 0.8])?;
//! let mut vector = [0.0; 2];
//! assert!(Cache::open(folder.path(), "an encoder", 2)?.get(key, &mut vector)?);
//! assert_eq!(vector, [0.6, 0.8]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{Document, Error};
use semrank_core::narrow;
use semrank_store::write_atomically;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const FORMAT: u32 = 1;
const KEY_BYTES: usize = 16;
const ENTRY_BYTES: usize = KEY_BYTES + 8;

/// The key of a stored vector.
pub type CacheKey = [u8; KEY_BYTES];

/// An open cache of one encoder.
#[derive(Debug)]
pub struct Cache {
    dir: PathBuf,
    width: usize,
    segments: Vec<Segment>,
    places: HashMap<CacheKey, Place>,
    /// The segment that this process writes, once it has something to write.
    own: Option<Own>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    vectors: File,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    row: u32,
    checksum: u64,
}

#[derive(Debug)]
struct Own {
    segment: u32,
    rows: u32,
    vectors: File,
    keys: File,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    format: u32,
    fingerprint: String,
    width: usize,
}

impl Cache {
    /// Opens the cache of an encoder below `root`, making folders as needed.
    ///
    /// # Errors
    /// I/O errors; and a folder of this fingerprint whose facts are damaged or of another width.
    pub fn open(root: &Path, fingerprint: &str, width: usize) -> Result<Cache, Error> {
        let dir = root.join(&blake3::hash(fingerprint.as_bytes()).to_hex()[..16]);
        fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
        check_facts(&dir.join("facts.json"), fingerprint, width)?;
        let mut cache = Cache { dir, width, segments: Vec::new(), places: HashMap::new(), own: None };
        for keys in key_files(&cache.dir)? {
            cache.load(&keys)?;
        }
        Ok(cache)
    }

    /// The key of a document: a hash of its texts, their borders included.
    pub fn key(document: &Document) -> CacheKey {
        let mut hash = blake3::Hasher::new();
        for text in document.fields.iter().map(|field| field.text).filter(|text| !text.is_empty()) {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&hash.finalize().as_bytes()[..KEY_BYTES]);
        key
    }

    /// Number of cached vectors.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are no vectors.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Reads a vector into `out`; false where there is none, or only a damaged one.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn get(&self, key: CacheKey, out: &mut [f32]) -> Result<bool, Error> {
        let Some(place) = self.places.get(&key) else { return Ok(false) };
        let segment = &self.segments[place.segment as usize];
        let mut bytes = vec![0; self.width * 4];
        let at = u64::from(place.row) * bytes.len() as u64;
        match segment.vectors.read_exact_at(&mut bytes, at) {
            Ok(()) if checksum(&bytes) == place.checksum => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(Error::io("read", &segment.path)(error)),
        }
        for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *out = f32::from_le_bytes(*bytes);
        }
        Ok(true)
    }

    /// Adds vectors, `[keys x width]`. When this returns they survive the end of the process.
    ///
    /// # Errors
    /// I/O errors, such as a full disk; the cache is as before then, but for entries that count as absent.
    pub fn put(&mut self, keys: &[CacheKey], vectors: &[f32]) -> Result<(), Error> {
        assert_eq!(vectors.len(), keys.len() * self.width, "one vector a key");
        let mut entries = Vec::with_capacity(keys.len() * ENTRY_BYTES);
        let mut bytes = Vec::with_capacity(vectors.len() * 4);
        let mut checksums = Vec::with_capacity(keys.len());
        for (key, vector) in keys.iter().zip(vectors.chunks_exact(self.width)) {
            let start = bytes.len();
            vector.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            checksums.push(checksum(&bytes[start..]));
            entries.extend(key);
            entries.extend(checksum(&bytes[start..]).to_le_bytes());
        }
        let mut own = self.own()?;
        let path = &self.segments[own.segment as usize].path;
        let written = own.vectors.write_all(&bytes).and_then(|()| own.keys.write_all(&entries));
        // After a failed write rows and keys may no longer match: the segment is left as it is.
        written.map_err(Error::io("write", path))?;
        for (&key, checksum) in keys.iter().zip(checksums) {
            self.places.insert(key, Place { segment: own.segment, row: own.rows, checksum });
            own.rows += 1;
        }
        self.own = Some(own);
        Ok(())
    }

    fn own(&mut self) -> Result<Own, Error> {
        if let Some(own) = self.own.take() {
            return Ok(own);
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let path = self.dir.join(format!("{now:020}-{}.vectors", std::process::id()));
        let create = |path: &Path| File::create_new(path).map_err(Error::io("create", path));
        let (vectors, keys) = (create(&path)?, create(&path.with_extension("keys"))?);
        let reader = File::open(&path).map_err(Error::io("read", &path))?;
        self.segments.push(Segment { path, vectors: reader });
        Ok(Own { segment: narrow::index(self.segments.len()) - 1, rows: 0, vectors, keys })
    }

    /// Takes the entries of a segment that are whole.
    fn load(&mut self, keys: &Path) -> Result<(), Error> {
        let path = keys.with_extension("vectors");
        let bytes = fs::read(keys).map_err(Error::io("read", keys))?;
        let vectors = File::open(&path).map_err(Error::io("read", &path))?;
        let segment = narrow::index(self.segments.len());
        self.segments.push(Segment { path, vectors });
        for (row, entry) in (0..u32::MAX).zip(bytes.as_chunks::<ENTRY_BYTES>().0) {
            let (key, checksum) = entry.split_at(KEY_BYTES);
            let (Ok(key), Ok(checksum)) = (key.try_into(), checksum.try_into()) else { continue };
            let checksum = u64::from_le_bytes(checksum);
            self.places.insert(key, Place { segment, row, checksum });
        }
        Ok(())
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// All key files, oldest first.
fn key_files(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("read", dir))? {
        let path = entry.map_err(Error::io("read", dir))?.path();
        if path.extension().is_some_and(|extension| extension == "keys") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn check_facts(path: &Path, fingerprint: &str, width: usize) -> Result<(), Error> {
    let expected = Facts { format: FORMAT, fingerprint: fingerprint.to_owned(), width };
    if !path.exists() {
        let text = serde_json::to_vec_pretty(&expected).unwrap_or_default();
        return Ok(write_atomically(path, |out| out.write_all(&text))?);
    }
    let bytes = fs::read(path).map_err(Error::io("read", path))?;
    let facts: Facts = serde_json::from_slice(&bytes).map_err(|error| Error::Damaged {
        path: path.to_owned(),
        expected: "the description of a cache; delete the folder to start afresh",
        reason: error.to_string(),
    })?;
    if facts.format == FORMAT && facts.fingerprint == fingerprint && facts.width == width {
        return Ok(());
    }
    Err(Error::Mismatch {
        path: path.to_owned(),
        what: "the cached encoder".into(),
        got: format!("`{}`, width {}, format {}", facts.fingerprint, facts.width, facts.format),
        expected: format!(
            "`{fingerprint}`, width {width}, format {FORMAT}; delete the folder to start afresh"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(n: u8) -> CacheKey {
        [n; KEY_BYTES]
    }

    fn read(cache: &Cache, n: u8) -> Option<f32> {
        let mut out = [0.0];
        cache.get(key(n), &mut out).expect("a cache").then_some(out[0])
    }

    /// The only files with these extensions.
    fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
        let dir = fs::read_dir(root).expect("a cache").next().expect("an encoder").expect("a folder").path();
        let paths = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("a file").path());
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
    }

    #[test]
    fn two_writers_at_once_lose_nothing() {
        let root = tempfile::tempdir().expect("a folder");
        let mut first = Cache::open(root.path(), "e", 1).expect("a cache");
        let mut second = Cache::open(root.path(), "e", 1).expect("a cache");
        first.put(&[key(1)], &[1.0]).expect("room");
        second.put(&[key(2), key(1)], &[2.0, 1.0]).expect("room");
        first.put(&[key(3)], &[3.0]).expect("room");
        assert_eq!((read(&first, 3), read(&second, 3)), (Some(3.0), None));
        let third = Cache::open(root.path(), "e", 1).expect("a cache");
        assert_eq!([1, 2, 3, 4].map(|n| read(&third, n)), [Some(1.0), Some(2.0), Some(3.0), None]);
        assert_eq!(third.len(), 3);
        assert!(Cache::open(root.path(), "other", 1).expect("a cache").is_empty());
    }

    #[test]
    fn another_width_under_one_fingerprint_is_refused() {
        let root = tempfile::tempdir().expect("a folder");
        Cache::open(root.path(), "e", 1).expect("a cache");
        let message = Cache::open(root.path(), "e", 2).expect_err("refused").to_string();
        assert!(message.contains("width 1") && message.contains("width 2"), "{message}");
    }

    #[test]
    fn the_key_knows_the_borders_of_texts() {
        let key = |texts: &[&str]| {
            let fields: Vec<_> = texts.iter().map(|text| crate::Field { name: "f", text }).collect();
            Cache::key(&Document { id: "x", fields: &fields })
        };
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", ""]), key(&["ab"]));
    }

    proptest! {
        /// However a killed writer's files were cut, what is read is right.
        #[test]
        fn a_torn_segment_gives_right_vectors_or_none(cut_keys in 0usize..100, cut_vectors in 0usize..20) {
            let root = tempfile::tempdir().expect("a folder");
            let mut cache = Cache::open(root.path(), "e", 1).expect("a cache");
            (0..4).for_each(|n| cache.put(&[key(n)], &[f32::from(n)]).expect("room"));
            drop(cache);
            for (extension, cut) in [("keys", cut_keys), ("vectors", cut_vectors)] {
                let path = files(root.path(), extension).remove(0);
                let bytes = fs::read(&path).expect("a file");
                fs::write(&path, &bytes[..bytes.len().saturating_sub(cut)]).expect("a shorter file");
            }
            let mut cache = Cache::open(root.path(), "e", 1).expect("a cache");
            for n in 0..4 {
                if let Some(value) = read(&cache, n) {
                    prop_assert_eq!(value, f32::from(n));
                }
                cache.put(&[key(n)], &[f32::from(n)]).expect("room");
                prop_assert_eq!(read(&cache, n), Some(f32::from(n)));
            }
        }
    }
}
