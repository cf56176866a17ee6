//! Files as bytes and as numbered lines: gzip and zstd found by their magic numbers, byte-order mark skipped, UTF-8 checked. The
//! path `-` is standard input.

use crate::limits::MOST_LINE_BYTES;
use crate::{Error, RowError};
use flate2::read::MultiGzDecoder;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const BUFFER_BYTES: usize = 1 << 16;

/// A text file, unpacked. The first [`BufRead::fill_buf`] gives its first 64 KiB, or all of a smaller file.
pub(crate) type Source = BufReader<Box<dyn Read>>;

/// Whether a path stands for standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// What messages call a path.
pub(crate) fn label(path: &Path) -> &Path {
    if is_standard_input(path) { Path::new("standard input") } else { path }
}

/// Opens a text file: plain, gzip or zstd.
pub(crate) fn open(path: &Path) -> Result<Source, Error> {
    let name = label(path);
    let mut unpacked = unpacked(path)?;
    let mut start = Vec::new();
    unpacked.by_ref().take(BUFFER_BYTES as u64).read_to_end(&mut start).map_err(read_error(name))?;
    if start.is_empty() {
        return Err(Error::Empty { path: name.to_owned(), expected: "rows of text".into() });
    }
    if start.starts_with(&BYTE_ORDER_MARK) {
        start.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(BufReader::with_capacity(BUFFER_BYTES, Box::new(Cursor::new(start).chain(unpacked))))
}

fn unpacked(path: &Path) -> Result<Box<dyn Read>, Error> {
    let mut file: Box<dyn Read> = match is_standard_input(path) {
        true => Box::new(io::stdin()),
        false => Box::new(File::open(path).map_err(Error::io("read", path))?),
    };
    let mut magic = Vec::new();
    file.by_ref().take(ZSTD.len() as u64).read_to_end(&mut magic).map_err(read_error(label(path)))?;
    let (gzip, zstd) = (magic.starts_with(GZIP), magic.starts_with(ZSTD));
    let file = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic).chain(file));
    Ok(match (gzip, zstd) {
        (true, _) => Box::new(MultiGzDecoder::new(file)),
        (_, true) => {
            Box::new(Zstd(zstd::Decoder::with_buffer(file).map_err(Error::io("unpack", label(path)))?))
        }
        _ => Box::new(file),
    })
}

/// Marks the decoder's own errors, which otherwise look like those of the system.
struct Zstd<R: BufRead>(zstd::Decoder<'static, R>);

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DamagedZstd(String);

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| match error.raw_os_error() {
            Some(_) => error,
            None => io::Error::new(io::ErrorKind::InvalidData, DamagedZstd(error.to_string())),
        })
    }
}

/// A file in a folder, compressed by gzip or not, if it is there.
pub(crate) fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}

/// The name in lower case without `.gz` or `.zst`, for finding the format.
pub(crate) fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let plain = [".gz", ".zst", ".zstd"].iter().find_map(|packed| name.strip_suffix(packed));
    plain.map(str::to_owned).unwrap_or(name)
}

/// A text file for a reader that looks for the ends of rows itself: it is given so many bytes, and more only when it says that it
/// has found one. It is given a line at a time, so that the last line it has seen is the last line of its row.
pub(crate) struct Rationed {
    source: Source,
    progress: Ration,
    line: Vec<u8>,
    given: usize,
}

/// How a reader of [`Rationed`] says that it has found the end of a row, and learns where it is.
#[derive(Debug, Clone)]
pub(crate) struct Ration(Rc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    left: Cell<usize>,
    line: Cell<u64>,
}

impl Ration {
    /// Allows another row.
    pub(crate) fn renew(&self) {
        // A reader may have taken the start of the next row already.
        self.0.left.set(MOST_LINE_BYTES + BUFFER_BYTES);
    }

    /// Whether the row was too long: the file was cut off there.
    pub(crate) fn is_used_up(&self) -> bool {
        self.0.left.get() == 0
    }

    /// Number of the line that was given last, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.0.line.get()
    }
}

impl Rationed {
    /// Opens a text for such a reader.
    pub(crate) fn new(source: Source) -> (Rationed, Ration) {
        let ration = Ration(Rc::default());
        ration.renew();
        (Rationed { source, progress: ration.clone(), line: Vec::new(), given: 0 }, ration)
    }
}

impl Read for Rationed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let progress = &self.progress.0;
        if self.given == self.line.len() {
            if self.line.last().is_none_or(|&last| last == b'\n') {
                progress.line.set(progress.line.get() + 1);
            }
            let most = BUFFER_BYTES.min(progress.left.get());
            self.line.clear();
            self.given = 0;
            self.source.by_ref().take(most as u64).read_until(b'\n', &mut self.line)?;
            progress.left.set(progress.left.get() - self.line.len());
        }
        let rest = &self.line[self.given..];
        let read = rest.len().min(out.len());
        out[..read].copy_from_slice(&rest[..read]);
        self.given += read;
        Ok(read)
    }
}

/// Distinguishes damaged archives from a failing disk.
pub(crate) fn read_error(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| {
        let zstd = source.get_ref().is_some_and(|inner| inner.is::<DamagedZstd>());
        match source.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                let format = if zstd { "zstd" } else { "gzip" };
                Error::Damaged { path: path.clone(), format, reason: source.to_string() }
            }
            _ => Error::io("read", &path)(source),
        }
    }
}

/// A row's place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a Path,
    /// From 1.
    pub(crate) line: u64,
}

impl Place<'_> {
    /// An error of this row: the column, if one is the cause, the value found, the value expected.
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
        Ok(Lines::of(label(path), open(path)?))
    }

    /// The lines of an opened file; `path` is for messages.
    pub(crate) fn of(path: &Path, source: Source) -> Lines {
        Lines { path: path.to_owned(), source, buffer: Vec::new(), line: 0, bytes: 0 }
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
