//! The tokens of a model that get a vector: as id sequences between special tokens, or as texts.

use crate::static_table::TOKENIZER;
use crate::tokenizer::guarded;
use crate::{Error, ModelFolder, Tokenizer};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Room for the special tokens around one token.
const MAX_TOKENS: usize = 64;

/// Ids without a token that a vocabulary may have, beside one for each token.
const SPARE_IDS: usize = 1024;

/// The vocabulary of a tokenizer.
pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    /// Ordinary tokens by rising id; neither special nor unused.
    kept: Vec<u32>,
    /// Prefix of a piece inside a word, `##` in WordPiece.
    prefix: String,
}

/// The part of `tokenizer.json` that names the prefix.
#[derive(Deserialize)]
struct TokenizerFile {
    model: Pieces,
}

#[derive(Deserialize)]
struct Pieces {
    continuing_subword_prefix: Option<String>,
}

impl Vocabulary {
    /// Reads the folder's `tokenizer.json`.
    ///
    /// # Errors
    /// A missing or damaged file, or one without ordinary tokens.
    pub(super) fn read(source: &ModelFolder) -> Result<Self, Error> {
        let tokenizer = Tokenizer::open(source, MAX_TOKENS)?;
        let TokenizerFile { model } = source.parse_json(TOKENIZER, &source.read_tokenizer()?)?;
        let added = tokenizer.inner().get_added_tokens_decoder();
        let ids: BTreeMap<u32, String> =
            tokenizer.inner().get_vocab(true).into_iter().map(|(token, id)| (id, token)).collect();
        let is_kept =
            |id: &u32, token: &str| !is_unused(token) && added.get(id).is_none_or(|token| !token.special);
        // The table has a row for each id up to the largest, whether or not there is a token.
        let (rows, most) = (tokenizer.ids(), 2 * ids.len() + SPARE_IDS);
        if rows > most {
            return Err(Error::Mismatch {
                path: source.place(TOKENIZER),
                what: "the largest token id".into(),
                got: (rows - 1).to_string(),
                expected: format!("below {most} for {} tokens", ids.len()),
            });
        }
        let kept: Vec<u32> =
            ids.into_iter().filter(|(id, token)| is_kept(id, token)).map(|(id, _)| id).collect();
        if kept.is_empty() {
            return Err(Error::Mismatch {
                path: source.place(TOKENIZER),
                what: "the number of ordinary tokens".into(),
                got: "0".into(),
                expected: "at least 1".into(),
            });
        }
        Ok(Self { tokenizer, kept, prefix: model.continuing_subword_prefix.unwrap_or_default() })
    }

    /// One more than the largest id.
    pub(super) fn ids(&self) -> usize {
        self.tokenizer.ids()
    }

    /// Ids of the tokens that get a vector, rising.
    pub(super) fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// A token as the vocabulary spells it.
    pub(super) fn token(&self, id: u32) -> String {
        self.tokenizer.inner().id_to_token(id).unwrap_or_default()
    }

    /// Every kept token between the model's special tokens.
    pub(super) fn sequences(&self) -> Result<Vec<Vec<u32>>, Error> {
        self.kept.iter().map(|&id| self.sequence(id)).collect()
    }

    fn sequence(&self, id: u32) -> Result<Vec<u32>, Error> {
        let token = tokenizers::Token::new(id, self.token(id), (0, 0));
        let alone = tokenizers::Encoding::from_tokens(vec![token], 0);
        let between = guarded(|| self.tokenizer.inner().post_process(alone, None, true));
        let between = between.map_err(|reason| self.refused(id, reason))?;
        self.tokenizer.checked(&self.token(id), between.get_ids())
    }

    /// Every kept token as a text.
    pub(super) fn texts(&self) -> Result<Vec<String>, Error> {
        self.kept.iter().map(|&id| self.text(id)).collect()
    }

    fn text(&self, id: u32) -> Result<String, Error> {
        let text = guarded(|| self.tokenizer.inner().decode(&[id], false));
        let text = text.map_err(|reason| self.refused(id, reason))?;
        // The sign itself, such as the token `##`, stays.
        let inner = text.strip_prefix(&self.prefix).filter(|rest| !rest.is_empty());
        Ok(inner.map_or_else(|| text.trim().to_owned(), str::to_owned))
    }

    fn refused(&self, id: u32, reason: String) -> Error {
        Error::Tokenize { item: self.token(id), reason }
    }
}

/// Whether this is one of BERT's spare tokens, `[unused7]`: never trained, never in a text.
fn is_unused(token: &str) -> bool {
    let number = token.strip_prefix("[unused").and_then(|rest| rest.strip_suffix(']'));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
