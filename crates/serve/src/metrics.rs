//! What Prometheus reads at `/metrics`.

use crate::traces::Traces;
use crate::{Gate, Problem, Service};
use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Timed {
    route: String,
}

/// The metrics of a server.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Route, Counter>,
    seconds: Family<Timed, Histogram>,
    gauges: Gauges,
}

#[derive(Default)]
struct Gauges {
    users: Gauge,
    items: Gauge,
    records: Gauge,
    events_waiting: Gauge,
    candidates_waiting: Gauge,
    snapshot_age_seconds: Gauge<f64, AtomicU64>,
    snapshot_seconds: Gauge<f64, AtomicU64>,
    snapshot_failures: Gauge,
    traces_lost: Gauge,
    shadow: [Gauge<f64, AtomicU64>; SHADOW.len()],
}

/// Of the run in the shadow; not a number where there is none.
const SHADOW: [(&str, &str); 9] = [
    ("shadow_requests", "Requests that the run in the shadow has ranked as well"),
    ("shadow_dropped", "Requests that were dropped, since it was busy"),
    ("shadow_errors", "Requests that it could not rank"),
    ("shadow_overlap", "Share of the items that are in both lists"),
    ("shadow_same_list", "Share of the requests with the same list"),
    ("shadow_rank_correlation", "Kendall's tau of the items in both lists"),
    ("shadow_score_difference", "Mean absolute difference of the scores of items in both lists"),
    ("shadow_p50_seconds", "Median of its times for a list"),
    ("shadow_p99_seconds", "99th percentile of its times for a list"),
];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("semrank");
        let requests = Family::default();
        let seconds = Family::<Timed, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.000_1, 2.0, 16))
        });
        let gauges = Gauges::default();
        registry.register("requests", "Requests that were answered", requests.clone());
        registry.register("request_seconds", "Time of an answer", seconds.clone());
        registry.register("users", "Users with a history", gauges.users.clone());
        registry.register("items", "Items that may be shown", gauges.items.clone());
        registry.register("log_records", "Durable records of the log", gauges.records.clone());
        registry.register("events_waiting", "Events that wait to be written", gauges.events_waiting.clone());
        let waiting = gauges.candidates_waiting.clone();
        registry.register("candidates_waiting", "Candidates that wait to be ranked", waiting);
        let (age, took) = (gauges.snapshot_age_seconds.clone(), gauges.snapshot_seconds.clone());
        registry.register("snapshot_age_seconds", "Time since the last snapshot, or since the start", age);
        registry.register("snapshot_seconds", "Time that the last snapshot took", took);
        let failures = gauges.snapshot_failures.clone();
        registry.register("snapshot_failures", "Snapshots that could not be written", failures);
        let lost = gauges.traces_lost.clone();
        registry.register("traces_lost", "Traces that no collector has taken", lost);
        for ((name, help), gauge) in SHADOW.iter().zip(&gauges.shadow) {
            registry.register(*name, *help, gauge.clone());
        }
        Self { registry, requests, seconds, gauges }
    }
}

impl Metrics {
    /// Counts an answer.
    pub(crate) fn answered(&self, (method, route): (&str, &str), status: StatusCode, took: Duration) {
        let route = route.to_owned();
        self.seconds.get_or_create(&Timed { route: route.clone() }).observe(took.as_secs_f64());
        let labels = Route { method: method.to_owned(), route, status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// Never, in practice: writing to memory.
    pub(crate) fn text(&self, service: &Service, gate: &Gate) -> Result<String, Problem> {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.gauges.users.set(whole(service.users()));
        self.gauges.items.set(whole(service.items()));
        self.gauges.records.set(i64::try_from(service.ingest().as_of()).unwrap_or(i64::MAX));
        self.gauges.events_waiting.set(whole(service.ingest().waiting()));
        self.gauges.candidates_waiting.set(whole(gate.waiting()));
        let snapshot = service.snapshot();
        self.gauges.snapshot_age_seconds.set(snapshot.at.elapsed().as_secs_f64());
        self.gauges.snapshot_seconds.set(snapshot.seconds);
        self.gauges.snapshot_failures.set(i64::try_from(snapshot.failures).unwrap_or(i64::MAX));
        let lost = service.traces.as_ref().map_or(0, Traces::lost);
        self.gauges.traces_lost.set(i64::try_from(lost).unwrap_or(i64::MAX));
        let shadow = service.shadow_report().ok().map_or([f64::NAN; SHADOW.len()], |of| {
            [
                of.requests as f64,
                of.dropped as f64,
                of.errors as f64,
                of.overlap,
                of.same_list,
                of.rank_correlation.unwrap_or(f64::NAN),
                of.score_difference.unwrap_or(f64::NAN),
                of.micros[0] as f64 / 1e6,
                of.micros[1] as f64 / 1e6,
            ]
        });
        self.gauges.shadow.iter().zip(shadow).for_each(|(gauge, value)| _ = gauge.set(value));
        let mut out = String::new();
        let encoded = encode(&mut out, &self.registry);
        encoded.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok(out)
    }
}
