//! The end of a journal: the segment that frames are written to, and the next one when it is full.
//!
//! A frame is written only after the one before is durable. So a crash can hurt the last frame only, and what is damaged before a
//! whole frame or mark was damaged otherwise.

use super::format::{FRAME_HEADER_BYTES, Frame, SEGMENT_HEADER_BYTES, SegmentHeader, mark};
use super::reader::{SegmentReader, segment_name};
use super::storage::{Storage, StoredFile};
use crate::Error;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// A segment in the making. It takes its name when its header and size are durable, so a segment is never half made.
pub(super) const PARTIAL: &str = "segment.partial";

static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

pub(super) struct Writer {
    storage: Arc<dyn Storage>,
    /// Size of a segment, unless one frame needs more.
    segment_bytes: u64,
    file: Box<dyn StoredFile>,
    header: SegmentHeader,
    /// Where the next frame begins.
    at: u64,
    /// The number of its first record.
    next: u64,
}

impl Writer {
    /// Begins the segment whose first record is number `first`, large enough for a frame of `frame_bytes`.
    pub(super) fn create(
        storage: Arc<dyn Storage>,
        segment_bytes: u64,
        first: u64,
        frame_bytes: u64,
    ) -> Result<Writer, Error> {
        let needed = SEGMENT_HEADER_BYTES + frame_bytes + FRAME_HEADER_BYTES as u64;
        let salt = RandomState::new().hash_one(first) as u32;
        let header = SegmentHeader { first, salt, file_bytes: segment_bytes.max(needed) };
        let file = make(&*storage, header).inspect_err(|_| {
            // Its space is of use to others; what is left behind goes when the journal is opened again.
            let _ = storage.remove(PARTIAL);
        })?;
        Ok(Writer { storage, segment_bytes, file, header, at: SEGMENT_HEADER_BYTES, next: first })
    }

    /// Goes on where a reader found the last frame.
    pub(super) fn resume(storage: Arc<dyn Storage>, segment_bytes: u64, reader: SegmentReader) -> Writer {
        let (header, at, next) = (reader.header(), reader.at, reader.next);
        Writer { storage, segment_bytes, file: reader.into_file(), header, at, next }
    }

    /// The number of the active segment's first record.
    pub(super) fn first(&self) -> u64 {
        self.header.first
    }

    /// Writes a frame that follows the last one; it is durable when this returns `Ok`.
    pub(super) fn write(&mut self, frame: &mut Frame) -> Result<(), Error> {
        debug_assert_eq!(frame.first, self.next);
        let needed = frame.sealed_bytes() + FRAME_HEADER_BYTES as u64;
        if self.header.file_bytes.saturating_sub(self.at) < needed {
            self.rotate(frame.sealed_bytes())?;
        }
        let bytes = frame.seal(self.header.salt);
        self.file.write_at(self.at, bytes).map_err(self.failed("write"))?;
        self.file.sync_data().map_err(self.failed("sync"))?;
        self.at += bytes.len() as u64;
        self.next = frame.end();
        Ok(())
    }

    /// Notes behind the last frame that it is durable; the next frame takes the mark's place. The mark itself is not synced: it
    /// reaches the disk some time later, and serves to tell a frame that was altered from one that a crash cut short.
    pub(super) fn mark(&mut self) -> Result<(), Error> {
        self.file.write_at(self.at, &mark(self.next, self.header.salt)).map_err(self.failed("write"))
    }

    /// Writes the last frame once more as it is, and zeros over `zeros` bytes behind it; both are durable when this returns `Ok`.
    ///
    /// A frame whose sync failed may stand in the system's cache, and be taken there for written: only another write brings it to
    /// the disk. The bytes are the same, so a crash in between hurts nothing.
    pub(super) fn restore(&mut self, last_frame: &[u8], zeros: u64) -> Result<(), Error> {
        self.file.write_at(self.at - last_frame.len() as u64, last_frame).map_err(self.failed("write"))?;
        let (mut at, end) = (self.at, self.at + zeros);
        while at < end {
            let block = &ZEROS[..(end - at).min(ZEROS.len() as u64) as usize];
            self.file.write_at(at, block).map_err(self.failed("write"))?;
            at += block.len() as u64;
        }
        self.file.sync_all().map_err(self.failed("sync"))
    }

    /// Begins another segment, with room for a frame of `frame_bytes`.
    pub(super) fn rotate(&mut self, frame_bytes: u64) -> Result<(), Error> {
        // What the old segment has reserved and not used stays zeros: readers may be in it.
        *self = Self::create(self.storage.clone(), self.segment_bytes, self.next, frame_bytes)?;
        Ok(())
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Error + use<> {
        Error::io(action, &self.storage.path(&segment_name(self.header.first)))
    }
}

/// Makes a segment that is durable with its name.
fn make(storage: &dyn Storage, header: SegmentHeader) -> Result<Box<dyn StoredFile>, Error> {
    let path = storage.path(&segment_name(header.first));
    let mut file = storage.create(PARTIAL).map_err(Error::io("create", &path))?;
    file.reserve(header.file_bytes).map_err(Error::io("reserve", &path))?;
    file.write_at(0, &header.encode()).map_err(Error::io("write", &path))?;
    file.sync_all().map_err(Error::io("sync", &path))?;
    storage.rename(PARTIAL, &segment_name(header.first)).map_err(Error::io("create", &path))?;
    storage.sync().map_err(Error::io("sync the folder of", &path))?;
    Ok(file)
}
