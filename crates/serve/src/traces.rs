//! Traces of rankings: how long a request waited, what each source, the ranker and the log took, sent as OTLP over HTTP.
//!
//! Spans carry numbers, the run's name and names of sources; no user, item, filter, context, request id or key is in any. They wait in a
//! bounded queue for one thread, which sends them in batches: a collector that is slow or down loses traces, and delays nobody.
//! Format: OTLP/HTTP with JSON (opentelemetry.io/docs/specs/otlp, version 1), written here since it is one document and the usual crates
//! bring a client, Protocol Buffers and a runtime.

use crate::{OpenError, Ranking};
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Traces that wait to be sent, at most.
const MOST_WAITING: usize = 2_048;
/// Traces of one request to the collector, at most.
const BATCH: usize = 256;
/// A trace is sent within this time.
const WAIT: Duration = Duration::from_millis(500);
/// A collector that takes longer is given up for a batch.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Path of the collector's route.
const PATH: &str = "/v1/traces";

/// Where traces go.
pub(crate) struct Traces {
    queue: Mutex<Option<SyncSender<Vec<Value>>>>,
    of_thread: Arc<OfThread>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread has in common with who offers.
#[derive(Default)]
struct OfThread {
    lost: AtomicU64,
    is_stopping: AtomicBool,
}

impl Traces {
    /// Begins to send to a collector, such as `http://localhost:4318`.
    ///
    /// # Errors
    /// [`OpenError::Traces`] for an address that is no HTTP one; a system without threads.
    pub(crate) fn open(url: &str) -> Result<Self, OpenError> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http {
            return Err(OpenError::Traces {
                why: "the address does not begin with http:// or https://".into(),
            });
        }
        let base = url.trim_end_matches('/');
        let url = if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") };
        let (queue, waiting) = sync_channel(MOST_WAITING);
        let of_thread = Arc::new(OfThread::default());
        let shared = of_thread.clone();
        let send = move || send_all(&url, &waiting, &shared);
        let thread = std::thread::Builder::new().name("traces".into()).spawn(send)?;
        Ok(Self { queue: Mutex::new(Some(queue)), of_thread, thread: Mutex::new(Some(thread)) })
    }

    /// Takes a ranking's spans, if there is room; never waits. The moments: received, ranking begins, ranked, logging begins, logged.
    pub(crate) fn offer(&self, moments: [Instant; 5], ranking: &Ranking) {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if queue.is_none_or(|queue| queue.try_send(spans(moments, ranking)).is_err()) {
            self.of_thread.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Traces that no collector has.
    pub(crate) fn lost(&self) -> u64 {
        self.of_thread.lost.load(Ordering::Relaxed)
    }

    /// Sends what waits, unless the collector fails, and takes no more.
    pub(crate) fn stop(&self) {
        self.of_thread.is_stopping.store(true, Ordering::Release);
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.map(JoinHandle::join);
    }
}

/// Sends until nobody offers any more.
fn send_all(url: &str, waiting: &Receiver<Vec<Value>>, shared: &OfThread) {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build().into();
    let mut is_open = true;
    while is_open {
        let (mut batch, begun) = (Vec::new(), Instant::now());
        while batch.len() < BATCH && begun.elapsed() < WAIT {
            match waiting.recv_timeout(WAIT.saturating_sub(begun.elapsed())) {
                Ok(trace) => batch.push(trace),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => {
                    is_open = false;
                    break;
                }
            }
        }
        let count = batch.len() as u64;
        if count > 0 && agent.post(url).send_json(document(batch)).is_err() {
            shared.lost.fetch_add(count, Ordering::Relaxed);
            // Whoever stops does not wait for a collector that fails.
            if shared.is_stopping.load(Ordering::Acquire) {
                shared.lost.fetch_add(waiting.iter().count() as u64, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// The request to a collector.
fn document(traces: Vec<Vec<Value>>) -> Value {
    let spans: Vec<Value> = traces.into_iter().flatten().collect();
    json!({"resourceSpans": [{
        "resource": {"attributes": [text("service.name", "semrank")]},
        "scopeSpans": [{
            "scope": {"name": "semrank-serve", "version": env!("CARGO_PKG_VERSION")},
            "spans": spans,
        }],
    }]})
}

/// The spans of a ranking, its own first.
fn spans([received, began, ranked, logging, logged]: [Instant; 5], ranking: &Ranking) -> Vec<Value> {
    let (wall, now) = (SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), Instant::now());
    let nanos = |at: Instant| wall.saturating_sub(now.saturating_duration_since(at)).as_nanos().to_string();
    let (trace, root) = (format!("{:016x}{:016x}", chance(), chance()), format!("{:016x}", chance()));
    let span = |name: &str, (from, to): (Instant, Instant), attributes: Vec<Value>| {
        json!({
            "traceId": trace,
            "spanId": format!("{:016x}", chance()),
            "parentSpanId": root,
            "name": name,
            "kind": 1,
            "startTimeUnixNano": nanos(from),
            "endTimeUnixNano": nanos(to.max(from)),
            "attributes": attributes,
        })
    };
    let mut of_request = vec![
        text("semrank.run", &ranking.run),
        number("semrank.items", ranking.items.len()),
        number("semrank.left_out", ranking.left_out),
        number("semrank.degraded", ranking.degraded.len()),
    ];
    let drawn = ranking.exploration.map(|exploration| exploration.drawn);
    of_request.extend(drawn.map(|drawn| json!({"key": "semrank.drawn", "value": {"boolValue": drawn}})));
    let mut whole = span("rank", (received, logged), of_request);
    (whole["spanId"], whole["kind"]) = (json!(root), json!(2));
    if let Some(fields) = whole.as_object_mut() {
        fields.remove("parentSpanId");
    }
    let mut out = vec![whole, span("wait", (received, began), Vec::new())];
    // Sources are asked one after the other; what they took is known, not when each began.
    let mut at = began;
    for source in &ranking.sources {
        let end = (at + Duration::from_micros(source.micros)).min(ranked);
        let attributes = vec![text("semrank.source", source.name), number("semrank.items", source.items)];
        let mut of_source = span("source", (at, end), attributes);
        if source.has_failed() {
            of_source["status"] = json!({"code": 2});
        }
        out.push(of_source);
        at = end;
    }
    out.push(span("score", (at, ranked), Vec::new()));
    out.push(span("log", (logging, logged), Vec::new()));
    out
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn number(key: &str, value: usize) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

/// Random bits, never all zero.
fn chance() -> u64 {
    RandomState::new().hash_one(0).max(1)
}
