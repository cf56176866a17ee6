//! The fields of a Parquet page header that give the decoded size of the page.
//!
//! It is a Thrift struct in the compact protocol (`PageHeader` of parquet-format's `parquet.thrift`; Apache Thrift's
//! `thrift-compact-protocol.md`). The Parquet library reads headers too, but allocates by their claims before the caller can
//! check.

use std::io::{self, Read};

/// Types of fields and elements.
const BYTE: u8 = 3;
const I32: u8 = 5;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;
/// Structs within structs.
const MOST_DEPTH: u32 = 32;

/// What a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum PageKind {
    /// A page of an old kind of index; readers skip it.
    #[default]
    Other,
    Data,
    Dictionary,
}

/// The next page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PageHeader {
    pub(super) kind: PageKind,
    /// Bytes of the header.
    pub(super) header_bytes: u64,
    /// Bytes of the page in the file.
    pub(super) packed_bytes: u64,
    pub(super) unpacked_bytes: u64,
    /// Values of the page, nulls included.
    pub(super) values: u64,
    /// How its values are written, as a number of `parquet.thrift`.
    encoding: i64,
}

impl PageHeader {
    /// Whether values are written with the differences of their lengths: `DELTA_LENGTH_BYTE_ARRAY` or `DELTA_BYTE_ARRAY`.
    pub(super) fn has_delta_lengths(&self) -> bool {
        self.kind == PageKind::Data && matches!(self.encoding, 6 | 7)
    }

    /// Reads a header.
    ///
    /// # Errors
    /// A header that ends early or is damaged.
    pub(super) fn read(input: impl Read) -> io::Result<PageHeader> {
        let mut input = Compact { input, read: 0 };
        let (mut kind, mut out) = (None, PageHeader::default());
        // Values and encoding by the field that has them: 5 data, 7 dictionary, 8 data of version 2.
        let mut about = [(0, 0); 9];
        let mut field = 0;
        while let Some(of) = input.field(&mut field)? {
            match (field, of) {
                (1, I32) => kind = Some(input.integer()?),
                (2, I32) => out.unpacked_bytes = input.size()?,
                (3, I32) => out.packed_bytes = input.size()?,
                (5 | 7 | 8, STRUCT) => {
                    about[field as usize] = input.values(if field == 8 { 4 } else { 2 })?
                }
                (1..=3 | 5 | 7 | 8, _) => return Err(damaged("a field of another type")),
                _ => input.skip(of, 0)?,
            }
        }
        let (of, kind) = match kind {
            Some(0) => (5, PageKind::Data),
            Some(2) => (7, PageKind::Dictionary),
            Some(3) => (8, PageKind::Data),
            _ => (0, PageKind::Other),
        };
        (out.kind, out.header_bytes) = (kind, input.read);
        (out.values, out.encoding) = about[of];
        Ok(out)
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the header of a page has {what}"))
}

/// Thrift's compact protocol.
struct Compact<R> {
    input: R,
    read: u64,
}

impl<R: Read> Compact<R> {
    fn byte(&mut self) -> io::Result<u8> {
        let mut byte = [0];
        self.input.read_exact(&mut byte)?;
        self.read += 1;
        Ok(byte[0])
    }

    /// Seven bits per byte, the lowest first.
    fn varint(&mut self) -> io::Result<u64> {
        let mut out = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            out |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(out);
            }
        }
        Err(damaged("a number beyond 64 bits"))
    }

    /// A number whose lowest bit is its sign.
    fn integer(&mut self) -> io::Result<i64> {
        let bits = self.varint()?;
        Ok((bits >> 1) as i64 ^ -((bits & 1) as i64))
    }

    fn size(&mut self) -> io::Result<u64> {
        u64::try_from(self.integer()?).map_err(|_| damaged("a negative size"))
    }

    /// The type of the next field, whose number is counted on from `field`; none at the end of the struct.
    fn field(&mut self, field: &mut i64) -> io::Result<Option<u8>> {
        let byte = self.byte()?;
        if byte == 0 {
            return Ok(None);
        }
        *field = match byte >> 4 {
            0 => self.integer()?,
            more => field.saturating_add(more.into()),
        };
        Ok(Some(byte & 0x0f))
    }

    /// The values and the encoding of a struct whose encoding is the field of that number.
    fn values(&mut self, encoding: i64) -> io::Result<(u64, i64)> {
        let (mut field, mut out) = (0, (0, 0));
        while let Some(of) = self.field(&mut field)? {
            match of {
                I32 if field == 1 => out.0 = self.size()?,
                I32 if field == encoding => out.1 = self.integer()?,
                _ if field == 1 || field == encoding => return Err(damaged("a field of another type")),
                of => self.skip(of, 1)?,
            }
        }
        Ok(out)
    }

    /// Reads over a value.
    fn skip(&mut self, of: u8, depth: u32) -> io::Result<()> {
        if depth > MOST_DEPTH {
            return Err(damaged("structs within structs"));
        }
        match of {
            // A flag is in its type.
            1 | 2 => Ok(()),
            BYTE => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            DOUBLE => self.skip_bytes(8),
            UUID => self.skip_bytes(16),
            BINARY => {
                let bytes = self.varint()?;
                self.skip_bytes(bytes)
            }
            LIST | SET => self.skip_list(depth),
            MAP => self.skip_map(depth),
            STRUCT => {
                let mut field = 0;
                while let Some(of) = self.field(&mut field)? {
                    self.skip(of, depth + 1)?;
                }
                Ok(())
            }
            _ => Err(damaged("a field of an unknown type")),
        }
    }

    fn skip_list(&mut self, depth: u32) -> io::Result<()> {
        let head = self.byte()?;
        let len = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        (0..len).try_for_each(|_| self.skip_element(head & 0x0f, depth))
    }

    fn skip_map(&mut self, depth: u32) -> io::Result<()> {
        let len = self.varint()?;
        let types = if len == 0 { 0 } else { self.byte()? };
        (0..len).try_for_each(|_| {
            self.skip_element(types >> 4, depth)?;
            self.skip_element(types & 0x0f, depth)
        })
    }

    /// Unlike a field, an element that is a flag takes a byte.
    fn skip_element(&mut self, of: u8, depth: u32) -> io::Result<()> {
        if matches!(of, 1 | 2) { self.byte().map(drop) } else { self.skip(of, depth + 1) }
    }

    fn skip_bytes(&mut self, bytes: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.input.by_ref().take(bytes), &mut io::sink())?;
        self.read += skipped;
        if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A data page of 300 bytes, 100 in the file, with 7 values and statistics; an unknown list, map and flag after them.
    const DATA: [u8; 44] = [
        0x15, 0x00, 0x15, 0xd8, 0x04, 0x15, 0xc8, 0x01, // Sizes.
        0x2c, 0x15, 0x0e, 0x15, 0x10, 0x15, 0x06, 0x15, 0x06, // Values, and three encodings.
        0x1c, 0x18, 0x02, b'a', b'b', 0x16, 0x04, 0x00, 0x00, // Statistics.
        0x59, 0x25, 0x02, 0x04, // A list of two numbers.
        0x1b, 0x01, 0x81, 0x01, b'k', 0x01, // A map of a text to a flag.
        0x11, // A flag.
        0x17, 1, 2, 3, 4, 5, 6, // A number that is cut off here and completed below.
    ];

    fn data() -> Vec<u8> {
        [&DATA[..], &[7, 8, 0x00, 0xff]].concat()
    }

    #[test]
    fn sizes_values_and_encoding_are_found() {
        let found = PageHeader::read(&data()[..]).unwrap();
        let expected = PageHeader {
            kind: PageKind::Data,
            header_bytes: 47,
            packed_bytes: 100,
            unpacked_bytes: 300,
            values: 7,
            encoding: 8,
        };
        assert_eq!(found, expected);
        let dictionary = [0x15, 0x04, 0x15, 0x02, 0x15, 0x02, 0x4c, 0x15, 0x06, 0x15, 0x00, 0x12, 0x00, 0x00];
        let found = PageHeader::read(&dictionary[..]).unwrap();
        assert_eq!((found.kind, found.values, found.encoding), (PageKind::Dictionary, 3, 0));
        // Version 2 has rows and nulls before the encoding; this field's number is written in full.
        let second = [
            0x15, 0x06, 0x15, 0x02, 0x15, 0x02, 0x0c, 0x10, 0x15, 0x0a, 0x15, 0x00, 0x15, 0x0a, 0x15, 0x0e,
            0x00, 0x00,
        ];
        let found = PageHeader::read(&second[..]).unwrap();
        assert_eq!((found.kind, found.values, found.encoding), (PageKind::Data, 5, 7));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(found) = PageHeader::read(&bytes[..]) {
                prop_assert!(found.header_bytes <= bytes.len() as u64);
            }
        }
    }

    #[test]
    fn damaged_headers_are_errors() {
        let whole = data();
        for end in 0..whole.len() - 1 {
            assert!(PageHeader::read(&whole[..end]).is_err(), "{end} bytes");
        }
        for bytes in [
            &[0x16, 0x00, 0x00][..],                     // The kind as a number of 64 bits.
            &[0x15, 0x00, 0x15, 0x01, 0x00],             // A negative size.
            &[0x15, 0x00, 0x4c, 0x16, 0x00, 0x00, 0x00], // Values as a number of 64 bits.
            &[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0x1f, 0x00],
            &[0xcc; 100],
        ] {
            assert!(PageHeader::read(bytes).is_err(), "{bytes:?}");
        }
    }
}
