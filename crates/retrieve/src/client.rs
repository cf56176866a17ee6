//! POSTs to one address, each within a time and a size: for sources and indexes over HTTP.

use crate::Error;
use std::net::IpAddr;
use std::time::Duration;
use ureq::http::{HeaderValue, Response, Uri};

/// Connections that stay open between requests.
const CONNECTIONS: usize = 16;
/// Bytes of an error page that are read, and letters that are shown.
const PAGE_BYTES: u64 = 1 << 12;
const PAGE_SHOWN: usize = 200;

/// An address and how long it may take.
pub(crate) struct Client {
    agent: ureq::Agent,
    /// Is shown in errors, so it holds no password.
    url: String,
    authorization: Option<String>,
    deadline: Duration,
}

impl Client {
    pub(crate) fn new(url: &str, deadline: Duration) -> Result<Self, Error> {
        let uri: Result<Uri, _> = url.parse();
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(deadline))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(CONNECTIONS)
            .max_idle_connections_per_host(CONNECTIONS);
        // A proxy of the environment does not reach this machine's own addresses.
        let is_local = uri.as_ref().is_ok_and(is_local);
        let config = if is_local { config.proxy(None) } else { config };
        let out = Self { agent: config.build().into(), url: url.to_owned(), authorization: None, deadline };
        match uri {
            Ok(_) => Ok(out),
            Err(error) => Err(out.error(error)),
        }
    }

    /// About this address.
    pub(crate) fn error(&self, message: impl ToString) -> Error {
        Error::Backend { backend: self.url.clone(), message: message.to_string() }
    }

    /// The same with a token, which is sent and never shown.
    #[cfg(feature = "milvus")]
    pub(crate) fn with_token(self, token: Option<String>) -> Self {
        Self { authorization: token.map(|token| format!("Bearer {token}")), ..self }
    }

    /// The answer to a body of JSON, of at most `limit` bytes; `path` is appended to the address.
    pub(crate) fn post(&self, path: &str, body: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
        let mut request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.send(body).map_err(|error| self.failed(error))?;
        if !response.status().is_success() {
            return Err(self.refused(response));
        }
        response.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ureq::Error) -> Error {
        use ureq::Error::{BodyExceedsLimit, Io, Timeout};
        match error {
            Timeout(_) => self.error(format!("no answer within {} ms", self.deadline.as_millis())),
            BodyExceedsLimit(limit) => self.error(format!("the answer is longer than {limit} bytes")),
            Io(error) => self.error(format!("no connection or a broken one: {error}")),
            other => self.error(other),
        }
    }

    /// An answer that says no, or that sends elsewhere.
    fn refused(&self, mut response: Response<ureq::Body>) -> Error {
        let status = response.status();
        let place = response.headers().get("location").and_then(|value: &HeaderValue| value.to_str().ok());
        let moved =
            place.map(|place| format!(" (to {}; give that address)", shown(place))).unwrap_or_default();
        let page = response.body_mut().with_config().limit(PAGE_BYTES).lossy_utf8(true).read_to_string();
        self.error(format!("status {status}{moved}: {}", shown(page.unwrap_or_default().trim())))
    }
}

/// The beginning of somebody's text, fit for one line of a log.
fn shown(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(PAGE_SHOWN).collect()
}

fn is_local(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}
