//! Limits of input files, in one place: a damaged or malicious file gives an error that names one of these, not an overflow
//! or a process that runs out of memory.
//!
//! Each limit is far beyond what ordinary files hold. What has no limit (rows, users, all texts) grows with the size of the
//! file, not with a number that the file claims.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::ops::RangeInclusive;
use std::path::Path;

/// Moments lie between these (ms UTC, the years 1900 to 2200), so that windows can be added to them and differences of
/// two of them be taken.
pub const TIMES_MS: RangeInclusive<i64> = -2_208_988_800_000..=7_258_118_400_000;
/// What is expected of a moment, for messages.
pub(crate) const TIMES_EXPECTED: &str = "a time in ms UTC from 1900 to 2200";
/// Places in a log without times lie between these, so that differences of two of them can be taken.
pub(crate) const POSITIONS: RangeInclusive<i64> = -(1 << 53)..=1 << 53;
/// What is expected of a place, for messages.
pub(crate) const POSITIONS_EXPECTED: &str = "a position from -2^53 to 2^53";

/// Longest window of `dataset.toml`, in days, so that windows can be added to moments.
pub(crate) const MOST_WINDOW_DAYS: f64 = 36_500.0;

/// Longest line of a text file, and longest row of a CSV file, which may go over several lines, or of a Parquet file.
pub(crate) const MOST_LINE_BYTES: usize = 16 << 20;
/// Most columns of a text file, and most keys of a JSON object.
pub(crate) const MOST_COLUMNS: usize = 10_000;
/// Most bytes of the JSON lines that are read ahead to learn the columns.
pub(crate) const MOST_PEEKED_BYTES: u64 = MOST_LINE_BYTES as u64;
/// Longest `dataset.toml`.
const MOST_DESCRIPTION_BYTES: u64 = 1 << 20;
/// A gzipped Parquet file is unpacked to at most so many times its size, or to [`SMALL_UNPACKED_BYTES`].
const MOST_UNPACKED_TIMES: u64 = 100;
/// What a gzipped Parquet file of any size may be unpacked to.
const SMALL_UNPACKED_BYTES: u64 = 256 << 20;

/// Most bytes that pages of a Parquet file of any size may decode to while two batches in succession are decoded: after
/// decompression, and after decoding.
const MOST_DECODED_BYTES: u64 = 128 << 20;
/// The same of a larger file, in times its size. Files with pages of hundreds of MiB (fastparquet, DuckDB) have few times their size.
const MOST_DECODED_TIMES: u64 = 5;
/// What the rows of one batch of a Parquet file take on average.
pub(crate) const BATCH_BYTES: u64 = 2 << 20;
/// Most bytes of the texts of a catalogue, which are in memory; or so many times its file, as a text that many items share takes
/// little in a file.
const MOST_TEXT_BYTES: u64 = 128 << 20;
const MOST_TEXT_TIMES: u64 = 1000;

/// Most bytes that pages of a Parquet file of `file` bytes may decode to while two batches are decoded.
pub(crate) fn most_decoded_bytes(file: u64) -> u64 {
    file.saturating_mul(MOST_DECODED_TIMES).max(MOST_DECODED_BYTES)
}

/// Most bytes of the texts of a catalogue whose file has `file` bytes.
pub(crate) fn most_text_bytes(file: u64) -> u64 {
    file.saturating_mul(MOST_TEXT_TIMES).max(MOST_TEXT_BYTES)
}

/// Most bytes that a gzipped Parquet file of `packed` bytes is unpacked to.
pub(crate) fn most_unpacked_bytes(packed: u64) -> u64 {
    packed.saturating_mul(MOST_UNPACKED_TIMES).max(SMALL_UNPACKED_BYTES)
}

/// Reads a description, which is short.
pub(crate) fn read_description(path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let file = File::open(path).map_err(Error::io("read", path))?;
    file.take(MOST_DESCRIPTION_BYTES + 1).read_to_string(&mut text).map_err(Error::io("read", path))?;
    if text.len() as u64 > MOST_DESCRIPTION_BYTES {
        let reason = format!("it has more than {MOST_DESCRIPTION_BYTES} bytes, expected a short description");
        return Err(Error::Meta { path: path.to_owned(), reason });
    }
    Ok(text)
}
