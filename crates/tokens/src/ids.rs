//! Semantic ids of a catalogue: `L` codes per item, coarse to fine.
//!
//! ```
//! use semrank_tokens::SemanticIds;
//! let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2]);
//! assert_eq!((ids.len(), ids.of(1)), (3, &[0, 1][..]));
//! ```

use serde::{Deserialize, Serialize};

/// `[items x L]` codes below `K`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SemanticIds {
    levels: usize,
    codes: usize,
    values: Vec<u16>,
}

impl SemanticIds {
    /// `levels` codes per item, each below `codes`, item after item.
    ///
    /// # Panics
    /// When `values` holds no whole number of items, or a code that is too large.
    pub fn new(levels: usize, codes: usize, values: Vec<u16>) -> Self {
        assert!(
            levels > 0 && values.len().is_multiple_of(levels),
            "{} codes in {levels} levels",
            values.len()
        );
        assert!(values.iter().all(|&code| usize::from(code) < codes), "codes below {codes}");
        Self { levels, codes, values }
    }

    /// Codes of an item, L.
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// Codes of a level, K.
    pub fn codes(&self) -> usize {
        self.codes
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.values.len() / self.levels
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The codes of an item, coarse to fine.
    pub fn of(&self, item: usize) -> &[u16] {
        &self.values[item * self.levels..(item + 1) * self.levels]
    }

    /// Adds the next item.
    ///
    /// # Panics
    /// When `id` has another number of levels, or a code that is too large.
    pub fn push(&mut self, id: &[u16]) {
        assert_eq!(id.len(), self.levels, "the levels of an id");
        assert!(id.iter().all(|&code| usize::from(code) < self.codes), "codes below {}", self.codes);
        self.values.extend_from_slice(id);
    }

    /// All codes, item after item.
    pub fn values(&self) -> &[u16] {
        &self.values
    }
}
