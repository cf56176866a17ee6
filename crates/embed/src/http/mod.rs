//! A content model behind an endpoint: `http://HOST:PORT/embed` or `https://HOST/v1/embeddings`.
//!
//! In: texts, sent in batches over a few connections. Out: the endpoint's vectors in the order of the documents. It
//! lets a model run wherever it runs best (a GPU machine, a vendor) while ranking stays on this one. Two protocols:
//! that of text-embeddings-inference (`POST {"inputs": [..], "truncate": true}` gives `[[..], ..]`) and that of OpenAI
//! (`POST {"model": .., "input": [..]}` gives `{"data": [{"index": 0, "embedding": [..]}, ..]}`).
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `api` | `tei` or `openai` | by the end of the path: `/embed` or `/embeddings` |
//! | `model` | the model's name, a part of the fingerprint: change it when the endpoint changes its model | none |
//! | `key_env` | the environment variable that holds the bearer token | no token |
//! | `width` | values of a vector | learned by one request |
//! | `batch` | texts of a request | 32 |
//! | `concurrency` | requests at a time | 4 |
//! | `timeout_s` | longest time of an attempt; a connection gets at most 10 s of it | 30 |
//! | `retries` | attempts after the first, on 429, 5xx, connection errors and time-outs | 5 |
//! | `backoff_ms` | wait before the second attempt; it doubles with each, up to a minute | 500 |
//!
//! The address, with its own query, is shown in messages and in the fingerprint; a secret belongs into `key_env`.
//! A document without text gets a zero vector and is not sent, because endpoints refuse empty texts.
//!
//! ```no_run
//! use semrank_embed::{Spec, http};
//! let encoder = http::open(Spec::parse("http://127.0.0.1:8080/embed?batch=64&concurrency=2")?)?;
//! println!("{} values per vector", encoder.width());
//! # Ok::<(), semrank_embed::Error>(())
//! ```

mod client;
mod protocol;
#[cfg(test)]
mod tests;

use crate::spec::EncoderOption;
use crate::{Document, Error, Spec, TextEncoder};
use client::Client;
use protocol::Api;
use semrank_core::counted;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Its options.
pub(crate) const OPTIONS: [EncoderOption; 9] = [
    EncoderOption::new("api", "tei, openai", "the protocol [by the end of the path: /embed or /embeddings]"),
    EncoderOption::new("model", "NAME", "the model's name, sent with every request [none]"),
    EncoderOption::new("key_env", "NAME", "environment variable with the bearer token [no token]"),
    EncoderOption::new("width", "N", "values of a vector [learned by one request]"),
    EncoderOption::new("batch", "N", "texts of a request [32]"),
    EncoderOption::new("concurrency", "N", "requests at a time [4]"),
    EncoderOption::new("timeout_s", "N", "longest time of an attempt [30]"),
    EncoderOption::new("retries", "N", "attempts after the first [5]"),
    EncoderOption::new("backoff_ms", "N", "wait before the second attempt; it doubles with each [500]"),
];

/// Requests that a call of `encode` gets for each connection, so that they end at about the same time.
const REQUESTS_PER_CONNECTION: usize = 4;

/// A wider vector is not expected of any model; this bounds the answer to the first request.
const LARGEST_WIDTH: usize = 1 << 16;

struct Remote {
    client: Client,
    api: Api,
    model: Option<String>,
    fingerprint: String,
    width: usize,
    batch: usize,
    concurrency: usize,
    empty: AtomicUsize,
    /// Held while encoding: calls from several threads share the connections one after the other.
    turn: Mutex<()>,
}

/// One text to send, and where its vector goes.
struct Job<'a> {
    id: &'a str,
    text: String,
    out: &'a mut [f32],
}

/// Reads the options and, unless `width` is given, asks the endpoint for one vector.
///
/// # Errors
/// An address that is none or holds a password, an unknown option, an unset `key_env`, or an endpoint that does not
/// answer with a vector.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let url = client::address(&spec)?;
    let api = api(&mut spec, &url)?;
    let model = Some(spec.take("model", String::new())?).filter(|name| !name.is_empty());
    let settings = client::Settings {
        timeout: Duration::from_secs(between(&mut spec, "timeout_s", 30, 1, 86_400)?),
        retries: between(&mut spec, "retries", 5, 0, 100)? as usize,
        backoff: Duration::from_millis(between(&mut spec, "backoff_ms", 500, 0, 60_000)?),
        connections: between(&mut spec, "concurrency", 4, 1, 256)? as usize,
        token: client::token(&mut spec)?,
    };
    let width = between(&mut spec, "width", 0, 0, LARGEST_WIDTH as u64)? as usize;
    let batch = between(&mut spec, "batch", 32, 1, 4096)? as usize;
    let concurrency = settings.connections;
    let client = Client::new(&spec, url, settings)?;
    spec.finish_with(&OPTIONS)?;
    let width = if width > 0 { width } else { probe(&client, api, model.as_deref())? };
    let name = model.as_deref().unwrap_or("");
    let fingerprint = format!("http url={} api={} model={name} width={width}", client.url(), api.name());
    let (empty, turn) = (AtomicUsize::new(0), Mutex::new(()));
    Ok(Box::new(Remote { client, api, model, fingerprint, width, batch, concurrency, empty, turn }))
}

/// A whole number within bounds.
fn between(spec: &mut Spec, key: &str, default: u64, least: u64, most: u64) -> Result<u64, Error> {
    let value = spec.take(key, default)?;
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(spec.error(format!("{key}={value}: a number from {least} to {most} is needed")))
}

fn api(spec: &mut Spec, url: &str) -> Result<Api, Error> {
    let path = url.split('?').next().unwrap_or(url).trim_end_matches('/');
    match spec.choice("api", &["", "tei", "openai"])? {
        "tei" => Ok(Api::Tei),
        "openai" => Ok(Api::OpenAi),
        _ if path.ends_with("/embed") => Ok(Api::Tei),
        _ if path.ends_with("/embeddings") => Ok(Api::OpenAi),
        _ => Err(spec.error(
            "the path ends neither in /embed nor in /embeddings; complete it, or say api=tei or api=openai",
        )),
    }
}

/// The width of the vector of one text.
fn probe(client: &Client, api: Api, model: Option<&str>) -> Result<usize, Error> {
    let answer = client.post(&api.request(model, &["width"]), limit_bytes(1, LARGEST_WIDTH), &|| false)?;
    let vectors = api.vectors(&answer.body, 1).map_err(|reason| client.error(reason, answer.attempts))?;
    match vectors[0].len() {
        0 => Err(client.error("the vector has no values".into(), answer.attempts)),
        width => Ok(width),
    }
}

/// An answer is not longer: a number takes 25 characters, indented 50.
fn limit_bytes(texts: usize, width: usize) -> u64 {
    (texts * width * 64 + (1 << 20)) as u64
}

impl Remote {
    /// Sends one request and writes its vectors.
    fn embed(&self, jobs: &mut [Job], stop: &(dyn Fn() -> bool + Sync)) -> Result<(), Error> {
        let texts: Vec<&str> = jobs.iter().map(|job| job.text.as_str()).collect();
        let body = self.api.request(self.model.as_deref(), &texts);
        let answer = self.client.post(&body, limit_bytes(jobs.len(), self.width), stop);
        let answer = answer.map_err(|error| about(error, jobs))?;
        let fail = |reason| self.client.error(reason, answer.attempts);
        let vectors = self.api.vectors(&answer.body, jobs.len());
        let vectors = vectors.map_err(|reason| about(fail(reason), jobs))?;
        for (job, vector) in jobs.iter_mut().zip(vectors) {
            if vector.len() != self.width {
                let (got, width) = (vector.len(), self.width);
                return Err(fail(format!("item `{}` got a vector of width {got}, expected {width}", job.id)));
            }
            for (out, value) in job.out.iter_mut().zip(vector) {
                *out = value.filter(|value| value.is_finite()).ok_or_else(|| Error::NotFinite {
                    encoder: self.client.url().to_owned(),
                    item: job.id.to_owned(),
                })?;
            }
        }
        Ok(())
    }
}

/// Adds the items of the request to an error about it.
fn about(error: Error, jobs: &[Job]) -> Error {
    match (error, jobs) {
        (Error::Endpoint { url, reason, attempts }, [first, .., last]) => {
            let reason = format!("items `{}` to `{}`: {reason}", first.id, last.id);
            Error::Endpoint { url, reason, attempts }
        }
        (Error::Endpoint { url, reason, attempts }, [only]) => {
            Error::Endpoint { url, reason: format!("item `{}`: {reason}", only.id), attempts }
        }
        (other, _) => other,
    }
}

impl TextEncoder for Remote {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.width
    }

    fn batch(&self) -> usize {
        self.batch * self.concurrency * REQUESTS_PER_CONNECTION
    }

    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        assert_eq!(out.len(), batch.len() * self.width, "out is [batch x width]");
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = batch.iter().zip(out.chunks_exact_mut(self.width));
        let jobs = jobs.map(|(document, out)| Job { id: document.id, text: document.text(), out });
        let mut jobs: Vec<Job> = jobs.filter(|job| !job.text.trim().is_empty()).collect();
        self.empty.fetch_add(batch.len() - jobs.len(), Ordering::Relaxed);
        let connections = self.concurrency.min(jobs.len().div_ceil(self.batch));
        let requests = Mutex::new(jobs.chunks_mut(self.batch));
        let failed: OnceLock<Error> = OnceLock::new();
        let work = || {
            while failed.get().is_none() {
                let request = requests.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(jobs) = request else { return };
                if let Err(error) = self.embed(jobs, &|| failed.get().is_some()) {
                    // Only the first failure counts: the others may be about being stopped.
                    let _ = failed.set(error);
                }
            }
        };
        std::thread::scope(|scope| (0..connections).for_each(|_| drop(scope.spawn(work))));
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn notes(&self) -> Vec<String> {
        match self.empty.load(Ordering::Relaxed) {
            0 => Vec::new(),
            count => {
                let documents = counted(count, "document", "documents");
                vec![format!("{}: {documents} without text got a zero vector", self.client.url())]
            }
        }
    }
}
