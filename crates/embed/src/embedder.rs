//! Encoder and cache together: items in, vectors out, each distinct text encoded once.
//!
//! A chunk of items is looked up in the cache; what is missing is encoded in batches, and every batch is in the cache
//! before the next begins. So a run that is killed, or whose endpoint goes down, continues where it stopped.

use crate::cache::CacheKey;
use crate::document::check_finite;
use crate::{Cache, Document, Error, Source, TextEncoder};
use std::collections::HashMap;
use std::path::Path;

/// Counts so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmbedStats {
    /// Items that got a vector.
    pub items: usize,
    /// Texts that the encoder saw.
    pub encoded: usize,
    /// Items whose vector came from the cache or from an earlier item with the same texts.
    pub cached: usize,
}

/// An encoder with an optional cache.
pub struct Embedder {
    encoder: Box<dyn TextEncoder>,
    cache: Option<Cache>,
    stats: EmbedStats,
}

/// Gets a chunk of documents with their vectors, `[documents x width]`.
pub type VisitVectors<'a> = &'a mut dyn FnMut(&[Document], &[f32]) -> Result<(), Error>;

/// Vectors of one chunk that have to be made: where they go, and from which document.
struct Missing {
    key: CacheKey,
    /// Rows of the chunk with these texts; the first is encoded.
    rows: Vec<usize>,
}

impl Embedder {
    /// Without a cache.
    pub fn new(encoder: Box<dyn TextEncoder>) -> Self {
        Self { encoder, cache: None, stats: EmbedStats::default() }
    }

    /// With the cache below `root`, if this encoder's vectors are worth caching.
    ///
    /// # Errors
    /// A cache that cannot be opened.
    pub fn cached(encoder: Box<dyn TextEncoder>, root: &Path) -> Result<Self, Error> {
        let cache = match encoder.is_cached() {
            true => Some(Cache::open(root, encoder.fingerprint(), encoder.width())?),
            false => None,
        };
        Ok(Self { cache, ..Self::new(encoder) })
    }

    /// The encoder.
    pub fn encoder(&self) -> &dyn TextEncoder {
        self.encoder.as_ref()
    }

    /// Counts so far.
    pub fn stats(&self) -> EmbedStats {
        self.stats
    }

    /// Calls `visit` with every chunk of `source` and its vectors, `[chunk x width]`.
    ///
    /// # Errors
    /// Of source, encoder, cache and `visit`.
    pub fn each_chunk(&mut self, source: &dyn Source, visit: VisitVectors) -> Result<(), Error> {
        let mut vectors = Vec::new();
        source.each_chunk(&mut |documents| {
            vectors.clear();
            vectors.resize(documents.len() * self.encoder.width(), 0.0);
            self.encode(documents, &mut vectors)?;
            visit(documents, &vectors)
        })
    }

    /// Writes the vectors of `documents`, `[documents x width]`.
    ///
    /// # Errors
    /// Of encoder and cache; and a vector that is not finite.
    pub fn encode(&mut self, documents: &[Document], out: &mut [f32]) -> Result<(), Error> {
        self.stats.items += documents.len();
        if !self.encoder.is_cached() {
            self.stats.encoded += documents.len();
            for (documents, out) in documents
                .chunks(self.encoder.batch().max(1))
                .zip(out.chunks_mut(self.encoder.batch().max(1) * self.encoder.width()))
            {
                out.fill(0.0);
                self.encode_batch(documents, out)?;
            }
            return Ok(());
        }
        let missing = self.look_up(documents, out)?;
        self.stats.encoded += missing.len();
        self.stats.cached += documents.len() - missing.len();
        self.make(documents, missing, out)
    }

    fn look_up(&self, documents: &[Document], out: &mut [f32]) -> Result<Vec<Missing>, Error> {
        let mut missing: Vec<Missing> = Vec::new();
        let mut at: HashMap<CacheKey, usize> = HashMap::new();
        for (row, (document, out)) in
            documents.iter().zip(out.chunks_exact_mut(self.encoder.width())).enumerate()
        {
            let key = Cache::key(document);
            if let Some(&earlier) = at.get(&key) {
                missing[earlier].rows.push(row);
                continue;
            }
            let found = match &self.cache {
                Some(cache) => cache.get(key, out)?,
                None => false,
            };
            if !found {
                at.insert(key, missing.len());
                missing.push(Missing { key, rows: vec![row] });
            }
        }
        Ok(missing)
    }

    fn make(
        &mut self,
        documents: &[Document],
        mut missing: Vec<Missing>,
        out: &mut [f32],
    ) -> Result<(), Error> {
        let width = self.encoder.width();
        // Texts of about the same length make even batches.
        let length = |row: usize| documents[row].fields.iter().map(|field| field.text.len()).sum::<usize>();
        missing.sort_by_cached_key(|missing| length(missing.rows[0]));
        for batch in missing.chunks(self.encoder.batch().max(1)) {
            let texts: Vec<Document> = batch.iter().map(|missing| documents[missing.rows[0]]).collect();
            let mut vectors = vec![0.0; batch.len() * width];
            self.encode_batch(&texts, &mut vectors)?;
            if let Some(cache) = &mut self.cache {
                let keys: Vec<CacheKey> = batch.iter().map(|missing| missing.key).collect();
                cache.put(&keys, &vectors)?;
            }
            for (missing, vector) in batch.iter().zip(vectors.chunks_exact(width)) {
                for &row in &missing.rows {
                    out[row * width..][..width].copy_from_slice(vector);
                }
            }
        }
        Ok(())
    }

    fn encode_batch(&self, documents: &[Document], out: &mut [f32]) -> Result<(), Error> {
        self.encoder.encode(documents, out)?;
        check_finite(&*self.encoder, documents, out)
    }
}

/// Joins the rows of matrices `[rows x width]`, one width per matrix.
///
/// # Panics
/// When a matrix has fewer rows than the first.
pub fn side_by_side(parts: &[&[f32]], widths: &[usize]) -> Vec<f32> {
    let rows = parts.first().map_or(0, |part| part.len() / widths[0].max(1));
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    for row in 0..rows {
        for (part, width) in parts.iter().zip(widths) {
            out.extend_from_slice(&part[row * width..(row + 1) * width]);
        }
    }
    out
}

/// One vector per item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemFeatures {
    /// Width of a vector.
    pub dim: usize,
    /// `[items x dim]`.
    pub values: Vec<f32>,
    /// What made the vectors; equal fingerprints mean equal vectors of equal texts.
    pub fingerprint: String,
}

impl ItemFeatures {
    /// Vectors of a whole source, in memory.
    ///
    /// # Errors
    /// As [`Embedder::each_chunk`].
    pub fn encode(source: &dyn Source, embedder: &mut Embedder) -> Result<Self, Error> {
        let mut values = Vec::new();
        embedder.each_chunk(source, &mut |_, vectors| {
            values.extend_from_slice(vectors);
            Ok(())
        })?;
        let encoder = embedder.encoder();
        Ok(Self { dim: encoder.width(), values, fingerprint: encoder.fingerprint().to_owned() })
    }

    /// An item's vector.
    pub fn of(&self, item: usize) -> &[f32] {
        &self.values[item * self.dim..][..self.dim]
    }

    /// Puts others beside these, `[items x (dim + other.dim)]`, without a second copy of them.
    ///
    /// # Panics
    /// When they are of fewer items.
    pub fn append(&mut self, other: &ItemFeatures) {
        let (dim, width) = (self.dim, self.dim + other.dim);
        let items = self.values.len() / dim.max(1);
        self.values.reserve_exact(items * other.dim);
        self.values.resize(items * width, 0.0);
        // From the last item on, so that none is overwritten before it has moved.
        for item in (0..items).rev() {
            self.values.copy_within(item * dim..(item + 1) * dim, item * width);
            self.values[item * width + dim..][..other.dim].copy_from_slice(other.of(item));
        }
        self.dim = width;
        self.fingerprint = format!("{} + {}", self.fingerprint, other.fingerprint);
    }

    /// Features side by side, `[items x sum of dims]`.
    ///
    /// # Panics
    /// When they are of different numbers of items.
    pub fn concatenate(parts: &[ItemFeatures]) -> ItemFeatures {
        let widths: Vec<usize> = parts.iter().map(|part| part.dim).collect();
        let values: Vec<&[f32]> = parts.iter().map(|part| part.values.as_slice()).collect();
        let (dim, values) = (widths.iter().sum(), side_by_side(&values, &widths));
        let names: Vec<&str> = parts.iter().map(|part| part.fingerprint.as_str()).collect();
        ItemFeatures { dim, values, fingerprint: names.join(" + ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::as_documents;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The length of the text; counts what it is given and fails at one text.
    struct Lengths {
        calls: Arc<AtomicUsize>,
        fails_at: &'static str,
    }

    impl TextEncoder for Lengths {
        fn fingerprint(&self) -> &str {
            "lengths"
        }

        fn width(&self) -> usize {
            1
        }

        fn batch(&self) -> usize {
            2
        }

        fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
            for (document, out) in batch.iter().zip(out) {
                self.calls.fetch_add(1, Ordering::Relaxed);
                *out = if document.text() == self.fails_at { f32::NAN } else { document.text().len() as f32 };
            }
            Ok(())
        }
    }

    #[test]
    fn features_put_beside_others_are_those_side_by_side() {
        let of = |dim: usize, values: &[f32], name: &str| ItemFeatures {
            dim,
            values: values.to_vec(),
            fingerprint: name.into(),
        };
        let (text, aligned) = (of(2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "a"), of(1, &[7.0, 8.0, 9.0], "b"));
        let mut both = text.clone();
        both.append(&aligned);
        assert_eq!(both, ItemFeatures::concatenate(&[text, aligned]));
        assert_eq!(both, of(3, &[1.0, 2.0, 7.0, 3.0, 4.0, 8.0, 5.0, 6.0, 9.0], "a + b"));
    }

    fn embedder(root: &Path, fails_at: &'static str) -> (Embedder, Arc<AtomicUsize>) {
        let calls = Arc::new(AtomicUsize::new(0));
        let encoder = Box::new(Lengths { calls: calls.clone(), fails_at });
        (Embedder::cached(encoder, root).expect("a cache"), calls)
    }

    fn encode(embedder: &mut Embedder, texts: &[&str]) -> Result<Vec<f32>, Error> {
        let mut out = vec![0.0; texts.len()];
        as_documents(texts, |documents| embedder.encode(documents, &mut out)).map(|()| out)
    }

    #[test]
    fn a_second_run_encodes_only_what_is_new() {
        let root = tempfile::tempdir().expect("a folder");
        let (mut first, calls) = embedder(root.path(), "none");
        assert_eq!(encode(&mut first, &["ccc", "a", "bb", "a"]).expect("vectors"), [3.0, 1.0, 2.0, 1.0]);
        assert_eq!(calls.load(Ordering::Relaxed), 3);
        let (mut second, calls) = embedder(root.path(), "none");
        assert_eq!(encode(&mut second, &["bb", "dddd", "ccc"]).expect("vectors"), [2.0, 4.0, 3.0]);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(second.stats(), EmbedStats { items: 3, encoded: 1, cached: 2 });
    }

    #[test]
    fn batches_before_a_failure_are_kept_and_bad_vectors_are_not() {
        let root = tempfile::tempdir().expect("a folder");
        let (mut first, _) = embedder(root.path(), "dddd");
        let error = encode(&mut first, &["a", "bb", "ccc", "dddd"]).expect_err("refused");
        assert!(error.to_string().contains("not finite") && error.to_string().contains("`3`"), "{error}");
        let (mut second, calls) = embedder(root.path(), "none");
        encode(&mut second, &["a", "bb", "ccc", "dddd"]).expect("vectors");
        assert_eq!(calls.load(Ordering::Relaxed), 2, "the first batch was kept");
    }
}
