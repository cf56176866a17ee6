//! Which items are held back by what their columns say, whatever is asked for.
//!
//! | column | an item is shown |
//! |---|---|
//! | `status` | where it is empty, `active`, `enabled` or `enable` |
//! | `budget_left` | where it is empty or above 0 |
//! | `budget` and `spent`, both | where one is empty, or `spent` is below `budget`; not asked where the item has a `budget_left` |
//!
//! Letter case and blanks around a word do not count. `budget` alone says nothing: it is the whole, not what is left.

use crate::ItemTable;

/// Columns of texts that say it.
pub const TEXTS: [&str; 1] = ["status"];
/// Columns of numbers that say it.
pub const NUMBERS: [&str; 3] = ["budget_left", "budget", "spent"];

const SHOWN: [&str; 4] = ["", "active", "enabled", "enable"];

/// Whether a column says which items are held back.
pub(crate) fn is_asked(column: &str) -> bool {
    TEXTS.contains(&column) || NUMBERS.contains(&column)
}

/// Whether an item is held back.
pub(crate) fn holds_back(table: &ItemTable, row: usize) -> bool {
    let is_shown = |word: &str| SHOWN.contains(&word.trim().to_lowercase().as_str());
    let [left, budget, spent] = NUMBERS.map(|column| table.number(row, column));
    let left = if left.is_nan() { budget - spent } else { left };
    // False of NaN, which is no budget.
    !table.texts(row, TEXTS[0]).all(is_shown) || left <= 0.0
}
