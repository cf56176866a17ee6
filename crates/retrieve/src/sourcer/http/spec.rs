//! `NAME=http://HOST:PORT/PATH`: what a source outside the program is called, and where it answers.

use super::super::NAMES;
use std::fmt;
use std::str::FromStr;

const LONGEST_NAME: usize = 32;

/// A source outside the program.
///
/// ```
/// use semrank_retrieve::sourcer::HttpSpec;
/// let spec: HttpSpec = "graph=http://127.0.0.1:9000/candidates".parse().unwrap();
/// assert_eq!((spec.name(), spec.url()), ("graph", "http://127.0.0.1:9000/candidates"));
/// assert!("popular=http://127.0.0.1/".parse::<HttpSpec>().unwrap_err().contains("has this name"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSpec {
    name: String,
    url: String,
}

impl HttpSpec {
    /// What quotas and answers call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for HttpSpec {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{}={}", self.name, self.url)
    }
}

/// The error is a sentence that names what is wrong and never shows a password.
impl FromStr for HttpSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "NAME=http://HOST/PATH is needed";
        let (name, url) = text.split_once('=').filter(|(name, _)| !name.contains('/')).ok_or(FORM)?;
        let is_plain =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
            return Err(format!("a name has 1 to {LONGEST_NAME} of a-z, 0-9, - and _; {FORM}"));
        }
        if NAMES.contains(&name) {
            return Err(format!("a source of the program has this name already: {name}"));
        }
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).ok_or(FORM)?;
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.contains('@') {
            return Err(format!("{name}: an address with a user name or password would be shown and stored"));
        }
        if host.is_empty() || url.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(format!("{name}: the address has no host, or a blank in it; {FORM}"));
        }
        Ok(Self { name: name.to_owned(), url: url.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_with_whole_addresses_are_taken() {
        let refused = |text: &str| text.parse::<HttpSpec>().expect_err(text);
        for text in [
            "",
            "graph",
            "http://host/?a=b",
            "graph=host/x",
            "graph=ftp://host",
            "Graph=http://h",
            "=http://h",
        ] {
            assert!(refused(text).contains("NAME=http://HOST/PATH"), "{text}");
        }
        for text in ["graph=http://", "graph=http:///x", "graph=http://ho st/x", "graph=http://host/x\n"] {
            assert!(refused(text).contains("no host"), "{text}");
        }
        let message = refused("graph=https://me:secret@host/x");
        assert!(message.contains("password") && !message.contains("secret"), "{message}");
        assert!(refused("text=http://host/x").contains("already"));
        let spec: HttpSpec = "a-1=https://host/x?k=v=w".parse().expect("a source");
        assert_eq!(
            (spec.to_string().as_str(), spec.url()),
            ("a-1=https://host/x?k=v=w", "https://host/x?k=v=w")
        );
    }
}
