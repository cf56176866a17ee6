//! Hashed features as an encoder: fitted on a corpus in two passes, then a pure function of an item's texts.

use super::{FeatureSettings, TfIdf, TfIdfCounts, unit_length};
use crate::{Document, Error, Source, TextEncoder};
use rayon::prelude::*;
use semrank_nn::linalg::{SparseMatrix, Svd, SvdOptions};

/// Items that the SVD is fitted on at most; beyond that, every n-th. Its directions settle long before (the SVD of
/// 500,000 items of 20 tokens takes about a minute and 1 GB).
const SVD_ITEMS: usize = 500_000;

/// TF-IDF of hashed tokens, projected to a dense vector of length 1.
#[derive(Debug, Clone)]
pub struct HashEncoder {
    tfidf: TfIdf,
    svd: Svd,
    dim: usize,
    singular_power: f32,
    fingerprint: String,
}

impl HashEncoder {
    /// Fits vocabulary, idf and SVD on the known items of `source` (`known` has one entry per item; `None` = all).
    ///
    /// The same source, settings and seed give the same bytes on any number of threads.
    ///
    /// # Errors
    /// Invalid settings, and a source that cannot be read.
    pub fn fit(
        source: &dyn Source,
        known: Option<&[bool]>,
        settings: &FeatureSettings,
        seed: u64,
    ) -> Result<Self, Error> {
        settings.check()?;
        let tfidf = fit_tfidf(source, known, settings)?;
        let stride = known_items(source, known)?.div_ceil(SVD_ITEMS).max(1);
        let mut sample = SparseMatrix::empty(tfidf.cols());
        let mut number = 0usize;
        each_part(source, known, &mut |part, known| {
            let mut keep = known.to_vec();
            for keep in keep.iter_mut().filter(|keep| **keep) {
                *keep = number.is_multiple_of(stride);
                number += 1;
            }
            sample.append(&tfidf.transform(&part).select(&keep));
        })?;
        let options = SvdOptions {
            dim: settings.dim,
            oversample: settings.oversample,
            iterations: settings.iterations,
            seed,
        };
        let svd = Svd::fit(&sample, options);
        let fingerprint = fingerprint(&tfidf, &svd, settings, seed);
        Ok(Self { tfidf, svd, dim: settings.dim, singular_power: settings.singular_power, fingerprint })
    }
}

/// Fits the vocabulary alone, for sparse output.
///
/// # Errors
/// As [`HashEncoder::fit`].
pub fn fit_tfidf(
    source: &dyn Source,
    known: Option<&[bool]>,
    settings: &FeatureSettings,
) -> Result<TfIdf, Error> {
    settings.check()?;
    let mut counts = TfIdfCounts::new(settings);
    each_part(source, known, &mut |part, known| counts.add(&part, known))?;
    Ok(counts.finish())
}

/// Calls `visit` with every chunk and which of its items are known.
fn each_part(
    source: &dyn Source,
    known: Option<&[bool]>,
    visit: &mut dyn FnMut(&[Document], &[bool]),
) -> Result<(), Error> {
    let mut start = 0;
    source.each_chunk(&mut |documents| {
        let end = start + documents.len();
        match known {
            Some(known) => visit(documents, &known[start..end]),
            None => visit(documents, &vec![true; documents.len()]),
        }
        start = end;
        Ok(())
    })
}

fn known_items(source: &dyn Source, known: Option<&[bool]>) -> Result<usize, Error> {
    if let Some(known) = known {
        return Ok(known.iter().filter(|&&known| known).count());
    }
    let mut items = 0;
    source.each_chunk(&mut |documents| {
        items += documents.len();
        Ok(())
    })?;
    Ok(items)
}

impl TextEncoder for HashEncoder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.dim
    }

    fn batch(&self) -> usize {
        crate::source::CHUNK
    }

    fn is_cached(&self) -> bool {
        false
    }

    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        let rows = self.tfidf.transform(&batch);
        out.copy_from_slice(&self.svd.project(&rows, self.singular_power));
        out.par_chunks_mut(self.dim).for_each(unit_length);
        Ok(())
    }
}

fn fingerprint(tfidf: &TfIdf, svd: &Svd, settings: &FeatureSettings, seed: u64) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(format!("{settings:?} {seed}").as_bytes());
    tfidf.hash(&mut hash);
    for block in svd.vectors().chunks(1 << 14) {
        let bytes: Vec<u8> = block.iter().flat_map(|value| value.to_le_bytes()).collect();
        hash.update(&bytes);
    }
    format!("tfidf-svd-2:{}", &hash.finalize().to_hex()[..16])
}
