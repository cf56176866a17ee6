//! The URL-like name of an encoder: `KIND:PATH?key=value&key=value`.
//!
//! ```
//! use semrank_embed::Spec;
//! let mut spec = Spec::parse("bert:models/minilm?precision=int8&max_tokens=64")?;
//! assert_eq!((spec.kind(), spec.path()), ("bert", "models/minilm"));
//! assert_eq!(spec.take("max_tokens", 256usize)?, 64);
//! assert_eq!(spec.choice("precision", &["f32", "int8"])?, "int8");
//! spec.finish(&["max_tokens", "precision"])?;
//! # Ok::<(), semrank_embed::Error>(())
//! ```

use crate::Error;
use std::collections::BTreeMap;
use std::str::FromStr;

/// An option of an encoder, for help and messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderOption {
    /// Stands before the equals sign.
    pub key: &'static str,
    /// Its values.
    pub values: &'static str,
    /// Its effect, and its default in brackets.
    pub what: &'static str,
}

impl EncoderOption {
    /// Key, values and meaning.
    pub(crate) const fn new(key: &'static str, values: &'static str, what: &'static str) -> Self {
        Self { key, values, what }
    }
}

/// A parsed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    given: String,
    kind: String,
    path: String,
    options: BTreeMap<String, String>,
}

impl Spec {
    /// Parses a name. Options follow the last question mark; a URL of `http:` keeps its own.
    ///
    /// # Errors
    /// A name without a colon, or an option without a value.
    pub fn parse(given: &str) -> Result<Spec, Error> {
        let fail = |reason: String| Error::Spec { given: given.to_owned(), reason };
        let (kind, rest) = given
            .split_once(':')
            .ok_or_else(|| fail("an encoder is KIND:PATH, such as hash: or bert:FOLDER".into()))?;
        let (path, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        let mut options = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| fail(format!("option `{pair}` has no value; write {pair}=VALUE")))?;
            options.insert(key.to_owned(), value.to_owned());
        }
        Ok(Spec { given: given.to_owned(), kind: kind.to_owned(), path: path.to_owned(), options })
    }

    /// The part before the colon.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The part between colon and question mark.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Takes a number or a word out of the options.
    ///
    /// # Errors
    /// A value that is not of this type.
    pub fn take<T: FromStr>(&mut self, key: &str, default: T) -> Result<T, Error> {
        match self.options.remove(key) {
            None => Ok(default),
            Some(value) => {
                value.parse().map_err(|_| self.error(format!("{key}={value} is not a valid value")))
            }
        }
    }

    /// Takes one of a few words out of the options; the first is the default.
    ///
    /// # Errors
    /// Another word.
    pub fn choice<'a>(&mut self, key: &str, words: &[&'a str]) -> Result<&'a str, Error> {
        let Some(value) = self.options.remove(key) else { return Ok(words[0]) };
        let found = words.iter().find(|word| **word == value);
        found
            .copied()
            .ok_or_else(|| self.error(format!("{key}={value}: one of {} is needed", words.join(", "))))
    }

    /// Takes a text out of the options; `%26` in it is `&`, and so on.
    ///
    /// # Errors
    /// Escapes that are not UTF-8.
    pub fn take_text(&mut self, key: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.options.remove(key) else { return Ok(None) };
        let text = String::from_utf8(unescaped(value.as_bytes()));
        text.map(Some).map_err(|_| self.error(format!("{key}={value}: its %XX are not UTF-8")))
    }

    /// Returns an error for the first unknown option; `known` names the known ones.
    ///
    /// # Errors
    /// An unknown option.
    pub fn finish_with(self, known: &[EncoderOption]) -> Result<(), Error> {
        self.finish(&known.iter().map(|option| option.key).collect::<Vec<_>>())
    }

    /// Returns an error for the first unknown option; `known` names the known ones.
    ///
    /// # Errors
    /// An unknown option.
    pub fn finish(self, known: &[&str]) -> Result<(), Error> {
        match self.options.keys().next() {
            None => Ok(()),
            Some(key) if known.is_empty() => Err(self.error(format!("`{key}`: this encoder has no options"))),
            Some(key) => Err(self.error(format!("no option `{key}`; known: {}", known.join(", ")))),
        }
    }

    /// An error that names this encoder.
    pub fn error(&self, reason: impl Into<String>) -> Error {
        Error::Spec { given: self.given.clone(), reason: reason.into() }
    }
}

/// `%3F` into `?`, and so on; a percent sign without two hexadecimal digits stays.
fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut out = Vec::with_capacity(text.len());
    while let [first, rest @ ..] = text {
        let escape = match rest {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        let (byte, taken) = escape.map_or((*first, 1), |(high, low)| (high << 4 | low, 3));
        out.push(byte);
        text = &text[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(given: &str, part: &str) {
        let error = Spec::parse(given).and_then(|mut spec| {
            spec.take("max_tokens", 8usize)?;
            spec.choice("pool", &["mean", "last"])?;
            spec.finish(&["max_tokens", "pool"])
        });
        let message = error.expect_err(given).to_string();
        assert!(message.contains(part) && message.contains(given), "{message}");
    }

    #[test]
    fn bad_names_are_refused_with_the_reason() {
        refused("minilm", "KIND:PATH");
        refused("bert:x?pool", "pool=VALUE");
        refused("bert:x?pool=max", "mean, last");
        refused("bert:x?max_tokens=many", "not a valid value");
        refused("bert:x?depth=2", "no option `depth`");
    }

    #[test]
    fn a_text_may_hold_any_character() {
        let text = |given: &str| Spec::parse(given).and_then(|mut spec| spec.take_text("prompt"));
        assert_eq!(text("bert:x?prompt=query: ").expect("a text"), Some("query: ".into()));
        assert_eq!(text("bert:x?prompt=100%25%3f %26 5%").expect("a text"), Some("100%? & 5%".into()));
        assert_eq!(text("bert:x?prompt=").expect("a text"), Some(String::new()));
        assert_eq!(text("bert:x").expect("no text"), None);
        assert!(text("bert:x?prompt=%ff").expect_err("not UTF-8").to_string().contains("not UTF-8"));
    }

    #[test]
    fn a_path_may_hold_colons_and_a_url_its_own_query() {
        let spec = Spec::parse("http://127.0.0.1:80/embed?model=a?timeout=2").expect("a name");
        assert_eq!((spec.kind(), spec.path()), ("http", "//127.0.0.1:80/embed?model=a"));
    }
}
