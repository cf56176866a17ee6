//! Which items are held back by what their columns say, whatever is asked for.
//!
//! | column | an item is shown |
//! |---|---|
//! | `status` | where it is empty, `active`, `enabled` or `enable`; `deleted` and `removed` hold back for good, any other word until it changes |
//! | `budget_left` | where it is empty or above 0 |
//! | `budget` and `spent`, both | where one is empty, or `spent` is below `budget`; not asked where the item has a `budget_left` |
//!
//! Letter case and blanks around a word do not count. `budget` alone says nothing: it is the whole, not what is left.

use crate::{Data, Error};
use semrank_core::{ItemId, narrow};
use semrank_data::{FurtherColumn, ItemValues};
use semrank_retrieve::Bitmap;

const STATUS: &str = "status";
const LEFT: &str = "budget_left";
const BUDGET: &str = "budget";
const SPENT: &str = "spent";

const SHOWN: [&str; 3] = ["active", "enabled", "enable"];
const DELETED: [&str; 2] = ["deleted", "removed"];

/// Items that are held back.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) paused: Bitmap,
    pub(super) deleted: Bitmap,
}

impl Standing {
    fn shows(&self, item: ItemId) -> bool {
        !self.paused.contains(item.0) && !self.deleted.contains(item.0)
    }
}

/// Whether items may be shown by their columns; time windows left out.
///
/// # Errors
/// A file that cannot be read; such a column of another type.
pub fn not_held_back(data: &Data) -> Result<impl Fn(ItemId) -> bool + use<>, Error> {
    let columns = data.further_columns(&|name| [STATUS, LEFT, BUDGET, SPENT].contains(&name))?;
    let standing = of(data, &columns)?;
    Ok(move |item| standing.shows(item))
}

/// What the columns of a data set say.
///
/// # Errors
/// A column of another type than it must have.
pub(super) fn of(data: &Data, columns: &[FurtherColumn]) -> Result<Standing, Error> {
    let items = data.dataset.catalog.len();
    let mut out = Standing { paused: Bitmap::new(items), deleted: Bitmap::new(items) };
    let find = |name: &str| columns.iter().find(|column| column.name == name);
    if let Some(column) = find(STATUS) {
        let ItemValues::Texts { names, codes } = &column.values else {
            return Err(wrong(data, column, "texts: `active`, `paused`, `deleted` …"));
        };
        let words: Vec<String> = names.names().map(|word| word.trim().to_lowercase()).collect();
        for (item, codes) in (0..).zip(codes) {
            let mut words = codes.iter().map(|&code| words[code as usize].as_str());
            out.deleted.set(item, words.clone().any(|word| DELETED.contains(&word)));
            out.paused.set(item, words.any(|word| !word.is_empty() && !SHOWN.contains(&word)));
        }
    }
    let numbers = |column: Option<&'_ FurtherColumn>| match column {
        None => Ok(None),
        Some(FurtherColumn { values: ItemValues::Numbers(numbers), .. }) => Ok(Some(numbers.clone())),
        Some(column) => Err(wrong(data, column, "numbers")),
    };
    let left = numbers(find(LEFT))?;
    let of_both = match (find(BUDGET), find(SPENT)) {
        (Some(budget), Some(spent)) => numbers(Some(budget))?.zip(numbers(Some(spent))?),
        _ => None,
    };
    for item in narrow::indices(items) {
        let row = item as usize;
        let mut rest = left.as_ref().map_or(f64::NAN, |left| left[row]);
        if let (true, Some((budget, spent))) = (rest.is_nan(), &of_both) {
            rest = budget[row] - spent[row];
        }
        // False of NaN, which is no budget.
        if rest <= 0.0 {
            out.paused.set(item, true);
        }
    }
    Ok(out)
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
