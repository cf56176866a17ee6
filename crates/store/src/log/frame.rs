//! Records of a batch as the bodies of one or more messages, and back.
//!
//! ```text
//! body     magic "SRL1" | writer | first | records | part | parts | crc | bytes of this part      (little endian)
//! bytes    of all parts together: length, record; length, record; …
//! ```
//!
//! A batch that is larger than a message may be is cut into parts. It counts when all of its parts follow each other; what a writer left
//! that was killed between two parts does not. A batch without records says that its writer has begun.

use super::remote::Batch;
use std::ops::ControlFlow;

const MAGIC: &[u8; 4] = b"SRL1";
/// Bytes before those of the part.
pub(super) const HEAD_BYTES: usize = 4 + 8 + 8 + 4 + 4 + 4 + 4;
const LENGTH_BYTES: usize = 4;

/// What a body says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) writer: u64,
    /// Number of the batch's first record.
    pub(super) first: u64,
    /// Records of the whole batch.
    pub(super) records: u32,
    pub(super) part: u32,
    pub(super) parts: u32,
}

impl Head {
    /// One beyond the last record of the log behind this body.
    pub(super) fn next(&self) -> u64 {
        let is_last = self.part + 1 == self.parts;
        self.first + if is_last { u64::from(self.records) } else { 0 }
    }
}

/// The bodies of a batch, each of at most `most_bytes`.
pub(super) fn bodies(batch: &Batch, writer: u64, most_bytes: usize) -> Vec<Vec<u8>> {
    let sizes = batch.records.iter().map(|record| LENGTH_BYTES + record.len());
    let mut bytes = Vec::with_capacity(sizes.sum());
    for record in &batch.records {
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record);
    }
    let room = most_bytes.saturating_sub(HEAD_BYTES).max(1);
    let parts = bytes.len().div_ceil(room).max(1) as u32;
    let records = batch.records.len() as u32;
    let body = |part: u32| {
        let start = part as usize * room;
        let bytes = &bytes[start..bytes.len().min(start + room)];
        encode(Head { writer, first: batch.first, records, part, parts }, bytes)
    };
    (0..parts).map(body).collect()
}

fn encode(head: Head, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD_BYTES + bytes.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&head.writer.to_le_bytes());
    out.extend_from_slice(&head.first.to_le_bytes());
    [head.records, head.part, head.parts]
        .iter()
        .for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
    let crc = crc(&out, bytes);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(bytes);
    out
}

fn crc(head: &[u8], bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(head);
    crc.update(bytes);
    crc.finalize()
}

/// Reads a body; none where it is damaged, or of another program.
pub(super) fn decode(body: &[u8]) -> Option<(Head, &[u8])> {
    let (head, bytes) = body.split_at_checked(HEAD_BYTES)?;
    let (head, sum) = head.split_at(HEAD_BYTES - 4);
    let short = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let long = |at: usize| Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?));
    if !head.starts_with(MAGIC) || sum != crc(head, bytes).to_le_bytes() {
        return None;
    }
    let head =
        Head { writer: long(4)?, first: long(12)?, records: short(20)?, part: short(24)?, parts: short(28)? };
    (head.part < head.parts).then_some((head, bytes))
}

/// Puts parts together, in the order of the log.
#[derive(Default)]
pub(super) struct Assembly {
    head: Option<Head>,
    bytes: Vec<u8>,
}

impl Assembly {
    /// Takes the next body; gives the records of a batch that it completes, with the number of each. `None` where it cannot follow.
    pub(super) fn take(
        &mut self,
        (head, bytes): (Head, &[u8]),
        visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
    ) -> Option<ControlFlow<()>> {
        if head.part == 0 {
            self.bytes.clear();
        } else if self.head != Some(Head { part: head.part - 1, ..head }) {
            return None;
        }
        self.head = Some(head);
        if head.parts == 1 {
            return each(head, bytes, visit);
        }
        self.bytes.extend_from_slice(bytes);
        match head.part + 1 == head.parts {
            true => each(head, &self.bytes, visit),
            false => Some(ControlFlow::Continue(())),
        }
    }
}

fn each(
    head: Head,
    mut bytes: &[u8],
    visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Option<ControlFlow<()>> {
    for number in 0..u64::from(head.records) {
        let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
        let (record, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if visit(head.first + number, record).is_break() {
            return Some(ControlFlow::Break(()));
        }
        bytes = rest;
    }
    bytes.is_empty().then_some(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(first: u64, records: &[&[u8]]) -> Batch {
        let mut out = Batch::from(first);
        out.records = records.iter().map(|record| record.to_vec()).collect();
        out
    }

    fn read(bodies: &[Vec<u8>]) -> Option<Vec<(u64, Vec<u8>)>> {
        let (mut assembly, mut out) = (Assembly::default(), Vec::new());
        for body in bodies {
            let visit = &mut |number, record: &[u8]| {
                out.push((number, record.to_vec()));
                ControlFlow::Continue(())
            };
            let _ = assembly.take(decode(body)?, visit)?;
        }
        Some(out)
    }

    #[test]
    fn batches_read_back_however_they_are_cut() {
        let records: [&[u8]; 4] = [b"a", b"", &[7; 300], b"z"];
        let expected: Vec<(u64, Vec<u8>)> = (5..).zip(records.map(<[u8]>::to_vec)).collect();
        for most_bytes in [1, HEAD_BYTES + 1, HEAD_BYTES + 100, 10_000] {
            assert_eq!(read(&bodies(&batch(5, &records), 1, most_bytes)), Some(expected.clone()));
        }
        assert_eq!(read(&bodies(&batch(5, &[]), 1, 100)), Some(vec![]));
    }

    #[test]
    fn what_was_left_between_two_parts_does_not_count() {
        let cut = bodies(&batch(5, &[&[1; 300]]), 1, HEAD_BYTES + 100);
        let again = bodies(&batch(5, &[b"new"]), 2, 1000);
        let all: Vec<Vec<u8>> = cut[..2].iter().chain(&again).cloned().collect();
        assert_eq!(read(&all), Some(vec![(5, b"new".to_vec())]));
        assert_eq!(read(&[cut[0].clone(), cut[2].clone()]), None, "a part is missing");
    }

    #[test]
    fn an_altered_byte_is_found() {
        let body = bodies(&batch(5, &[b"record"]), 1, 1000).remove(0);
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 1;
            assert!(decode(&altered).is_none(), "byte {at}");
            assert!(decode(&body[..at]).is_none(), "cut at {at}");
        }
    }
}
