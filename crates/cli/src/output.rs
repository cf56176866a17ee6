//! Standard output and error ([`semrank_console::output`]) with the program's errors.

use crate::error::Error;
pub(crate) use semrank_console::output::note;
use semrank_pipeline::Error as RunError;
use serde::Serialize;
use std::path::Path;

/// Prints text for people.
pub(crate) fn text(text: &str) -> Result<(), Error> {
    Ok(semrank_console::output::text(text).map_err(refused())?)
}

/// Prints one JSON object and a newline.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    Ok(semrank_console::output::json(value).map_err(refused())?)
}

/// Prints lines for programs.
pub(crate) fn lines(lines: &str) -> Result<(), Error> {
    Ok(semrank_console::output::lines(lines).map_err(refused())?)
}

fn refused() -> impl FnOnce(std::io::Error) -> RunError {
    RunError::io("write to", Path::new("standard output"))
}
