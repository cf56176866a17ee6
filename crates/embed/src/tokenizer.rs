//! A text into token ids, by the `tokenizers` library and the model's own `tokenizer.json`.

use crate::{Error, ModelFolder};
use std::path::PathBuf;

/// A model's tokenizer: special tokens added, cut at a largest length, never padded.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
}

impl Tokenizer {
    /// Reads `tokenizer.json`; texts are cut after `max_tokens`, special tokens included.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn open(folder: &ModelFolder, max_tokens: usize) -> Result<Tokenizer, Error> {
        let path = folder.place("tokenizer.json");
        let inner = tokenizers::Tokenizer::from_bytes(folder.read("tokenizer.json")?);
        let inner = inner.map_err(|error| Error::Damaged {
            path: path.clone(),
            expected: "a tokenizer.json",
            reason: error.to_string(),
        })?;
        Self::new(inner, path, max_tokens)
    }

    /// Wraps a tokenizer made otherwise; `path` is for messages.
    ///
    /// # Errors
    /// A `max_tokens` that leaves no room beside the special tokens.
    pub fn new(
        mut inner: tokenizers::Tokenizer,
        path: PathBuf,
        max_tokens: usize,
    ) -> Result<Tokenizer, Error> {
        use tokenizers::PostProcessor;
        let special = inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let no_room = |path: PathBuf| Error::Mismatch {
            path,
            what: "max_tokens".into(),
            got: max_tokens.to_string(),
            expected: format!("room beside the {special} special tokens"),
        };
        // The library would take a length below the special tokens.
        if max_tokens <= special {
            return Err(no_room(path));
        }
        let cut = tokenizers::TruncationParams { max_length: max_tokens, ..Default::default() };
        inner.with_padding(None);
        inner.with_truncation(Some(cut)).map_err(|_| no_room(path.clone()))?;
        Ok(Tokenizer { inner, path })
    }

    /// One more than the largest id.
    pub fn ids(&self) -> usize {
        let vocabulary = self.inner.get_vocab(true);
        vocabulary.values().max().map_or(0, |&id| id as usize + 1)
    }

    /// The library's tokenizer.
    pub fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }

    /// Refuses a tokenizer with ids beyond a table of `rows`.
    ///
    /// # Errors
    /// Such a tokenizer: it belongs to another model.
    pub fn check_rows(&self, rows: usize) -> Result<(), Error> {
        if self.ids() <= rows {
            return Ok(());
        }
        Err(Error::Mismatch {
            path: self.path.clone(),
            what: "the largest token id".into(),
            got: (self.ids() - 1).to_string(),
            expected: format!(
                "at most {}, the rows of the model's token table: they belong to two models",
                rows - 1
            ),
        })
    }

    /// Token ids of a text.
    ///
    /// # Errors
    /// [`Error::Tokenize`], naming `item`.
    pub fn encode(&self, item: &str, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = self.inner.encode_fast(text, true);
        let encoding =
            encoding.map_err(|error| Error::Tokenize { item: item.to_owned(), reason: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }
}
