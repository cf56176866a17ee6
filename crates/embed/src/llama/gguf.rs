//! The header of a GGUF file: metadata and the table of tensors.
//!
//! Layout (the GGUF specification in ggml's `docs/gguf.md`, versions 2 and 3, little-endian): the magic `GGUF`, version, number of tensors,
//! number of metadata entries; the entries; the tensor table; then, aligned, the data. Every count is checked against
//! the bytes that are left before anything is allocated for it. Of lists only those of the tokenizer are kept ([`KEPT`]), in
//! a vector of their own type and up to [`LONGEST_LIST`].

use super::encoding::{Encoding, SUPPORTED, gguf_name};
use super::weights::TensorInfo;
use crate::Error;
use semrank_nn::weights::{self, Stream};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Name of this kind of file in messages.
pub(super) const EXPECTED: &str = "a GGUF file";

/// The lists that are read; others, such as the scores of tokens, are passed over.
const KEPT: [&str; 3] = [TOKENS, KINDS, MERGES];

/// The tokens in the order of their ids, what kind each is, and the merges of byte-level BPE.
pub(super) const TOKENS: &str = "tokenizer.ggml.tokens";
pub(super) const KINDS: &str = "tokenizer.ggml.token_type";
pub(super) const MERGES: &str = "tokenizer.ggml.merges";

/// Entries of a list, at most: twice the merges of the largest tokenizer that is known, with 514,906 of them.
const LONGEST_LIST: u64 = 1 << 20;

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// An integer of any width.
    Integer(i64),
    /// A float of either width.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A list of integers.
    Integers(Vec<i64>),
    /// A list of texts.
    Texts(Vec<String>),
    /// A list that was passed over, and its length.
    Unread(u64),
}

/// A file's header.
#[derive(Debug)]
pub(super) struct Gguf {
    path: PathBuf,
    metadata: BTreeMap<String, Value>,
    /// The tensor table.
    pub(super) tensors: Vec<TensorInfo>,
}

impl Gguf {
    /// Reads the header.
    pub(super) fn read(stream: &mut Stream) -> Result<Gguf, Error> {
        check_version(stream)?;
        let [tensors, entries] = [u64_of(stream)?, u64_of(stream)?];
        // The smallest entry is an empty key, a type and one byte; the smallest tensor an empty name and no dimension.
        stream.check_left("the metadata", entries.saturating_mul(13))?;
        let mut metadata = BTreeMap::new();
        for _ in 0..entries {
            let key = text(stream)?;
            let kind = u32_of(stream)?;
            let value = if kind == LIST { list(stream, &key)? } else { scalar(stream, kind)? };
            metadata.insert(key, value);
        }
        stream.check_left("the tensor table", tensors.saturating_mul(24))?;
        let raw = (0..tensors).map(|_| raw_tensor(stream)).collect::<Result<Vec<_>, _>>()?;
        let mut gguf = Gguf { path: stream.path().to_owned(), metadata, tensors: Vec::new() };
        let data = data_start(&gguf, stream)?;
        gguf.tensors = raw.into_iter().map(|raw| raw.check(stream, data)).collect::<Result<_, _>>()?;
        Ok(gguf)
    }

    /// The file's name, for messages.
    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// A value by its key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.metadata.get(key)
    }

    /// A positive integer by its key.
    pub(super) fn size(&self, key: &str) -> Result<Option<usize>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(&Value::Integer(value @ 1..)) => Ok(usize::try_from(value).ok()),
            Some(other) => Err(self.unfit(key, other, "a positive integer")),
        }
    }

    /// A number by its key.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(&Value::Float(value)) if value.is_finite() => Ok(Some(value)),
            Some(&Value::Integer(value)) => Ok(Some(value as f64)),
            Some(other) => Err(self.unfit(key, other, "a finite number")),
        }
    }

    /// A text by its key.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.unfit(key, other, "a text")),
        }
    }

    /// A truth value by its key.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Error> {
        match self.get(key) {
            None => Ok(false),
            Some(&Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.unfit(key, other, "true or false")),
        }
    }

    /// A list of integers by its key; empty where there is none.
    pub(super) fn integers(&self, key: &str) -> Result<&[i64], Error> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Integers(list)) => Ok(list),
            Some(other) => Err(self.unfit(key, other, "a list of integers")),
        }
    }

    /// A list of texts by its key; empty where there is none.
    pub(super) fn texts(&self, key: &str) -> Result<&[String], Error> {
        match self.get(key) {
            None => Ok(&[]),
            Some(Value::Texts(list)) => Ok(list),
            Some(other) => Err(self.unfit(key, other, "a list of texts")),
        }
    }

    /// An error about a value.
    pub(super) fn unfit(&self, key: &str, got: &Value, expected: impl Into<String>) -> Error {
        Error::Mismatch {
            path: self.path(),
            what: format!("metadata `{key}`"),
            got: got.short(),
            expected: expected.into(),
        }
    }

    /// An error about a value that is not there.
    pub(super) fn missing(&self, key: &str) -> Error {
        Error::Damaged {
            path: self.path(),
            expected: EXPECTED,
            reason: format!("it has no metadata `{key}`"),
        }
    }
}

impl Value {
    fn short(&self) -> String {
        match self {
            Value::Integer(value) => value.to_string(),
            Value::Float(value) => value.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Text(text) => format!("`{}`", text.chars().take(40).collect::<String>()),
            Value::Integers(list) => format!("a list of {} integers", list.len()),
            Value::Texts(list) => format!("a list of {} texts", list.len()),
            Value::Unread(len) => format!("a list of {len}"),
        }
    }
}

/// A line of the tensor table.
struct RawTensor {
    name: String,
    dimensions: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl RawTensor {
    /// The checked line; `data` is where the data begins.
    fn check(self, stream: &Stream, data: u64) -> Result<TensorInfo, weights::Error> {
        let name = &self.name;
        let unsupported = |what: &str, got: String, supported: &str| weights::Error::Unsupported {
            path: stream.path().to_owned(),
            what: format!("{what} of tensor `{name}`"),
            got,
            supported: supported.into(),
        };
        let encoding = Encoding::of_gguf(self.kind)
            .ok_or_else(|| unsupported("the type", gguf_name(self.kind), SUPPORTED))?;
        // The first dimension is the one whose values are adjacent: a row's width.
        let [cols, rows] = match self.dimensions[..] {
            [cols] => [cols, 1],
            [cols, rows] => [cols, rows],
            _ => {
                return Err(unsupported(
                    "the number of dimensions",
                    self.dimensions.len().to_string(),
                    "1 and 2",
                ));
            }
        };
        let at = data
            .checked_add(self.offset)
            .ok_or_else(|| stream.damaged(format!("{name} has no valid place")))?;
        TensorInfo::check(stream, self.name, [rows, cols], encoding, at)
    }
}

fn raw_tensor(stream: &mut Stream) -> Result<RawTensor, weights::Error> {
    let name = text(stream)?;
    let count = u32_of(stream)?;
    if count > 4 {
        return Err(
            stream.damaged(format!("tensor `{name}` has {count} dimensions, 4 are the most there are"))
        );
    }
    let dimensions = (0..count).map(|_| u64_of(stream)).collect::<Result<_, _>>()?;
    Ok(RawTensor { name, dimensions, kind: u32_of(stream)?, offset: u64_of(stream)? })
}

fn check_version(stream: &mut Stream) -> Result<(), weights::Error> {
    let magic: [u8; 4] = stream.array()?;
    if &magic != b"GGUF" {
        return Err(stream.damaged(format!("it begins with {magic:?}, not with the bytes of \"GGUF\"")));
    }
    let version = u32_of(stream)?;
    if matches!(version, 2 | 3) {
        return Ok(());
    }
    Err(weights::Error::Unsupported {
        path: stream.path().to_owned(),
        what: "the GGUF version".into(),
        got: version.to_string(),
        supported: "2 and 3, little-endian".into(),
    })
}

/// The end of the header, rounded up.
fn data_start(gguf: &Gguf, stream: &Stream) -> Result<u64, Error> {
    let key = "general.alignment";
    let alignment = gguf.size(key)?.unwrap_or(32) as u64;
    stream
        .at()
        .checked_next_multiple_of(alignment)
        .filter(|_| alignment.is_power_of_two())
        .ok_or_else(|| gguf.unfit(key, &Value::Integer(alignment as i64), "a power of two"))
}

/// The number of the type of lists, and of that of texts.
const LIST: u32 = 9;
const TEXT: u32 = 8;

fn list(stream: &mut Stream, key: &str) -> Result<Value, weights::Error> {
    let (kind, count) = (u32_of(stream)?, u64_of(stream)?);
    let bytes = match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        TEXT | 10..=12 => 8, // of a text at least its length
        _ => return Err(unknown(stream, kind)),
    };
    let least = count.saturating_mul(bytes);
    stream.check_left("a list of the metadata", least)?;
    if !KEPT.contains(&key) {
        match kind {
            TEXT => (0..count).try_for_each(|_| skip_text(stream))?,
            _ => stream.skip_to(stream.at() + least)?,
        }
        return Ok(Value::Unread(count));
    }
    if count > LONGEST_LIST {
        let reason = format!("metadata `{key}` is a list of {count}, at most {LONGEST_LIST} are read");
        return Err(stream.damaged(reason));
    }
    match kind {
        TEXT => (0..count).map(|_| text(stream)).collect::<Result<_, _>>().map(Value::Texts),
        _ => (0..count).map(|_| integer(stream, kind)).collect::<Result<_, _>>().map(Value::Integers),
    }
}

fn integer(stream: &mut Stream, kind: u32) -> Result<i64, weights::Error> {
    match scalar(stream, kind)? {
        Value::Integer(value) => Ok(value),
        other => {
            Err(stream.damaged(format!("a list of the tokenizer holds {}, not an integer", other.short())))
        }
    }
}

fn skip_text(stream: &mut Stream) -> Result<(), weights::Error> {
    let len = u64_of(stream)?;
    stream.check_left("a text of the header", len)?;
    stream.skip_to(stream.at() + len)
}

fn unknown(stream: &Stream, kind: u32) -> weights::Error {
    stream.damaged(format!("a metadata value has the type {kind}, which is not supported"))
}

fn scalar(stream: &mut Stream, kind: u32) -> Result<Value, weights::Error> {
    Ok(match kind {
        0 => Value::Integer(stream.array::<1>()?[0].into()),
        1 => Value::Integer((stream.array::<1>()?[0] as i8).into()),
        2 => Value::Integer(u16::from_le_bytes(stream.array()?).into()),
        3 => Value::Integer(i16::from_le_bytes(stream.array()?).into()),
        4 => Value::Integer(u32_of(stream)?.into()),
        5 => Value::Integer(i32::from_le_bytes(stream.array()?).into()),
        6 => Value::Float(f32::from_le_bytes(stream.array()?).into()),
        7 => Value::Bool(stream.array::<1>()?[0] != 0),
        TEXT => Value::Text(text(stream)?),
        10 => Value::Integer(i64::try_from(u64_of(stream)?).unwrap_or(i64::MAX)),
        11 => Value::Integer(i64::from_le_bytes(stream.array()?)),
        12 => Value::Float(f64::from_le_bytes(stream.array()?)),
        _ => return Err(unknown(stream, kind)),
    })
}

fn u32_of(stream: &mut Stream) -> Result<u32, weights::Error> {
    Ok(u32::from_le_bytes(stream.array()?))
}

fn u64_of(stream: &mut Stream) -> Result<u64, weights::Error> {
    Ok(u64::from_le_bytes(stream.array()?))
}

fn text(stream: &mut Stream) -> Result<String, weights::Error> {
    let len = u64_of(stream)?;
    let bytes = stream.bytes("a text of the header", len)?;
    String::from_utf8(bytes).map_err(|_| stream.damaged("a text of the header is not UTF-8"))
}
