//! Which items may be shown: those that exist, are not paused, are within their time window, and pass a filter.

use crate::schedule::Schedule;
use crate::{Filter, FilterError, ItemTable, Value};
use semrank_nn::scan::Bitmap;
use std::sync::Arc;

/// Filters whose rows are kept: those of the last requests.
const KEPT_FILTERS: usize = 64;

/// What is asked of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Eligibility {
    /// The moment (ms UTC); `None` = the time windows do not count.
    pub now_ms: Option<i64>,
    /// What items must pass besides.
    pub filter: Option<Filter>,
}

/// The items and what decides whether they may be shown.
#[derive(Debug, Clone)]
pub struct Items {
    table: ItemTable,
    schedule: Schedule,
    /// Neither deleted nor paused.
    live: Bitmap,
    deleted: Bitmap,
    paused: Bitmap,
    /// Newest last; emptied by every change of a column.
    filtered: Vec<(Filter, Arc<Bitmap>)>,
}

impl Items {
    /// So many items, all of which may be shown.
    pub fn new(items: usize) -> Self {
        Self {
            table: ItemTable::new(items),
            schedule: Schedule::new(items),
            live: Bitmap::full(items),
            deleted: Bitmap::new(items),
            paused: Bitmap::new(items),
            filtered: Vec::new(),
        }
    }

    /// Number of items, deleted ones included.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The columns that filters read.
    pub fn table(&self) -> &ItemTable {
        &self.table
    }

    /// One item more; returns its number.
    pub fn push(&mut self) -> u32 {
        self.filtered.clear();
        self.schedule.push();
        self.live.push(true);
        self.deleted.push(false);
        self.paused.push(false);
        self.table.push() as u32
    }

    /// Sets a column that filters read.
    ///
    /// # Errors
    /// A value that the column cannot hold.
    ///
    /// # Panics
    /// When there is no such item; so does [`Items::set_window`].
    pub fn set(&mut self, item: u32, column: &str, value: Value) -> Result<(), FilterError> {
        self.filtered.clear();
        self.table.set(item as usize, column, value)
    }

    /// Shows an item from one moment on and until before another (ms UTC); `i64::MIN` and `i64::MAX` where there is none.
    pub fn set_window(&mut self, item: u32, from_ms: i64, to_ms: i64) {
        self.schedule.set(item, from_ms, to_ms);
    }

    /// Pauses an item, by its owner or because its budget is spent, or lets it go on.
    pub fn set_paused(&mut self, item: u32, is_paused: bool) {
        self.paused.set(item, is_paused);
        self.live.set(item, !is_paused && !self.deleted.contains(item));
    }

    /// Deletes an item: it is shown no more, and its number stays taken. Returns whether it was there.
    pub fn delete(&mut self, item: u32) -> bool {
        self.live.set(item, false);
        (item as usize) < self.len() && !self.deleted.set(item, true)
    }

    /// Takes a deletion back: the item is there again, paused or not as it was.
    pub fn restore(&mut self, item: u32) {
        self.deleted.set(item, false);
        self.live.set(item, !self.paused.contains(item));
    }

    /// From when and until before when an item may be shown (ms UTC).
    ///
    /// # Panics
    /// When there is no such item.
    pub fn window(&self, item: u32) -> (i64, i64) {
        self.schedule.window(item)
    }

    /// Whether a column can hold a value.
    ///
    /// # Errors
    /// As [`Items::set`].
    pub fn check(&self, column: &str, value: Value) -> Result<(), FilterError> {
        self.table.check(column, value)
    }

    /// The items that may be shown at a moment.
    pub fn eligible(&mut self, now_ms: i64) -> Bitmap {
        let mut out = self.live.clone();
        out.intersect(self.schedule.at(now_ms));
        out
    }

    /// The items that may be shown and pass a filter.
    ///
    /// # Errors
    /// A filter that does not fit the columns.
    pub fn which(&mut self, asked: &Eligibility) -> Result<Bitmap, FilterError> {
        let mut out = match asked.now_ms {
            Some(now) => self.eligible(now),
            None => self.live.clone(),
        };
        if let Some(filter) = &asked.filter {
            out.intersect(&*self.passing(filter)?);
        }
        Ok(out)
    }

    fn passing(&mut self, filter: &Filter) -> Result<Arc<Bitmap>, FilterError> {
        let known = self.filtered.iter().position(|(other, _)| other == filter);
        let entry = match known {
            Some(at) => self.filtered.remove(at),
            None => (filter.clone(), Arc::new(filter.rows(&self.table)?)),
        };
        if self.filtered.len() >= KEPT_FILTERS {
            self.filtered.remove(0);
        }
        let rows = entry.1.clone();
        self.filtered.push(entry);
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paused_deleted_and_filtered_items_are_not_shown() {
        let mut items = Items::new(4);
        items.set(1, "brand", Value::Text("a")).unwrap();
        items.set(2, "brand", Value::Text("a")).unwrap();
        let asked = Eligibility { now_ms: Some(0), filter: Some("brand = a".parse().unwrap()) };
        let which = |items: &mut Items| items.which(&asked).unwrap().iter().collect::<Vec<_>>();
        assert_eq!(which(&mut items), [1, 2]);
        items.set_paused(1, true);
        assert_eq!(which(&mut items), [2]);
        items.set_paused(1, false);
        assert!(items.delete(2) && !items.delete(2) && !items.delete(9));
        items.set_paused(2, false);
        assert_eq!(which(&mut items), [1], "what is deleted does not come back by a change of its status");
        let new = items.push();
        items.set(new, "brand", Value::Text("a")).unwrap();
        assert_eq!(which(&mut items), [1, 4]);
        items.set_window(4, 5, i64::MAX);
        assert_eq!(which(&mut items), [1]);
        assert_eq!(
            items.which(&Eligibility::default()).unwrap().count(),
            4,
            "without a moment windows do not count"
        );
    }
}
