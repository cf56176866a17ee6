//! Catalogue texts in, one sparse TF-IDF row an item out.
//!
//! Term frequency is sublinear, `1 + ln tf`; idf is smoothed, `ln((1 + n) / (1 + df)) + 1`; rows have length 1 (the
//! form of scikit-learn's `TfidfVectorizer(sublinear_tf=True)`). Tokens are hashed to a power of two of buckets, and
//! buckets that fewer than `min_df` items hold are dropped, so the number of columns is what the catalogue needs.
//!
//! **Fit scope**: `n`, `df` and the columns come from `known` items only (those known before the split's cut); other
//! items are written in the fitted columns and never change another item's row.

use super::FeatureSettings;
use super::sparse::SparseMatrix;
use super::tokens::{Grams, each_token};
use rayon::prelude::*;
use semrank_core::{Catalog, ItemId};
use std::ops::Range;

/// Items one task tokenises at a time, and tasks whose results are held at a time: the text of 8,192 items bounds the
/// memory, whatever the size of the catalogue.
const SHARD_ITEMS: usize = 256;
const SHARDS_HELD: usize = 32;

/// A fitted vocabulary of hashed tokens with their inverse document frequencies.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TfIdf {
    grams: Grams,
    buckets: usize,
    /// The bucket of every column, ascending.
    kept: Vec<u32>,
    /// One inverse document frequency a column.
    idf: Vec<f32>,
}

impl TfIdf {
    /// Counts the tokens of the `known` items; `known` has one entry an item.
    ///
    /// # Panics
    /// When `known` is not as long as the catalogue, or the settings fail [`FeatureSettings::check`].
    pub fn fit(catalog: &Catalog, known: &[bool], settings: &FeatureSettings) -> Self {
        assert_eq!(known.len(), catalog.len(), "one entry an item");
        assert!(settings.buckets.is_power_of_two(), "the number of buckets is a power of two");
        let mut out =
            Self { grams: settings.grams(), buckets: settings.buckets, kept: Vec::new(), idf: Vec::new() };
        let mut frequencies = vec![0u32; settings.buckets];
        each_shard(
            catalog.len(),
            |items| out.buckets_of_items(catalog, items.filter(|&item| known[item])),
            |shard| shard.iter().for_each(|&bucket| frequencies[bucket as usize] += 1),
        );
        let n = known.iter().filter(|&&known| known).count();
        for (bucket, &frequency) in frequencies.iter().enumerate() {
            if frequency >= settings.min_df.max(1) {
                out.kept.push(bucket as u32);
                out.idf.push((((1 + n) as f64 / f64::from(1 + frequency)).ln() + 1.0) as f32);
            }
        }
        out
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.kept.len()
    }

    /// TF-IDF rows of all items, `[items x cols]`; a row has length 1, or no entry where no token is in the vocabulary.
    pub fn transform(&self, catalog: &Catalog) -> SparseMatrix {
        let mut out = SparseMatrix::empty(self.cols());
        each_shard(catalog.len(), |items| self.rows(catalog, items), |shard| out.append(&shard));
        out
    }

    fn rows(&self, catalog: &Catalog, items: Range<usize>) -> SparseMatrix {
        let mut out = SparseMatrix::empty(self.cols());
        let mut buckets = Vec::new();
        for item in items {
            self.sorted_buckets(catalog, item, &mut buckets);
            out.push_row(self.row(&buckets));
        }
        out
    }

    /// The entries of one item from its sorted buckets, repeats included.
    fn row(&self, buckets: &[u32]) -> Vec<(u32, f32)> {
        let mut entries: Vec<(u32, f32)> = buckets
            .chunk_by(|a, b| a == b)
            .filter_map(|run| {
                let col = self.kept.binary_search(&run[0]).ok()?;
                Some((col as u32, (1.0 + (run.len() as f32).ln()) * self.idf[col]))
            })
            .collect();
        let length =
            entries.iter().map(|&(_, value)| f64::from(value) * f64::from(value)).sum::<f64>().sqrt();
        entries.iter_mut().for_each(|(_, value)| *value = (f64::from(*value) / length) as f32);
        entries
    }

    fn sorted_buckets(&self, catalog: &Catalog, item: usize, out: &mut Vec<u32>) {
        out.clear();
        let mask = self.buckets as u64 - 1;
        for text in catalog.texts_of(ItemId(item as u32)) {
            each_token(text, self.grams, |hash| out.push((hash & mask) as u32));
        }
        out.sort_unstable();
    }

    /// Every item's distinct buckets, one after the other.
    fn buckets_of_items(&self, catalog: &Catalog, items: impl Iterator<Item = usize>) -> Vec<u32> {
        let (mut out, mut buckets) = (Vec::new(), Vec::new());
        for item in items {
            self.sorted_buckets(catalog, item, &mut buckets);
            buckets.dedup();
            out.extend_from_slice(&buckets);
        }
        out
    }
}

/// Runs `work` on fixed ranges of items in parallel and hands the results to `take` in order.
fn each_shard<T: Send>(items: usize, work: impl Fn(Range<usize>) -> T + Sync, mut take: impl FnMut(T)) {
    let shards: Vec<Range<usize>> =
        (0..items).step_by(SHARD_ITEMS).map(|start| start..(start + SHARD_ITEMS).min(items)).collect();
    for held in shards.chunks(SHARDS_HELD) {
        let results: Vec<T> = held.par_iter().map(|range| work(range.clone())).collect();
        results.into_iter().for_each(&mut take);
    }
}
