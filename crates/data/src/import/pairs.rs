//! Pairs of a user and an item, for scoring: any table that `import` reads, and delimited text without a header line.
//!
//! ```
//! use semrank_data::import::PairColumns;
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("pairs.tsv");
//! std::fs::write(&path, "ann b\tred shoe 7\nbob\t7\n")?;
//! let mut reader = PairColumns { path, ..PairColumns::default() }.open()?;
//! let first = reader.next_pair()?.expect("a pair");
//! assert_eq!((first.user.as_str(), first.item.as_str(), first.line), ("ann b", "red shoe 7", 1));
//! assert!(!reader.has_header());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::events::USERS;
use super::header::{Cell, Header, Wanted};
use super::items::ITEM_IDS;
use super::rows::{self, Row, Rows};
use crate::{Error, RowError};
use std::cell::Cell as Flag;
use std::path::{Path, PathBuf};

/// Which columns of which file.
#[derive(Debug, Clone, Default)]
pub struct PairColumns {
    /// Delimited text, JSON or Parquet; a folder of part files, or `-` for standard input.
    pub path: PathBuf,
    /// The user column; `None` looks for a usual name.
    pub user: Option<String>,
    /// The item column; `None` looks for a usual name.
    pub item: Option<String>,
    /// The delimiter of text; found from the first lines when absent.
    pub delimiter: Option<u8>,
}

/// One pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairRow {
    /// The user's id.
    pub user: String,
    /// The item's id.
    pub item: String,
    /// Line of a text file, or row of a Parquet file, from 1.
    pub line: u64,
}

/// A file being read.
pub struct PairReader {
    rows: Rows,
    user: Cell,
    item: Cell,
    header: bool,
    row: Row,
}

impl PairColumns {
    /// Opens the file and finds the columns. The first line of a delimited text is a header if it has a user and an item column,
    /// by their given or usual names; otherwise it is a pair like the others.
    ///
    /// # Errors
    /// No such file, an unknown format, a missing column.
    pub fn open(&self) -> Result<PairReader, Error> {
        let (user, item) = (
            Wanted { given: self.user.as_deref(), usual: &USERS, flag: "--user" },
            Wanted { given: self.item.as_deref(), usual: &ITEM_IDS, flag: "--item" },
        );
        let headless = Flag::new(false);
        let named = self.user.is_some() || self.item.is_some();
        let mut rows = rows::open_perhaps_headless(&self.path, self.delimiter, |cells| {
            let header = named || (is_one_of(cells, &USERS) && is_one_of(cells, &ITEM_IDS));
            headless.set(!header);
            headless.get().then(|| vec![USERS[0].to_owned(), ITEM_IDS[0].to_owned()])
        })?;
        let mut header = Header::new(&mut rows);
        let (user, item) = (header.require(&user)?, header.require(&item)?);
        header.finish()?;
        Ok(PairReader { rows, user, item, header: !headless.get(), row: Row::default() })
    }
}

fn is_one_of(cells: &[&str], names: &[&str]) -> bool {
    cells.iter().any(|cell| names.iter().any(|name| name.eq_ignore_ascii_case(cell.trim())))
}

impl PairReader {
    /// Whether the columns have names.
    pub fn has_header(&self) -> bool {
        self.header
    }

    /// The next pair; none at the end.
    ///
    /// # Errors
    /// The first bad row: a missing id, another number of fields, bytes that are not UTF-8.
    pub fn next_pair(&mut self) -> Result<Option<PairRow>, Error> {
        if !self.rows.next(&mut self.row)? {
            return Ok(None);
        }
        let file = self.rows.path();
        let id = |cell: &Cell| -> Result<String, RowError> { Ok(cell.id(&self.row, file)?.to_owned()) };
        Ok(Some(PairRow { user: id(&self.user)?, item: id(&self.item)?, line: self.row.line }))
    }

    /// The file that is being read.
    pub fn path(&self) -> &Path {
        self.rows.path()
    }
}
