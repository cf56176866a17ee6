//! Items to encode, read in chunks as often as needed, so that a catalogue larger than memory streams through.

use crate::{Document, Error, Field};
use semrank_core::{Catalog, ItemId, narrow};

/// Items of one chunk: enough to keep every thread busy, little enough to hold the texts.
pub const CHUNK: usize = 8192;

/// Items with texts, in a fixed order.
pub trait Source {
    /// Calls `visit` with all items, chunk by chunk.
    ///
    /// # Errors
    /// What `visit` returns, and what keeps items from being read.
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error>;
}

impl Source for Catalog {
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error> {
        let width = self.texts.len().max(1);
        for start in (0..self.len()).step_by(CHUNK) {
            let items = start..(start + CHUNK).min(self.len());
            let mut fields = Vec::with_capacity(items.len() * width);
            for item in items.clone() {
                fields.extend(
                    self.texts.iter().map(|column| Field { name: &column.name, text: &column.values[item] }),
                );
                fields.resize((item - start + 1) * width, Field { name: "", text: "" });
            }
            let documents: Vec<Document> = items
                .zip(fields.chunks_exact(width))
                .map(|(item, fields)| Document { id: self.name(ItemId(narrow::index(item))), fields })
                .collect();
            visit(&documents)?;
        }
        Ok(())
    }
}

impl Source for &[Document<'_>] {
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error> {
        self.chunks(CHUNK).try_for_each(visit)
    }
}

/// Items of a table with an id column and text columns: Parquet, CSV, TSV or NDJSON, by extension.
#[derive(Debug, Clone)]
pub struct TextFile {
    columns: semrank_data::import::TextColumns,
}

impl TextFile {
    /// A file; it is read again in every pass.
    pub fn new(columns: semrank_data::import::TextColumns) -> Self {
        Self { columns }
    }
}

impl Source for TextFile {
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error> {
        let mut reader = self.columns.open()?;
        let names: Vec<String> = reader.names().to_vec();
        loop {
            let rows = reader.next_rows(CHUNK)?;
            if rows.is_empty() {
                return Ok(());
            }
            let fields: Vec<Vec<Field>> = rows
                .iter()
                .map(|row| names.iter().zip(&row.texts).map(|(name, text)| Field { name, text }).collect())
                .collect();
            let documents: Vec<Document> =
                rows.iter().zip(&fields).map(|(row, fields)| Document { id: &row.id, fields }).collect();
            visit(&documents)?;
        }
    }
}
