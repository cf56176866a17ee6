//! Items and their published ids in memory.

use crate::SemanticIds;
use semrank_core::Dictionary;

/// Item names to ids, in the order in which they were published.
#[derive(Debug, Clone)]
pub(super) struct Table {
    names: Dictionary,
    levels: usize,
    codes: usize,
    values: Vec<u16>,
}

impl Table {
    pub(super) fn new(levels: usize, codes: usize) -> Self {
        Self { names: Dictionary::new(), levels, codes, values: Vec::new() }
    }

    pub(super) fn levels(&self) -> usize {
        self.levels
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) fn names(&self) -> &Dictionary {
        &self.names
    }

    pub(super) fn get(&self, name: &str) -> Option<&[u16]> {
        let row = self.names.get(name)? as usize;
        Some(&self.values[row * self.levels..][..self.levels])
    }

    /// Adds an item; `None` where it is there already or a code is too large.
    pub(super) fn insert(&mut self, name: &str, codes: &[u16]) -> Option<()> {
        let fits = codes.len() == self.levels && codes.iter().all(|&code| usize::from(code) < self.codes);
        if !fits || self.names.get(name).is_some() {
            return None;
        }
        self.names.insert(name);
        self.values.extend_from_slice(codes);
        Some(())
    }

    pub(super) fn values(&self) -> &[u16] {
        &self.values
    }

    pub(super) fn ids(&self) -> SemanticIds {
        SemanticIds::new(self.levels, self.codes, self.values.clone())
    }
}
