//! Columns of a data set's items, as filters and time windows read them.

use super::standing;
use crate::{Data, Error};
use semrank_core::{Dictionary, ItemId, Kind, narrow};
use semrank_data::{FurtherColumn, ItemValues};
use semrank_retrieve::standing::{NUMBERS, TEXTS};
use semrank_retrieve::{ItemTable, Items};

/// Whether items may be shown by their columns; time windows left out.
///
/// # Errors
/// A file that cannot be read; such a column of another type.
pub fn not_held_back(data: &Data) -> Result<impl Fn(ItemId) -> bool + use<>, Error> {
    let items = items(data, &|name| TEXTS.contains(&name) || NUMBERS.contains(&name))?;
    Ok(move |item: ItemId| items.live().contains(item.0))
}

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
