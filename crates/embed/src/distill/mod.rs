//! A sentence encoder in, a static table out: each token's vector is what the encoder says about that token alone, its
//! dimensions reduced and frequent tokens made short (Tulkens & van Dongen 2024, "Model2Vec").
//!
//! 1. one pass over the vocabulary, each token between the special tokens; special and `[unused…]` tokens are left out;
//! 2. the vectors, centred, on their principal axes, the first `dim` of them;
//! 3. row `r` times `a / (a + p(r))`, the weight of smooth inverse frequency (Arora et al. 2017, equation 3), with Zipf's
//!    law for the probability of the token of rank `r`: vocabularies are sorted by frequency, so ranks follow ids.
//!
//! The folder is one that [`static_table`](crate::static_table) reads, and the Python package `model2vec` too. The same
//! encoder gives the same bytes on any number of threads.
//!
//! ```no_run
//! use semrank_embed::distill::{DistillOptions, distill_ids};
//! use semrank_embed::{Error, ModelFolder};
//! # fn pooled(ids: &[Vec<u32>]) -> Result<Vec<f32>, Error> { Ok(vec![0.0; ids.len() * 384]) }
//! let source = ModelFolder::open("models/minilm".as_ref())?;
//! let table = "models/minilm-static".as_ref();
//! let done = distill_ids(&source, pooled, table, DistillOptions::default())?;
//! println!("{} tokens, {:.0} % of the variance", done.tokens, done.variance * 100.0);
//! # Ok::<(), semrank_embed::Error>(())
//! ```

#[cfg(test)]
mod tests;
mod vocabulary;

use crate::static_table::{CONFIG, TOKENIZER, WEIGHTS};
use crate::{Document, Error, Field, ModelFolder, TextEncoder};
use safetensors::tensor::{Dtype, TensorView};
use semrank_nn::linalg::principal_components;
use semrank_store::StagedDir;
use serde_json::json;
use std::path::Path;
use vocabulary::Vocabulary;

/// Tokens of a batch of [`distill_ids`].
const BATCH: usize = 1024;

/// How to distill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DistillOptions {
    /// Width of the table; at most that of the encoder, which is then kept.
    pub dim: usize,
    /// `a` of the weights: the probability at which a token's vector is halved.
    pub sif: f64,
}

impl Default for DistillOptions {
    fn default() -> Self {
        DistillOptions { dim: 256, sif: 1e-4 }
    }
}

/// Result of a distillation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distilled {
    /// Tokens with a vector.
    pub tokens: usize,
    /// Values of a vector.
    pub dim: usize,
    /// Share of the variance of the encoder's vectors that is kept.
    pub variance: f64,
}

/// Distills any encoder by handing it each token's text, such as `ing` for `##ing`; `source` is the folder whose
/// tokenizer the table gets. Where the encoder can take token ids, [`distill_ids`] is exact.
///
/// # Errors
/// Those of the encoder and of [`distill_ids`].
pub fn distill(
    encoder: &dyn TextEncoder,
    source: &ModelFolder,
    folder: &Path,
    options: DistillOptions,
) -> Result<Distilled, Error> {
    check(folder, options)?;
    let vocabulary = Vocabulary::read(source)?;
    let texts = vocabulary.texts()?;
    let mut vectors = vec![0.0; texts.len() * encoder.width()];
    let batch = encoder.batch().max(1);
    for (texts, out) in texts.chunks(batch).zip(vectors.chunks_mut(batch * encoder.width())) {
        let fields: Vec<[Field; 1]> = texts.iter().map(|text| [Field { name: "token", text }]).collect();
        let named = texts.iter().zip(&fields);
        let documents: Vec<Document> = named.map(|(id, fields)| Document { id, fields }).collect();
        encoder.encode(&documents, out)?;
    }
    write(vectors, &vocabulary, source, folder, options)
}

/// Distills what `encode` says about single tokens: it gets token ids, special tokens included, and returns a vector
/// for each, `[batch x width]`. `source` is the folder whose tokenizer the table gets; `folder` is made, whole or not
/// at all.
///
/// # Errors
/// What `encode` refuses; a folder that is not empty; a vocabulary without ordinary tokens; a vector that is not finite;
/// `dim` or `sif` out of range.
///
/// # Panics
/// When `encode` returns vectors of different widths.
pub fn distill_ids(
    source: &ModelFolder,
    mut encode: impl FnMut(&[Vec<u32>]) -> Result<Vec<f32>, Error>,
    folder: &Path,
    options: DistillOptions,
) -> Result<Distilled, Error> {
    check(folder, options)?;
    let vocabulary = Vocabulary::read(source)?;
    let sequences = vocabulary.sequences()?;
    let mut vectors = Vec::new();
    for batch in sequences.chunks(BATCH) {
        vectors.extend(encode(batch)?);
    }
    write(vectors, &vocabulary, source, folder, options)
}

/// The weight of each rank: `a / (a + p)`, `p` by Zipf's law; the first rank counts as 2, as in `model2vec`.
fn zipf_weights(ranks: usize, a: f64) -> Vec<f64> {
    let inverse = |rank: usize| 1.0 / (rank + 2) as f64;
    let sum: f64 = (0..ranks).map(inverse).sum();
    (0..ranks).map(|rank| a / (a + inverse(rank) / sum)).collect()
}

/// Turns the kept tokens' vectors into the table and writes it.
fn write(
    vectors: Vec<f32>,
    vocabulary: &Vocabulary,
    source: &ModelFolder,
    folder: &Path,
    options: DistillOptions,
) -> Result<Distilled, Error> {
    let kept = vocabulary.kept();
    let width = vectors.len() / kept.len();
    assert!(
        width > 0 && vectors.len() == kept.len() * width,
        "vectors of one width for {} tokens",
        kept.len()
    );
    check_finite(&vectors, width, vocabulary)?;
    let dim = options.dim.min(width);
    let (mut scores, variance) = principal_components(vectors, width, dim);
    for (row, weight) in scores.chunks_mut(dim).zip(zipf_weights(kept.len(), options.sif)) {
        row.iter_mut().for_each(|value| *value = (f64::from(*value) * weight) as f32);
    }
    // Tokens that are left out are rows of zeros, so that ids stay what they are.
    let mut table = vec![0.0; vocabulary.ids() * dim];
    for (&id, row) in kept.iter().zip(scores.chunks(dim)) {
        table[id as usize * dim..][..dim].copy_from_slice(row);
    }
    write_folder(&table, dim, source, folder, options)?;
    Ok(Distilled { tokens: kept.len(), dim, variance })
}

fn write_folder(
    table: &[f32],
    dim: usize,
    source: &ModelFolder,
    folder: &Path,
    options: DistillOptions,
) -> Result<(), Error> {
    let stage = StagedDir::new(folder)?;
    let save = |name: &str, content: &[u8]| {
        let path = stage.path().join(name);
        std::fs::write(&path, content).map_err(Error::io("write", path))
    };
    let config = json!({
        "model_type": "model2vec",
        "architectures": ["StaticModel"],
        "apply_pca": dim,
        "sif_coefficient": options.sif,
        "hidden_dim": dim,
        "seq_length": 1_000_000, // as model2vec writes it: no limit
        "normalize": true,
        "embedding_dtype": "float32",
    });
    save(CONFIG, format!("{config:#}\n").as_bytes())?;
    save(TOKENIZER, &source.read_tokenizer()?)?;
    save(WEIGHTS, &tensor_file(table, dim, folder)?)?;
    Ok(stage.commit()?)
}

fn tensor_file(table: &[f32], dim: usize, folder: &Path) -> Result<Vec<u8>, Error> {
    let bytes: Vec<u8> = table.iter().flat_map(|value| value.to_le_bytes()).collect();
    let file = TensorView::new(Dtype::F32, vec![table.len() / dim, dim], &bytes)
        .and_then(|tensor| safetensors::serialize([("embeddings", tensor)], None));
    file.map_err(|error| Error::io("write", folder.join(WEIGHTS))(std::io::Error::other(error)))
}

fn check(folder: &Path, options: DistillOptions) -> Result<(), Error> {
    let refuse = |what: &str, got: String, expected: &str| {
        let (what, expected) = (what.to_owned(), expected.to_owned());
        Err(Error::Mismatch { path: folder.to_owned(), what, got, expected })
    };
    if options.dim == 0 {
        return refuse("dim", options.dim.to_string(), "at least 1");
    }
    if !(options.sif > 0.0 && options.sif < 1.0) {
        return refuse("sif", options.sif.to_string(), "between 0 and 1, such as 1e-4");
    }
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied || folder.is_file() {
        return Err(semrank_data::Error::Exists { path: folder.to_owned(), replaceable: false }.into());
    }
    Ok(())
}

fn check_finite(vectors: &[f32], width: usize, vocabulary: &Vocabulary) -> Result<(), Error> {
    match vectors.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            encoder: "the encoder to distill".into(),
            item: vocabulary.token(vocabulary.kept()[at / width]),
        }),
    }
}
