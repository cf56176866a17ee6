//! Prefix n-grams of semantic ids: which rows of one table an item's vector is summed from.
//!
//! For each prefix length `1..=L` the first so many codes of an item are one key, and for each level after the first the code
//! alone is another. A key that a trained item has owns a row; any other has none, so that an unseen item backs off to its
//! shorter prefixes and its content instead of meeting random rows. Keys are hashed to rows only beyond a limit of rows
//! (prefix n-grams of semantic ids: Zheng et al. 2025, arXiv 2504.02137).
//!
//! ```
//! use semrank_tower::PrefixRows;
//! use semrank_tokens::SemanticIds;
//! let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2]);
//! let rows = PrefixRows::new(&ids, &[true, false, false], 1000);
//! assert_eq!(rows.of(0).len(), 3); // [0], [0, 3] and "3 at level 2"
//! assert_eq!(rows.of(1).len(), 1); // only [0] is known
//! assert!(rows.of(2).is_empty());
//! ```

use semrank_core::narrow;
use semrank_tokens::SemanticIds;

/// The rows of each item.
#[derive(Debug, Clone, PartialEq)]
pub struct PrefixRows {
    /// Keys of trained items, ascending.
    keys: Vec<u64>,
    most_rows: usize,
    offsets: Vec<usize>,
    rows: Vec<u32>,
}

impl PrefixRows {
    /// Rows for the prefixes of `trained` items; more than `most_rows` prefixes share rows by hash.
    pub fn new(ids: &SemanticIds, trained: &[bool], most_rows: usize) -> Self {
        let items = (0..ids.len()).filter(|&item| trained[item]);
        let mut keys: Vec<u64> = items.flat_map(|item| keys(ids.of(item))).collect();
        keys.sort_unstable();
        keys.dedup();
        Self::with_keys(ids, keys, most_rows)
    }

    /// Rows for these keys, ascending: those of an earlier [`PrefixRows::keys`].
    pub fn with_keys(ids: &SemanticIds, known: Vec<u64>, most_rows: usize) -> Self {
        let mut out = Self { keys: known, most_rows, offsets: vec![0], rows: Vec::new() };
        (0..ids.len()).for_each(|item| out.push(ids.of(item)));
        out
    }

    /// Appends an item with these codes, or without any; no row of another item changes.
    pub fn push(&mut self, codes: &[u16]) {
        let rows = self.rows_of(codes);
        self.rows.extend(rows);
        self.offsets.push(self.rows.len());
    }

    /// Number of rows, at least 1.
    pub fn len(&self) -> usize {
        self.keys.len().clamp(1, self.most_rows)
    }

    /// Whether no prefix is known.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The known keys, ascending.
    pub fn keys(&self) -> &[u64] {
        &self.keys
    }

    /// Rows of an item; none of one that is not in the catalogue.
    pub fn of(&self, item: u32) -> &[u32] {
        match self.offsets.get(item as usize..) {
            Some(&[from, to, ..]) => &self.rows[from..to],
            _ => &[],
        }
    }

    /// Rows of any item with these codes.
    pub fn rows_of(&self, codes: &[u16]) -> Vec<u32> {
        keys(codes).filter_map(|key| self.row(key)).collect()
    }

    fn row(&self, key: u64) -> Option<u32> {
        let at = self.keys.binary_search(&key).ok()?;
        let shared = (key % self.most_rows as u64) as usize;
        Some(narrow::index(if self.keys.len() <= self.most_rows { at } else { shared }))
    }
}

/// The keys of an item's codes.
fn keys(codes: &[u16]) -> impl Iterator<Item = u64> {
    let prefixes = (1..=codes.len()).map(|len| key(0, &codes[..len]));
    let alone = (1..codes.len()).map(|level| key(level as u64, &codes[level..=level]));
    prefixes.chain(alone)
}

/// A 64-bit hash of codes, by the finaliser of SplitMix64 after each.
fn key(kind: u64, codes: &[u16]) -> u64 {
    codes.iter().fold(mix(kind), |hash, &code| mix(hash ^ u64::from(code)))
}

fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LEVELS: usize = 3;
    const TRAINED: usize = 40;

    /// Forty trained items with codes below 5, and three without events: the twin of item 0, one that has its first code
    /// only, and one whose codes no item has.
    fn world() -> (SemanticIds, Vec<bool>) {
        let mut codes: Vec<u16> = (0..(TRAINED * LEVELS) as u64).map(|at| (mix(at) % 5) as u16).collect();
        codes.extend([codes[0], codes[1], codes[2], codes[0], 8, 9, 7, 8, 9]);
        let trained = (0..TRAINED + 3).map(|item| item < TRAINED).collect();
        (SemanticIds::new(LEVELS, 10, codes), trained)
    }

    fn used(rows: &PrefixRows) -> BTreeSet<u32> {
        (0..TRAINED as u32).flat_map(|item| rows.of(item).to_vec()).collect()
    }

    #[test]
    fn prefixes_own_a_row_each_up_to_the_limit_and_share_rows_beyond_it() {
        let (ids, trained) = world();
        let keys = PrefixRows::new(&ids, &trained, 1000).keys().len();
        for limit in [1000, keys, keys - 1, 7, 1] {
            let rows = PrefixRows::new(&ids, &trained, limit);
            assert_eq!((rows.keys().len(), rows.len()), (keys, keys.min(limit)), "limit {limit}");
            let used = used(&rows);
            assert!(used.iter().all(|&row| (row as usize) < rows.len()), "limit {limit}: {used:?}");
            if limit >= keys {
                assert_eq!(used.len(), keys, "limit {limit}: a row each");
            }
            assert_eq!(rows, PrefixRows::with_keys(&ids, rows.keys().to_vec(), limit));
        }
    }

    #[test]
    fn hashed_prefixes_that_are_equal_share_rows_and_unknown_ones_own_none() {
        let (ids, trained) = world();
        let rows = PrefixRows::new(&ids, &trained, 7);
        assert_eq!(used(&rows).len(), 7, "all rows are in use");
        for a in 0..TRAINED {
            assert_eq!(rows.of(a as u32).len(), 2 * LEVELS - 1);
            for b in 0..a {
                let common = (0..LEVELS).take_while(|&at| ids.of(a)[at] == ids.of(b)[at]).count();
                assert_eq!(rows.of(a as u32)[..common], rows.of(b as u32)[..common], "items {a} and {b}");
            }
        }
        let [twin, first_code, stranger] = [0, 1, 2].map(|at| rows.of((TRAINED + at) as u32));
        assert_eq!(twin, rows.of(0));
        assert_eq!(first_code, &rows.of(0)[..1]);
        assert!(stranger.is_empty());
    }
}
