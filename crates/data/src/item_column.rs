//! A further text column of `items.parquet`, such as `advertiser_id`, as one number an item.

use crate::columns::Table;
use crate::dataset::ITEMS;
use crate::{Dataset, Error};
use arrow_array::Array;
use semrank_core::Dictionary;
use std::path::Path;

/// A column of items.
#[derive(Debug, Clone, Default)]
pub struct ItemColumn {
    /// One row of `names` an item of the catalogue; `u32::MAX` = none.
    pub codes: Vec<u32>,
    /// The different values, by first appearance.
    pub names: Dictionary,
}

impl ItemColumn {
    /// Reads the column `name` of the folder that `dataset` was opened from; `None` where the file has no such column. Of an item
    /// with several rows the last counts.
    ///
    /// # Errors
    /// A missing or damaged file, a column that is no text.
    pub fn open(dir: &Path, dataset: &Dataset, name: &str) -> Result<Option<ItemColumn>, Error> {
        let table = Table::open(&dir.join(ITEMS))?;
        if !table.has(name) {
            return Ok(None);
        }
        let mut out = ItemColumn { codes: vec![u32::MAX; dataset.catalog.len()], names: Dictionary::new() };
        let mut batches = table.read(&["item_id", name])?;
        while let Some(batch) = batches.next_batch()? {
            let (items, values) = (batch.strings("item_id")?, batch.strings(name)?);
            let (Some(items), Some(values)) = (items, values) else { continue };
            for row in (0..batch.rows()).filter(|&row| items.is_valid(row) && values.is_valid(row)) {
                let value = values.value(row);
                let item = dataset.catalog.ids.get(items.value(row));
                if let Some(item) = item.filter(|_| !value.is_empty()) {
                    out.codes[item as usize] = out.names.insert(value);
                }
            }
        }
        Ok(Some(out))
    }
}
