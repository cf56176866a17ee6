//! Limits of what is read, in one place: a file that is damaged, or made to do harm, ends in an error that names one of
//! these, not in an overflow or in a process that ran out of memory.
//!
//! Each limit is far beyond what honest files hold; what an honest file may need without limit (rows, users, texts in
//! all) grows with the file, not with a number that the file claims.

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

/// Longest line of a text file, and longest row of a CSV file, which may go over several lines.
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
