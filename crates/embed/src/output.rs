//! Vectors out, chunk by chunk: a tab-separated text file or Parquet.
//!
//! - `.tsv`: `item<TAB>v v v …`, one line per item; the shortest decimals that read back as the same f32.
//! - `.parquet`: `item_id` and one column of fixed-size lists of f32 per encoder (`vector`, or their given names).

use crate::{Document, Error};
use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The columns of vectors in a file: name and width.
pub type VectorColumns = Vec<(String, usize)>;

/// A file of vectors being written.
pub struct VectorWriter<W: Write + Send> {
    path: PathBuf,
    columns: VectorColumns,
    inner: Inner<W>,
}

enum Inner<W: Write + Send> {
    Text(W),
    Parquet(Box<ArrowWriter<W>>, SchemaRef),
}

impl<W: Write + Send> VectorWriter<W> {
    /// Begins a file on `out`; the extension of `path` gives the format.
    ///
    /// # Errors
    /// Another extension than `.tsv` and `.parquet`, or what the writer says.
    pub fn new(path: &Path, columns: VectorColumns, out: W) -> Result<Self, Error> {
        let path = path.to_owned();
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let inner = match extension.as_deref() {
            Some("tsv") => Inner::Text(out),
            Some("parquet") => {
                let schema = schema(&columns);
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_dictionary_enabled(false)
                    .build();
                let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties));
                Inner::Parquet(Box::new(writer.map_err(|error| written(&path, error))?), schema)
            }
            _ => {
                return Err(Error::Unsupported {
                    path,
                    what: "the extension of the output".into(),
                    got: extension.unwrap_or_else(|| "none".into()),
                    supported: ".tsv and .parquet".into(),
                });
            }
        };
        Ok(Self { path, columns, inner })
    }

    /// Adds items; `parts` has for each column `[documents x width]`.
    ///
    /// # Errors
    /// What the writer says; a text file also refuses ids with a tab or a line break.
    pub fn write(&mut self, documents: &[Document], parts: &[&[f32]]) -> Result<(), Error> {
        match &mut self.inner {
            Inner::Text(out) => {
                for (row, document) in documents.iter().enumerate() {
                    let line = line(document, row, &self.columns, parts)?;
                    out.write_all(line.as_bytes()).map_err(Error::io("write", &self.path))?;
                }
                Ok(())
            }
            Inner::Parquet(writer, schema) => {
                let ids: StringArray = documents.iter().map(|document| Some(document.id)).collect();
                let mut arrays: Vec<ArrayRef> = vec![Arc::new(ids)];
                for ((_, width), values) in self.columns.iter().zip(parts) {
                    let values = Arc::new(Float32Array::from(values.to_vec()));
                    let item = Arc::new(Field::new("item", DataType::Float32, false));
                    let list = FixedSizeListArray::try_new(item, *width as i32, values, None);
                    arrays.push(Arc::new(list.map_err(|error| written(&self.path, error))?));
                }
                let batch = RecordBatch::try_new(schema.clone(), arrays)
                    .map_err(|error| written(&self.path, error))?;
                writer.write(&batch).map_err(|error| written(&self.path, error))
            }
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(self) -> Result<(), Error> {
        match self.inner {
            Inner::Text(mut out) => out.flush().map_err(Error::io("write", &self.path)),
            Inner::Parquet(writer, _) => {
                writer.close().map(|_| ()).map_err(|error| written(&self.path, error))
            }
        }
    }
}

fn schema(columns: &VectorColumns) -> SchemaRef {
    let mut fields = vec![Field::new("item_id", DataType::Utf8, false)];
    for (name, width) in columns {
        let item = Arc::new(Field::new("item", DataType::Float32, false));
        fields.push(Field::new(name, DataType::FixedSizeList(item, *width as i32), false));
    }
    Arc::new(Schema::new(fields))
}

fn line(document: &Document, row: usize, columns: &VectorColumns, parts: &[&[f32]]) -> Result<String, Error> {
    use std::fmt::Write;
    check_id(document.id)?;
    let mut line = format!("{}\t", document.id);
    let mut separator = "";
    for ((_, width), values) in columns.iter().zip(parts) {
        for value in &values[row * width..(row + 1) * width] {
            // Writing to a string cannot fail.
            let _ = write!(line, "{separator}{value}");
            separator = " ";
        }
    }
    line.push('\n');
    Ok(line)
}

/// Returns an error for an id that cannot be written in a line.
///
/// # Errors
/// An id with a tab or a line break.
pub fn check_id(id: &str) -> Result<(), Error> {
    if id.contains(['\t', '\n', '\r']) {
        return Err(Error::UnwritableId { id: id.to_owned(), format: "a line of a .tsv file" });
    }
    Ok(())
}

fn written(path: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::io("write", path)(std::io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(name: &str, parts: &[&[f32]]) -> Result<Vec<u8>, Error> {
        let columns = vec![("a".to_owned(), 2), ("b".to_owned(), 1)];
        let mut out = Vec::new();
        let mut writer = VectorWriter::new(Path::new(name), columns, &mut out)?;
        let documents = ["x", "07"].map(|id| Document { id, fields: &[] });
        writer.write(&documents, parts)?;
        writer.finish()?;
        Ok(out)
    }

    #[test]
    fn a_text_file_joins_the_parts_of_an_item() {
        let out = write("v.tsv", &[&[1.0, 0.1, -2.5, 3.0], &[7.0, 8.0]]).expect("a file");
        assert_eq!(String::from_utf8_lossy(&out), "x\t1 0.1 7\n07\t-2.5 3 8\n");
    }

    #[test]
    fn parquet_keeps_them_apart_and_other_extensions_are_refused() {
        let out = write("v.parquet", &[&[1.0, 0.1, -2.5, 3.0], &[7.0, 8.0]]).expect("a file");
        assert!(out.starts_with(b"PAR1") && out.ends_with(b"PAR1"));
        let message = write("v.npy", &[&[], &[]]).expect_err("refused").to_string();
        assert!(message.contains("npy") && message.contains(".parquet"), "{message}");
    }
}
