//! Files as bytes and as numbered lines: gzip found by its magic number, byte-order mark skipped, UTF-8 checked.

use crate::limits::MOST_LINE_BYTES;
use crate::{Error, RowError};
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const BUFFER_BYTES: usize = 1 << 16;

/// A text file, decompressed.
pub(crate) type Source = BufReader<Box<dyn Read>>;

/// Opens a text file, plain or gzip.
pub(crate) fn open(path: &Path) -> Result<Source, Error> {
    let mut file = BufReader::with_capacity(BUFFER_BYTES, File::open(path).map_err(Error::io("read", path))?);
    let start = file.fill_buf().map_err(read_error(path))?;
    let gzip = start.starts_with(&GZIP);
    let inner: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut source = BufReader::with_capacity(BUFFER_BYTES, inner);
    let start = source.fill_buf().map_err(read_error(path))?;
    if start.is_empty() {
        return Err(Error::Empty { path: path.to_owned(), expected: "rows of text".into() });
    }
    if start.starts_with(&BYTE_ORDER_MARK) {
        source.consume(BYTE_ORDER_MARK.len());
    }
    Ok(source)
}

/// The name without `.gz`, for finding the format.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.strip_suffix(".gz").map(str::to_owned).unwrap_or(name)
}

/// A text file for a reader that looks for the ends of rows itself: it is given so many bytes, and more only when it says that it
/// has found one.
pub(crate) struct Rationed {
    source: Source,
    left: Rc<Cell<usize>>,
}

/// How a reader of [`Rationed`] says that it has found the end of a row.
#[derive(Debug, Clone)]
pub(crate) struct Ration(Rc<Cell<usize>>);

impl Ration {
    /// Allows another row.
    pub(crate) fn renew(&self) {
        // A reader may have taken the start of the next row already.
        self.0.set(MOST_LINE_BYTES + BUFFER_BYTES);
    }

    /// Whether the row was too long: the file was cut off there.
    pub(crate) fn is_used_up(&self) -> bool {
        self.0.get() == 0
    }
}

/// Opens a text file for such a reader.
pub(crate) fn open_rationed(path: &Path) -> Result<(Rationed, Ration), Error> {
    let ration = Ration(Rc::default());
    ration.renew();
    Ok((Rationed { source: open(path)?, left: ration.0.clone() }, ration))
}

impl Read for Rationed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(self.left.get());
        let read = self.source.read(&mut out[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

/// Tells damaged gzip from a failing disk.
pub(crate) fn read_error(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            Error::Damaged { path: path.clone(), format: "gzip", reason: source.to_string() }
        }
        _ => Error::Io { action: "read", path: path.clone(), source },
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Path,
    /// From 1.
    pub(crate) line: u64,
}

impl Place<'_> {
    /// An error of this row: the column where one is to blame, what stands there, what should.
    pub(crate) fn error(
        &self,
        column: &str,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> RowError {
        RowError {
            file: self.file.into(),
            line: self.line,
            column: (!column.is_empty()).then(|| column.to_owned()),
            got: shortened(got.into()),
            expected: expected.into(),
            help: None,
        }
    }

    /// `bytes` as text.
    pub(crate) fn utf8<'b>(&self, column: &str, bytes: &'b [u8]) -> Result<&'b str, RowError> {
        std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            self.error(column, format!("byte 0x{:02x} at byte {}", bytes[at], at + 1), "UTF-8 text")
                .with_help("convert the file, e.g. `iconv -f latin1 -t utf-8 FILE`")
        })
    }
}

fn shortened(text: String) -> String {
    const MOST: usize = 120;
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain(['…']).collect() }
}

/// The lines of a text file, none longer than [`MOST_LINE_BYTES`].
pub(crate) struct Lines {
    pub(crate) path: PathBuf,
    source: Source,
    buffer: Vec<u8>,
    /// Number of the last line, from 1.
    pub(crate) line: u64,
    /// Bytes of all lines so far.
    pub(crate) bytes: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Lines, Error> {
        Ok(Lines { path: path.to_owned(), source: open(path)?, buffer: Vec::new(), line: 0, bytes: 0 })
    }

    /// The next line that is not blank, without its end.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Error> {
        loop {
            self.buffer.clear();
            let mut line = self.source.by_ref().take(MOST_LINE_BYTES as u64 + 1);
            let read = line.read_until(b'\n', &mut self.buffer).map_err(read_error(&self.path))?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if read > MOST_LINE_BYTES {
                return Err(Error::LineTooLong {
                    path: self.path.clone(),
                    line: self.line,
                    most: MOST_LINE_BYTES,
                });
            }
            self.bytes += read as u64;
            while matches!(self.buffer.last(), Some(b'\n' | b'\r')) {
                self.buffer.pop();
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(&self.buffer));
            }
        }
    }
}
