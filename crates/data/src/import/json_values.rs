//! The values of a JSON text one by one, with the line on which each starts: elements of arrays, or values one after the
//! other. Values are only delimited here; their reader checks the syntax.

use super::source::{self, Source};
use crate::Error;
use crate::limits::MOST_LINE_BYTES;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// A text of values.
pub(crate) struct JsonValues {
    pub(crate) path: PathBuf,
    source: Source,
    /// Of the next byte, from 1.
    line: u64,
    /// Arrays around the values that have not ended.
    arrays: usize,
    /// Bytes of all values so far.
    pub(crate) bytes: u64,
}

/// Where in a value a byte is.
#[derive(Default)]
struct Inside {
    /// Open braces and brackets.
    depth: usize,
    string: bool,
    escaped: bool,
}

impl JsonValues {
    /// The values of an opened file; `path` is for messages.
    pub(crate) fn of(path: &Path, source: Source) -> JsonValues {
        JsonValues { path: path.to_owned(), source, line: 1, arrays: 0, bytes: 0 }
    }

    /// The line on which the next value starts and its text; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        if !self.find_start()? {
            return match self.arrays {
                0 => Ok(None),
                _ => Err(self.cut_off()),
            };
        }
        let (line, mut text, mut inside) = (self.line, Vec::new(), Inside::default());
        while let Some(byte) = self.peek()? {
            // A number or a word ends where something else begins.
            if inside.depth == 0 && !inside.string && !text.is_empty() && b",]} \t\r\n".contains(&byte) {
                break;
            }
            self.take(byte);
            text.push(byte);
            inside.step(byte);
            if text.len() > MOST_LINE_BYTES {
                return Err(Error::LineTooLong { path: self.path.clone(), line, most: MOST_LINE_BYTES });
            }
            if inside.depth == 0 && !inside.string && b"}]\"".contains(&byte) {
                break;
            }
        }
        self.bytes += text.len() as u64;
        Ok(Some((line, text)))
    }

    /// Goes to the first byte of the next value, past commas and the brackets of arrays.
    fn find_start(&mut self) -> Result<bool, Error> {
        while let Some(byte) = self.peek()? {
            match byte {
                b'[' => self.arrays += 1,
                b']' => self.arrays = self.arrays.saturating_sub(1),
                b',' | b' ' | b'\t' | b'\r' | b'\n' => {}
                _ => return Ok(true),
            }
            self.take(byte);
        }
        Ok(false)
    }

    fn peek(&mut self) -> Result<Option<u8>, Error> {
        let ready = self.source.fill_buf().map_err(source::read_error(&self.path))?;
        Ok(ready.first().copied())
    }

    fn take(&mut self, byte: u8) {
        self.source.consume(1);
        self.line += u64::from(byte == b'\n');
    }

    fn cut_off(&self) -> Error {
        let reason = "its array does not end".into();
        Error::Damaged { path: self.path.clone(), format: "JSON", reason }
    }
}

impl Inside {
    fn step(&mut self, byte: u8) {
        match byte {
            _ if std::mem::take(&mut self.escaped) => {}
            b'\\' if self.string => self.escaped = true,
            b'"' => self.string = !self.string,
            _ if self.string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufReader, Cursor, Read};

    fn values(text: &str) -> Result<Vec<(u64, String)>, Error> {
        let source: Box<dyn Read> = Box::new(Cursor::new(text.as_bytes().to_vec()));
        let mut values = JsonValues::of(Path::new("e.json"), BufReader::with_capacity(3, source));
        let mut out = Vec::new();
        while let Some((line, text)) = values.next()? {
            out.push((line, String::from_utf8(text).unwrap()));
        }
        Ok(out)
    }

    #[test]
    fn values_have_the_line_on_which_they_start() {
        let found = values("[{\"a\": \"]},\\\"\",\n \"b\": [1, {}]},\n\n{}\n, 12,\"x\"]\n").unwrap();
        let expected = [(1, "{\"a\": \"]},\\\"\",\n \"b\": [1, {}]}"), (4, "{}"), (5, "12"), (5, "\"x\"")];
        assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
        let two = [(1, "{}".to_owned()), (2, "{\"a\":1}".to_owned())];
        assert_eq!(values("{}\n{\"a\":1}").unwrap(), two);
        assert_eq!(values("[]").unwrap(), []);
        assert!(values("[{},").unwrap_err().to_string().contains("not a complete JSON file"));
    }
}
