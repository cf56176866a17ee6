//! Ctrl-C ([`semrank_console::interrupt`]) as an error.

use crate::error::Error;
pub(crate) use semrank_console::interrupt::{install, requested};

/// Ends work that has no state to keep.
pub(crate) fn check() -> Result<(), Error> {
    if requested() { Err(Error::Interrupted { resume: None }) } else { Ok(()) }
}
