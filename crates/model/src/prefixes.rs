//! Prefix n-grams of semantic ids: which rows of one table an item's vector is summed from.
//!
//! For each prefix length `1..=L` the first so many codes of an item are one key, and for each level after the first the code
//! alone is another. A key that a trained item has owns a row; any other has none, so that an unseen item backs off to its
//! shorter prefixes and its content instead of meeting random rows. Keys are hashed to rows only beyond a limit of rows
//! (prefix n-grams of semantic ids: Zheng et al. 2025, arXiv 2504.02137).
//!
//! ```
//! use semrank_model::PrefixRows;
//! use semrank_tokens::SemanticIds;
//! let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2]);
//! let rows = PrefixRows::new(&ids, &[true, false, false], 1000);
//! assert_eq!(rows.of(0).len(), 3); // [0], [0, 3] and "3 at level 2"
//! assert_eq!(rows.of(1).len(), 1); // only [0] is known
//! assert!(rows.of(2).is_empty());
//! ```

use semrank_tokens::SemanticIds;

/// The rows of each item.
#[derive(Debug, Clone, PartialEq)]
pub struct PrefixRows {
    /// Keys of trained items, ascending.
    keys: Vec<u64>,
    most_rows: usize,
    offsets: Vec<u32>,
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
        for item in 0..ids.len() {
            for key in keys(ids.of(item)) {
                let row = out.row(key);
                out.rows.extend(row);
            }
            out.offsets.push(out.rows.len() as u32);
        }
        out
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

    /// Rows of an item.
    pub fn of(&self, item: u32) -> &[u32] {
        &self.rows[self.offsets[item as usize] as usize..self.offsets[item as usize + 1] as usize]
    }

    fn row(&self, key: u64) -> Option<u32> {
        let at = self.keys.binary_search(&key).ok()?;
        Some(if self.keys.len() <= self.most_rows { at } else { (key % self.most_rows as u64) as usize }
            as u32)
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
