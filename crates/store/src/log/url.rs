//! `SCHEME://USER:PASSWORD@HOST:PORT/…?key=NAME`: what keeps a log, and where.
//!
//! ```
//! use semrank_store::log::LogUrl;
//! let url: LogUrl = "file:///var/lib/semrank/log".parse().unwrap();
//! assert_eq!(url, LogUrl::from(std::path::PathBuf::from("/var/lib/semrank/log")));
//! assert!("kafka://host".parse::<LogUrl>().unwrap_err().to_string().contains("redis://"));
//! ```

use super::DurableLog;
use crate::Error;
use crate::journal::{Journal, Options};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// The schemes of servers: the feature of each has the same name. With the option that names a log, and others that it has.
const SERVERS: [(&str, &str, &[&str]); 2] =
    [("redis", "key", &["timeout_ms", "lease_ms"]), ("nats", "stream", &["timeout_ms", "monitor"])];
const KNOWN: &str = "a folder, file://FOLDER, redis://HOST:PORT/DB?key=NAME or nats://HOST:PORT?stream=NAME";
const WAIT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(10);
/// Milliseconds that an option may say.
const MOST_MS: u64 = 600_000;
/// Letters of a name.
const LONGEST_NAME: usize = 100;

/// The address of a log. It is shown without user and password.
#[derive(Clone, PartialEq, Eq)]
pub enum LogUrl {
    /// A [journal](crate::journal) in a folder.
    Folder(PathBuf),
    /// A log on a server.
    Server(ServerUrl),
}

/// The address of a log on a server.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "nats", feature = "redis")), allow(dead_code, reason = "no client reads it"))]
pub struct ServerUrl {
    scheme: &'static str,
    /// Between the scheme and the question mark.
    place: String,
    /// Of the log on its server.
    pub(super) name: String,
    /// How long the server may take.
    pub(super) wait: Duration,
    /// How long a writer that is silent is still the writer.
    pub(super) lease: Duration,
    /// Host and port at which the server tells its settings over HTTP.
    pub(super) monitor: Option<String>,
}

impl LogUrl {
    /// Opens the log for writing, or begins it; `options` are those of a folder.
    ///
    /// # Errors
    /// One that another program writes, that is damaged or not durable; a server that cannot be reached.
    pub fn open(&self, options: Options) -> Result<Arc<dyn DurableLog>, Error> {
        match self {
            LogUrl::Folder(folder) => Ok(Arc::new(Journal::open(folder, options)?)),
            LogUrl::Server(server) => server.open(),
        }
    }

    /// Opens the log for reading; none where it is not there. A log on a server may have a writer meanwhile, one in a folder not.
    ///
    /// # Errors
    /// As [`LogUrl::open`].
    pub fn open_to_read(&self, options: Options) -> Result<Option<Arc<dyn DurableLog>>, Error> {
        match self {
            LogUrl::Folder(folder) if !folder.is_dir() => Ok(None),
            LogUrl::Folder(_) => self.open(options).map(Some),
            LogUrl::Server(server) => server.open_to_read(),
        }
    }
}

impl ServerUrl {
    fn open(&self) -> Result<Arc<dyn DurableLog>, Error> {
        match self.scheme {
            #[cfg(feature = "redis")]
            "redis" => super::redis::open(self),
            #[cfg(feature = "nats")]
            "nats" => super::nats::open(self),
            _ => Err(self.not_built()),
        }
    }

    fn open_to_read(&self) -> Result<Option<Arc<dyn DurableLog>>, Error> {
        match self.scheme {
            #[cfg(feature = "redis")]
            "redis" => super::redis::open_to_read(self),
            #[cfg(feature = "nats")]
            "nats" => super::nats::open_to_read(self),
            _ => Err(self.not_built()),
        }
    }

    fn not_built(&self) -> Error {
        let scheme = self.scheme;
        Error::LogUrl {
            url: self.to_string(),
            reason: format!(
                "{scheme}:// needs the feature `{scheme}`: cargo build --release --features {scheme}"
            ),
        }
    }

    /// For a client's own reading, with user and password.
    #[cfg(any(feature = "nats", feature = "redis"))]
    pub(super) fn without_options(&self) -> String {
        format!("{}://{}", self.scheme, self.place)
    }
}

impl From<PathBuf> for LogUrl {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl From<&Path> for LogUrl {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

impl fmt::Display for LogUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            LogUrl::Folder(folder) => folder.display().fmt(out),
            LogUrl::Server(server) => server.fmt(out),
        }
    }
}

impl fmt::Debug for LogUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "LogUrl({self})")
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let host = self.place.rsplit_once('@').map_or(self.place.as_str(), |(_, host)| host);
        let option =
            SERVERS.iter().find(|(scheme, ..)| *scheme == self.scheme).map_or("", |(_, option, _)| option);
        write!(out, "{}://{host}?{option}={}", self.scheme, self.name)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        write!(out, "ServerUrl({self})")
    }
}

/// The error never shows a password.
impl FromStr for LogUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = text.split_once("://") else { return Ok(Self::Folder(text.into())) };
        if scheme == "file" {
            return Ok(Self::Folder(rest.into()));
        }
        let wrong = |reason: String| Error::LogUrl { url: format!("{scheme}://…"), reason };
        let Some(&(scheme, names, options)) = SERVERS.iter().find(|(name, ..)| *name == scheme) else {
            return Err(wrong(format!("no log has this scheme; it is {KNOWN}")));
        };
        let (place, query) = rest.rsplit_once('?').unwrap_or((rest, ""));
        if place.rsplit('@').next().is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(wrong(format!("it names no host; a log is {KNOWN}")));
        }
        let (mut name, mut wait, mut lease, mut monitor) = (String::new(), WAIT, LEASE, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let ms = || {
                let number = value.parse().ok().filter(|ms| (1..=MOST_MS).contains(ms));
                number
                    .map(Duration::from_millis)
                    .ok_or_else(|| wrong(format!("{key}={value}: 1 to {MOST_MS}")))
            };
            match key {
                _ if key == names => name = value.to_owned(),
                _ if !options.contains(&key) => {
                    return Err(wrong(format!("its options are {names}, {}", options.join(", "))));
                }
                "timeout_ms" => wait = ms()?,
                "lease_ms" => lease = ms()?,
                _ => monitor = Some(value.to_owned()),
            }
        }
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(is_plain) {
            return Err(wrong(format!(
                "?{names}=NAME says which log it is: 1 to {LONGEST_NAME} of A-Z, a-z, 0-9, _ and -"
            )));
        }
        let place = place.to_owned();
        Ok(Self::Server(ServerUrl { scheme, place, name, wait, lease, monitor }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        text.parse::<LogUrl>().expect_err(text).to_string()
    }

    #[test]
    fn urls_say_what_they_are_without_a_password() {
        for (text, shown) in [
            ("some/folder", "some/folder"),
            ("file:///a/b", "/a/b"),
            ("redis://u:secret@h:1/2?key=a", "redis://h:1/2?key=a"),
            ("nats://u:secret@h?timeout_ms=7&stream=S-1", "nats://h?stream=S-1"),
        ] {
            let url: LogUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("secret"));
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_a_password() {
        for (text, part) in [
            ("kafka://u:secret@h", "redis://"),
            ("redis://u:secret@h", "?key=NAME"),
            ("redis://u:secret@?key=a", "no host"),
            ("redis:///0?key=a", "no host"),
            ("redis://u:secret@h?key=a&stream=b", "its options are key"),
            ("nats://u:secret@h?stream=a.b", "?stream=NAME"),
            ("nats://u:secret@h?stream=a&lease_ms=9", "its options are stream"),
            ("redis://u:sec?ret@h/0?key=a&secret=1", "its options are key"),
            ("nats://u:secret@h?stream=a&timeout_ms=0", "timeout_ms=0"),
        ] {
            let error = refused(text);
            assert!(error.contains(part) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_server_whose_client_is_not_built_names_its_feature() {
        for (scheme, names, _) in SERVERS {
            let built = [("redis", cfg!(feature = "redis")), ("nats", cfg!(feature = "nats"))];
            if built.contains(&(scheme, false)) {
                let url: LogUrl = format!("{scheme}://h?{names}=a").parse().expect(scheme);
                let error = url.open(Options::default()).err().expect(scheme).to_string();
                assert!(error.contains(&format!("--features {scheme}")), "{error}");
            }
        }
    }
}
