//! The header of a safetensors file: 8 bytes with its length, then JSON with type, shape and place of every tensor.
//!
//! The `safetensors` crate reads a file that is in memory as a whole; this one is read from front to back. A header is
//! parsed into shapes and places at once, without a tree of values, which would take many times its length.

use super::encoding::Encoding;
use super::source::{Place, Stream};
use super::weights::{Shard, TensorInfo};
use crate::Error;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

const EXPECTED: &str = "a safetensors file";

/// Bytes of a header: the limit of the `safetensors` crate.
const LONGEST_HEADER: u64 = 100_000_000;

/// The tensors of a header, in its order.
struct Header(Vec<(String, Entry)>);

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Reads the table of a file.
pub(super) fn open(place: Place) -> Result<Shard, Error> {
    let tensors = place.read(EXPECTED, table)?;
    Shard::new(place, EXPECTED, tensors)
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

fn table(stream: &mut Stream) -> Result<Vec<TensorInfo>, Error> {
    let len = u64::from_le_bytes(stream.array()?);
    if len > LONGEST_HEADER {
        return Err(stream.damaged(format!("the header has {len} bytes, at most {LONGEST_HEADER} are read")));
    }
    let json = stream.bytes("the header", len)?;
    let Header(tensors) =
        serde_json::from_slice(&json).map_err(|error| stream.damaged(format!("its header: {error}")))?;
    tensors.into_iter().map(|(name, entry)| tensor(stream, name, entry)).collect()
}

fn tensor(stream: &Stream, name: String, entry: Entry) -> Result<TensorInfo, Error> {
    let encoding = Encoding::of_safetensors(&entry.dtype).ok_or_else(|| Error::Unsupported {
        path: stream.path().to_owned(),
        what: format!("the type of tensor `{name}`"),
        got: entry.dtype.clone(),
        supported: "F32, F16 and BF16".into(),
    })?;
    let shape = match entry.shape[..] {
        [cols] => [1, cols],
        [rows, cols] => [rows, cols],
        _ => return Err(stream.damaged(format!("tensor `{name}` has {} dimensions", entry.shape.len()))),
    };
    let at = stream.at().checked_add(entry.data_offsets[0]);
    let at = at.ok_or_else(|| stream.damaged(format!("tensor `{name}` lies nowhere")))?;
    TensorInfo::check(stream, name, shape, encoding, at)
}
