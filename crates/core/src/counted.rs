//! Numbers with their nouns, as messages have them.
//!
//! ```
//! use semrank_core::{counted, plural};
//! assert_eq!(counted(1, "row is", "rows are"), "1 row is");
//! assert_eq!(counted(0, "row is", "rows are"), "0 rows are");
//! let cases = 2;
//! assert_eq!(format!("{cases} of 7 cases {} new", plural(cases, "is", "are")), "2 of 7 cases are new");
//! ```

use std::fmt::Display;

/// The form of a word that goes with a number: `one` with 1, `many` with any other.
pub fn plural<'w>(number: impl PartialEq + From<u8>, one: &'w str, many: &'w str) -> &'w str {
    if number == 1.into() { one } else { many }
}

/// A number before the form of a word that goes with it.
pub fn counted(number: impl Display + Copy + PartialEq + From<u8>, one: &str, many: &str) -> String {
    format!("{number} {}", plural(number, one, many))
}
