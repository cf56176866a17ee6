//! Which rows of which table an item's vector has: its own, its advertiser's, those of the prefixes of its semantic ids.
//!
//! A table has a row for each of its owners up to a limit; beyond it, owners share rows by hash.

use crate::ItemRows;
use semrank_nn::{Dropout, Table};

/// Whose rows a table has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKey {
    /// The item's own.
    Item,
    /// Its advertiser's.
    Advertiser,
    /// Those of the prefixes of its semantic ids, which [`PrefixRows`](crate::PrefixRows) names.
    Prefix,
}

/// What is known of a table before it is allocated.
#[derive(Debug, Clone, Copy)]
pub struct TableShape {
    /// Its name in files.
    pub name: &'static str,
    /// Whose rows it has.
    pub key: RowKey,
    /// How many may own a row: items, advertisers or prefixes.
    owners: usize,
    /// Number of rows.
    pub rows: usize,
}

impl TableShape {
    /// A row for each owner, at most `most_rows`, at least one.
    pub fn new(name: &'static str, key: RowKey, owners: usize, most_rows: usize) -> Self {
        Self { name, key, owners, rows: owners.min(most_rows).max(1) }
    }

    /// The row of an owner; none of one that came after training.
    pub fn row(&self, owner: u32) -> Option<u32> {
        let hashed = || (u64::from(owner).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % self.rows as u64;
        ((owner as usize) < self.owners).then(
            || {
                if self.owners <= self.rows { owner } else { hashed() as u32 }
            },
        )
    }
}

/// A table of the tower.
#[derive(Debug, Clone)]
pub(crate) struct ItemTable<T> {
    pub(crate) shape: TableShape,
    pub(crate) table: Table<T>,
}

impl<T> ItemTable<T> {
    /// Visits the rows of an item that a step keeps; `at` is the item's place in the step.
    pub(crate) fn each_row(&self, at: usize, rows: ItemRows, dropout: RowDropout, visit: impl FnMut(u32)) {
        match self.shape.key {
            RowKey::Item => {
                self.shape.row(rows.item).filter(|_| dropout.keeps_id(at)).into_iter().for_each(visit);
            }
            RowKey::Advertiser => self.shape.row(rows.advertiser).into_iter().for_each(visit),
            RowKey::Prefix => dropout.kept_prefixes(at, rows.prefixes).copied().for_each(visit),
        }
    }
}

/// Which rows a training step leaves out, so that content stands on its own: a function of the step's key and an item's place in
/// the step.
#[derive(Debug, Clone, Copy)]
pub struct RowDropout {
    ids: Dropout,
    prefixes: Dropout,
}

impl RowDropout {
    /// Leaves out these shares of the id rows and of the prefix rows.
    pub fn new([ids, prefixes]: [f64; 2], key: u64) -> Self {
        Self { ids: Dropout::new(ids, key), prefixes: Dropout::new(prefixes, key.rotate_left(17)) }
    }

    /// Keeps everything: evaluation.
    pub fn off() -> Self {
        Self { ids: Dropout::off(), prefixes: Dropout::off() }
    }

    /// Whether the item with this index keeps its id row.
    pub fn keeps_id(&self, index: usize) -> bool {
        self.ids.factor::<f32>(index) != 0.0
    }

    /// Those of its prefix rows that an item keeps.
    pub fn kept_prefixes<'r>(&self, index: usize, rows: &'r [u32]) -> impl Iterator<Item = &'r u32> {
        let dropout = self.prefixes;
        rows.iter()
            .enumerate()
            .filter(move |(at, _)| dropout.factor::<f32>(index * 64 + at) != 0.0)
            .map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn items_own_a_row_each_up_to_the_limit_and_share_rows_beyond_it() {
        let used = |limit: usize| {
            let shape = TableShape::new("ids", RowKey::Item, 400, limit);
            let rows: BTreeSet<u32> = (0..400).filter_map(|item| shape.row(item)).collect();
            assert!(rows.iter().all(|&row| (row as usize) < shape.rows), "limit {limit}");
            rows.len()
        };
        assert_eq!([400, 401, 1000].map(used), [400; 3]);
        assert!((200..399).contains(&used(399)), "{} rows", used(399));
        assert_eq!(used(1), 1);
    }
}
