//! Standard output: results only, everything else goes to standard error. A reader that has closed the pipe (`head`)
//! is no error.

use serde::Serialize;
use std::io::{Error, ErrorKind, Write};

/// Prints text as it is.
///
/// # Errors
/// Standard output cannot be written to, for another reason than that nobody reads it any more.
pub fn text(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Prints one JSON object and a newline.
///
/// # Errors
/// As for [`text`]; a value that JSON cannot hold.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    text(&(serde_json::to_string(value)? + "\n"))
}

/// A remark for people, on standard error; lost where nobody reads it.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
