//! `SCHEME://USER:PASSWORD@HOST:PORT/DATABASE?table=NAME`: which engine holds the vectors, and where.
//!
//! ```
//! use semrank_retrieve::index::open;
//! use semrank_retrieve::Precision;
//! let index = open("flat://", 2, Precision::F32)?;
//! index.put(7, &[1.0, 2.0], 0.5)?;
//! assert_eq!(index.search(&[1.0, 1.0], 1, None, None)?[0].score, 3.5);
//! # Ok::<(), semrank_retrieve::Error>(())
//! ```

use super::{Flat, Index};
use crate::Error;
use semrank_nn::scan::Precision;
use std::fmt;
use std::str::FromStr;

/// The schemes, each with the feature that it needs.
const SCHEMES: [(&str, Option<&str>); 5] = [
    ("flat", None),
    ("hnsw", Some("hnsw")),
    ("postgres", Some("postgres")),
    ("postgresql", Some("postgres")),
    ("milvus", Some("milvus")),
];
/// Where the address names no table.
const TABLE: &str = "semrank";
/// Letters of a table's name; a source's is appended.
const LONGEST_TABLE: usize = 40;

/// The address of an index. It is shown without user and password. A password may also come from the environment, in PGPASSWORD, or in
/// MILVUS_TOKEN as `USER:PASSWORD`.
///
/// ```
/// use semrank_retrieve::IndexUrl;
/// let url: IndexUrl = "flat://".parse().unwrap();
/// assert_eq!(url, IndexUrl::default());
/// assert!("faiss://".parse::<IndexUrl>().unwrap_err().contains("flat://, hnsw://"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct IndexUrl {
    scheme: &'static str,
    /// Between the scheme and the question mark.
    place: String,
    /// Of the query, without `table`.
    options: Vec<(String, String)>,
    table: String,
}

impl Default for IndexUrl {
    fn default() -> Self {
        Self { scheme: "flat", place: String::new(), options: Vec::new(), table: TABLE.to_owned() }
    }
}

/// Opens the index at an address, with what it holds; see [`IndexUrl::open`].
///
/// # Errors
/// [`Error::Backend`] for an address that cannot be read; those of [`IndexUrl::open`].
pub fn open(url: &str, width: usize, precision: Precision) -> Result<Box<dyn Index>, Error> {
    let parsed = url.parse::<IndexUrl>();
    parsed
        .map_err(|message| Error::Backend { backend: "the index".to_owned(), message })?
        .open(width, precision)
}

impl IndexUrl {
    /// The same place with a table of its own for one source: `semrank` becomes `semrank_content`.
    pub fn of_source(&self, source: &str) -> Self {
        let source = source.replace('-', "_");
        Self { table: format!("{}_{source}", self.table), ..self.clone() }
    }

    /// Opens the index with what it holds: nothing for one in this process. A table that is not there is made. `precision` is that of a
    /// flat scan.
    ///
    /// # Errors
    /// A server that cannot be reached, or refuses; a table of another width.
    ///
    /// # Panics
    /// When the width is 0.
    pub fn open(&self, width: usize, precision: Precision) -> Result<Box<dyn Index>, Error> {
        assert!(width > 0, "vectors have a width");
        match self.scheme {
            #[cfg(feature = "hnsw")]
            "hnsw" => Ok(Box::new(super::Hnsw::new(width, precision, super::HnswSettings::default()))),
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => Ok(Box::new(super::postgres::Postgres::open(self, width)?)),
            #[cfg(feature = "milvus")]
            "milvus" => Ok(Box::new(super::milvus::Milvus::open(self, width)?)),
            _ => Ok(Box::new(Flat::new(width, precision))),
        }
    }

    /// Whether the vectors are in this process.
    pub fn is_local(&self) -> bool {
        ["flat", "hnsw"].contains(&self.scheme)
    }

    /// Whether it holds a password: then it is not to be stored.
    pub fn has_password(&self) -> bool {
        let user = self.place.rsplit_once('@').map_or("", |(user, _)| user);
        user.contains(':') || self.options.iter().any(|(key, _)| key == "password")
    }

    #[cfg(any(feature = "milvus", feature = "postgres"))]
    pub(super) fn table(&self) -> &str {
        &self.table
    }

    /// As it was given, without the table: for a client's own reading.
    #[cfg(feature = "postgres")]
    pub(super) fn without_table(&self) -> String {
        let options: Vec<String> = self.options.iter().map(|(key, value)| format!("{key}={value}")).collect();
        format!("{}://{}?{}", self.scheme, self.place, options.join("&"))
    }

    #[cfg(feature = "milvus")]
    pub(super) fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// User and password with `%` escapes resolved, as `USER:PASSWORD`.
    #[cfg(feature = "milvus")]
    pub(super) fn user(&self) -> Option<String> {
        self.place.rsplit_once('@').map(|(user, _)| unescaped(user))
    }

    /// Host with port, and the path.
    pub(super) fn host(&self) -> (&str, &str) {
        let host = self.place.rsplit_once('@').map_or(self.place.as_str(), |(_, host)| host);
        host.split_once('/').unwrap_or((host, ""))
    }
}

impl fmt::Display for IndexUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.host() {
            (host, "") => write!(out, "{}://{host}", self.scheme),
            (host, path) => write!(out, "{}://{host}/{path}", self.scheme),
        }
    }
}

impl fmt::Debug for IndexUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "{self} (table {})", self.table)
    }
}

/// The error is a sentence that names what is wrong and never shows a password.
impl FromStr for IndexUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || "flat://, hnsw://, postgres://USER:PASSWORD@HOST/DATABASE, milvus://USER:PASSWORD@HOST/DATABASE";
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!("an index is one of {}", known()));
        };
        let Some(&(scheme, feature)) = SCHEMES.iter().find(|(name, _)| *name == scheme) else {
            let nearest = semrank_core::nearest(scheme, SCHEMES.iter().map(|(name, _)| *name));
            let hint = nearest.map_or(String::new(), |name| format!(" (did you mean {name}://?)"));
            return Err(format!("no index of this scheme{hint}; there are {}", known()));
        };
        if let Some(feature) = feature.filter(|feature| !is_built(feature)) {
            return Err(format!(
                "{scheme}:// needs the feature `{feature}`: cargo build --release --features {feature}"
            ));
        }
        if rest.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(format!("{scheme}:// with a blank in it; write it as %20"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let mut options: Vec<(String, String)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(a, b)| (a.into(), b.into()))
            .collect();
        let table = options.iter().position(|(key, _)| key == "table").map(|at| options.remove(at).1);
        let out =
            Self { scheme, place: place.to_owned(), options, table: table.unwrap_or_else(|| TABLE.into()) };
        if out.is_local() && !(rest.is_empty()) {
            return Err(format!("{scheme}:// is in this process: nothing follows it"));
        }
        if !out.is_local() && out.host().0.is_empty() {
            return Err(format!("{scheme}:// without a host; there are {}", known()));
        }
        let is_plain = |at: usize, letter: char| {
            letter.is_ascii_lowercase() || letter == '_' || (at > 0 && letter.is_ascii_digit())
        };
        let letters = out.table.chars().enumerate().all(|(at, letter)| is_plain(at, letter));
        if out.table.is_empty() || out.table.len() > LONGEST_TABLE || !letters {
            return Err(format!("table={}: 1 to {LONGEST_TABLE} of a-z, _ and, not first, 0-9", out.table));
        }
        Ok(out)
    }
}

fn is_built(feature: &str) -> bool {
    match feature {
        "hnsw" => cfg!(feature = "hnsw"),
        "postgres" => cfg!(feature = "postgres"),
        "milvus" => cfg!(feature = "milvus"),
        _ => false,
    }
}

/// `%41` as `A`; what is no escape stays.
#[cfg(feature = "milvus")]
fn unescaped(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match code.filter(|_| bytes[at] == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => (out.push(byte), at += 3).1,
            None => (out.push(bytes[at]), at += 1).1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<IndexUrl>().expect_err(text)
    }

    #[test]
    fn what_cannot_be_an_index_is_said_and_no_password_shown() {
        assert!(refused("postgre://h/d").contains("did you mean postgres://"));
        assert!(refused("/tmp/x").contains("flat://, hnsw://"));
        assert!(refused("flat:///tmp/x").contains("nothing follows"));
        assert!(!refused("redis://me:secret@h").contains("secret"));
        for (scheme, feature) in SCHEMES {
            let Some(feature) = feature.filter(|feature| !is_built(feature)) else { continue };
            assert!(refused(&format!("{scheme}://h/d")).contains(&format!("feature `{feature}`")));
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn an_address_has_a_table_for_each_source() {
        let url: IndexUrl =
            "postgres://me:s%40crt@h:5/d?table=ads&sslmode=disable".parse().expect("an address");
        let of = url.of_source("semantic-id");
        assert_eq!((of.table(), of.to_string().as_str()), ("ads_semantic_id", "postgres://h:5/d"));
        assert_eq!(of.without_table(), "postgres://me:s%40crt@h:5/d?sslmode=disable");
        assert!(!format!("{of:?}").contains("crt"));
        assert!(refused("postgres://h/d?table=a;drop").contains("a-z"));
        assert!(refused("postgres://me:secret@/d").contains("without a host"));
    }

    #[cfg(feature = "milvus")]
    #[test]
    fn escapes_of_a_password_are_resolved() {
        let url: IndexUrl = "milvus://root:a%3Ab%zz@h/d".parse().expect("an address");
        assert_eq!(url.user().as_deref(), Some("root:a:b%zz"));
    }
}
