//! Rows of a few named columns into one file, in the format of its extension: `.parquet`, `.csv` (RFC 4180 quoting), or
//! tab-separated text.
//!
//! ```
//! use semrank_data::{ColumnType, TableFile, Value};
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("scores.csv");
//! let table = TableFile { path: &path, columns: &[("user", ColumnType::Text), ("score", ColumnType::Number)], header: true };
//! table.write(|push| push(&[Value::Text("ann, b"), Value::Number(0.5)]))?;
//! assert_eq!(std::fs::read_to_string(&path)?, "user,score\n\"ann, b\",0.5\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::parquet_sink::{ColumnType, ParquetSink, Value};
use crate::{Error, ExtraColumn};
use semrank_store::write_atomically;
use std::io::{self, Write};
use std::path::Path;

/// A file to write.
#[derive(Debug, Clone, Copy)]
pub struct TableFile<'a> {
    /// The path; its extension gives the format.
    pub path: &'a Path,
    /// Names and types of the columns.
    pub columns: &'a [(&'a str, ColumnType)],
    /// Whether tab-separated text starts with a header line; `.csv` always does.
    pub header: bool,
}

/// Takes one row: a value for each column.
type Push<'p> = dyn FnMut(&[Value<'_>]) -> io::Result<()> + 'p;

impl TableFile<'_> {
    /// Whether the extension is one of those that hold every id: `.parquet` or `.csv`.
    pub fn holds_any_id(path: &Path) -> bool {
        is(path, "parquet") || is(path, "csv")
    }

    /// Writes all rows that `rows` pushes; the file appears whole or not at all.
    ///
    /// # Errors
    /// A tab or line end in a value of tab-separated text; I/O errors.
    pub fn write(&self, rows: impl FnOnce(&mut Push<'_>) -> io::Result<()>) -> Result<(), Error> {
        Ok(write_atomically(self.path, |out| self.write_to(out, rows))?)
    }

    /// The same into `out`.
    ///
    /// # Errors
    /// As [`TableFile::write`].
    pub fn write_to(
        &self,
        out: &mut (dyn Write + Send),
        rows: impl FnOnce(&mut Push<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if is(self.path, "parquet") {
            return self.write_parquet(out, rows);
        }
        if !is(self.path, "csv") {
            return self.write_tabs(out, rows);
        }
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(self.columns.iter().map(|(name, _)| name))?;
        rows(&mut |values| Ok(writer.write_record(values.iter().map(text))?))?;
        writer.flush()
    }

    fn write_tabs(
        &self,
        out: &mut (dyn Write + Send),
        rows: impl FnOnce(&mut Push<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.header {
            let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
            writeln!(out, "{}", names.join("\t"))?;
        }
        rows(&mut |values| {
            let texts: Vec<String> = values.iter().map(text).collect();
            if let Some(bad) = texts.iter().find(|text| text.contains(['\t', '\n', '\r'])) {
                let reason = format!(
                    "{bad:?} cannot be written as tab-separated text: write a .csv or .parquet file instead"
                );
                return Err(io::Error::other(reason));
            }
            writeln!(out, "{}", texts.join("\t"))
        })
    }

    fn write_parquet(
        &self,
        out: &mut (dyn Write + Send),
        rows: impl FnOnce(&mut Push<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let column = |&(name, kind): &(&str, ColumnType)| ExtraColumn { name: name.to_owned(), kind };
        let columns = self.columns.iter().map(column).collect();
        let mut sink = ParquetSink::new(out, self.path, columns).map_err(io::Error::other)?;
        rows(&mut |values| sink.push(values.iter().copied()).map_err(io::Error::other))?;
        sink.close().map_err(io::Error::other)
    }
}

fn is(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted))
}

fn text(value: &Value<'_>) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => (*text).to_owned(),
        Value::Integer(integer) => integer.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Texts(list) => list.text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::Table;

    fn write(path: &Path, header: bool, user: &str) -> Result<(), Error> {
        let columns = &[("user", ColumnType::Text), ("rank", ColumnType::Integer)];
        let table = TableFile { path, columns, header };
        table.write(|push| push(&[Value::Text(user), Value::Integer(1)]))
    }

    #[test]
    fn the_extension_says_how_rows_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let read = |name: &str| std::fs::read_to_string(path(name)).unwrap();
        write(&path("a.tsv"), false, "a b").unwrap();
        write(&path("b.txt"), true, "a \"b\"").unwrap();
        write(&path("c.CSV"), false, "a,\tb").unwrap();
        assert_eq!(read("a.tsv"), "a b\t1\n");
        assert_eq!(read("b.txt"), "user\trank\na \"b\"\t1\n");
        assert_eq!(read("c.CSV"), "user,rank\n\"a,\tb\",1\n");
        write(&path("d.parquet"), false, "a\tb").unwrap();
        assert_eq!(Table::open(&path("d.parquet")).unwrap().rows(), 1);
        let error = write(&path("e.tsv"), false, "a\tb").unwrap_err().to_string();
        assert!(error.contains("write a .csv or .parquet file") && !path("e.tsv").exists(), "{error}");
    }
}
