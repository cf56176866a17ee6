//! A further text column of `items.parquet`, such as `advertiser_id`, as one number per item.

use crate::columns::Table;
use crate::dataset::{ITEMS, VALID_FROM, counts_before};
use crate::{Dataset, Error};
use arrow_array::Array;
use semrank_core::Dictionary;
use std::path::Path;

/// A column of items.
#[derive(Debug, Clone, Default)]
pub struct ItemColumn {
    /// For each item of the catalogue its row of `names`; `u32::MAX` = none.
    pub codes: Vec<u32>,
    /// The different values, by first appearance.
    pub names: Dictionary,
}

impl ItemColumn {
    /// Reads the column `name` of the folder that `dataset` was opened from; `None` where the file has no such column. Of an item
    /// with several rows the one that was valid at `time_ms` (UTC) counts, as in [`Dataset::take_items_as_of`].
    ///
    /// # Errors
    /// A missing or damaged file, a column that is not text.
    pub fn open(
        dir: &Path,
        dataset: &Dataset,
        name: &str,
        time_ms: i64,
    ) -> Result<Option<ItemColumn>, Error> {
        let table = Table::open(&dir.join(ITEMS))?;
        if !table.has(name) {
            return Ok(None);
        }
        let mut out = ItemColumn { codes: vec![u32::MAX; dataset.catalog.len()], names: Dictionary::new() };
        let mut taken = vec![None; out.codes.len()];
        let columns = ["item_id", name, VALID_FROM];
        let columns: Vec<&str> = columns.into_iter().filter(|column| table.has(column)).collect();
        let mut batches = table.read(&columns)?;
        while let Some(batch) = batches.next_batch()? {
            let (items, values) = (batch.strings("item_id")?, batch.strings(name)?);
            let (Some(items), Some(values)) = (items, values) else { continue };
            let valid_from = batch.times(VALID_FROM)?;
            for row in (0..batch.rows()).filter(|&row| items.is_valid(row) && values.is_valid(row)) {
                let since = valid_from.as_ref().filter(|times| times.is_valid(row));
                let since = since.map_or(i64::MIN, |times| times.value(row));
                let Some(item) = dataset.catalog.ids.get(items.value(row)) else { continue };
                let taken: &mut Option<i64> = &mut taken[item as usize];
                let counts = taken.is_none_or(|other| counts_before(since, other, time_ms));
                if counts && !values.value(row).is_empty() {
                    *taken = Some(since);
                    out.codes[item as usize] = out.names.insert(values.value(row));
                }
            }
        }
        Ok(Some(out))
    }
}
