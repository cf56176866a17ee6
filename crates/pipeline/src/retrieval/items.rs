//! Columns of a data set's items, as filters and time windows read them.

use crate::{Data, Error};
use semrank_core::{ItemId, Kind, narrow};
use semrank_retrieve::{Items, Value};

/// Every item, with `kind`, the columns of texts that data sets of ads have, and its time window.
pub(super) fn items(data: &Data) -> Result<Items, Error> {
    let catalog = &data.dataset.catalog;
    let mut out = Items::new(catalog.len());
    for item in narrow::indices(catalog.len()) {
        let row = ItemId(item).index();
        let kind = match catalog.kinds[row] {
            Kind::Ad => "ad",
            Kind::Organic => "organic",
        };
        out.set(item, "kind", Value::Text(kind))?;
        out.set_window(item, catalog.active_from[row], catalog.active_to[row]);
    }
    for name in ["advertiser_id", "campaign_id", "status"] {
        let column = data.item_column(name)?;
        for (item, &code) in (0..).zip(&column.codes) {
            if code != u32::MAX {
                out.set(item, name, Value::Text(column.names.name(code)))?;
            }
        }
    }
    Ok(out)
}
