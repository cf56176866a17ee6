//! The table of a safetensors file: 8 bytes with the header's length, the header, JSON with type, shape and place of every
//! tensor, then the data without gaps.
//!
//! The `safetensors` crate reads a file that is in memory as a whole. Here a header is parsed into shapes and places at once,
//! without a tree of values, which would take many times its length.

use super::{Dtype, Error, Float, Rows, Stream, check_disjoint};
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::path::Path;

/// What messages call such a file.
pub const EXPECTED: &str = "a safetensors file";

/// Bytes of a header: the limit of the `safetensors` crate.
const LONGEST_HEADER: u64 = 100_000_000;

/// The tensors of a file, in the order of their places.
#[derive(Debug, Clone)]
pub struct Safetensors {
    entries: Vec<Entry>,
    by_name: BTreeMap<String, usize>,
}

/// A tensor of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Its number type.
    pub dtype: Dtype,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its place; the rows are those of the last dimension.
    pub place: Rows,
}

impl Safetensors {
    /// Reads the table, and nothing behind it.
    ///
    /// # Errors
    /// A header that is damaged or contradicts itself or the file's length.
    pub fn read(stream: &mut Stream) -> Result<Self, Error> {
        let len = u64::from_le_bytes(stream.array()?);
        if len > LONGEST_HEADER {
            let reason = format!("the header has {len} bytes, at most {LONGEST_HEADER} are read");
            return Err(stream.damaged(reason));
        }
        let json = stream.bytes("the header", len)?;
        let Header(tensors) =
            serde_json::from_slice(&json).map_err(|error| stream.damaged(format!("its header: {error}")))?;
        drop(json);
        let entries = tensors.into_iter().map(|(name, raw)| raw.check(stream, name));
        let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| (entry.place.start(), entry.place.end()));
        check_cover(stream, &entries)?;
        let names = entries.iter().enumerate().map(|(index, entry)| (entry.name.clone(), index));
        let by_name: BTreeMap<String, usize> = names.collect();
        if by_name.len() < entries.len() {
            return Err(stream.damaged("two tensors have one name"));
        }
        Ok(Self { entries, by_name })
    }

    /// The table of a file in memory.
    ///
    /// # Errors
    /// As [`Safetensors::read`].
    pub fn parse(file: &[u8], path: &Path) -> Result<Self, Error> {
        Self::read(&mut Stream::new(&mut &*file, file.len() as u64, path.to_owned(), EXPECTED))
    }

    /// All tensors, in the order of their places.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A tensor by its name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.by_name.get(name).map(|&index| &self.entries[index])
    }

    /// All names, ascending.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

impl Entry {
    /// Its bytes in a file that is in memory.
    pub fn data<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        &file[self.place.start() as usize..self.place.end() as usize]
    }

    /// Its values as f32; `None` where they are not floats.
    pub fn floats(&self, file: &[u8]) -> Option<Vec<f32>> {
        let float = Float::of(self.dtype)?;
        let mut out = vec![0.0; self.place.rows * self.place.cols];
        float.decode(self.data(file), &mut out);
        Some(out)
    }

    /// Its values as integers; `None` where they are none, or do not fit.
    pub fn integers(&self, file: &[u8]) -> Option<Vec<i64>> {
        fn of<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> i64) -> Option<Vec<i64>> {
            Some(data.as_chunks().0.iter().map(|&bytes| value(bytes)).collect())
        }
        let data = self.data(file);
        match self.dtype {
            Dtype::I8 => of(data, |bytes| i8::from_le_bytes(bytes).into()),
            Dtype::U8 => of(data, |bytes| u8::from_le_bytes(bytes).into()),
            Dtype::I16 => of(data, |bytes| i16::from_le_bytes(bytes).into()),
            Dtype::U16 => of(data, |bytes| u16::from_le_bytes(bytes).into()),
            Dtype::I32 => of(data, |bytes| i32::from_le_bytes(bytes).into()),
            Dtype::U32 => of(data, |bytes| u32::from_le_bytes(bytes).into()),
            Dtype::I64 => of(data, i64::from_le_bytes),
            Dtype::U64 => data
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| i64::try_from(u64::from_le_bytes(bytes)).ok())
                .collect(),
            _ => None,
        }
    }
}

/// The data has neither overlaps nor gaps: nothing is hidden between or behind the tensors.
fn check_cover(stream: &Stream, entries: &[Entry]) -> Result<(), Error> {
    check_disjoint(entries.iter().map(|entry| (entry.name.as_str(), entry.place)))
        .map_err(|reason| stream.damaged(reason))?;
    let covered =
        entries.iter().fold(stream.at(), |end, entry| end + (entry.place.end() - entry.place.start()));
    match stream.end() - covered {
        0 => Ok(()),
        left => Err(stream.damaged(format!("{left} bytes of its data belong to no tensor"))),
    }
}

/// The tensors of a header, in its order.
struct Header(Vec<(String, Raw)>);

#[derive(Deserialize)]
struct Raw {
    dtype: Dtype,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tensors;

        impl<'de> Visitor<'de> for Tensors {
            type Value = Header;

            fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
                out.write_str("tensors by their names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Header, M::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Header(tensors))
            }
        }

        deserializer.deserialize_map(Tensors)
    }
}

impl Raw {
    /// The checked entry; the stream stands at the data's first byte.
    fn check(self, stream: &Stream, name: String) -> Result<Entry, Error> {
        let Self { dtype, shape, data_offsets: [start, end] } = self;
        let at = stream.at().checked_add(start);
        let at = at.ok_or_else(|| stream.damaged(format!("tensor `{name}` has no valid place")))?;
        let (cols, rows) = shape.split_last().map_or((1, &[][..]), |(&cols, rows)| (cols, rows));
        let rows = rows.iter().try_fold(1u64, |rows, &count| rows.checked_mul(count)).unwrap_or(u64::MAX);
        if rows == 0 || cols == 0 {
            return if start == end {
                let place = Rows::check(stream, &name, [0, 0], [1, 1], at)?;
                let shape = shape.iter().map(|&size| usize::try_from(size).unwrap_or(usize::MAX)).collect();
                Ok(Entry { name, dtype, shape, place })
            } else {
                Err(stream.damaged(format!("tensor `{name}` {shape:?} is empty, but has bytes")))
            };
        }
        let place = Rows::check(stream, &name, [rows, cols], block(dtype), at)?;
        let bytes = place.end() - place.start();
        if end.checked_sub(start) != Some(bytes) {
            let reason = format!("tensor `{name}` takes {bytes} bytes, its place is {start} to {end}");
            return Err(stream.damaged(reason));
        }
        // They fit: their product does.
        Ok(Entry { name, dtype, shape: shape.iter().map(|&size| size as usize).collect(), place })
    }
}

/// The least number of values that take whole bytes, and these bytes.
fn block(dtype: Dtype) -> [usize; 2] {
    match dtype.bitsize() {
        4 => [2, 1],
        6 => [4, 3],
        bits => [1, bits / 8],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![1; data]].concat()
    }

    fn parse(header: &str, data: usize) -> Result<Safetensors, String> {
        Safetensors::parse(&file(header, data), "f".as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn shapes_of_any_rank_and_all_integers_are_read() {
        let header = r#"{"__metadata__":{"a":"b"},"s":{"dtype":"I64","shape":[],"data_offsets":[24,32]},
            "c":{"dtype":"U8","shape":[2,3,4],"data_offsets":[0,24]},
            "e":{"dtype":"F32","shape":[7,0],"data_offsets":[0,0]}}"#;
        let (bytes, table) = (file(header, 32), parse(header, 32).expect("a table"));
        assert_eq!(table.names().collect::<Vec<_>>(), ["c", "e", "s"]);
        let find = |name| table.find(name).expect(name);
        assert_eq!((find("c").place.rows, find("c").place.cols), (6, 4));
        assert_eq!(find("c").integers(&bytes), Some(vec![1; 24]));
        assert_eq!(find("s").integers(&bytes), Some(vec![0x0101_0101_0101_0101]));
        assert_eq!((find("e").shape.as_slice(), find("e").floats(&bytes)), (&[7, 0][..], Some(vec![])));
        assert_eq!((find("s").floats(&bytes), find("e").integers(&bytes)), (None, None));
    }

    #[test]
    fn contradictions_are_refused() {
        let one = |shape: &str, offsets: &str| {
            format!(r#"{{"t":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#)
        };
        let refused = |header: &str, data: usize, part: &str| {
            let said = parse(header, data).map(drop).expect_err(part);
            assert!(said.contains(part), "{said}");
        };
        assert!(parse(&one("[1]", "[0,4]"), 4).is_ok());
        refused(&one("[1]", "[0,4]"), 3, "beyond the file's end");
        refused(&one("[1]", "[0,4]"), 5, "1 bytes of its data belong to no tensor");
        refused(&one("[1]", "[4,8]"), 8, "4 bytes of its data belong to no tensor");
        refused(&one("[2]", "[0,4]"), 8, "takes 8 bytes, its place is 0 to 4");
        refused(&one("[1]", "[4,0]"), 8, "takes 4 bytes");
        refused(&one("[3,0]", "[0,4]"), 4, "is empty");
        refused(&one("[1]", "[0,4]").replace("F32", "F33"), 4, "unknown variant `F33`");
        let twice = r#"{"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
        refused(twice, 2, "one name");
    }
}
