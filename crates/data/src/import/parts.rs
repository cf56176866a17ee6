//! A folder of part files as one table, as Spark, Hive and DuckDB write them: all files in the order of their names, folders in it
//! likewise; names that start with `_` or `.` and empty files do not count.
//!
//! The first part says which columns there are. The others have the same, in any order.

use super::rows::{self, CellKind, Column, Row, Rows};
use crate::Error;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Parts below one folder.
const MOST_PARTS: usize = 1_000_000;

/// A folder of part files.
pub(crate) struct Parts {
    left: VecDeque<PathBuf>,
    delimiter: Option<u8>,
    columns: Vec<Column>,
    selected: Vec<usize>,
    part: Box<dyn Rows>,
    /// Where each selected column is among the cells of the part; none where the part lacks it.
    cells: Vec<Option<usize>>,
    row: Row,
    remarks: Vec<String>,
}

impl Parts {
    pub(crate) fn open(folder: &Path, delimiter: Option<u8>) -> Result<Parts, Error> {
        let mut files = Vec::new();
        collect(folder, &mut files)?;
        let count = files.len();
        let mut left: VecDeque<PathBuf> = files.into();
        let Some(first) = left.pop_front() else {
            return Err(Error::Empty { path: folder.to_owned(), expected: "part files".into() });
        };
        let part = rows::open(&first, delimiter)?;
        let mut remarks = vec![format!("{}: {count} part files, by their names", folder.display())];
        remarks.extend_from_slice(part.remarks());
        let (columns, row) = (part.columns().to_vec(), Row::default());
        Ok(Parts { left, delimiter, columns, selected: Vec::new(), part, cells: Vec::new(), row, remarks })
    }

    /// Tells the part which columns to read.
    fn select_in_part(&mut self) -> Result<(), Error> {
        let mut wanted = Vec::new();
        self.cells.clear();
        for &column in &self.selected {
            let place = place(self.part.as_ref(), &self.columns[column])?;
            self.cells.push(place.map(|_| wanted.len()));
            wanted.extend(place);
        }
        self.part.select(&wanted)
    }

    fn next_part(&mut self) -> Result<bool, Error> {
        let Some(path) = self.left.pop_front() else { return Ok(false) };
        self.part = rows::open(&path, self.delimiter)?;
        self.select_in_part()?;
        Ok(true)
    }
}

/// Where a part has a column.
fn place(part: &dyn Rows, column: &Column) -> Result<Option<usize>, Error> {
    let found = part.columns().iter().position(|other| other.name == column.name);
    let schema =
        |got: String, expected: String| Error::Schema { path: part.path().to_owned(), got, expected };
    let expected = || format!("the columns of the first part, with `{}`", column.name);
    let Some(at) = found else {
        if part.may_lack_columns() {
            return Ok(None);
        }
        let names: Vec<&str> = part.columns().iter().map(|column| column.name.as_str()).collect();
        return Err(schema(format!("the columns {}", names.join(", ")), expected()));
    };
    let kind = &part.columns()[at].kind;
    let fixed =
        |kind: &CellKind| matches!(kind, CellKind::Time { .. } | CellKind::SmallFloat | CellKind::Other(_));
    // An integer in one part may be a text in the next; a typed time is read in another way than both.
    if *kind != column.kind && (fixed(kind) || fixed(&column.kind)) {
        let got = format!("column `{}` of another type than in the first part", column.name);
        return Err(schema(got, "one type in all parts".into()));
    }
    Ok(Some(at))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let entries = std::fs::read_dir(folder).map_err(Error::io("read", folder))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("read", folder)))
        .collect::<Result<Vec<_>, Error>>()?;
    paths.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with(['_', '.'])));
    paths.sort();
    for path in paths {
        let about = std::fs::metadata(&path).map_err(Error::io("read", &path))?;
        if about.is_dir() {
            collect(&path, files)?;
        } else if about.len() > 0 {
            files.push(path);
        }
        if files.len() > MOST_PARTS {
            let (got, expected) = (format!("more than {MOST_PARTS} files"), "fewer part files".into());
            return Err(Error::Schema { path: folder.to_owned(), got, expected });
        }
    }
    Ok(())
}

impl Rows for Parts {
    fn path(&self) -> &Path {
        self.part.path()
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn select(&mut self, columns: &[usize]) -> Result<(), Error> {
        self.selected = columns.to_vec();
        self.select_in_part()
    }

    fn next(&mut self, row: &mut Row) -> Result<bool, Error> {
        while !self.part.next(&mut self.row)? {
            if !self.next_part()? {
                return Ok(false);
            }
        }
        row.start(self.row.line);
        for cell in &self.cells {
            match cell {
                Some(cell) => row.push_from(&self.row, *cell),
                None => row.push("", true),
            }
        }
        Ok(true)
    }

    fn remarks(&self) -> &[String] {
        &self.remarks
    }
}
