//! `static:PATH`: a table with one vector per token; a text is the mean of its tokens' vectors. No network is run, so
//! encoding costs little more than tokenizing, and a table distilled from a sentence encoder
//! ([`distill`](crate::distill)) keeps most of its quality (Tulkens & van Dongen 2024, "Model2Vec").
//!
//! A folder as the Python package `model2vec` (0.10) writes it:
//!
//! | file | content |
//! |---|---|
//! | `model.safetensors` | `embeddings` `[rows x width]`; maybe `mapping` `[tokens]`, each token's row, and `weights` `[tokens]` |
//! | `tokenizer.json` | the tokenizer, one id per token of the table |
//! | `config.json` | `normalize`: whether vectors get length 1; `max_length`: the default of `max_tokens` |
//!
//! Special tokens are not added, and the unknown token counts as no token. A text without tokens is the zero vector.
//!
//! ```no_run
//! use semrank_embed::{Document, Field, Spec, static_table};
//! let encoder = static_table::open(Spec::parse("static:models/minilm-static?max_tokens=128")?)?;
//! let fields = [Field { name: "title", text: "red nail polish" }];
//! let mut vector = vec![0.0; encoder.width()];
//! encoder.encode(&[Document { id: "7", fields: &fields }], &mut vector)?;
//! # Ok::<(), semrank_embed::Error>(())
//! ```

mod table;
#[cfg(test)]
mod tests;

use crate::spec::EncoderOption;
use crate::{Document, Error, ModelFolder, Spec, TextEncoder, Tokenizer};
use rayon::prelude::*;
use serde::Deserialize;
use std::path::Path;
use table::Table;

/// Names of the files.
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const CONFIG: &str = "config.json";
/// Tokens of a text that are read where neither option nor configuration say otherwise.
const MAX_TOKENS: usize = 512;
/// Texts a task takes at least: one is done in microseconds.
const TEXTS_PER_TASK: usize = 16;

/// Its options.
pub(crate) const OPTIONS: [EncoderOption; 1] =
    [EncoderOption::new("max_tokens", "N", "tokens of a text that are read [the table's, or 512]")];

/// What `config.json` says about encoding.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    normalize: bool,
    #[serde(default)]
    max_length: Option<usize>,
}

/// The parts of `tokenizer.json` that name the unknown token: a string, or an id in Unigram models.
#[derive(Debug, Deserialize)]
struct TokenizerFile {
    model: UnknownToken,
}

#[derive(Debug, Deserialize)]
struct UnknownToken {
    unk_token: Option<String>,
    unk_id: Option<u32>,
}

/// A loaded table.
struct StaticTable {
    fingerprint: String,
    tokenizer: Tokenizer,
    unknown: Option<u32>,
    /// Characters of a text that are read.
    max_chars: usize,
    table: Table,
    normalize: bool,
}

/// Loads the table that `spec` names; its option is `max_tokens`.
///
/// # Errors
/// A folder without one of the files, tensors of other shapes or types, a tokenizer that belongs to another table, or
/// an unknown option.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let folder = ModelFolder::open(Path::new(spec.path()))?;
    let config: Config = folder.read_json(CONFIG)?;
    let max_tokens = spec.take("max_tokens", config.max_length.unwrap_or(MAX_TOKENS))?;
    if max_tokens == 0 {
        return Err(spec.error("max_tokens=0 reads nothing: at least 1 is needed"));
    }
    spec.finish_with(&OPTIONS)?;
    Ok(Box::new(StaticTable::load(&folder, &config, max_tokens)?))
}

impl StaticTable {
    fn load(folder: &ModelFolder, config: &Config, max_tokens: usize) -> Result<Self, Error> {
        let weights = folder.read(WEIGHTS)?;
        let table = Table::parse(&weights, &folder.place(WEIGHTS))?;
        let tokenizer = without_special_tokens(folder, max_tokens)?;
        check_tokens(&tokenizer, &table, &folder.place(TOKENIZER))?;
        Ok(StaticTable {
            fingerprint: fingerprint(&weights, &folder.read_tokenizer()?, config.normalize, max_tokens),
            unknown: unknown_token(folder, &tokenizer)?,
            max_chars: max_tokens.saturating_mul(median_token_chars(&tokenizer)),
            tokenizer,
            table,
            normalize: config.normalize,
        })
    }

    /// Writes one document's vector into `out`, `[width]`.
    fn encode_one(&self, document: &Document, out: &mut [f32]) -> Result<(), Error> {
        let text = document.text();
        let ids = self.tokenizer.encode(document.id, first_chars(&text, self.max_chars))?;
        self.table.mean(ids.into_iter().filter(|&id| Some(id) != self.unknown), out);
        let length = out.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if !length.is_finite() {
            return Err(Error::NotFinite { encoder: self.fingerprint.clone(), item: document.id.to_owned() });
        }
        if self.normalize && length > 0.0 {
            out.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
        Ok(())
    }
}

impl TextEncoder for StaticTable {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.table.width()
    }

    fn batch(&self) -> usize {
        1024
    }

    fn is_cached(&self) -> bool {
        false // reading a vector back would cost as much
    }

    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        let vectors = out.par_chunks_exact_mut(self.width()).with_min_len(TEXTS_PER_TASK);
        batch.par_iter().zip(vectors).try_for_each(|(document, out)| self.encode_one(document, out))
    }
}

/// The folder's tokenizer without its post-processor: all `max_tokens` are the text's own.
fn without_special_tokens(folder: &ModelFolder, max_tokens: usize) -> Result<Tokenizer, Error> {
    let mut inner = Tokenizer::open(folder, MAX_TOKENS)?.inner().clone();
    inner.with_post_processor(None::<tokenizers::PostProcessorWrapper>);
    Tokenizer::new(inner, folder.place(TOKENIZER), max_tokens)
}

fn check_tokens(tokenizer: &Tokenizer, table: &Table, path: &Path) -> Result<(), Error> {
    if tokenizer.ids() == table.tokens() {
        return Ok(());
    }
    Err(Error::Mismatch {
        path: path.to_owned(),
        what: "the number of token ids".into(),
        got: tokenizer.ids().to_string(),
        expected: format!(
            "{}, the tokens of the table in {WEIGHTS}: they belong to two models",
            table.tokens()
        ),
    })
}

fn unknown_token(folder: &ModelFolder, tokenizer: &Tokenizer) -> Result<Option<u32>, Error> {
    let TokenizerFile { model } = folder.parse_json(TOKENIZER, &folder.read_tokenizer()?)?;
    Ok(model.unk_token.map_or(model.unk_id, |token| tokenizer.inner().token_to_id(&token)))
}

/// The median length of a token, with which `model2vec` turns a limit of tokens into one of characters; it keeps very
/// long texts from being tokenized for nothing.
fn median_token_chars(tokenizer: &Tokenizer) -> usize {
    let vocabulary = tokenizer.inner().get_vocab(true);
    let mut lengths: Vec<usize> = vocabulary.keys().map(|token| token.chars().count()).collect();
    lengths.sort_unstable();
    let (low, high) = (lengths.len().saturating_sub(1) / 2, lengths.len() / 2);
    lengths.get(low).zip(lengths.get(high)).map_or(0, |(low, high)| (low + high) / 2)
}

fn first_chars(text: &str, count: usize) -> &str {
    if text.len() <= count {
        return text;
    }
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}

fn fingerprint(weights: &[u8], tokenizer: &[u8], normalize: bool, max_tokens: usize) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(blake3::hash(weights).as_bytes());
    hash.update(blake3::hash(tokenizer).as_bytes());
    hash.update(format!("{normalize} {max_tokens}").as_bytes());
    format!("static-1:{}", &hash.finalize().to_hex()[..16])
}
