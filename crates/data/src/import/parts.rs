//! A folder of part files as one table, as Spark, Hive and DuckDB write them: all files in the order of their names, folders in it
//! as well; names that start with `_` or `.` and empty files do not count. Folders such as `day=2026-01-01` are columns
//! (`partitions`).
//!
//! The first part gives the columns. The others must have the same, in any order, in the file or as a folder's name.

use super::partitions::{self, Partition};
use super::rows::{self, CellKind, Column, Heading, Reader, Row, Rows};
use crate::Error;
use semrank_core::counted;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Parts below one folder.
const MOST_PARTS: usize = 1_000_000;

/// A folder of part files.
pub(crate) struct Parts {
    root: PathBuf,
    left: VecDeque<PathBuf>,
    delimiter: Option<u8>,
    part: Part,
    /// Of the part's file.
    row: Row,
}

/// A part file being read.
struct Part {
    rows: Rows,
    partitions: Vec<Partition>,
    /// Where each selected column is found.
    sources: Vec<Source>,
}

/// Where the value of a column is found, by its place.
enum Source {
    /// Among the cells of the file; a folder's value must be the same.
    Cell(usize, Option<usize>),
    Folder(usize),
    Nothing,
}

impl Parts {
    pub(crate) fn open(root: &Path, delimiter: Option<u8>) -> Result<Rows, Error> {
        let mut files = Vec::new();
        collect(root, &mut files)?;
        let count = counted(files.len(), "part file", "part files");
        let mut left: VecDeque<PathBuf> = files.into();
        let Some(first) = left.pop_front() else {
            return Err(Error::Empty { path: root.to_owned(), expected: "part files".into() });
        };
        let part = Part::open(&first, root, delimiter)?;
        let mut heading = Heading::new(part.rows.path(), part.columns());
        heading.remarks.push(format!("{}: {count}, by their names", root.display()));
        heading.remarks.extend_from_slice(&part.rows.heading.remarks);
        Ok(Rows::new(heading, Parts { root: root.to_owned(), left, delimiter, part, row: Row::default() }))
    }

    fn next_part(&mut self, heading: &mut Heading) -> Result<bool, Error> {
        let Some(path) = self.left.pop_front() else { return Ok(false) };
        self.part = Part::open(&path, &self.root, self.delimiter)?;
        heading.path = self.part.rows.path().to_owned();
        self.part.select(heading)?;
        Ok(true)
    }
}

impl Part {
    fn open(file: &Path, root: &Path, delimiter: Option<u8>) -> Result<Part, Error> {
        let partitions = partitions::of(file, root)?;
        Ok(Part { rows: rows::open(file, delimiter)?, partitions, sources: Vec::new() })
    }

    /// The columns of the file, then those that only folders have.
    fn columns(&self) -> Vec<Column> {
        let mut columns = self.rows.columns().to_vec();
        for Partition { column, .. } in &self.partitions {
            if columns.iter().all(|other| other.name != *column) {
                columns.push(Column::text(column));
            }
        }
        columns
    }

    /// Finds the selected columns of the table, and reads those that are in the file.
    fn select(&mut self, table: &Heading) -> Result<(), Error> {
        let mut wanted = Vec::new();
        self.sources.clear();
        for (_, column) in table.selection() {
            let folder = self.partitions.iter().position(|partition| partition.column == column.name);
            let source = match (place(&self.rows, column)?, folder) {
                (Some(place), _) => {
                    wanted.push(place);
                    Source::Cell(wanted.len() - 1, folder)
                }
                (None, Some(folder)) => Source::Folder(folder),
                (None, None) if self.rows.may_lack_columns() => Source::Nothing,
                (None, None) => return Err(self.lacks(column)),
            };
            self.sources.push(source);
        }
        self.rows.select(&wanted)
    }

    fn lacks(&self, column: &Column) -> Error {
        let names: Vec<String> = self.columns().into_iter().map(|column| column.name).collect();
        Error::Schema {
            path: self.rows.path().to_owned(),
            got: format!("the columns {}", names.join(", ")),
            expected: format!("the columns of the first part, with `{}`", column.name),
        }
    }

    /// Puts the selected columns of a row of the file together.
    fn fill(&self, from: &Row, row: &mut Row, table: &Heading) -> Result<(), Error> {
        row.start(from.line);
        for (source, (_, column)) in self.sources.iter().zip(table.selection()) {
            match *source {
                Source::Cell(cell, folder) => {
                    if let Some(folder) = folder {
                        let place = from.place(self.rows.path());
                        self.partitions[folder].check(from.cell(cell), &column.kind, place)?;
                    }
                    row.push_from(from, cell);
                }
                Source::Folder(folder) => row.push(&self.partitions[folder].value, true),
                Source::Nothing => row.push("", true),
            }
        }
        Ok(())
    }
}

/// Where the file of a part has a column.
fn place(part: &Rows, column: &Column) -> Result<Option<usize>, Error> {
    let Some(at) = part.columns().iter().position(|other| other.name == column.name) else { return Ok(None) };
    let kind = &part.columns()[at].kind;
    let fixed =
        |kind: &CellKind| matches!(kind, CellKind::Time { .. } | CellKind::SmallFloat | CellKind::Other(_));
    // An integer in one part may be a text in the next; a typed time is read in another way than both.
    if *kind != column.kind && (fixed(kind) || fixed(&column.kind)) {
        return Err(Error::Schema {
            path: part.path().to_owned(),
            got: format!("column `{}` of another type than in the first part", column.name),
            expected: "one type in all parts".into(),
        });
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

impl Reader for Parts {
    fn select(&mut self, heading: &Heading) -> Result<(), Error> {
        self.part.select(heading)
    }

    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error> {
        while !self.part.rows.next(&mut self.row)? {
            if !self.next_part(heading)? {
                return Ok(false);
            }
        }
        self.part.fill(&self.row, row, heading)?;
        Ok(true)
    }
}
