//! One POST with time-outs, a bound on the answer's length, and further attempts after failures that may pass.
//!
//! Attempt `n` waits `backoff · 2^n` times a factor in `[0.5, 1)`, at most a minute, and at least what `Retry-After`
//! says, if that is within the minute. The factor spreads the clients of one endpoint; it is a function of body and
//! attempt, so that a run can be repeated.

use crate::{Error, Spec};
use semrank_core::Rng;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use ureq::http::{HeaderValue, Response, StatusCode, Uri};

const LONGEST_WAIT: Duration = Duration::from_secs(60);
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// Bytes of an error page that are read, and characters that are shown.
const ERROR_PAGE_BYTES: u64 = 1 << 16;
const ERROR_PAGE_SHOWN: usize = 300;

/// How to talk to an endpoint.
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) retries: usize,
    pub(super) backoff: Duration,
    pub(super) connections: usize,
    pub(super) token: Option<String>,
}

/// An endpoint.
pub(super) struct Client {
    agent: ureq::Agent,
    url: String,
    authorization: Option<HeaderValue>,
    settings: Settings,
}

/// The answer and the number of attempts.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    pub(super) attempts: usize,
}

/// An attempt that failed.
struct Failure {
    reason: String,
    /// Whether another attempt may succeed.
    passing: bool,
    /// The wait that the endpoint asked for.
    after: Option<Duration>,
}

/// The endpoint's address, which must hold no user name or password.
pub(super) fn address(spec: &Spec) -> Result<String, Error> {
    let url = format!("{}:{}", spec.kind(), spec.path());
    let authority = spec.path().trim_start_matches('/').split('/').next().unwrap_or("");
    if let Some((_, host)) = authority.rsplit_once('@') {
        return Err(Error::Spec {
            given: format!("{}://…@{host}/…", spec.kind()),
            reason:
                "a user name or password in the address would be shown and stored; put a bearer token into \
                     an environment variable and name it with key_env"
                    .into(),
        });
    }
    let uri: Uri = url.parse().map_err(|error| spec.error(format!("no address: {error}")))?;
    if uri.host().is_none_or(str::is_empty) || uri.scheme().is_none() {
        return Err(spec.error("an address such as http://127.0.0.1:8080/embed is needed"));
    }
    Ok(url)
}

/// The bearer token in the variable that `key_env` names.
pub(super) fn token(spec: &mut Spec) -> Result<Option<String>, Error> {
    let name = spec.take("key_env", String::new())?;
    if name.is_empty() {
        return Ok(None);
    }
    match std::env::var(&name) {
        Ok(token) if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
        _ => Err(spec.error(format!("the environment variable {name} of key_env is not set"))),
    }
}

impl Client {
    pub(super) fn new(spec: &Spec, url: String, settings: Settings) -> Result<Client, Error> {
        let header = settings.token.as_ref().map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
        let authorization = header.transpose();
        let authorization =
            authorization.map_err(|_| spec.error("the token in key_env has an invalid character"))?;
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .timeout_connect(Some(settings.timeout.min(LONGEST_CONNECT)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(settings.connections)
            .max_idle_connections_per_host(settings.connections);
        // A proxy of the environment does not reach this machine's own endpoints.
        let config = if is_local(&url) { config.proxy(None) } else { config };
        Ok(Client { agent: config.build().into(), url, authorization, settings })
    }

    /// The address, for messages.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn error(&self, reason: String, attempts: usize) -> Error {
        Error::Endpoint { url: self.url.clone(), reason, attempts }
    }

    /// Sends a body of JSON until an answer comes, the attempts are used up, or `stop` says so between two.
    pub(super) fn post(&self, body: &[u8], limit: u64, stop: &dyn Fn() -> bool) -> Result<Answer, Error> {
        let mut attempts = 0;
        loop {
            let failure = match self.attempt(body, limit) {
                Ok(answer) => return Ok(Answer { body: answer, attempts: attempts + 1 }),
                Err(failure) => failure,
            };
            attempts += 1;
            if !failure.passing || attempts > self.settings.retries {
                return Err(self.error(failure.reason, attempts));
            }
            let until = Instant::now() + self.wait(body, attempts - 1, failure.after);
            while let Some(rest) = until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
            {
                if stop() {
                    return Err(self.error(failure.reason, attempts));
                }
                std::thread::sleep(rest.min(Duration::from_millis(50)));
            }
        }
    }

    /// The pause after failed attempt number `attempt`, from 0.
    fn wait(&self, body: &[u8], attempt: usize, after: Option<Duration>) -> Duration {
        let factor = 1u32.checked_shl(attempt as u32).unwrap_or(u32::MAX);
        let backoff = self.settings.backoff.saturating_mul(factor).min(LONGEST_WAIT);
        let hash = blake3::hash(body);
        let seed = hash.as_bytes().iter().fold(0u64, |seed, &byte| seed.rotate_left(8) ^ u64::from(byte));
        let jitter = 0.5 + 0.5 * Rng::new(seed, "backoff").fork(attempt as u64).unit();
        backoff.mul_f64(jitter).max(after.unwrap_or_default().min(LONGEST_WAIT))
    }

    fn attempt(&self, body: &[u8], limit: u64) -> Result<Vec<u8>, Failure> {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let mut response = request.send(body).map_err(|error| self.failure(error))?;
        if !response.status().is_success() {
            return Err(self.refusal(response));
        }
        response.body_mut().with_config().limit(limit).read_to_vec().map_err(|error| self.failure(error))
    }

    /// No whole answer.
    fn failure(&self, error: ureq::Error) -> Failure {
        use ureq::Error::{BodyExceedsLimit, ConnectionFailed, HostNotFound, Io, Protocol, Timeout};
        let passing = matches!(error, Timeout(_) | Io(_) | ConnectionFailed | HostNotFound | Protocol(_));
        let reason = match error {
            Timeout(phase) => {
                format!(
                    "no answer within {} s ({phase}); timeout_s allows more",
                    self.settings.timeout.as_secs()
                )
            }
            BodyExceedsLimit(limit) => {
                format!("the answer is longer than {limit} bytes, so it does not hold vectors")
            }
            Io(error) => format!("no connection or a broken one: {error}"),
            other => other.to_string(),
        };
        Failure { reason, passing, after: None }
    }

    /// An answer that says no.
    fn refusal(&self, mut response: Response<ureq::Body>) -> Failure {
        let status = response.status();
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let after =
            header("retry-after").and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let moved = header("location").map(|place| format!(" to {place}")).unwrap_or_default();
        let page =
            response.body_mut().with_config().limit(ERROR_PAGE_BYTES).lossy_utf8(true).read_to_string();
        let page = self.without_token(page.unwrap_or_default().trim());
        let shown: String = page.chars().take(ERROR_PAGE_SHOWN).collect();
        let reason = format!("status {status}{}: {shown}", advice(status, &moved));
        let passing = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        Failure { reason, passing, after }
    }

    /// A page that quotes the token must not bring it into a log.
    fn without_token(&self, page: &str) -> String {
        self.settings.token.as_ref().map_or(page.to_owned(), |token| page.replace(token.as_str(), "…"))
    }
}

fn advice(status: StatusCode, moved: &str) -> String {
    match status.as_u16() {
        300..=399 => format!(" (moved{moved}; give that address)"),
        401 | 403 => " (key_env names the variable with the token)".into(),
        404 | 405 => " (is the path right?)".into(),
        413 => " (a smaller batch may help)".into(),
        _ => String::new(),
    }
}

fn is_local(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or("").trim_matches(['[', ']']);
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute_and_are_the_same_in_every_run() {
        let spec = Spec::parse("http://127.0.0.1:9/embed").expect("a name");
        let (timeout, backoff) = (Duration::from_secs(1), Duration::from_millis(100));
        let settings = Settings { timeout, retries: 0, backoff, connections: 1, token: None };
        let url = address(&spec).expect("an address");
        let client = Client::new(&spec, url, settings).expect("a client");
        for attempt in 0..40 {
            let most = backoff.mul_f64(2f64.powi(attempt)).min(LONGEST_WAIT);
            let wait = client.wait(b"body", attempt as usize, None);
            assert!(wait >= most / 2 && wait < most, "{wait:?} of {most:?}");
            assert_eq!(wait, client.wait(b"body", attempt as usize, None));
        }
        let asked = |seconds| client.wait(b"body", 0, Some(Duration::from_secs(seconds)));
        assert_eq!((asked(7), asked(1 << 40)), (Duration::from_secs(7), LONGEST_WAIT));
    }
}
