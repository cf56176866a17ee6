//! Wheels and zip files: the unpacked size of an entry is limited by its packed size.
//!
//! An archive may claim any length for an entry, and a few kilobytes can unpack to gigabytes of zeros. Weights barely
//! compress, tokenizers to about a fifth, so the unpacked size of an entry is bounded by its packed size
//! ([`PER_PACKED_BYTE`]), before anything is allocated or unpacked.
//!
//! ```text
//! model.safetensors   packed 83 MB, 91 MB      read
//! tokenizer.json      packed 120 kB, 700 kB    read: entries up to 64 MiB always are
//! model.safetensors   packed 2 MB, 2 GiB       refused: at most 64 MiB + 4 · 2 MB
//! ```

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zip::ZipArchive;
use zip::read::ZipFile;

/// Bytes that any entry may unpack to.
const SMALL_ENTRY: u64 = 64 << 20;

/// Further bytes that an entry may unpack to for each byte that it takes in the archive.
const PER_PACKED_BYTE: u64 = 4;

/// Opens an archive; `expected` says in messages what else the file could be.
pub(crate) fn open(path: &Path, expected: &'static str) -> Result<ZipArchive<File>, Error> {
    let file = File::open(path).map_err(Error::io("read", path))?;
    ZipArchive::new(file).map_err(|error| damaged(path, expected, error.to_string()))
}

/// The length of an entry.
///
/// # Errors
/// [`Error::TooLarge`] where it is longer than an entry of its packed size may be.
pub(crate) fn length<R: Read>(path: &Path, entry: &ZipFile<'_, R>) -> Result<u64, Error> {
    let archive_bytes = std::fs::metadata(path).map_err(Error::io("read", path))?.len();
    let packed = entry.compressed_size().min(archive_bytes);
    let (got, most) = (entry.size(), SMALL_ENTRY.saturating_add(packed.saturating_mul(PER_PACKED_BYTE)));
    if got <= most {
        return Ok(got);
    }
    let what = format!("{}, unpacked,", entry.name());
    Err(Error::TooLarge { path: path.to_owned(), what, got, most })
}

/// The content of an entry of at most `most` bytes.
///
/// # Errors
/// An entry that is too large, is not there, or is damaged.
pub(crate) fn read(path: &Path, name: &str, most: u64) -> Result<Vec<u8>, Error> {
    const EXPECTED: &str = "a wheel or zip file";
    let mut archive = open(path, EXPECTED)?;
    let damaged = |reason: String| damaged(path, EXPECTED, format!("{name}: {reason}"));
    let mut entry = archive.by_name(name).map_err(|error| damaged(error.to_string()))?;
    let len = length(path, &entry)?;
    if len > most {
        return Err(Error::TooLarge { path: path.join(name), what: "the file".into(), got: len, most });
    }
    let mut content = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
    // One byte more than announced shows a lie, and the reader checks the entry's sum at its end.
    let unpacked = entry.by_ref().take(len + 1).read_to_end(&mut content);
    unpacked.map_err(|error| damaged(error.to_string()))?;
    if content.len() as u64 != len {
        return Err(damaged(format!("it does not have the {len} bytes that the archive announces")));
    }
    Ok(content)
}

fn damaged(path: &Path, expected: &'static str, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), expected, reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// An archive with one deflated entry of `len` zeros.
    fn zeros(dir: &Path, len: u64) -> std::path::PathBuf {
        let path = dir.join("zeros.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).expect("a file"));
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("zeros", options.compression_method(zip::CompressionMethod::Deflated))
            .expect("an entry");
        std::io::copy(&mut std::io::repeat(0).take(len), &mut zip).expect("its content");
        zip.finish().expect("a wheel").flush().expect("on disk");
        path
    }

    #[test]
    fn an_entry_that_unpacks_to_far_more_than_it_takes_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = zeros(dir.path(), SMALL_ENTRY);
        assert_eq!(read(&path, "zeros", u64::MAX).expect("a small entry").len() as u64, SMALL_ENTRY);
        let error = read(&path, "zeros", SMALL_ENTRY - 1).expect_err("above the caller's limit");
        assert!(matches!(error, Error::TooLarge { got: SMALL_ENTRY, .. }), "{error}");
        let path = zeros(dir.path(), 2 * SMALL_ENTRY);
        let error = read(&path, "zeros", u64::MAX).expect_err("a bomb").to_string();
        assert!(error.contains("zeros, unpacked, has 134217728 bytes, at most 67"), "{error}");
    }

    #[test]
    fn an_entry_that_lies_about_its_length_is_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = zeros(dir.path(), 1000);
        let bytes = std::fs::read(&path).expect("a file");
        let claim = |len: u32| {
            let mut bytes = bytes.clone();
            let central = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").expect("a directory");
            bytes[central + 24..central + 28].copy_from_slice(&len.to_le_bytes());
            std::fs::write(&path, bytes).expect("a file");
            read(&path, "zeros", u64::MAX).expect_err("a lie")
        };
        assert!(matches!(claim(u32::MAX - 1), Error::TooLarge { .. }));
        for len in [999, 1001] {
            let error = claim(len);
            assert!(matches!(error, Error::Damaged { .. }), "{error}");
        }
    }
}
