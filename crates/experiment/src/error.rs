//! Errors of the crate: what was wrong with an input, what was expected, what to do.

/// What can be wrong with the inputs of a statistic, an assignment or a case file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Fewer values than the method needs.
    #[error(
        "{what} has {got} values, at least {needed} are needed; collect more units or leave the metric out"
    )]
    TooFew {
        /// The input.
        what: &'static str,
        /// Values found.
        got: usize,
        /// Values needed.
        needed: usize,
    },
    /// NaN or infinite.
    #[error("{what} is {got}, which is not a finite number; check how the column is computed")]
    NotFinite {
        /// The input.
        what: &'static str,
        /// The value found.
        got: f64,
    },
    /// Outside the range in which the method is defined.
    #[error("{what} is {got}, expected {expected}")]
    OutOfRange {
        /// The input.
        what: &'static str,
        /// The value found.
        got: f64,
        /// The range, in words.
        expected: &'static str,
    },
    /// Two lists that belong together differ in length.
    #[error("{what} has {got} entries, expected {expected}")]
    Length {
        /// The list.
        what: &'static str,
        /// Its length.
        got: usize,
        /// The length that the other inputs give.
        expected: usize,
    },
    /// The statistic does not exist for this input.
    #[error("{what} does not exist: {why}")]
    Undefined {
        /// The statistic.
        what: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// A quantile that lies on a tie.
    #[error("the outer interval has no width: the quantile lies on a tie, no interval can be given")]
    Tie,
    /// Too many combinations to enumerate.
    #[error(
        "{what} would enumerate {got:.0} combinations, at most {limit:.0} are allowed; use resampling instead"
    )]
    TooMany {
        /// The method.
        what: &'static str,
        /// Combinations.
        got: f64,
        /// The limit.
        limit: f64,
    },
    /// A number that the method searches for was not found.
    #[error("{what} was not found between {low} and {high}; check that the settings can be reached at all")]
    NoRoot {
        /// What was searched.
        what: &'static str,
        /// Start of the searched interval.
        low: f64,
        /// End of the searched interval.
        high: f64,
    },
    /// A case file that does not have the expected form.
    #[error("case file: {0}")]
    Case(String),
}

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The value, when it is finite.
///
/// # Errors
/// [`Error::NotFinite`].
pub(crate) fn finite(what: &'static str, value: f64) -> Result<f64> {
    if value.is_finite() { Ok(value) } else { Err(Error::NotFinite { what, got: value }) }
}

/// The value, when it is finite and above 0.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::OutOfRange`].
pub(crate) fn positive(what: &'static str, value: f64) -> Result<f64> {
    let value = finite(what, value)?;
    if value > 0.0 {
        Ok(value)
    } else {
        Err(Error::OutOfRange { what, got: value, expected: "a number above 0" })
    }
}

/// The value, when it lies strictly between 0 and 1.
///
/// # Errors
/// [`Error::NotFinite`], [`Error::OutOfRange`].
pub(crate) fn fraction(what: &'static str, value: f64) -> Result<f64> {
    let value = positive(what, value)?;
    if value < 1.0 {
        Ok(value)
    } else {
        Err(Error::OutOfRange { what, got: value, expected: "a number between 0 and 1" })
    }
}

/// All values are finite.
///
/// # Errors
/// [`Error::NotFinite`] with the first value that is not.
pub(crate) fn all_finite(what: &'static str, values: &[f64]) -> Result<()> {
    values.iter().try_for_each(|&value| finite(what, value).map(drop))
}

/// A list has the expected length.
///
/// # Errors
/// [`Error::Length`].
pub(crate) fn same_length(what: &'static str, got: usize, expected: usize) -> Result<()> {
    if got == expected { Ok(()) } else { Err(Error::Length { what, got, expected }) }
}
