//! The bytes of a segment: a header, then frames of records. Pure functions, no files.
//!
//! ```text
//! segment   magic "srjournl" · version u32 · salt u32 · first sequence u64 · size of the file u64 · CRC-32 of these u32 · zeros up to byte 4096
//! frame     body bytes u32 · records u32 · first sequence u64 · CRC-32 of the body u32 · CRC-32 of these u32 · body · zeros up to a multiple of 8
//! body      (payload bytes u32 · payload) for each record
//! ```
//!
//! All numbers are little-endian. Both sums of a frame begin with the segment's random salt, so a payload that looks like a frame
//! (a copy of a journal, or an attack) is not taken for one. A frame without records is a *mark*; see [`super`].

/// Bytes before the first frame: a page of its own, which is never written again.
pub(super) const SEGMENT_HEADER_BYTES: u64 = 4096;
/// Bytes before a frame's body.
pub(super) const FRAME_HEADER_BYTES: usize = 24;
/// Frames begin at multiples of this, counted from the start of the segment.
pub(super) const ALIGNMENT: usize = 8;
/// Bytes before a record's payload.
pub(super) const RECORD_HEADER_BYTES: usize = 4;

/// Memory that an empty frame keeps for its next records.
const MOST_KEPT_BYTES: usize = 4 << 20;

const MAGIC: [u8; 8] = *b"srjournl";
const VERSION: u32 = 1;
const USED_HEADER_BYTES: usize = 36;

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    /// Sequence number of its first record.
    pub(super) first: u64,
    /// Start of all sums of its frames.
    pub(super) salt: u32,
    /// Size that its file was made with. A file that records are still written to and that is shorter was cut.
    pub(super) file_bytes: u64,
}

/// A segment header that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// Cut short or altered.
    Damaged,
    /// Whole, of another format version.
    Version(u32),
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; USED_HEADER_BYTES] {
        let mut out = [0; USED_HEADER_BYTES];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.salt.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..32].copy_from_slice(&self.file_bytes.to_le_bytes());
        let check = sum(0, &out[..32]);
        out[32..].copy_from_slice(&check.to_le_bytes());
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<SegmentHeader, BadHeader> {
        let bytes = bytes.get(..USED_HEADER_BYTES).ok_or(BadHeader::Damaged)?;
        if bytes[..8] != MAGIC || sum(0, &bytes[..32]) != u32_at(bytes, 32) {
            return Err(BadHeader::Damaged);
        }
        match u32_at(bytes, 8) {
            VERSION => Ok(SegmentHeader {
                first: u64_at(bytes, 16),
                salt: u32_at(bytes, 12),
                file_bytes: u64_at(bytes, 24),
            }),
            version => Err(BadHeader::Version(version)),
        }
    }
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) body_bytes: u32,
    /// 0 in a mark.
    pub(super) records: u32,
    pub(super) first: u64,
    body_sum: u32,
}

impl FrameHeader {
    /// The header that begins `bytes`, where its own sum is right.
    pub(super) fn decode(bytes: &[u8], salt: u32) -> Option<FrameHeader> {
        let bytes = bytes.get(..FRAME_HEADER_BYTES)?;
        (sum(salt, &bytes[..20]) == u32_at(bytes, 20)).then(|| FrameHeader {
            body_bytes: u32_at(bytes, 0),
            records: u32_at(bytes, 4),
            first: u64_at(bytes, 8),
            body_sum: u32_at(bytes, 16),
        })
    }

    fn encode(self, salt: u32) -> [u8; FRAME_HEADER_BYTES] {
        let mut out = [0; FRAME_HEADER_BYTES];
        out[..4].copy_from_slice(&self.body_bytes.to_le_bytes());
        out[4..8].copy_from_slice(&self.records.to_le_bytes());
        out[8..16].copy_from_slice(&self.first.to_le_bytes());
        out[16..20].copy_from_slice(&self.body_sum.to_le_bytes());
        let check = sum(salt, &out[..20]);
        out[20..].copy_from_slice(&check.to_le_bytes());
        out
    }

    /// Whether `body` is the one that the header was made for.
    pub(super) fn fits(&self, body: &[u8], salt: u32) -> bool {
        sum(salt, body) == self.body_sum
    }

    /// Bytes from this frame to the next.
    pub(super) fn bytes(&self) -> u64 {
        (FRAME_HEADER_BYTES as u64 + u64::from(self.body_bytes)).next_multiple_of(ALIGNMENT as u64)
    }
}

/// The mark that says: everything before `next` is durable.
pub(super) fn mark(next: u64, salt: u32) -> [u8; FRAME_HEADER_BYTES] {
    FrameHeader { body_bytes: 0, records: 0, first: next, body_sum: sum(salt, &[]) }.encode(salt)
}

/// Records on their way to the disk, which becomes one frame.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Room for the header, then the body.
    bytes: Vec<u8>,
    records: u32,
    pub(super) first: u64,
}

impl Frame {
    /// Empties the frame, whose next record will be number `first`.
    pub(super) fn begin(&mut self, first: u64) {
        self.bytes.clear();
        self.bytes.shrink_to(MOST_KEPT_BYTES);
        self.bytes.resize(FRAME_HEADER_BYTES, 0);
        (self.records, self.first) = (0, first);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// One beyond the last record.
    pub(super) fn end(&self) -> u64 {
        self.first + u64::from(self.records)
    }

    pub(super) fn body_bytes(&self) -> usize {
        self.bytes.len().saturating_sub(FRAME_HEADER_BYTES)
    }

    /// Adds a record; its length was checked by the caller.
    pub(super) fn push(&mut self, payload: &[u8]) {
        self.bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(payload);
        self.records += 1;
    }

    /// Bytes that [`Frame::seal`] will give.
    pub(super) fn sealed_bytes(&self) -> u64 {
        (self.bytes.len() as u64).next_multiple_of(ALIGNMENT as u64)
    }

    /// The frame as it is written into a segment with this salt.
    pub(super) fn seal(&mut self, salt: u32) -> &[u8] {
        let body = &self.bytes[FRAME_HEADER_BYTES..];
        let header = FrameHeader {
            body_bytes: body.len() as u32,
            records: self.records,
            first: self.first,
            body_sum: sum(salt, body),
        };
        self.bytes[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode(salt));
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
        &self.bytes
    }
}

/// The payloads of a body of `records` records; `None` where their lengths do not add up.
pub(super) fn records(body: &[u8], records: u32) -> Option<Vec<&[u8]>> {
    if records as usize > body.len() / RECORD_HEADER_BYTES {
        return None;
    }
    let (mut out, mut rest) = (Vec::with_capacity(records as usize), body);
    for _ in 0..records {
        let (length, after) = rest.split_at_checked(RECORD_HEADER_BYTES)?;
        let (payload, after) = after.split_at_checked(u32_at(length, 0) as usize)?;
        out.push(payload);
        rest = after;
    }
    rest.is_empty().then_some(out)
}

fn sum(start: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(start);
    hasher.update(bytes);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written_and_by_its_own_salt_only() {
        let mut frame = Frame::default();
        frame.begin(7);
        [&b"abc"[..], b"", b"defgh"].into_iter().for_each(|payload| frame.push(payload));
        assert_eq!((frame.end(), frame.body_bytes(), frame.sealed_bytes()), (10, 20, 48));
        let bytes = frame.seal(99).to_vec();
        let header = FrameHeader::decode(&bytes, 99).unwrap();
        assert_eq!((header.records, header.first, header.bytes()), (3, 7, bytes.len() as u64));
        let body = &bytes[FRAME_HEADER_BYTES..][..header.body_bytes as usize];
        assert!(header.fits(body, 99) && !header.fits(body, 98));
        assert_eq!(records(body, 3).unwrap(), [&b"abc"[..], b"", b"defgh"]);
        assert_eq!([records(body, 2), records(body, 4), records(body, u32::MAX)], [None, None, None]);
        assert_eq!(FrameHeader::decode(&bytes, 98), None);
        assert_eq!(FrameHeader::decode(&[0; 24], 99), None, "zeros are no frame");
    }

    #[test]
    fn every_altered_bit_of_a_segment_header_is_noticed() {
        let header = SegmentHeader { first: 1 << 40, salt: 0xfeed, file_bytes: 1 << 20 };
        let bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&altered), Err(BadHeader::Damaged), "bit {bit}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let check = sum(0, &newer[..32]);
        newer[32..].copy_from_slice(&check.to_le_bytes());
        assert_eq!(SegmentHeader::decode(&newer), Err(BadHeader::Version(2)));
    }
}
