//! Checks the columns of a data set that hold items back ([`semrank_retrieve::standing`]).

use crate::{Data, Error};
use semrank_data::{FurtherColumn, ItemValues};
use semrank_retrieve::standing::{NUMBERS, TEXTS};

/// Whether those columns are of the types that they must have.
///
/// # Errors
/// The first that is not.
pub(super) fn check(data: &Data, columns: &[FurtherColumn]) -> Result<(), Error> {
    let is = |names: &[&str], column: &FurtherColumn| names.contains(&column.name.as_str());
    for column in columns {
        match &column.values {
            ItemValues::Texts { .. } if is(&NUMBERS, column) => return Err(wrong(data, column, "numbers")),
            ItemValues::Numbers(_) if is(&TEXTS, column) => return Err(wrong(data, column, "texts")),
            ItemValues::Unusable(_) if is(&NUMBERS, column) => return Err(wrong(data, column, "numbers")),
            ItemValues::Unusable(_) if is(&TEXTS, column) => return Err(wrong(data, column, "texts")),
            _ => {}
        }
    }
    Ok(())
}

fn wrong(data: &Data, column: &FurtherColumn, expected: &str) -> Error {
    let got = match &column.values {
        ItemValues::Numbers(_) => "numbers".to_owned(),
        ItemValues::Texts { .. } => "texts".to_owned(),
        ItemValues::Unusable(reason) => format!("values that cannot be used: {reason}"),
    };
    semrank_data::Error::Schema {
        path: data.path.join("items.parquet"),
        got: format!("column `{}` of {got}", column.name),
        expected: format!(
            "{expected}, as it says which items may be shown; a column that says something else needs another name (import \
             --item-column OTHER={})",
            column.name
        ),
    }
    .into()
}
