//! What can go wrong; every message says where and what to do.

use semrank_core::ItemId;

/// A filter that cannot be read or applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FilterError {
    /// A character that no expression has.
    #[error("character {at}: `{letter}` is not part of a filter; put values with signs in quotes")]
    Letter {
        /// From 1.
        at: usize,
        /// The character.
        letter: char,
    },
    /// Quotes that do not end.
    #[error("character {at}: the quotes that begin here do not end")]
    OpenQuote {
        /// From 1.
        at: usize,
    },
    /// Another word than could follow.
    #[error("character {at}: `{got}` where {wanted} is expected")]
    Unexpected {
        /// From 1.
        at: usize,
        /// What stands there.
        got: String,
        /// What could.
        wanted: &'static str,
    },
    /// A text that ends early.
    #[error("character {at}: the filter ends where {wanted} is expected")]
    Ended {
        /// One beyond the last.
        at: usize,
        /// What could follow.
        wanted: &'static str,
    },
    /// Too many parentheses.
    #[error("more than {most} parentheses or `not`s inside each other")]
    TooDeep {
        /// The limit.
        most: usize,
    },
    /// A text of an unreasonable length.
    #[error("a filter of {bytes} bytes; {most} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// A column that items do not have.
    #[error("items have no column `{column}`{}; they have {known}", did_you_mean(nearest))]
    Column {
        /// As written.
        column: String,
        /// The nearest name.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// A comparison of texts with numbers.
    #[error("column `{column}` holds {of}: it cannot be compared with `{value}`")]
    NotANumber {
        /// The column.
        column: String,
        /// As written.
        value: String,
        /// What the column holds.
        of: &'static str,
    },
    /// A column of which nothing can be asked.
    #[error("column `{column}` of the items cannot be used in a filter: {reason}")]
    Unusable {
        /// The column.
        column: String,
        /// Why, and what to do.
        reason: String,
    },
}

impl FilterError {
    pub(crate) fn unusable(column: &str, reason: &str) -> Self {
        Self::Unusable { column: column.to_owned(), reason: reason.to_owned() }
    }
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or(String::new(), |name| format!(" (did you mean `{name}`?)"))
}

/// Why candidates could not be found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A filter that cannot be read or applied.
    #[error("the filter cannot be used: {0}")]
    Filter(#[from] FilterError),
    /// A vector with a value that is no number.
    #[error("the vector of item row {0} has a value that is not a finite number; encode the item again")]
    NotFinite(u32),
    /// A score that is no number.
    #[error("the score of item row {} is not a number; the model diverged: train it again with a lower rate", .0.0)]
    Score(ItemId),
    /// A vector of another width than the index has.
    #[error("a vector of width {got}; the index holds vectors of width {expected}")]
    Width {
        /// Of the vector.
        got: usize,
        /// Of the index.
        expected: usize,
    },
    /// An approximate index where an exact one is needed.
    #[error("the ranker's own items need an exact index, and {0}:// is approximate")]
    Inexact(&'static str),
    /// A cursor that cannot be used.
    #[error(transparent)]
    Cursor(#[from] crate::CursorError),
    /// A source that this run cannot have.
    #[error("no source `{name}`{}; this run has {known}", did_you_mean(nearest))]
    Source {
        /// As written.
        name: String,
        /// The nearest name.
        nearest: Option<String>,
        /// All names.
        known: String,
    },
    /// A source that did not answer in time.
    #[error("no answer within {deadline_ms} ms")]
    Late {
        /// Its deadline.
        deadline_ms: u64,
    },
    /// A backend outside the program.
    #[error("{backend}: {message}")]
    Backend {
        /// Which.
        backend: String,
        /// What it said.
        message: String,
    },
}
