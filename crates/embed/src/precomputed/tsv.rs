//! Vectors from text: `item<TAB>v v v …`, one item per line; a first line with the two column names is skipped.

use super::Columns;
use super::vectors::{Place, Vectors};
use crate::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Bytes of a line: an id and a vector of half a million numbers.
const LONGEST_LINE: u64 = 16 << 20;

/// Reads the file.
pub(super) fn read(path: &Path, columns: &Columns) -> Result<Vectors, Error> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path).map_err(Error::io("read", path))?);
    let header = format!("{}\t{}", columns.id, columns.vector);
    let mut vectors = Vectors::new(0);
    let (mut bytes, mut vector) = (Vec::new(), Vec::new());
    let mut place = Place { file: path, line: 0 };
    loop {
        bytes.clear();
        let read = reader.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut bytes);
        if read.map_err(Error::io("read", path))? == 0 {
            return vectors.finish(path);
        }
        place.line += 1;
        if bytes.len() as u64 > LONGEST_LINE {
            let got = format!("a line of more than {LONGEST_LINE} bytes");
            return Err(place.error(&columns.vector, got, "an item id, a tab, and numbers"));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| place.error(&columns.id, format!("no UTF-8 text ({error})"), "UTF-8"))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if place.line == 1 && text == header {
            continue;
        }
        let id = parse(place, columns, text, &mut vector)?;
        vectors.push(place, columns, id, &vector)?;
    }
}

/// The id of a line; its numbers go into `vector`.
fn parse<'a>(
    place: Place,
    columns: &Columns,
    line: &'a str,
    vector: &mut Vec<f32>,
) -> Result<&'a str, Error> {
    let (id, numbers) = line.split_once('\t').ok_or_else(|| {
        let start: String = line.chars().take(40).collect();
        place.error(&columns.id, format!("`{start}` without a tab"), "an item id, a tab, and numbers")
    })?;
    vector.clear();
    for word in numbers.split_ascii_whitespace() {
        let number = word.parse();
        vector.push(number.map_err(|_| {
            place.error(&columns.vector, format!("`{word}` for item `{id}`"), "numbers between blanks")
        })?);
    }
    Ok(id)
}
