//! Row numbers in 32 bits: how many rows there may be, and the one place where a `usize` becomes a `u32`.
//!
//! Tables number users, items, events and examples in 32 bits, and `u32::MAX` stands for "none". Readers refuse what has more rows
//! ([`check`]); inside, a larger number is a programmer's mistake, and [`index`] panics instead of wrapping around.
//!
//! ```
//! use semrank_core::narrow;
//! assert_eq!(narrow::index(7), 7);
//! assert_eq!(narrow::indices(3).collect::<Vec<u32>>(), [0, 1, 2]);
//! let said = narrow::check("events", 1 << 32).unwrap_err().to_string();
//! assert_eq!(said, "4294967296 events are more than the 4294967295 that can be numbered");
//! ```

use std::ops::Range;

/// Most rows: their numbers stay below `u32::MAX`.
pub const MOST: usize = u32::MAX as usize;

/// More rows than can be numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{got} {what} are more than the {MOST} that can be numbered")]
pub struct TooMany {
    /// What is numbered, e.g. `events`.
    pub what: &'static str,
    /// How many there are.
    pub got: u64,
}

/// Returns an error for more rows than can be numbered.
///
/// # Errors
/// [`TooMany`] above [`MOST`].
pub fn check(what: &'static str, got: u64) -> Result<(), TooMany> {
    if got <= MOST as u64 { Ok(()) } else { Err(TooMany { what, got }) }
}

/// The number of a row.
///
/// # Panics
/// From [`MOST`] on.
#[inline]
#[track_caller]
pub fn index(row: usize) -> u32 {
    assert!(row < MOST, "row {row} is beyond the {MOST} that can be numbered");
    row as u32
}

/// How many rows there are.
///
/// # Panics
/// Above [`MOST`].
#[inline]
#[track_caller]
pub fn count(rows: usize) -> u32 {
    assert!(rows <= MOST, "{rows} rows are more than the {MOST} that can be numbered");
    rows as u32
}

/// The numbers of so many rows.
///
/// # Panics
/// Above [`MOST`].
#[inline]
#[track_caller]
pub fn indices(rows: usize) -> Range<u32> {
    0..count(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_kept_for_none() {
        assert_eq!(index(MOST - 1), u32::MAX - 1);
        assert_eq!(indices(MOST), 0..u32::MAX);
        assert!(check("rows", MOST as u64).is_ok());
        assert_eq!(check("rows", MOST as u64 + 1), Err(TooMany { what: "rows", got: 1 << 32 }));
    }

    #[test]
    #[should_panic(expected = "row 4294967295 is beyond")]
    fn a_row_beyond_does_not_wrap_around() {
        index(MOST);
    }

    #[test]
    #[should_panic(expected = "4294967296 rows are more than")]
    fn a_count_beyond_does_not_wrap_around() {
        indices(MOST + 1);
    }
}
