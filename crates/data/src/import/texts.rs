//! Only ids and texts of an items file, in chunks: what an encoder needs, without making a data set.
//!
//! ```
//! use semrank_data::import::TextColumns;
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("ads.csv");
//! std::fs::write(&path, "sku,title,price\n07,Nail file,3\n7,Lip balm,4\n")?;
//! let columns = TextColumns { path, item_id: Some("sku".into()), text: None };
//! let mut reader = columns.open()?;
//! assert_eq!(reader.names(), ["title"]);
//! let rows = reader.next_rows(10)?;
//! assert_eq!((rows[0].id.as_str(), rows[1].texts[0].as_str()), ("07", "Lip balm"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::header::{Cell, Header, Wanted};
use super::items::{ITEM_IDS, texts};
use super::rows::{self, Row, Rows};
use crate::Error;
use std::collections::HashSet;
use std::path::PathBuf;

/// Bytes of texts of rows that are handed out together.
const MOST_BYTES: usize = 32 << 20;

/// Which columns of which file.
#[derive(Debug, Clone, Default)]
pub struct TextColumns {
    /// A table as `import` reads it: a file by its extension, a folder of part files, or `-` for standard input.
    pub path: PathBuf,
    /// The id column; `None` looks for a usual name.
    pub item_id: Option<String>,
    /// The text columns; `None` takes those with usual names.
    pub text: Option<Vec<String>>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextRow {
    /// Its id.
    pub id: String,
    /// Its texts, one per column; empty where there is none.
    pub texts: Vec<String>,
}

/// A file being read.
pub struct TextReader {
    rows: Rows,
    id: Cell,
    texts: Vec<Cell>,
    names: Vec<String>,
    /// Hashes of all ids so far: 16 bytes per item.
    seen: HashSet<u128>,
}

impl TextColumns {
    /// Opens the file and finds the columns.
    ///
    /// # Errors
    /// No such file, an unknown format, a missing column, or no text column at all.
    pub fn open(&self) -> Result<TextReader, Error> {
        let mut rows = rows::open(&self.path, None)?;
        let mut header = Header::new(&mut rows);
        let id = header.require(&Wanted {
            given: self.item_id.as_deref(),
            usual: &ITEM_IDS,
            flag: "--item-id",
        })?;
        let texts = texts(&mut header, self.text.as_deref())?;
        if texts.is_empty() {
            return Err(Error::MissingColumn {
                path: self.path.clone(),
                column: "title".into(),
                existing: header.names(),
                flag: "--text",
            });
        }
        header.finish()?;
        let names = texts.iter().map(|cell| cell.name.clone()).collect();
        Ok(TextReader { rows, id, texts, names, seen: HashSet::new() })
    }
}

impl TextReader {
    /// Names of the text columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The next rows, at most `most`, fewer where their texts are long; none at the end.
    ///
    /// # Errors
    /// The first bad row: no id, an id for the second time, bytes that are not UTF-8.
    pub fn next_rows(&mut self, most: usize) -> Result<Vec<TextRow>, Error> {
        let mut out = Vec::new();
        let (mut row, mut bytes) = (Row::default(), 0);
        while out.len() < most && bytes < MOST_BYTES && self.rows.next(&mut row)? {
            let id = self.id.id(&row, self.rows.path())?;
            let mut hash = [0; 16];
            hash.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
            if !self.seen.insert(u128::from_le_bytes(hash)) {
                let error =
                    row.place(self.rows.path()).error(&self.id.name, format!("`{id}` again"), "unique ids");
                return Err(error.into());
            }
            let texts: Vec<String> = self.texts.iter().map(|cell| cell.of(&row).to_owned()).collect();
            bytes += texts.iter().map(String::len).sum::<usize>();
            out.push(TextRow { id: id.to_owned(), texts });
        }
        Ok(out)
    }
}
