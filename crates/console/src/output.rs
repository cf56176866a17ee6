//! Standard output: results only, everything else goes to standard error. A reader that has closed the pipe (`head`)
//! is not an error.
//!
//! Titles and ids come from data, and a terminal obeys control characters: a title could clear the screen or set the window's name.
//! So text for people is made [`printable`]; JSON is exact, as a program reads it.

use serde::Serialize;
use std::borrow::Cow;
use std::io::{Error, ErrorKind, IsTerminal, Write};

/// Prints text for people, made [`printable`].
///
/// # Errors
/// Standard output cannot be written to, for another reason than a closed pipe.
pub fn text(text: &str) -> Result<(), Error> {
    write(&printable(text))
}

/// Prints lines for programs as they are; on a terminal made [`printable`].
///
/// # Errors
/// As for [`text`].
pub fn lines(lines: &str) -> Result<(), Error> {
    if std::io::stdout().is_terminal() { text(lines) } else { write(lines) }
}

/// Prints one JSON object and a newline.
///
/// # Errors
/// As for [`text`]; a value that JSON cannot hold.
pub fn json(value: &impl Serialize) -> Result<(), Error> {
    write(&(serde_json::to_string(value)? + "\n"))
}

/// A remark for people, on standard error; ignored if standard error is closed.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable(text));
}

/// The text with control characters and marks of writing direction shown as escapes; line ends and tabs stay.
///
/// ```
/// use semrank_console::output::printable;
/// assert_eq!(printable("red \u{1b}[2J shoes\n"), "red \\u{1b}[2J shoes\n");
/// assert_eq!(printable("\u{202e}sdaeh"), "\\u{202e}sdaeh");
/// assert_eq!(printable("Füße 靴"), "Füße 靴");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_obeyed(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out.into()
}

/// Whether a terminal does something else with a character than show it.
fn is_obeyed(letter: char) -> bool {
    let is_direction = matches!(letter, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_line_end = matches!(letter, '\u{2028}' | '\u{2029}');
    (letter.is_control() && letter != '\n' && letter != '\t') || is_direction || is_line_end
}

fn write(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
