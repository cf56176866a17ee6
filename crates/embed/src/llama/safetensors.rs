//! The header of a safetensors file: 8 bytes with its length, then JSON with type, shape and place of every tensor.
//!
//! The `safetensors` crate reads a file that is in memory as a whole; this one is read from front to back.

use super::encoding::Encoding;
use super::source::{Place, Stream};
use super::weights::{Shard, TensorInfo};
use crate::Error;
use serde::Deserialize;
use std::collections::BTreeMap;

const EXPECTED: &str = "a safetensors file";

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Reads the table of a file.
pub(super) fn open(place: Place) -> Result<Shard, Error> {
    let tensors = place.read(EXPECTED, table)?;
    Ok(Shard { place, expected: EXPECTED, tensors })
}

fn table(stream: &mut Stream) -> Result<Vec<TensorInfo>, Error> {
    let len = u64::from_le_bytes(stream.array()?);
    let json = stream.bytes("the header", len)?;
    let entries: Result<BTreeMap<String, serde_json::Value>, _> = serde_json::from_slice(&json);
    let entries = entries.map_err(|error| stream.damaged(format!("its header: {error}")))?;
    let tensors = entries.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors.map(|(name, entry)| tensor(stream, name, entry)).collect()
}

fn tensor(stream: &Stream, name: String, entry: serde_json::Value) -> Result<TensorInfo, Error> {
    let entry: Entry = serde_json::from_value(entry)
        .map_err(|error| stream.damaged(format!("its header, tensor `{name}`: {error}")))?;
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
