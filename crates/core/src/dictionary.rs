//! Strings in, dense `u32` rows out, and back. One arena holds all names: 10 million ids cost their bytes plus
//! about 13 bytes each.

use crate::narrow;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// A two-way map between id strings and dense rows, in order of insertion.
#[derive(Debug, Clone)]
pub struct Dictionary {
    arena: String,
    ends: Vec<usize>,
    rows: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self::new()
    }
}

impl Dictionary {
    /// An empty dictionary.
    pub fn new() -> Self {
        Self {
            arena: String::new(),
            ends: Vec::new(),
            rows: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// The row of `name`, added at the end when it is new.
    ///
    /// # Panics
    /// When more than `u32::MAX` names are inserted.
    pub fn insert(&mut self, name: &str) -> u32 {
        let hash = self.hasher.hash_one(name);
        if let Some(row) = self.find(hash, name) {
            return row;
        }
        let row = narrow::index(self.ends.len());
        self.arena.push_str(name);
        self.ends.push(self.arena.len());
        let (arena, ends, hasher) = (&self.arena, &self.ends, &self.hasher);
        self.rows.insert_unique(hash, row, |&r| hasher.hash_one(slice(arena, ends, r)));
        row
    }

    /// The row of `name`, if it was inserted.
    pub fn get(&self, name: &str) -> Option<u32> {
        self.find(self.hasher.hash_one(name), name)
    }

    /// The name of a row.
    ///
    /// # Panics
    /// When `row` is not a row of this dictionary.
    pub fn name(&self, row: u32) -> &str {
        slice(&self.arena, &self.ends, row)
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All names in row order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len()).map(|row| self.name(narrow::index(row)))
    }

    fn find(&self, hash: u64, name: &str) -> Option<u32> {
        self.rows.find(hash, |&row| self.name(row) == name).copied()
    }
}

fn slice<'a>(arena: &'a str, ends: &[usize], row: u32) -> &'a str {
    let row = row as usize;
    let start = if row == 0 { 0 } else { ends[row - 1] };
    &arena[start..ends[row]]
}

impl<S: AsRef<str>> FromIterator<S> for Dictionary {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        let mut out = Self::new();
        names.into_iter().for_each(|name| {
            out.insert(name.as_ref());
        });
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_names_are_inverse() {
        let names: Vec<String> = (0..1000).map(|i| format!("{:04}", i * 7 % 1000)).collect();
        let dictionary: Dictionary = names.iter().collect();
        assert_eq!(dictionary.len(), 1000);
        for (row, name) in names.iter().enumerate() {
            assert_eq!(dictionary.get(name), Some(row as u32));
            assert_eq!(dictionary.name(row as u32), name);
        }
        assert_eq!(dictionary.get("7"), None, "'0007' is another id than '7'");
    }

    #[test]
    fn the_empty_string_is_a_name() {
        let mut dictionary = Dictionary::new();
        assert_eq!(dictionary.insert(""), 0);
        assert_eq!(dictionary.insert(""), 0);
        assert_eq!(dictionary.insert("a"), 1);
    }
}
