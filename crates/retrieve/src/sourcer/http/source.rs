//! One question and one answer.

use super::HttpSpec;
use crate::Error;
use crate::client::Client;
use crate::sourcer::{Request, Scored, Sourcer, keep_best};
use semrank_core::{Dictionary, ItemId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of an answer for each candidate asked for: an id, a score and what else a service may say.
const ITEM_BYTES: u64 = 1 << 10;
const ANSWER_BYTES: u64 = 64 << 10;

/// An address as a source.
pub struct Http {
    name: &'static str,
    client: Client,
}

#[derive(Serialize)]
struct Question<'a> {
    user: Option<&'a str>,
    history: Vec<&'a str>,
    n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    items: Vec<Answered>,
}

#[derive(Deserialize)]
struct Answered {
    item: String,
    /// `null` is how some languages write NaN.
    score: Option<f64>,
}

impl Http {
    /// A source that answers within `deadline`. Its name stays in memory as long as the program runs: some bytes for each that is opened.
    ///
    /// # Errors
    /// [`Error::Backend`] for an address that cannot be one.
    pub fn open(spec: &HttpSpec, deadline: Duration) -> Result<Self, Error> {
        let client = Client::new(spec.url(), deadline)?;
        Ok(Self { name: String::leak(spec.name().to_owned()), client })
    }

    /// The best answered items, and the number of those that were left out.
    fn keep(&self, request: &Request, names: &Dictionary, answer: Answer) -> (Vec<Scored>, usize) {
        let (mut best, given): (BTreeMap<u32, f32>, usize) = (BTreeMap::new(), answer.items.len());
        let mut kept = 0;
        for Answered { item, score } in answer.items {
            let item = names.get(&item).filter(|item| request.eligible.contains(*item));
            let score = score.map(|score| score as f32).filter(|score| score.is_finite());
            if let (Some(item), Some(score)) = (item, score) {
                kept += 1;
                best.entry(item).and_modify(|best| *best = best.max(score)).or_insert(score);
            }
        }
        (best.into_iter().map(|(item, score)| Scored { item, score }).collect(), given - kept)
    }
}

impl Sourcer for Http {
    fn name(&self) -> &'static str {
        self.name
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        self.ask(request, n, out).map(|_| ())
    }

    fn ask(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<usize, Error> {
        let Some(names) = request.names else {
            return Err(self
                .client
                .error("the request has no ids of items, which this source is asked with"));
        };
        if n == 0 {
            return Ok(0);
        }
        let known = |item: &&ItemId| item.index() < names.len();
        let history = request.user.recent().items.iter().filter(known).map(|item| names.name(item.0));
        let question = Question {
            user: request.user_id,
            history: history.collect(),
            n,
            filter: request.filter.map(ToString::to_string),
            search: request.search,
        };
        let body = serde_json::to_vec(&question).map_err(|error| self.client.error(error))?;
        let limit = ANSWER_BYTES.saturating_add(ITEM_BYTES.saturating_mul(n as u64));
        let bytes = self.client.post("", &body, limit)?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|error| {
            self.client.error(format!(
                "the answer is not {{\"items\": [{{\"item\": …, \"score\": …}}, …]}}: {error}"
            ))
        })?;
        let (found, left_out) = self.keep(request, names, answer);
        *out = found;
        keep_best(n, out);
        Ok(left_out)
    }
}
