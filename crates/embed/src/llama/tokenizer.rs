//! The tokenizer that a GGUF file's metadata describes: byte-level BPE (Radford et al. 2019, section 2.2).
//!
//! Tokens and merges are given there; how text is cut before the merges has only a name, whose meaning is a table in
//! llama.cpp (`llama-vocab.cpp`). Tokens of the kinds "control" and "user defined" are found in raw text as a whole.

use super::gguf::{EXPECTED, Gguf, KINDS, MERGES, TOKENS, Value};
use crate::tokenizer::guarded;
use crate::{Error, Tokenizer};
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior};

const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// Builds the tokenizer; texts are cut after `max_tokens`.
pub(super) fn of_gguf(gguf: &Gguf, max_tokens: usize) -> Result<Tokenizer, Error> {
    let key = "tokenizer.ggml.model";
    match gguf.text(key)?.ok_or_else(|| gguf.missing(key))? {
        "gpt2" => {}
        other => {
            let supported =
                "gpt2 (byte-level BPE); for others give the folder with tokenizer.json and safetensors";
            return Err(unsupported(gguf, "the tokenizer", other, supported));
        }
    }
    let tokens = texts(gguf, TOKENS)?;
    let fail = |error: tokenizers::Error| damaged(gguf, error.to_string());
    let mut inner = tokenizers::Tokenizer::new(bpe(gguf, tokens)?);
    inner.with_pre_tokenizer(Some(pre_tokenizer(gguf)?));
    inner.with_decoder(Some(ByteLevel::default()));
    inner.add_special_tokens(special_tokens(gguf, tokens)?).map_err(fail)?;
    if let Some(template) = template(gguf, tokens)? {
        inner.with_post_processor(Some(template));
    }
    Tokenizer::new(inner, gguf.path(), max_tokens)
}

fn texts<'a>(gguf: &'a Gguf, key: &str) -> Result<&'a [String], Error> {
    let list = gguf.texts(key)?;
    if list.is_empty() { Err(gguf.missing(key)) } else { Ok(list) }
}

fn bpe(gguf: &Gguf, tokens: &[String]) -> Result<BPE, Error> {
    let vocabulary: Vocab = tokens.iter().cloned().zip(0..).collect();
    let merge = |text: &str| {
        let (a, b) = text.split_once(' ')?;
        // The library takes for granted that the merged token is no longer than the longest one.
        let known = [a, b, &format!("{a}{b}")].iter().all(|&token| vocabulary.contains_key(token));
        known.then(|| (a.to_owned(), b.to_owned()))
    };
    let merges = texts(gguf, MERGES)?.iter().map(|text| {
        let unfit = || gguf.unfit(MERGES, &Value::Text(text.clone()), "two tokens that make a third one");
        merge(text).ok_or_else(unfit)
    });
    let merges = merges.collect::<Result<Merges, _>>()?;
    let builder = BPE::builder().vocab_and_merges(vocabulary, merges);
    guarded(|| builder.build()).map_err(|reason| damaged(gguf, reason))
}

fn pre_tokenizer(gguf: &Gguf) -> Result<PreTokenizerWrapper, Error> {
    let byte_level = |splits: bool| ByteLevel::new(false, true, splits);
    let parts: Vec<PreTokenizerWrapper> = match gguf.text("tokenizer.ggml.pre")?.unwrap_or("default") {
        // As in SmolLM2's tokenizer.json: every digit alone, then the words of GPT-2.
        "smollm" => vec![Digits::new(true).into(), byte_level(true).into()],
        "gpt-2" | "gpt2" => vec![byte_level(true).into()],
        "default" => {
            let splits = ["[\\p{P}\\$\\+<=>\\^~\\|]+", WORDS, "\\p{N}+", "[0-9][0-9][0-9]"];
            let splits = splits.map(|pattern| {
                let split =
                    Split::new(SplitPattern::Regex(pattern.into()), SplitDelimiterBehavior::Isolated, false);
                split.map(PreTokenizerWrapper::from).map_err(|error| damaged(gguf, error.to_string()))
            });
            let mut parts = splits.into_iter().collect::<Result<Vec<_>, _>>()?;
            parts.push(byte_level(false).into());
            parts
        }
        other => return Err(unsupported(gguf, "the pre-tokenizer", other, "smollm, gpt-2 and default")),
    };
    Ok(Sequence::new(parts).into())
}

/// Words, numbers and punctuation of GPT-2.
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";

fn special_tokens(gguf: &Gguf, tokens: &[String]) -> Result<Vec<AddedToken>, Error> {
    let kinds = gguf.integers(KINDS)?;
    let special = tokens.iter().zip(kinds).filter(|(_, kind)| matches!(**kind, CONTROL | USER_DEFINED));
    Ok(special.map(|(token, _)| AddedToken::from(token.as_str(), true)).collect())
}

/// Begin and end tokens around every text, where the file asks for them.
fn template(gguf: &Gguf, tokens: &[String]) -> Result<Option<TemplateProcessing>, Error> {
    let mut pieces = vec![String::from("$A")];
    let mut special = Vec::new();
    for (name, place) in [("bos", 0), ("eos", 1)] {
        if !gguf.flag(&format!("tokenizer.ggml.add_{name}_token"))? {
            continue;
        }
        let key = format!("tokenizer.ggml.{name}_token_id");
        let id = match gguf.get(&key) {
            Some(&Value::Integer(id)) => u32::try_from(id).unwrap_or(u32::MAX),
            _ => return Err(gguf.missing(&key)),
        };
        if id as usize >= tokens.len() {
            let expected = format!("below the {} tokens", tokens.len());
            return Err(gguf.unfit(&key, &Value::Integer(id.into()), expected));
        }
        pieces.insert(pieces.len() * place, name.to_owned());
        special.push((name.to_owned(), id));
    }
    if special.is_empty() {
        return Ok(None);
    }
    let fail = |reason: String| damaged(gguf, reason);
    let mut builder = TemplateProcessing::builder();
    builder.try_single(pieces).map_err(fail)?.special_tokens(special);
    builder.build().map(Some).map_err(|error| fail(error.to_string()))
}

fn damaged(gguf: &Gguf, reason: String) -> Error {
    Error::Damaged { path: gguf.path(), expected: EXPECTED, reason }
}

fn unsupported(gguf: &Gguf, what: &str, got: &str, supported: &str) -> Error {
    Error::Unsupported { path: gguf.path(), what: what.into(), got: got.into(), supported: supported.into() }
}
