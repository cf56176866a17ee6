//! Ids that were made elsewhere: a file with a row per item: its id and its codes as text, `12 7 255 0`.
//!
//! Any table will do (Parquet, CSV, TSV, NDJSON). Items are found by their ids; the catalogue decides the order.

use crate::{Context, Error};
use semrank_core::{Catalog, counted, narrow};
use semrank_data::import::TextColumns;
use semrank_tokens::SemanticIds;
use std::path::{Path, PathBuf};

/// Rows read at once.
const ROWS: usize = 8192;

/// Which columns of which file.
pub struct Foreign {
    /// The file.
    pub path: PathBuf,
    /// The column of item ids; `None` looks for a usual name.
    pub item_id: Option<String>,
    /// The column of codes.
    pub column: String,
}

impl Foreign {
    /// The ids of all items of the catalogue.
    ///
    /// # Errors
    /// A file without the columns, an id that is not a list of codes or has another number of them, an item without an id.
    pub fn read(&self, catalog: &Catalog, context: &Context) -> Result<SemanticIds, Error> {
        let (found, others) = self.rows(catalog)?;
        if others > 0 {
            context.note(&format!(
                "{}: left out {} not in the catalogue",
                self.path.display(),
                counted(others, "item", "items")
            ));
        }
        if let Some(row) = found.iter().position(Vec::is_empty) {
            let missing = found.iter().filter(|codes| codes.is_empty()).count();
            let name = catalog.ids.name(narrow::index(row));
            let got = format!("absent, as those of {missing} of {}", counted(found.len(), "item", "items"));
            return Err(error(&self.path, format!("the id of item `{name}`"), got, "one for each item"));
        }
        let levels = found.first().map_or(1, Vec::len);
        let values = found.concat();
        let codes = values.iter().copied().max().map_or(1, |code| usize::from(code) + 1);
        Ok(SemanticIds::new(levels, codes, values))
    }

    /// The codes of each item of the catalogue, empty where the file has none, and the number of other rows.
    fn rows(&self, catalog: &Catalog) -> Result<(Vec<Vec<u16>>, usize), Error> {
        let (path, item_id, text) =
            (self.path.clone(), self.item_id.clone(), Some(vec![self.column.clone()]));
        let mut reader = TextColumns { path, item_id, text }.open()?;
        let (mut found, mut others, mut levels) = (vec![Vec::new(); catalog.len()], 0, None);
        loop {
            let rows = reader.next_rows(ROWS)?;
            if rows.is_empty() {
                return Ok((found, others));
            }
            for row in rows {
                let codes = codes(&self.path, &row.id, &row.texts[0], levels)?;
                levels = Some(codes.len());
                match catalog.ids.get(&row.id) {
                    Some(item) => found[item as usize] = codes,
                    None => others += 1,
                }
            }
        }
    }
}

fn codes(path: &Path, item: &str, text: &str, levels: Option<usize>) -> Result<Vec<u16>, Error> {
    let codes: Result<Vec<u16>, _> = text.split_whitespace().map(str::parse).collect();
    match (codes, levels) {
        (Ok(codes), None) if !codes.is_empty() => Ok(codes),
        (Ok(codes), Some(levels)) if codes.len() == levels => Ok(codes),
        (_, levels) => {
            let levels = levels.map_or(String::new(), |levels| format!("{levels} "));
            let expected = format!("{levels}codes from 0 to 65535, separated by spaces");
            Err(error(path, format!("the id of item `{item}`"), format!("`{text}`"), &expected))
        }
    }
}

fn error(path: &Path, what: String, got: String, expected: &str) -> Error {
    Error::ForeignIds { path: path.to_owned(), what, got, expected: expected.to_owned() }
}
