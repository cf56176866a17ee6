//! Which items may be shown: those that exist, are neither paused nor held back by their columns, are within their time window, and pass a filter.

use crate::schedule::Schedule;
use crate::{Filter, FilterError, ItemTable, Value, standing};
use semrank_core::narrow;
use semrank_nn::scan::Bitmap;
use std::sync::{Arc, Mutex, PoisonError};

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

/// The items and what decides whether they may be shown. Any number of threads ask at once; changes need it alone.
#[derive(Debug, Clone)]
pub struct Items {
    table: ItemTable,
    schedule: Schedule,
    /// Neither deleted nor paused nor held back.
    live: Bitmap,
    deleted: Bitmap,
    paused: Bitmap,
    /// By their columns ([`standing`]).
    held_back: Bitmap,
    filtered: Filtered,
}

/// The rows of filters, by their normal form, newest last; emptied by every change of a column. The lock is held for a look-up, never
/// while rows are found.
#[derive(Debug, Default)]
struct Filtered(Mutex<Vec<(String, Arc<Bitmap>)>>);

impl Clone for Filtered {
    /// A copy begins with an empty cache.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Filtered {
    fn clear(&mut self) {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get_or_find(
        &self,
        filter: &Filter,
        find: impl FnOnce(&Filter) -> Result<Bitmap, FilterError>,
    ) -> Result<Arc<Bitmap>, FilterError> {
        let filter = filter.normal();
        let key = format!("{filter:?}");
        let known = {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let at = kept.iter().position(|(other, _)| *other == key);
            at.map(|at| {
                let entry = kept.remove(at);
                let rows = entry.1.clone();
                kept.push(entry);
                rows
            })
        };
        if let Some(rows) = known {
            return Ok(rows);
        }
        let rows = Arc::new(find(&filter)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have found the same rows meanwhile.
        kept.retain(|(other, _)| *other != key);
        if kept.len() >= KEPT_FILTERS {
            kept.remove(0);
        }
        kept.push((key, rows.clone()));
        Ok(rows)
    }
}

impl Items {
    /// So many items, all of which may be shown.
    pub fn new(items: usize) -> Self {
        Self::with_table(ItemTable::new(items))
    }

    /// The items that have these columns, without time windows; those that their columns hold back may not be shown.
    pub fn with_table(table: ItemTable) -> Self {
        let items = table.len();
        let held_back: Bitmap = (0..items).map(|row| standing::holds_back(&table, row)).collect();
        let live = (0..items).map(|row| !held_back.contains(narrow::index(row))).collect();
        Self {
            table,
            schedule: Schedule::new(items),
            live,
            deleted: Bitmap::new(items),
            paused: Bitmap::new(items),
            held_back,
            filtered: Filtered::default(),
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
        self.held_back.push(false);
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
        self.table.set(item as usize, column, value)?;
        if standing::is_asked(column) {
            self.held_back.set(item, standing::holds_back(&self.table, item as usize));
            self.look(item);
        }
        Ok(())
    }

    /// Shows an item from one moment on and until before another (ms UTC); `i64::MIN` and `i64::MAX` where there is none.
    pub fn set_window(&mut self, item: u32, from_ms: i64, to_ms: i64) {
        self.schedule.set(item, from_ms, to_ms);
    }

    /// Pauses an item, whatever its columns say, or lets it go on.
    pub fn set_paused(&mut self, item: u32, is_paused: bool) {
        self.paused.set(item, is_paused);
        self.look(item);
    }

    /// Deletes an item: it is shown no more, and its number stays taken. Returns whether it was there.
    pub fn delete(&mut self, item: u32) -> bool {
        let was_there = (item as usize) < self.len() && !self.deleted.set(item, true);
        self.look(item);
        was_there
    }

    /// Takes a deletion back: the item is there again, paused or not as it was.
    pub fn restore(&mut self, item: u32) {
        self.deleted.set(item, false);
        self.look(item);
    }

    fn look(&mut self, item: u32) {
        let out = [&self.deleted, &self.paused, &self.held_back].iter().any(|set| set.contains(item));
        self.live.set(item, !out);
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
    pub fn eligible(&self, now_ms: i64) -> Bitmap {
        let mut out = self.live.clone();
        self.schedule.keep_open(now_ms, &mut out);
        out
    }

    /// The items that are neither deleted nor paused.
    pub fn live(&self) -> &Bitmap {
        &self.live
    }

    /// The items that may be shown and pass a filter. Filters that mean the same and are written differently give the same items, and share
    /// the work (`a = x and b = y`, `b = y and a = x`).
    ///
    /// # Errors
    /// A filter that does not fit the columns.
    pub fn which(&self, asked: &Eligibility) -> Result<Bitmap, FilterError> {
        let mut out = match asked.now_ms {
            Some(now) => self.eligible(now),
            None => self.live.clone(),
        };
        if let Some(filter) = &asked.filter {
            let passing = self.filtered.get_or_find(filter, |filter| filter.rows(&self.table))?;
            out.intersect(&passing);
        }
        Ok(out)
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
        let which = |items: &Items| items.which(&asked).unwrap().iter().collect::<Vec<_>>();
        assert_eq!(which(&items), [1, 2]);
        items.set_paused(1, true);
        assert_eq!(which(&items), [2]);
        items.set_paused(1, false);
        assert!(items.delete(2) && !items.delete(2) && !items.delete(9));
        items.set_paused(2, false);
        assert_eq!(which(&items), [1], "what is deleted does not come back by a change of its status");
        let new = items.push();
        items.set(new, "brand", Value::Text("a")).unwrap();
        assert_eq!(which(&items), [1, 4]);
        items.set_window(4, 5, i64::MAX);
        assert_eq!(which(&items), [1]);
        assert_eq!(
            items.which(&Eligibility::default()).unwrap().count(),
            4,
            "without a moment windows do not count"
        );
    }

    fn two_brands() -> Items {
        let mut items = Items::new(300);
        for item in 0..300 {
            items.set(item, "brand", Value::Text(["a", "b", "c"][item as usize % 3])).unwrap();
            items.set(item, "bid", Value::Number(f64::from(item % 7))).unwrap();
            items.set_window(item, i64::from(item % 5), i64::from(item % 5 + 20));
        }
        items
    }

    #[test]
    fn filters_that_mean_the_same_share_their_rows() {
        let items = two_brands();
        let ask = |filter: &str| {
            let asked = Eligibility { now_ms: Some(3), filter: Some(filter.parse().unwrap()) };
            items.which(&asked).unwrap().iter().collect::<Vec<_>>()
        };
        let first = ask("brand in (a, b) and bid > 2");
        assert!(!first.is_empty());
        for same in [
            "bid > 2 and brand in (b, a)",
            "bid > 2 and (brand in (a, b, a) and bid > 2)",
            "not (not (bid > 2.0)) and brand in (a, b)",
        ] {
            assert_eq!(ask(same), first, "{same}");
        }
        assert_eq!(items.filtered.0.lock().unwrap().len(), 1);
    }

    #[test]
    fn threads_that_ask_for_other_moments_and_filters_get_their_own_answers() {
        let items = &two_brands();
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                scope.spawn(move || {
                    for round in 0..500 {
                        let now = i64::from((thread * 7 + round) % 26);
                        let bid = (thread + round) % 6;
                        let filter = Some(format!("bid = {bid} or brand = b").parse().unwrap());
                        let got = items.which(&Eligibility { now_ms: Some(now), filter }).unwrap();
                        for item in 0..300 {
                            let from = i64::from(item % 5);
                            let expected =
                                from <= now && now < from + 20 && (item % 7 == bid || item % 3 == 1);
                            assert_eq!(got.contains(item), expected, "item {item} at {now}, bid {bid}");
                        }
                    }
                });
            }
        });
    }
}
