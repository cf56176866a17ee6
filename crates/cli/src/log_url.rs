//! The address of a log, an argument of several verbs.

use crate::error::Error;
use semrank_store::log::LogUrl;

/// Reads an address where one is given. The error has no password, which that of an argument would show.
pub(crate) fn log_url(text: Option<&String>) -> Result<Option<LogUrl>, Error> {
    Ok(text.map(|text| text.parse()).transpose()?)
}
