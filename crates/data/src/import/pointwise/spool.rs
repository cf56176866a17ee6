//! The long parts of labelled rows, their lists and further values, in a temporary file until they are written.
//!
//! In: a row's list and values. Out: a [`Spooled`] of 16 bytes, and the parts again for it, in any order. A list of a thousand items
//! before each of a million rows would be 4 GB in memory; here only one user's lists are in memory at a time. The file has
//! no name and is removed with the import.

use super::context::Kept;
use crate::Error;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Where a row's parts are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spooled {
    at: u64,
    /// Of the list; none where the file has no lists.
    items: Option<u32>,
    value_bytes: u32,
}

/// A file that is being filled.
pub(super) struct Spool {
    file: BufWriter<File>,
    folder: PathBuf,
    end: u64,
    values: Vec<u8>,
}

/// A filled file.
pub(super) struct SpoolReader {
    file: File,
    folder: PathBuf,
    bytes: Vec<u8>,
}

impl Spool {
    /// An empty file below `folder`.
    pub(super) fn create(folder: &Path) -> Result<Spool, Error> {
        let file = tempfile::tempfile_in(folder).map_err(Error::io("write a temporary file in", folder))?;
        Ok(Spool { file: BufWriter::new(file), folder: folder.to_owned(), end: 0, values: Vec::new() })
    }

    /// Adds a row's parts.
    pub(super) fn push(&mut self, list: Option<&[u32]>, values: &[Kept]) -> Result<Spooled, Error> {
        self.values.clear();
        values.iter().for_each(|value| value.encode(&mut self.values));
        let items = list.unwrap_or_default();
        let place = Spooled {
            at: self.end,
            items: list.map(|list| narrowed("items of the history", list.len())).transpose()?,
            value_bytes: narrowed("bytes of further values", self.values.len())?,
        };
        let file = &mut self.file;
        let mut written = items.iter().try_for_each(|item| file.write_all(&item.to_le_bytes()));
        written = written.and_then(|()| file.write_all(&self.values));
        written.map_err(Error::io("write a temporary file in", &self.folder))?;
        self.end += (size_of_val(items) + self.values.len()) as u64;
        Ok(place)
    }

    /// The values that were added last, as bytes.
    pub(super) fn last_values(&self) -> &[u8] {
        &self.values
    }

    /// Makes what was added readable.
    pub(super) fn finish(self) -> Result<SpoolReader, Error> {
        let file = self.file.into_inner().map_err(|error| error.into_error());
        let file = file.map_err(Error::io("write a temporary file in", &self.folder))?;
        Ok(SpoolReader { file, folder: self.folder, bytes: Vec::new() })
    }
}

impl SpoolReader {
    /// A row's list, if it has one.
    pub(super) fn list(&mut self, place: Spooled) -> Result<Option<Box<[u32]>>, Error> {
        let Some(items) = place.items else { return Ok(None) };
        self.read(place.at, items as usize * size_of::<u32>())?;
        let item = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
        Ok(Some(self.bytes.as_chunks().0.iter().map(item).collect()))
    }

    /// A row's values.
    pub(super) fn values(&mut self, place: Spooled) -> Result<Vec<Kept>, Error> {
        let list_bytes = u64::from(place.items.unwrap_or(0)) * size_of::<u32>() as u64;
        self.read(place.at + list_bytes, place.value_bytes as usize)?;
        let (mut rest, mut values) = (self.bytes.as_slice(), Vec::new());
        while let Some((value, after)) = Kept::decode(rest) {
            values.push(value);
            rest = after;
        }
        Ok(values)
    }

    fn read(&mut self, at: u64, bytes: usize) -> Result<(), Error> {
        self.bytes.resize(bytes, 0);
        if bytes == 0 {
            return Ok(());
        }
        let read = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut self.bytes));
        read.map_err(Error::io("read a temporary file in", &self.folder))
    }
}

/// A length of one row in 32 bits.
fn narrowed(what: &str, length: usize) -> Result<u32, Error> {
    u32::try_from(length)
        .map_err(|_| Error::Options(format!("a row has {length} {what}, expected at most {}", u32::MAX)))
}

impl Kept {
    /// A letter for the kind, then the value; of a text its length first.
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Kept::Null => out.push(b'-'),
            Kept::Integer(integer) => {
                out.push(b'i');
                out.extend(integer.to_le_bytes());
            }
            Kept::Number(number) => {
                out.push(b'n');
                out.extend(number.to_le_bytes());
            }
            Kept::Text(text) => {
                out.push(b't');
                out.extend((text.len() as u64).to_le_bytes());
                out.extend(text.as_bytes());
            }
        }
    }

    /// The first value and what follows it.
    fn decode(bytes: &[u8]) -> Option<(Kept, &[u8])> {
        let (kind, rest) = bytes.split_first()?;
        if *kind == b'-' {
            return Some((Kept::Null, rest));
        }
        let (eight, rest) = rest.split_first_chunk()?;
        match kind {
            b'i' => Some((Kept::Integer(i64::from_le_bytes(*eight)), rest)),
            b'n' => Some((Kept::Number(f64::from_le_bytes(*eight)), rest)),
            _ => {
                let length = usize::try_from(u64::from_le_bytes(*eight)).ok()?;
                let (text, rest) = rest.split_at_checked(length)?;
                Some((Kept::Text(std::str::from_utf8(text).ok()?.into()), rest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(folder.path()).unwrap();
        let values = [Kept::Null, Kept::Text("né".into()), Kept::Integer(-7), Kept::Number(0.1)];
        let rows: [(Option<&[u32]>, &[Kept]); 3] =
            [(Some(&[1, 70_000]), &values), (None, &values[1..2]), (Some(&[]), &[])];
        let places = rows.map(|(list, values)| spool.push(list, values).unwrap());
        let mut spool = spool.finish().unwrap();
        for at in [2, 0, 1] {
            assert_eq!(spool.list(places[at]).unwrap().as_deref(), rows[at].0);
            assert_eq!(spool.values(places[at]).unwrap(), rows[at].1);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }
}
