//! Catalogue texts in, one sparse TF-IDF row per item out ([`semrank_nn::linalg::tfidf`]).
//!
//! Tokens are hashed to a power of two of buckets, and buckets that fewer than `min_df` items contain are dropped, so the
//! number of columns is what the catalogue needs.
//!
//! **Fit scope**: `n`, `df` and the columns come from `known` items only (those known before the split's cut); other
//! items are written in the fitted columns and never change another item's row.

use super::Corpus;
use super::FeatureSettings;
use super::tokens::{Grams, each_token};
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_nn::linalg::SparseMatrix;
use semrank_nn::linalg::tfidf::{inverse_frequency, unit_row};
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
    /// One inverse document frequency per column.
    idf: Vec<f32>,
}

/// Token counts of a corpus that is read in parts.
#[derive(Debug, Clone)]
pub struct TfIdfCounts {
    grams: Grams,
    min_df: u32,
    items: usize,
    /// Items that hold each bucket.
    frequencies: Vec<u32>,
}

impl TfIdfCounts {
    /// Nothing counted yet.
    ///
    /// # Panics
    /// When the settings fail [`FeatureSettings::check`].
    pub fn new(settings: &FeatureSettings) -> Self {
        assert!(settings.buckets.is_power_of_two(), "the number of buckets is a power of two");
        let frequencies = vec![0; settings.buckets];
        Self { grams: settings.grams(), min_df: settings.min_df.max(1), items: 0, frequencies }
    }

    /// Counts the `known` items of one part.
    ///
    /// # Panics
    /// When `known` is not as long as the part.
    pub fn add(&mut self, part: &dyn Corpus, known: &[bool]) {
        assert_eq!(known.len(), part.len(), "one entry per item");
        self.items += known.iter().filter(|&&known| known).count();
        let (grams, mask) = (self.grams, self.frequencies.len() - 1);
        each_shard(
            part.len(),
            |items| buckets_of_items(part, items.filter(|&item| known[item]), grams, mask),
            |shard| shard.iter().for_each(|&bucket| self.frequencies[bucket as usize] += 1),
        );
    }

    /// The vocabulary of what was counted.
    pub fn finish(self) -> TfIdf {
        let mut out =
            TfIdf { grams: self.grams, buckets: self.frequencies.len(), kept: Vec::new(), idf: Vec::new() };
        for (bucket, &frequency) in self.frequencies.iter().enumerate() {
            if frequency >= self.min_df {
                out.kept.push(narrow::index(bucket));
                out.idf.push(inverse_frequency(self.items, frequency));
            }
        }
        out
    }
}

impl TfIdf {
    /// Counts the tokens of the `known` items; `known` has one entry per item.
    ///
    /// # Panics
    /// When `known` is not as long as the corpus, or the settings fail [`FeatureSettings::check`].
    pub fn fit(corpus: &dyn Corpus, known: &[bool], settings: &FeatureSettings) -> Self {
        let mut counts = TfIdfCounts::new(settings);
        counts.add(corpus, known);
        counts.finish()
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.kept.len()
    }

    /// The hash bucket of each column, ascending.
    pub fn buckets(&self) -> &[u32] {
        &self.kept
    }

    /// Adds the vocabulary to a fingerprint.
    pub(super) fn hash(&self, hash: &mut blake3::Hasher) {
        self.kept.iter().for_each(|bucket| _ = hash.update(&bucket.to_le_bytes()));
        self.idf.iter().for_each(|idf| _ = hash.update(&idf.to_le_bytes()));
    }

    /// TF-IDF rows of all items, `[items x cols]`; a row has length 1, or no entry where no token is in the vocabulary.
    pub fn transform(&self, corpus: &dyn Corpus) -> SparseMatrix {
        let mut out = SparseMatrix::empty(self.cols());
        each_shard(corpus.len(), |items| self.rows(corpus, items), |shard| out.append(&shard));
        out
    }

    fn rows(&self, corpus: &dyn Corpus, items: Range<usize>) -> SparseMatrix {
        let mut out = SparseMatrix::empty(self.cols());
        let mut buckets = Vec::new();
        for item in items {
            sorted_buckets(corpus, item, self.grams, self.buckets - 1, &mut buckets);
            out.push_row(self.row(&buckets));
        }
        out
    }

    /// The entries of one item from its sorted buckets, repeats included.
    fn row(&self, buckets: &[u32]) -> Vec<(u32, f32)> {
        unit_row(buckets.chunk_by(|a, b| a == b).filter_map(|run| {
            let col = self.kept.binary_search(&run[0]).ok()?;
            Some((narrow::index(col), run.len(), self.idf[col]))
        }))
    }
}

/// The hash buckets of an item's tokens, ascending, each once: those that [`TfIdf::buckets`] names the columns of its row by.
pub fn buckets_of(corpus: &dyn Corpus, item: usize, settings: &FeatureSettings) -> Vec<u32> {
    let mut buckets = Vec::new();
    sorted_buckets(corpus, item, settings.grams(), settings.buckets - 1, &mut buckets);
    buckets.dedup();
    buckets
}

fn sorted_buckets(corpus: &dyn Corpus, item: usize, grams: Grams, mask: usize, out: &mut Vec<u32>) {
    out.clear();
    corpus.each_text(item, &mut |text| {
        each_token(text, grams, |hash| out.push((hash & mask as u64) as u32));
    });
    out.sort_unstable();
}

/// Every item's distinct buckets, one after the other.
fn buckets_of_items(
    corpus: &dyn Corpus,
    items: impl Iterator<Item = usize>,
    grams: Grams,
    mask: usize,
) -> Vec<u32> {
    let (mut out, mut buckets) = (Vec::new(), Vec::new());
    for item in items {
        sorted_buckets(corpus, item, grams, mask, &mut buckets);
        buckets.dedup();
        out.extend_from_slice(&buckets);
    }
    out
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
