//! A segment, frame by frame: in goes a file of unknown bytes, out come the records that are there, or where it is damaged.
//!
//! Every length is checked against the size of the file before anything is allocated.

use super::format::{
    ALIGNMENT, BadHeader, FRAME_HEADER_BYTES, FrameHeader, SEGMENT_HEADER_BYTES, SegmentHeader, records,
};
use super::storage::{Storage, StoredFile};
use crate::Error;
use std::path::PathBuf;

/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 1 << 18;

/// Beyond every journal: a million records a second for a hundred thousand years.
const LAST_SEQUENCE: u64 = 1 << 62;

/// Name of the segment whose first record has this number.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}.journal")
}

/// First sequence numbers of the segments in a folder, ascending. Other files are let alone.
pub(super) fn first_sequences(storage: &dyn Storage) -> Result<Vec<u64>, Error> {
    let names = storage.names().map_err(Error::io("list", &storage.path("")))?;
    let number = |name: &String| {
        let digits = name.strip_suffix(".journal")?;
        let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_ours { digits.parse().ok() } else { None }
    };
    let mut firsts: Vec<u64> = names.iter().filter_map(number).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// What lies behind the last frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rest {
    /// Where another frame or a mark begins whose header is whole.
    pub(super) frame: Option<u64>,
    /// One beyond the last byte that is not zero.
    pub(super) used_until: u64,
}

/// A file that is read once, from its start to its end.
pub(super) struct SegmentReader {
    file: Box<dyn StoredFile>,
    path: PathBuf,
    header: SegmentHeader,
    file_bytes: u64,
    block: Vec<u8>,
    block_at: u64,
    /// Where the next frame begins.
    pub(super) at: u64,
    /// The number of its first record.
    pub(super) next: u64,
}

/// The records of a frame, and the number of the first.
pub(super) struct ReadFrame<'a> {
    pub(super) first: u64,
    pub(super) payloads: Vec<&'a [u8]>,
}

impl SegmentReader {
    /// Opens the segment that its name says begins with record `first`.
    ///
    /// # Errors
    /// The system's; a header that is altered or of another version.
    pub(super) fn open(storage: &dyn Storage, first: u64) -> Result<Self, Error> {
        let name = segment_name(first);
        let path = storage.path(&name);
        let mut file = storage.open(&name).map_err(Error::io("open", &path))?;
        let file_bytes = file.bytes().map_err(Error::io("read", &path))?;
        let damaged = |reason: String| Error::Journal { path: path.clone(), offset: 0, reason };
        if first > LAST_SEQUENCE {
            return Err(damaged(format!("no journal gets as far as record {first}")));
        }
        if file_bytes < SEGMENT_HEADER_BYTES {
            return Err(damaged(format!(
                "it has {file_bytes} bytes, its header alone {SEGMENT_HEADER_BYTES}"
            )));
        }
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        file.read_at(0, &mut header).map_err(Error::io("read", &path))?;
        let header = match SegmentHeader::decode(&header) {
            Ok(header) if header.first == first => header,
            Ok(header) => {
                return Err(damaged(format!("its header says that it begins with record {}", header.first)));
            }
            Err(BadHeader::Version(version)) => return Err(Error::JournalVersion { path, version }),
            Err(BadHeader::Damaged) => return Err(damaged("its header is altered".into())),
        };
        let (block, block_at) = (Vec::new(), 0);
        Ok(Self { file, path, header, file_bytes, block, block_at, at: SEGMENT_HEADER_BYTES, next: first })
    }

    pub(super) fn header(&self) -> SegmentHeader {
        self.header
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The file, for who goes on writing it.
    pub(super) fn into_file(self) -> Box<dyn StoredFile> {
        self.file
    }

    pub(super) fn damaged(&self, offset: u64, reason: String) -> Error {
        Error::Journal { path: self.path.clone(), offset, reason }
    }

    /// The next frame; `None` where no whole one follows.
    ///
    /// # Errors
    /// The system's; a whole frame that cannot follow here.
    pub(super) fn next_frame(&mut self) -> Result<Option<ReadFrame<'_>>, Error> {
        let (at, salt, first) = (self.at, self.header.salt, self.next);
        if self.file_bytes - at < FRAME_HEADER_BYTES as u64 {
            return Ok(None);
        }
        let header = FrameHeader::decode(self.bytes_at(at, FRAME_HEADER_BYTES)?, salt);
        let Some(header) = header.filter(|header| header.records > 0) else { return Ok(None) };
        if header.bytes() > self.file_bytes - at {
            return Ok(None);
        }
        let body_at = at + FRAME_HEADER_BYTES as u64;
        if !header.fits(self.bytes_at(body_at, header.body_bytes as usize)?, salt) {
            return Ok(None);
        }
        if header.first != first {
            let reason = format!("record {} stands where {first} is expected", header.first);
            return Err(self.damaged(at, reason));
        }
        let odd = self.damaged(at, "the lengths of its records do not add up".into());
        (self.at, self.next) = (at + header.bytes(), first + u64::from(header.records));
        let body = self.bytes_at(body_at, header.body_bytes as usize)?;
        let payloads = records(body, header.records).ok_or(odd)?;
        Ok(Some(ReadFrame { first, payloads }))
    }

    /// Whether a mark follows: what was read was durable when it was written.
    pub(super) fn is_at_mark(&mut self) -> Result<bool, Error> {
        let (at, salt, next) = (self.at, self.header.salt, self.next);
        if self.file_bytes - at < FRAME_HEADER_BYTES as u64 {
            return Ok(false);
        }
        let header = FrameHeader::decode(self.bytes_at(at, FRAME_HEADER_BYTES)?, salt);
        Ok(header.is_some_and(|header| header.records == 0 && header.first == next))
    }

    /// Looks through everything behind the last frame.
    pub(super) fn rest(&mut self) -> Result<Rest, Error> {
        let (from, end, salt) = (self.at, self.file_bytes, self.header.salt);
        let (mut out, mut at) = (Rest { frame: None, used_until: from }, from);
        while at < end {
            let len = (end - at).min(BLOCK_BYTES as u64) as usize;
            let block = self.bytes_at(at, len)?;
            if let Some(used) = last_used(block) {
                out.used_until = at + used as u64;
                // What begins where the last frame ends is the write that may have been cut short.
                let starts = (0..len.saturating_sub(FRAME_HEADER_BYTES - 1)).step_by(ALIGNMENT);
                let mut starts = starts.filter(|&start| at + start as u64 > from);
                out.frame = starts
                    .find(|&start| FrameHeader::decode(&block[start..], salt).is_some())
                    .map(|start| at + start as u64);
            }
            if out.frame.is_some() || at + len as u64 == end {
                break;
            }
            // A frame's header may lie across two blocks.
            at += (len - FRAME_HEADER_BYTES) as u64;
        }
        Ok(out)
    }

    /// The bytes from `at` to the end of the last frame.
    pub(super) fn copy(&mut self, at: u64) -> Result<Vec<u8>, Error> {
        let len = (self.at - at) as usize;
        Ok(self.bytes_at(at, len)?.to_vec())
    }

    /// Bytes of the file, which the caller knows to be there.
    fn bytes_at(&mut self, at: u64, len: usize) -> Result<&[u8], Error> {
        let has = self.block_at..self.block_at + self.block.len() as u64;
        if !(has.start <= at && at + len as u64 <= has.end) {
            let wanted = (len.max(BLOCK_BYTES) as u64).min(self.file_bytes - at);
            self.block.resize(wanted as usize, 0);
            self.block_at = at;
            let read = self.file.read_at(at, &mut self.block);
            if let Err(error) = read {
                self.block.clear();
                return Err(Error::io("read", &self.path)(error));
            }
        }
        let start = (at - self.block_at) as usize;
        Ok(&self.block[start..start + len])
    }
}

/// One beyond the last byte that is not zero.
fn last_used(bytes: &[u8]) -> Option<usize> {
    // Most blocks are zeros: a sum over all is many times faster than a search.
    let any = bytes.iter().fold(0, |any, byte| any | byte);
    if any == 0 { None } else { bytes.iter().rposition(|byte| *byte != 0).map(|at| at + 1) }
}
