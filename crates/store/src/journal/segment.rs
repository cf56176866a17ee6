//! The records of one file of a journal, given one by one.

use super::reader::{SegmentReader, first_sequences, segment_name};
use super::storage::{Folder, Storage};
use crate::Error;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Records `first..end` in a file of their own.
#[derive(Clone)]
pub struct Segment {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) first: u64,
    pub(super) end: u64,
}

impl Segment {
    /// The numbers of its records.
    pub fn sequences(&self) -> Range<u64> {
        self.first..self.end
    }

    /// Its file.
    pub fn path(&self) -> PathBuf {
        self.storage.path(&segment_name(self.first))
    }

    /// Gives the records from number `from` on, up to the end of the segment, with their numbers, in order.
    ///
    /// # Errors
    /// [`Error::Journal`] where a record of the segment is not there or altered; the system's, also where the segment was removed
    /// meanwhile; those of `visit`.
    pub fn for_each<E: From<Error>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut reader = SegmentReader::open(&*self.storage, self.first)?;
        while reader.next < self.end {
            let Some(frame) = reader.next_frame()? else {
                let reason = format!(
                    "record {} is cut short or altered; the segment holds {} to {}",
                    reader.next,
                    self.first,
                    self.end - 1
                );
                return Err(reader.damaged(reader.at, reason).into());
            };
            // The end of an active segment is that of a frame too, so no record beyond it is given.
            for (sequence, payload) in (frame.first..).zip(frame.payloads) {
                if sequence >= from {
                    visit(sequence, payload)?;
                }
            }
        }
        if reader.next > self.end {
            let reason =
                format!("its records go on to {}, though {} begins the next file", reader.next - 1, self.end);
            return Err(reader.damaged(reader.at, reason).into());
        }
        Ok(())
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "Segment({}..{}, {})", self.first, self.end, self.path().display())
    }
}

/// The sealed segments of a journal that another program may be writing, oldest first. The active one is not among them.
///
/// # Errors
/// The system's.
pub fn sealed_segments(folder: &Path) -> Result<Vec<Segment>, Error> {
    let storage: Arc<dyn Storage> = Arc::new(Folder::read(folder));
    let firsts = first_sequences(&*storage)?;
    Ok(sealed(&storage, &firsts))
}

/// The segments that another one follows.
pub(super) fn sealed(storage: &Arc<dyn Storage>, firsts: &[u64]) -> Vec<Segment> {
    let pairs = firsts.windows(2);
    pairs.map(|pair| Segment { storage: storage.clone(), first: pair[0], end: pair[1] }).collect()
}
