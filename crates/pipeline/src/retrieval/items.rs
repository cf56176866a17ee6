//! Columns of a data set's items, as filters and time windows read them, and which items are held back.

use super::standing;
use crate::{Data, Error};
use semrank_core::{Dictionary, Kind, narrow};
use semrank_data::{FurtherColumn, ItemValues};
use semrank_retrieve::{ItemTable, Items};

/// Every item, with `kind`, all further columns of its file, its time window, and whether it is paused or deleted.
pub(super) fn items(data: &Data) -> Result<Items, Error> {
    let catalog = &data.dataset.catalog;
    let columns = data.further_columns(&|_| true)?;
    let standing = standing::of(data, &columns)?;
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
        if standing.deleted.contains(item) {
            out.delete(item);
        } else if standing.paused.contains(item) {
            out.set_paused(item, true);
        }
    }
    Ok(out)
}
