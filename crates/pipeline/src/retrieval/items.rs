//! Columns of a data set's items, as filters and time windows read them.

use super::standing;
use crate::{Data, Error};
use semrank_core::{Dictionary, Kind, narrow};
use semrank_data::{FurtherColumn, ItemValues};
use semrank_retrieve::{ItemTable, Items};

/// Every item, with `kind`, the further columns of its file that are `wanted`, and its time window.
pub(super) fn items(data: &Data, wanted: &dyn Fn(&str) -> bool) -> Result<Items, Error> {
    let catalog = &data.dataset.catalog;
    let columns = data.further_columns(wanted)?;
    standing::check(data, &columns)?;
    let mut table = ItemTable::new(catalog.len());
    let mut kinds = Dictionary::new();
    let codes = catalog.kinds.iter().map(|kind| match kind {
        Kind::Ad => kinds.insert("ad"),
        Kind::Organic => kinds.insert("organic"),
    });
    let codes = codes.map(|code| [code].into()).collect();
    table.put_texts("kind", kinds, codes);
    for FurtherColumn { name, values } in columns {
        match values {
            ItemValues::Numbers(numbers) => table.put_numbers(&name, numbers),
            ItemValues::Texts { names, codes } => table.put_texts(&name, names, codes),
            ItemValues::Unusable(reason) => table.put_unusable(&name, reason),
        }
    }
    let mut out = Items::with_table(table);
    for item in narrow::indices(catalog.len()) {
        let row = item as usize;
        out.set_window(item, catalog.active_from[row], catalog.active_to[row]);
    }
    Ok(out)
}
