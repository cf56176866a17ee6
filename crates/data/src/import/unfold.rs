//! Turns a row with a list of items into events in the order of the list: sessions are often kept in this form.
//!
//! ```text
//! session   items          times             events
//! s1        [a, b]         [10, 20]      ->  s1 a 10, s1 b 20
//! s2        [b, c]         30            ->  s2 b 30, s2 c 30, in this order
//! ```

use super::events::Order;
use super::header::Cell;
use super::list;
use super::rows::Row;
use crate::{Error, RowError, When};
use std::path::Path;

/// What the events of one row differ in.
pub(crate) struct UnfoldedRow<'r> {
    pub(crate) items: Vec<&'r str>,
    pub(crate) actions: Each<&'r str>,
    pub(crate) times: Times,
}

/// One value for all items, or one for each.
pub(crate) enum Each<T> {
    All(T),
    List(Vec<T>),
}

/// The times of the items; none where the order of the rows counts.
pub(crate) struct Times(Option<Each<When>>);

impl<T: Copy> Each<T> {
    /// The value for the item `at`.
    pub(crate) fn of(&self, at: usize) -> T {
        match self {
            Each::All(value) => *value,
            Each::List(values) => values[at],
        }
    }
}

impl Times {
    /// The time of the item `at` in the row `number`.
    pub(crate) fn of(&self, at: usize, number: u64) -> When {
        self.0.as_ref().map_or(When::Position(number as i64), |times| times.of(at))
    }
}

impl<'r> UnfoldedRow<'r> {
    /// Reads the item column, and of the others a list of as many values or one value.
    pub(crate) fn new(
        (item, action, order): (&Cell, &'r Result<Cell, String>, &mut Order),
        row: &'r Row,
        file: &Path,
        separator: &Option<String>,
    ) -> Result<UnfoldedRow<'r>, Error> {
        let separator = separator.as_deref();
        let items = item.ids(row, file, separator)?;
        if items.is_empty() {
            return Err(row.place(file).error(&item.name, "an empty list", "a list of items").into());
        }
        let actions = match action {
            Err(constant) => Each::All(constant.as_str()),
            Ok(cell) => match elements(cell, row, file, items.len(), separator)? {
                Some(actions) => Each::List(actions),
                None => Each::All(cell.id(row, file)?),
            },
        };
        let times = Times(match order {
            Order::Row => None,
            Order::Position(cell) => Some(Each::All(When::Position(cell.position(row, file)?))),
            Order::Time(cell, clock) => Some(match elements(cell, row, file, items.len(), separator)? {
                None => Each::All(When::Time(cell.time(row, file, clock)?)),
                Some(texts) => {
                    let time = |text| cell.time_of(text, row, file, clock).map(When::Time);
                    Each::List(texts.into_iter().map(time).collect::<Result<_, RowError>>()?)
                }
            }),
        });
        Ok(UnfoldedRow { items, actions, times })
    }
}

/// The elements of a cell that is a list, which must be as many as there are items.
fn elements<'r>(
    cell: &Cell,
    row: &'r Row,
    file: &Path,
    items: usize,
    separator: Option<&str>,
) -> Result<Option<Vec<&'r str>>, RowError> {
    let text = cell.of(row);
    let bracketed = text.starts_with('[') && text.ends_with(']');
    let divided = || separator.is_some() && list::ids(text, separator).len() == items && items > 1;
    if !row.is_list(cell.index) && !bracketed && !divided() {
        return Ok(None);
    }
    let elements = cell.ids(row, file, separator)?;
    if elements.len() == items {
        return Ok(Some(elements));
    }
    let (got, expected) =
        (format!("a list of {}", elements.len()), format!("one value, or as many as items, {items}"));
    Err(row.place(file).error(&cell.name, got, expected))
}
