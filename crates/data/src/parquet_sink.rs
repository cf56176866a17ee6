//! Writes rows of values to a Parquet file, buffered in batches (zstd, row groups of 262,144 rows, an encoding for each type of column).

use crate::Error;
use crate::row::ExtraColumn;
use arrow_array::builder::{Float64Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringViewArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const BATCH_ROWS: usize = 16_384;
/// Bytes of texts in a batch; fewer rows than [`BATCH_ROWS`] are written then.
const BATCH_BYTES: usize = 32 << 20;
const ROW_GROUP_ROWS: usize = 262_144;
/// The same of a row group, as it is written.
const ROW_GROUP_BYTES: usize = 64 << 20;
/// Texts that rarely repeat.
const UNREPEATED: [&str; 3] = ["event_id", "parent_event_id", "request_id"];

/// What an extra column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Strings.
    Text,
    /// 64-bit integers; times are ms UTC.
    Integer,
    /// 64-bit floats.
    Number,
    /// Lists of strings.
    Texts,
}

/// One value of a row; it must be of its column's type, or null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// Of a [`ColumnType::Text`] column.
    Text(&'a str),
    /// Of a [`ColumnType::Integer`] column.
    Integer(i64),
    /// Of a [`ColumnType::Number`] column.
    Number(f64),
    /// Of a [`ColumnType::Texts`] column, which takes a [`Value::Text`] as a list of one, too.
    Texts(TextList<'a>),
}

/// One column of several rows; it must be of its column's type.
#[derive(Debug, Clone)]
pub enum Values {
    /// Of a [`ColumnType::Text`] column.
    Text(StringViewArray),
    /// Of a [`ColumnType::Integer`] column.
    Integer(Int64Array),
    /// Of a [`ColumnType::Number`] column.
    Number(Float64Array),
}

impl Values {
    fn rows(&self) -> usize {
        match self {
            Values::Text(values) => values.len(),
            Values::Integer(values) => values.len(),
            Values::Number(values) => values.len(),
        }
    }
}

/// Texts one after the other in one text, as rows of tables keep them.
///
/// ```
/// let list = semrank_data::TextList { text: "us, de", bytes: &[2, 2], between: 2 };
/// assert_eq!(list.iter().collect::<Vec<_>>(), ["us", "de"]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextList<'a> {
    /// All of them, with something in between.
    pub text: &'a str,
    /// Bytes of each.
    pub bytes: &'a [usize],
    /// Bytes between two.
    pub between: usize,
}

impl<'a> TextList<'a> {
    /// The texts, one by one.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut at = 0;
        self.bytes.iter().map(move |&bytes| {
            let text = &self.text[at..at + bytes];
            at += bytes + self.between;
            text
        })
    }
}

#[derive(Debug)]
enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Texts(ListBuilder<StringBuilder>),
}

/// A Parquet file being written; [`DatasetWriter::side_file`](crate::DatasetWriter::side_file) makes one.
pub struct ParquetSink<W: Write + Send = File> {
    path: PathBuf,
    schema: SchemaRef,
    columns: Vec<Builder>,
    buffered: usize,
    buffered_bytes: usize,
    writer: ArrowWriter<W>,
}

impl<W: Write + Send> std::fmt::Debug for ParquetSink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ParquetSink({})", self.path.display())
    }
}

impl ParquetSink {
    pub(crate) fn create(path: &Path, columns: Vec<ExtraColumn>) -> Result<ParquetSink, Error> {
        let file = File::create(path).map_err(Error::io("create", path))?;
        ParquetSink::new(file, path, columns)
    }
}

impl<W: Write + Send> ParquetSink<W> {
    /// Writes into `out`; `path` is for messages.
    pub(crate) fn new(out: W, path: &Path, columns: Vec<ExtraColumn>) -> Result<ParquetSink<W>, Error> {
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].iter().any(|other| other.name == column.name) {
                return Err(Error::Options(format!("column `{}` is given twice", column.name)));
            }
        }
        let fields: Vec<Field> = columns.iter().map(|c| Field::new(&c.name, c.kind.arrow(), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let properties = properties(&columns);
        let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties))
            .map_err(Error::parquet("write", path))?;
        let columns = columns.iter().map(|column| Builder::new(column.kind)).collect();
        Ok(ParquetSink { path: path.to_owned(), schema, columns, buffered: 0, buffered_bytes: 0, writer })
    }

    /// Adds a row: one value per column.
    ///
    /// # Errors
    /// A value of another type than its column; I/O errors.
    pub fn push<'a>(&mut self, values: impl Iterator<Item = Value<'a>>) -> Result<(), Error> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            if let Value::Text(text) | Value::Texts(TextList { text, .. }) = value {
                self.buffered_bytes += text.len();
            }
            column.push(value).map_err(|()| {
                Error::Options(format!(
                    "{}: {value:?} is of another type than its column",
                    self.path.display()
                ))
            })?;
        }
        self.buffered += 1;
        if self.is_full() { self.flush() } else { Ok(()) }
    }

    /// Adds rows, one column of equal length per column of the file: the same bytes as [`ParquetSink::push`] row by row.
    ///
    /// # Errors
    /// Columns of other types or numbers than the file's, or of different lengths; I/O errors.
    pub(crate) fn push_columns(&mut self, columns: &[Values]) -> Result<(), Error> {
        let rows = columns.first().map_or(0, Values::rows);
        let is_wrong = |(column, values): (&Builder, &Values)| values.rows() != rows || !column.takes(values);
        if columns.len() != self.columns.len() || self.columns.iter().zip(columns).any(is_wrong) {
            let path = self.path.display();
            return Err(Error::Options(format!(
                "{path}: columns of other types, lengths or numbers than the file's"
            )));
        }
        let mut from = 0;
        while from < rows {
            let (until, bytes) = self.room(columns, from);
            for (column, values) in self.columns.iter_mut().zip(columns) {
                column.append(values, from, until - from);
            }
            self.buffered += until - from;
            self.buffered_bytes = bytes;
            from = until;
            if self.is_full() {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// The end of the rows behind `from` that a batch has room for, and the bytes of texts with them.
    fn room(&self, columns: &[Values], from: usize) -> (usize, usize) {
        let texts: Vec<&StringViewArray> = columns
            .iter()
            .filter_map(|column| if let Values::Text(texts) = column { Some(texts) } else { None })
            .collect();
        let rows = columns.first().map_or(0, Values::rows);
        let most = rows.min(from + BATCH_ROWS - self.buffered);
        let (mut until, mut bytes) = (from, self.buffered_bytes);
        while until < most && bytes < BATCH_BYTES {
            let valid = texts.iter().filter(|texts| texts.is_valid(until));
            bytes += valid.map(|texts| texts.value(until).len()).sum::<usize>();
            until += 1;
        }
        (until, bytes)
    }

    fn is_full(&self) -> bool {
        self.buffered >= BATCH_ROWS || self.buffered_bytes >= BATCH_BYTES
    }

    /// Bytes written so far, and those of the row group in the making.
    pub(crate) fn bytes(&self) -> u64 {
        (self.writer.bytes_written() + self.writer.in_progress_size()) as u64
    }

    /// Writes what is buffered and the footer.
    ///
    /// # Errors
    /// I/O errors.
    pub fn close(mut self) -> Result<(), Error> {
        self.flush()?;
        self.writer.close().map_err(Error::parquet("write", &self.path))?;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        (self.buffered, self.buffered_bytes) = (0, 0);
        let arrays = self.columns.iter_mut().map(Builder::finish).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|error| Error::Options(format!("{}: {error}", self.path.display())))?;
        self.writer.write(&batch).map_err(Error::parquet("write", &self.path))?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush().map_err(Error::parquet("write", &self.path))?;
        }
        Ok(())
    }
}

/// Dictionaries pay off for what occurs often: times and numbers are written as differences, ids of single events and requests as
/// they are.
fn properties(columns: &[ExtraColumn]) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS));
    for column in columns {
        let path = ColumnPath::from(column.name.as_str());
        if column.kind == ColumnType::Integer {
            properties = properties.set_column_encoding(path.clone(), Encoding::DELTA_BINARY_PACKED);
        }
        if column.kind == ColumnType::Integer || UNREPEATED.contains(&column.name.as_str()) {
            properties = properties.set_column_dictionary_enabled(path, false);
        }
    }
    properties.build()
}

impl ColumnType {
    fn arrow(self) -> DataType {
        match self {
            ColumnType::Text => DataType::Utf8,
            ColumnType::Integer => DataType::Int64,
            ColumnType::Number => DataType::Float64,
            ColumnType::Texts => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
        }
    }
}

impl Builder {
    fn new(kind: ColumnType) -> Builder {
        match kind {
            ColumnType::Text => Builder::Text(StringBuilder::new()),
            ColumnType::Integer => Builder::Integer(Int64Builder::new()),
            ColumnType::Number => Builder::Number(Float64Builder::new()),
            ColumnType::Texts => Builder::Texts(ListBuilder::new(StringBuilder::new())),
        }
    }

    fn push(&mut self, value: Value<'_>) -> Result<(), ()> {
        match (self, value) {
            (Builder::Text(column), Value::Text(text)) => column.append_value(text),
            (Builder::Integer(column), Value::Integer(integer)) => column.append_value(integer),
            (Builder::Number(column), Value::Number(number)) => column.append_value(number),
            (Builder::Texts(column), Value::Texts(list)) => column.append_value(list.iter().map(Some)),
            (Builder::Texts(column), Value::Text(text)) => column.append_value([Some(text)]),
            (Builder::Texts(column), Value::Null) => column.append_null(),
            (Builder::Text(column), Value::Null) => column.append_null(),
            (Builder::Integer(column), Value::Null) => column.append_null(),
            (Builder::Number(column), Value::Null) => column.append_null(),
            _ => return Err(()),
        }
        Ok(())
    }

    fn takes(&self, values: &Values) -> bool {
        matches!(
            (self, values),
            (Builder::Text(_), Values::Text(_))
                | (Builder::Integer(_), Values::Integer(_))
                | (Builder::Number(_), Values::Number(_))
        )
    }

    /// Adds `rows` values, which it [takes](Builder::takes), from row `from` on.
    fn append(&mut self, values: &Values, from: usize, rows: usize) {
        match (self, values) {
            (Builder::Text(column), Values::Text(texts)) => {
                texts.slice(from, rows).iter().for_each(|text| column.append_option(text));
            }
            (Builder::Integer(column), Values::Integer(integers)) => {
                column.append_array(&integers.slice(from, rows));
            }
            (Builder::Number(column), Values::Number(numbers)) => {
                column.append_array(&numbers.slice(from, rows));
            }
            _ => unreachable!("types are checked before"),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Text(column) => Arc::new(column.finish()),
            Builder::Integer(column) => Arc::new(column.finish()),
            Builder::Number(column) => Arc::new(column.finish()),
            Builder::Texts(column) => Arc::new(column.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows with nulls, long enough for several batches, some of them full by their bytes.
    fn rows() -> Vec<(Option<String>, Option<i64>, Option<f64>)> {
        let text = |at: i64| match at {
            3000..3009 => Some("long".repeat(1 << 20)),
            at => (at % 7 > 0).then(|| format!("user-{}", at % 1001)),
        };
        let rows = 0..40_000;
        rows.map(|at| (text(at), (at % 5 > 0).then_some(at * at), (at % 3 > 0).then_some(at as f64)))
            .collect()
    }

    fn file(write: impl FnOnce(&mut ParquetSink<Vec<u8>>)) -> Vec<u8> {
        let kinds =
            [("user", ColumnType::Text), ("time", ColumnType::Integer), ("value", ColumnType::Number)];
        let columns = kinds.map(|(name, kind)| ExtraColumn { name: name.into(), kind }).to_vec();
        let mut sink = ParquetSink::new(Vec::new(), Path::new("a"), columns).unwrap();
        write(&mut sink);
        sink.flush().unwrap();
        sink.writer.into_inner().unwrap()
    }

    #[test]
    fn columns_make_the_same_file_as_rows() {
        let rows = rows();
        let one_by_one = file(|sink| {
            for (text, integer, number) in &rows {
                let text = text.as_deref().map_or(Value::Null, Value::Text);
                let integer = integer.map_or(Value::Null, Value::Integer);
                let number = number.map_or(Value::Null, Value::Number);
                sink.push([text, integer, number].into_iter()).unwrap();
            }
        });
        for size in [1000, 16_384, 40_000] {
            let in_columns = file(|sink| {
                for rows in rows.chunks(size) {
                    let texts = Values::Text(rows.iter().map(|row| row.0.as_deref()).collect());
                    let integers = Values::Integer(rows.iter().map(|row| row.1).collect());
                    let numbers = Values::Number(rows.iter().map(|row| row.2).collect());
                    sink.push_columns(&[texts, integers, numbers]).unwrap();
                }
            });
            assert!(in_columns == one_by_one, "{size} rows at a time");
        }
    }

    #[test]
    fn columns_of_another_type_or_length_are_refused() {
        let integers = |rows: i64| Values::Integer((0..rows).collect::<Vec<_>>().into());
        let texts = |rows| Values::Text((0..rows).map(|_| Some("a")).collect());
        file(|sink| {
            for columns in [[texts(2), integers(2), integers(2)], [texts(2), integers(1), integers(2)]] {
                assert!(matches!(sink.push_columns(&columns), Err(Error::Options(_))));
            }
        });
    }
}
