//! Standard output: results only, everything else goes to standard error. A reader that has closed the pipe (`head`)
//! is no error.

use crate::error::Error;
use serde::Serialize;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Prints text as it is.
pub(crate) fn text(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io("write to", Path::new("standard output"))(error))
        }
        _ => Ok(()),
    }
}

/// Prints one JSON object and a newline.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Error> {
    let mut line = serde_json::to_string(value)
        .map_err(|source| Error::Json { path: "standard output".into(), source })?;
    line.push('\n');
    text(&line)
}

/// A remark for people, on standard error; lost where nobody reads it.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
