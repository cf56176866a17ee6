//! Tokenizes a text with the `tokenizers` library and the model's own `tokenizer.json`.

use crate::{Error, ModelFolder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use tokenizers::PostProcessor;

/// A model's tokenizer: special tokens added, cut at a largest length, never padded.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    /// One more than the largest id of the vocabulary.
    ids: usize,
}

impl Tokenizer {
    /// Reads `tokenizer.json`; texts are cut after `max_tokens`, special tokens included.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn open(folder: &ModelFolder, max_tokens: usize) -> Result<Tokenizer, Error> {
        let path = folder.place("tokenizer.json");
        let bytes = folder.read_tokenizer()?;
        let inner = guarded(|| tokenizers::Tokenizer::from_bytes(bytes))
            .map_err(|reason| Error::Damaged { path: path.clone(), expected: "a tokenizer.json", reason })?;
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
        let special = inner.get_post_processor().map_or(0, |post| post.added_tokens(false));
        let too_few = |expected: String| Error::Mismatch {
            path: path.clone(),
            what: "max_tokens".into(),
            got: max_tokens.to_string(),
            expected,
        };
        if max_tokens <= special {
            return Err(too_few(format!("more than the {special} special tokens of every text")));
        }
        let cut = tokenizers::TruncationParams { max_length: max_tokens, ..Default::default() };
        inner.with_padding(None);
        inner.with_truncation(Some(cut)).map_err(|error| too_few(error.to_string()))?;
        let ids = inner.get_vocab(true).values().max().map_or(0, |&id| id as usize + 1);
        Ok(Tokenizer { inner, path, ids })
    }

    /// One more than the largest id.
    pub fn ids(&self) -> usize {
        self.ids
    }

    /// The library's tokenizer.
    pub fn inner(&self) -> &tokenizers::Tokenizer {
        &self.inner
    }

    /// Returns an error for a tokenizer with ids beyond a table of `rows`.
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
        let encoding = guarded(|| self.inner.encode_fast(text, true));
        let encoding = encoding.map_err(|reason| Error::Tokenize { item: item.to_owned(), reason })?;
        self.checked(item, encoding.get_ids())
    }

    /// Refuses ids that no token has: those of special tokens are in `tokenizer.json` once more, where a text is put
    /// between them.
    pub(crate) fn checked(&self, item: &str, ids: &[u32]) -> Result<Vec<u32>, Error> {
        match ids.iter().find(|&&id| id as usize >= self.ids) {
            None => Ok(ids.to_vec()),
            Some(id) => {
                let reason =
                    format!("{} gives the id {id}, its tokens end at {}", self.path.display(), self.ids);
                Err(Error::Tokenize { item: item.to_owned(), reason })
            }
        }
    }
}

/// The result of a call of the library, which panics at some tokenizers, such as a BPE model whose merged tokens are
/// shorter than the prefix that it cuts off.
pub(crate) fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    // A half-made value is dropped with the panic.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizer library panicked".into()),
    }
}
