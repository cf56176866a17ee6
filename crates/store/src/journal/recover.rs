//! Opening a journal: finds its end, cuts off what a crash left half-written, and refuses damage that no crash explains.
//!
//! | found in the last segment | it is |
//! |---|---|
//! | frames, then zeros or a mark | the end |
//! | frames, then other bytes, and no whole frame header or mark behind them | a write that a crash cut short: cut off, reported |
//! | the same with a whole frame header or mark behind | damage: what stands before them was durable when they were written |
//! | a file shorter than its header says | damage: it was made, with its size, before it got its name |
//!
//! One case looks like a cut and may be damage: the last frame is altered *and* the mark behind it, which is written after its
//! sync, was lost to a power cut.

use super::format::FRAME_HEADER_BYTES;
use super::reader::{SegmentReader, first_sequences};
use super::storage::Storage;
use super::writer::{PARTIAL, Writer};
use super::{Cut, Recovered};
use crate::Error;
use std::sync::Arc;

/// An opened journal: first sequence numbers of all segments, and what follows the last one.
pub(super) struct Opened {
    pub(super) firsts: Vec<u64>,
    pub(super) writer: Writer,
    pub(super) recovered: Recovered,
}

/// Opens what lies in a storage, or begins a new journal.
pub(super) fn open(storage: Arc<dyn Storage>, segment_bytes: u64) -> Result<Opened, Error> {
    remove_partial(&*storage)?;
    let mut firsts = first_sequences(&*storage)?;
    let Some(&last) = firsts.last() else {
        let mut writer = Writer::create(storage, segment_bytes, 0, 0)?;
        writer.mark()?;
        firsts.push(0);
        return Ok(Opened { firsts, writer, recovered: Recovered { first: 0, next: 0, cut: None } });
    };
    for &first in &firsts[..firsts.len() - 1] {
        SegmentReader::open(&*storage, first)?;
    }
    let mut reader = SegmentReader::open(&*storage, last)?;
    let end = find_end(&mut reader)?;
    let next = reader.next;
    let mut writer = Writer::resume(storage, segment_bytes, reader);
    writer.restore(&end.last_frame, end.cut.as_ref().map_or(0, |cut| cut.bytes))?;
    writer.mark()?;
    Ok(Opened { recovered: Recovered { first: firsts[0], next, cut: end.cut }, firsts, writer })
}

fn remove_partial(storage: &dyn Storage) -> Result<(), Error> {
    let names = storage.names().map_err(Error::io("list", &storage.path("")))?;
    if names.iter().any(|name| name == PARTIAL) {
        storage.remove(PARTIAL).map_err(Error::io("remove", &storage.path(PARTIAL)))?;
    }
    // Also makes names durable that a killed program gave.
    storage.sync().map_err(Error::io("sync", &storage.path("")))
}

/// The end of a journal.
struct End {
    /// The bytes of the last frame.
    last_frame: Vec<u8>,
    /// What is to be cut off behind it.
    cut: Option<Cut>,
}

/// Reads up to the end of the journal.
fn find_end(reader: &mut SegmentReader) -> Result<End, Error> {
    let expected = reader.header().file_bytes;
    if reader.file_bytes() < expected {
        let reason =
            format!("the file was cut: it was made with {expected} bytes and has {}", reader.file_bytes());
        return Err(reader.damaged(reader.file_bytes(), reason));
    }
    let (mut last_frame_at, mut at) = (reader.at, reader.at);
    while reader.next_frame()?.is_some() {
        (last_frame_at, at) = (at, reader.at);
    }
    let used = at + if reader.is_at_mark()? { FRAME_HEADER_BYTES as u64 } else { 0 };
    let rest = reader.rest()?;
    if let Some(later) = rest.frame {
        let next = reader.next;
        let reason = format!(
            "record {next} is altered or missing: what stands at byte {later} was written after it was durable"
        );
        return Err(reader.damaged(at, reason));
    }
    let cut = (rest.used_until > used).then(|| Cut {
        path: reader.path().clone(),
        offset: at,
        bytes: rest.used_until - at,
    });
    Ok(End { last_frame: reader.copy(last_frame_at)?, cut })
}
