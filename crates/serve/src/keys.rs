//! API keys: a file of names, scopes and hashes; the keys themselves are nowhere.
//!
//! ```toml
//! [[key]]
//! name = "web"
//! scopes = ["rank"]
//! blake3 = "…"        # of the key; `semrank key web --scope rank` makes both
//! ```

use crate::Problem;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Rankings, candidates, and what is known of users and items.
    Rank,
    /// Events and items.
    Ingest,
    /// Everything, the forgetting of users among it.
    Admin,
}

/// A file of keys that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct KeysError {
    path: PathBuf,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    scopes: Vec<Scope>,
    blake3: String,
}

/// The keys of a server; without a file, everybody may do everything.
#[derive(Debug, Default)]
pub(crate) struct Keys(Option<Vec<(blake3::Hash, Entry)>>);

impl Keys {
    /// Reads a file.
    ///
    /// # Errors
    /// One that cannot be read, has no key, or has a hash that cannot be one.
    pub(crate) fn open(path: &Path) -> Result<Self, KeysError> {
        let wrong = |reason: String| KeysError { path: path.to_owned(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let file: File = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if file.key.is_empty() {
            return Err(wrong("it has no key".into()));
        }
        let hashed = |entry: Entry| match blake3::Hash::from_hex(&entry.blake3) {
            Ok(hash) => Ok((hash, entry)),
            Err(_) => Err(wrong(format!("key `{}`: `blake3` must be 64 hexadecimal digits", entry.name))),
        };
        file.key.into_iter().map(hashed).collect::<Result<_, _>>().map(|keys| Self(Some(keys)))
    }

    /// Checks that the key of a request allows something.
    ///
    /// # Errors
    /// 401 without a known key, 403 for one that does not allow it.
    pub(crate) fn check(&self, headers: &HeaderMap, wanted: Scope) -> Result<(), Problem> {
        let Some(keys) = &self.0 else { return Ok(()) };
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let sent = text(header::AUTHORIZATION.as_str());
        let bearer = sent.and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
        // A browser sends what its user typed as password.
        let basic = || {
            let coded = sent?.strip_prefix("Basic ")?;
            let pair = String::from_utf8(STANDARD.decode(coded.trim()).ok()?).ok()?;
            pair.split_once(':').map(|(_, key)| key.to_owned())
        };
        let key = bearer.or_else(basic).or_else(|| text("x-api-key").map(str::to_owned));
        let unknown = |detail: &str| Problem::new(StatusCode::UNAUTHORIZED, detail);
        let key = key.ok_or_else(|| unknown("a key is missing: send `Authorization: Bearer KEY`"))?;
        let hash = blake3::hash(key.trim().as_bytes());
        // Hashes are compared in constant time, and all of them, so that time tells nothing.
        let found =
            keys.iter().fold(None, |found, (known, entry)| if *known == hash { Some(entry) } else { found });
        let entry = found.ok_or_else(|| unknown("the key is not known"))?;
        if entry.scopes.contains(&wanted) || entry.scopes.contains(&Scope::Admin) {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            format!("the key `{}` does not have the scope that this takes", entry.name),
        ))
    }
}

/// A new key, and its entry in a file of keys.
///
/// # Errors
/// When the system gives no random numbers.
pub fn new_key(name: &str, scopes: &[Scope]) -> Result<(String, String), getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    let key: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = blake3::hash(key.as_bytes()).to_hex();
    let scopes = serde_json::json!(scopes);
    Ok((
        key,
        format!("[[key]]\nname = {}\nscopes = {scopes}\nblake3 = \"{hash}\"\n", serde_json::json!(name)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut out = HeaderMap::new();
        out.insert(name, value.parse().unwrap());
        out
    }

    #[test]
    fn a_key_allows_its_scopes_and_admin_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let ((web, one), (root, two)) =
            (new_key("web", &[Scope::Rank]).unwrap(), new_key("root", &[Scope::Admin]).unwrap());
        std::fs::write(&path, one + &two).unwrap();
        let keys = Keys::open(&path).unwrap();
        let status =
            |headers: &HeaderMap, scope| keys.check(headers, scope).map_err(|problem| problem.status);
        let web = headers("authorization", &format!("Bearer {web}"));
        assert_eq!(status(&web, Scope::Rank), Ok(()));
        assert_eq!(status(&web, Scope::Ingest), Err(403));
        assert_eq!(status(&headers("x-api-key", &root), Scope::Ingest), Ok(()));
        let basic = format!("Basic {}", STANDARD.encode(format!("any:{root}")));
        assert_eq!(status(&headers("authorization", &basic), Scope::Rank), Ok(()));
        assert_eq!(status(&headers("x-api-key", "guess"), Scope::Rank), Err(401));
        assert_eq!(status(&HeaderMap::new(), Scope::Rank), Err(401));
        assert_eq!(Keys::default().check(&HeaderMap::new(), Scope::Admin), Ok(()));
        for bad in [
            "",
            "[[key]]\nname = \"a\"\nscopes = []\nblake3 = \"12\"",
            "[[key]]\nname = \"a\"\nscopes = [\"all\"]\nblake3 = \"\"",
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(Keys::open(&path).unwrap_err().to_string().contains("keys.toml"), "{bad}");
        }
    }
}
