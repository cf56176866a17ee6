//! Traces: a collector gets the spans of every ranking, without anything of a user; one that is down or slow delays nobody.

use super::explore::{POLICY, exploring, open};
use super::{common, settings};
use axum::{Json, Router, routing::post};
use semrank_serve::{RankRequest, Service, ServiceSettings};
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A collector, and what it was sent.
fn collector() -> (SocketAddr, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (address, got) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
    let kept = got.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let take = move |Json(body): Json<Value>| {
            kept.lock().unwrap().push(body);
            async { Json(json!({})) }
        };
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().route("/v1/traces", post(take))).await.unwrap();
        });
    });
    (address, got)
}

fn traced(dir: &Path, url: String) -> Service {
    open(dir, ServiceSettings { traces: Some(url), ..exploring(dir, POLICY) }).unwrap()
}

fn rank(service: &Service, id: usize) {
    let request = RankRequest {
        user: Some("secret user".into()),
        request_id: Some(format!("secret {id}")),
        filter: Some("kind != secret".into()),
        context: Some(json!({"word": "secret"})),
        ..RankRequest::default()
    };
    service.rank(&request, Instant::now()).unwrap();
}

#[test]
fn a_collector_gets_the_spans_of_every_ranking_and_nothing_of_users() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let (address, got) = collector();
    let service = traced(dir, format!("http://{address}"));
    (0..20).for_each(|id| rank(&service, id));
    let sources = service.sources();
    service.stop();
    drop(service);
    let got = got.lock().unwrap();
    assert!(!got.is_empty() && !Value::Array(got.clone()).to_string().contains("secret"));
    let spans: Vec<&Value> = got
        .iter()
        .flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap())
        .collect();
    let of = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
    assert_eq!(["rank", "wait", "score", "log"].map(of), [20; 4]);
    assert!(of("source") >= 20 && of("source") <= 20 * sources.len());
    let time = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u64>().unwrap();
    for span in &spans {
        assert_eq!(
            (span["traceId"].as_str().unwrap().len(), span["spanId"].as_str().unwrap().len()),
            (32, 16)
        );
        assert!(time(span, "startTimeUnixNano") <= time(span, "endTimeUnixNano"), "{span}");
        if span["name"] == "rank" {
            let keys: Vec<&str> = span["attributes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["key"].as_str().unwrap())
                .collect();
            assert_eq!(
                keys,
                ["semrank.run", "semrank.items", "semrank.left_out", "semrank.degraded", "semrank.drawn"]
            );
            assert!(span.get("parentSpanId").is_none() && span["kind"] == 2);
        } else {
            let is_parent = |one: &&&Value| one["name"] == "rank" && one["spanId"] == span["parentSpanId"];
            let parent = spans.iter().find(is_parent).unwrap();
            assert_eq!(parent["traceId"], span["traceId"]);
        }
    }
}

#[test]
fn a_collector_that_is_down_or_slow_delays_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let wrong = open(dir, ServiceSettings { traces: Some("ftp://x".into()), ..settings(dir) }).err().unwrap();
    assert!(wrong.to_string().contains("http://"), "{wrong}");
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = { TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    for address in [silent.local_addr().unwrap(), down] {
        let service = traced(dir, format!("http://{address}/v1/traces"));
        let begun = Instant::now();
        // More than wait to be sent.
        (0..3_000).for_each(|id| rank(&service, id));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(60), "{took:?}");
        service.stop();
    }
}
