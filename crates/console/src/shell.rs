//! Words of a command that is printed to be copied: each is quoted so that a POSIX shell reads back the same word.
//!
//! | word | printed |
//! |---|---|
//! | `model.dim=64` | `model.dim=64` |
//! | `my run` | `'my run'` |
//! | `Ann's run` | `'Ann'\''s run'` |
//! | bytes that are not UTF-8 | `$'\xff'`, which bash, zsh and ksh read |

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// A word, quoted if need be.
pub fn quote(word: impl AsRef<OsStr>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    match word.as_ref().to_str() {
        Some(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Some(text) => format!("'{}'", text.replace('\'', r"'\''")),
        None => quote_bytes(word.as_ref().as_bytes()),
    }
}

/// A command line of these words.
pub fn command<W: AsRef<OsStr>>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("$'");
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => _ = write!(out, "\\x{byte:02x}"),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// What a shell makes of a printed word.
    fn read_back(shell: &str, word: &OsStr) -> Option<Vec<u8>> {
        let line = format!("printf %s {}", quote(word));
        Some(Command::new(shell).args(["-c", &line]).output().ok()?.stdout)
    }

    #[test]
    fn a_shell_reads_back_every_word() {
        let words = [
            "run",
            "",
            "my run",
            "Ann's run",
            "'",
            "''",
            "$HOME",
            "`id`",
            "a\\'b",
            "new\nline",
            "*",
            "~",
            "!",
            "ä",
        ];
        for word in words {
            assert_eq!(read_back("sh", OsStr::new(word)), Some(word.as_bytes().to_vec()), "{word:?}");
        }
        assert_eq!(command(["semrank", "run", "--out", "Ann's run"]), r"semrank run --out 'Ann'\''s run'");
        assert_eq!(quote("model.dim=64"), "model.dim=64");
    }

    #[test]
    fn bytes_that_are_no_text_are_escaped() {
        let word = OsStr::from_bytes(b"it's \xff\\\n!");
        assert_eq!(quote(word), r"$'it\'s \xff\\\x0a!'");
        // A machine without bash has nothing to compare with.
        if let Some(read) = read_back("bash", word) {
            assert_eq!(read, word.as_bytes());
        }
    }
}
