//! A server over HTTP, as its clients see it: what is acknowledged is seen by the next answer and after the next start, what is wrong is
//! named, what was forgotten is nowhere on the disk, and rankings are those of the evaluation.
#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod certificates;
#[path = "../../../pipeline/tests/common/mod.rs"]
mod common;
mod experiments;
mod explore;
mod off_policy;
mod reload;
mod shadow;
#[cfg(feature = "otlp")]
mod traces;

use semrank_core::UserId;
use semrank_measure::ranking::Scorer;
use semrank_pipeline::{Context, Run};
use semrank_serve::{Clock, Listen, Service, ServiceSettings, Tls, replay, serve};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;

/// A server in this process.
struct Server {
    url: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        Self::with_keys(dir, None)
    }

    fn with_keys(dir: &Path, keys: Option<&Path>) -> Self {
        Self::listening(dir, keys, None)
    }

    fn listening(dir: &Path, keys: Option<&Path>, tls: Option<Tls>) -> Self {
        Self::with_settings(dir, settings(dir), keys, tls)
    }

    fn with_settings(dir: &Path, settings: ServiceSettings, keys: Option<&Path>, tls: Option<Tls>) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let run = Run::open(&dir.join("run")).unwrap();
        let service = Service::open(run, settings, &Context::default()).unwrap();
        let listen = Listen {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            keys: keys.map(Path::to_owned),
            tls,
            without_keys: false,
        };
        let (stop, (tell, address)) = (Arc::new(AtomicBool::new(false)), channel());
        let asked = stop.clone();
        let stopped = move || asked.load(Ordering::Relaxed);
        let thread = std::thread::spawn(move || {
            serve(service, &listen, stopped, |address| tell.send(address).unwrap()).unwrap();
        });
        Self { url: format!("{scheme}://{}", address.recv().unwrap()), stop, thread: Some(thread) }
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.url));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .into();
        let mut response = agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string())
    }

    fn rank(&self, body: Value) -> Value {
        let (status, answer) = self.post("/v1/rank", body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    fn get(&self, path: &str) -> (u16, Value) {
        self.send("GET", path, "")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let stopped = self.thread.take().unwrap().join();
        assert!(stopped.is_ok() || std::thread::panicking());
    }
}

fn settings(dir: &Path) -> ServiceSettings {
    let mut out = ServiceSettings { clock: Clock::Log, ..ServiceSettings::new(&dir.join("state")) };
    out.snapshots.records = 10;
    out
}

fn items(answer: &Value) -> Vec<String> {
    answer["items"].as_array().unwrap().iter().map(|item| item["item"].as_str().unwrap().to_owned()).collect()
}

fn event(id: usize, user: &str, item: &str, time: i64) -> Value {
    json!({"event_id": format!("e{id}"), "user_id": user, "item_id": item, "action": "click", "timestamp": time})
}

#[test]
fn a_user_built_event_by_event_has_the_scores_of_the_evaluation() {
    let dir = tempfile::tempdir().unwrap();
    let run = common::trained(dir.path());
    let (servable, dataset) = (run.model().unwrap().servable(), &run.data().unwrap().dataset);
    let server = Server::start(dir.path());
    let (mut scores, mut events, catalog) = (vec![0.0; servable.items()], Vec::new(), &dataset.catalog.ids);
    for user in (0..30).map(UserId) {
        // Other ids than those of the log, in two halves of which the later comes first, and once more.
        let own = dataset.events.range(user).map(|at| (at, dataset.events.event(at)));
        events.extend(own.map(|(at, event)| {
            json!({
                "event_id": format!("e{at}"),
                "user_id": format!("copy of {}", user.0),
                "item_id": catalog.name(event.item.0),
                "action": dataset.actions.name(event.action.0.into()),
                "timestamp": event.time,
            })
        }));
    }
    // Equal times keep the order in which they came, so only events of other times may change places.
    let mut late: Vec<Value> = events.clone();
    late.sort_by_key(|event| event["timestamp"].as_i64().map(|time| time % 7));
    let (status, answer) = server.post("/v1/events", Value::Array(late));
    assert_eq!((status, &answer["accepted"], &answer["duplicates"]), (202, &json!(events.len()), &json!(0)));
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    let (status, again) = server.send("POST", "/v1/events", &lines.join("\n"));
    assert_eq!((status, &again["accepted"], &again["duplicates"]), (202, &json!(0), &json!(events.len())));
    for user in (0..30).map(UserId) {
        servable.score(&[dataset.events.of(user)], &mut scores);
        let all: Vec<&str> = catalog.names().collect();
        let ask = json!({"user": format!("copy of {}", user.0), "candidates": all, "k": 50, "min_as_of": answer["as_of"]});
        let ranked = server.rank(ask);
        assert!(!ranked["items"].as_array().unwrap().is_empty());
        for item in ranked["items"].as_array().unwrap() {
            let row = catalog.get(item["item"].as_str().unwrap()).unwrap() as usize;
            assert_eq!(
                item["score"].as_f64().unwrap() as f32,
                scores[row],
                "user row {}, item row {row}",
                user.0
            );
        }
    }
}

#[test]
fn what_was_acknowledged_is_seen_at_once_and_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let server = Server::start(dir.path());
    let before = server.rank(json!({"user": "nobody yet", "k": 5}));
    let liked = items(&before)[0].clone();
    let (status, acknowledged) = server.post("/v1/events", event(1, "nobody yet", &liked, 1));
    assert_eq!((status, &acknowledged["accepted"]), (202, &json!(1)));
    let after = server.rank(json!({"user": "nobody yet", "k": 5, "min_as_of": acknowledged["as_of"]}));
    assert_ne!(after["items"], before["items"]);
    // An item is put in with the texts of another: it has its place, and the history counts it.
    let (_, mut texts) = server.get(&format!("/v1/items/{liked}"));
    texts["kind"] = json!("ad");
    assert_eq!(server.send("PUT", "/v1/items/late%20ad", &texts.to_string()).0, 200);
    server.post("/v1/events", event(2, "nobody yet", "late ad", 2));
    let (_, user) = server.get("/v1/users/nobody%20yet");
    assert_eq!(user["history"].as_array().unwrap().len(), 2);
    let shown = server.rank(json!({"user": "other", "candidates": ["late ad", "unknown"]}));
    assert_eq!((items(&shown), &shown["left_out"]), (vec!["late ad".to_owned()], &json!(1)));
    assert_eq!(server.send("PATCH", "/v1/items/late%20ad", r#"{"status":"paused"}"#).0, 200);
    assert!(items(&server.rank(json!({"user": "other", "candidates": ["late ad"]}))).is_empty());
    let last = server.rank(json!({"user": "nobody yet", "k": 5}));
    drop(server);
    let server = Server::start(dir.path());
    assert_eq!(server.rank(json!({"user": "nobody yet", "k": 5}))["items"], last["items"]);
    assert_eq!(server.post("/v1/events", event(1, "nobody yet", &liked, 1)).1["duplicates"], json!(1));
    assert!(items(&server.rank(json!({"user": "other", "candidates": ["late ad"]}))).is_empty());
    assert_eq!(server.send("DELETE", "/v1/items/late%20ad", "").0, 204);
    assert_eq!(server.get("/v1/items/late%20ad").0, 404);
    drop(server);
    let run = Run::open(&dir.path().join("run")).unwrap();
    let played = replay(run, &settings(dir.path()), &Context::default()).unwrap();
    assert_eq!((played.events, played.answers, played.equal, played.left_out), (2, 7, 7, 0), "{played:?}");
}

#[test]
fn a_forgotten_user_is_nowhere_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let run = common::trained(dir.path());
    let name = "somebody who wants to be forgotten";
    {
        let server = Server::start(dir.path());
        let item = items(&server.rank(json!({"user": name})))[0].clone();
        for at in 0..20 {
            server.post("/v1/events", event(at, if at % 2 == 0 { name } else { "stays" }, &item, at as i64));
        }
        assert!(mentions(dir.path(), name));
        assert_eq!(
            server.send("DELETE", "/v1/users/somebody%20who%20wants%20to%20be%20forgotten", "").0,
            204
        );
        assert!(!mentions(dir.path(), name));
        assert_eq!(server.get("/v1/users/somebody%20who%20wants%20to%20be%20forgotten").0, 404);
        assert_eq!(server.get("/v1/users/stays").1["history"].as_array().unwrap().len(), 10);
    }
    let known = run.data().unwrap().dataset.users.name(3).to_owned();
    for _ in 0..2 {
        let server = Server::start(dir.path());
        server.send("DELETE", &format!("/v1/users/{known}"), "");
        assert_eq!(server.get(&format!("/v1/users/{known}")).0, 404, "also after a start");
    }
    let server = Server::start(dir.path());
    assert_eq!(server.get(&format!("/v1/users/{known}")).0, 404);
    assert_eq!(server.get("/v1/users/stays").1["history"].as_array().unwrap().len(), 10);
    assert!(!mentions(dir.path(), name));
}

fn mentions(dir: &Path, text: &str) -> bool {
    std::fs::read_dir(dir).unwrap().flatten().any(|entry| match entry.path() {
        path if path.is_dir() => mentions(&path, text),
        path => std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

#[test]
fn mistakes_are_answered_with_their_place() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let server = Server::start(dir.path());
    for (path, body, status, at) in [
        ("/v1/rank", "{\"user\":7}", 400, "$.user"),
        ("/v1/rank", "{\"k\":0}", 400, "$.k"),
        ("/v1/rank", "{\"filter\":\"tier ==\"}", 400, "$.filter"),
        ("/v1/rank", "{\"filter\":\"nonsense = 3\"}", 400, "$.filter"),
        ("/v1/rank", "{\"min_as_of\":9999}", 400, "$.min_as_of"),
        ("/v1/rank", "{", 400, "$"),
        ("/v1/retrieve", "[null, null]", 400, "$"),
        ("/v1/rank", "{\"time\":9223372036854775807}", 400, "$.time"),
        ("/v1/retrieve", "{\"source\":\"nearest\"}", 400, "$.source"),
        ("/v1/retrieve", "{\"cursor\":\"forged\"}", 400, "$.cursor"),
        ("/v1/events", "[{\"user_id\":\"u\"}]", 400, "$[0].item_id"),
        (
            "/v2/models/semrank/infer",
            "{\"inputs\":[{\"name\":\"user\",\"shape\":[2],\"datatype\":\"BYTES\",\"data\":[\"u\"]}]}",
            400,
            "$.inputs[0].shape",
        ),
        (
            "/v2/models/semrank/infer",
            "{\"inputs\":[{\"name\":\"user\",\"shape\":[1],\"datatype\":\"FP32\",\"data\":[1.0]}]}",
            400,
            "$.inputs[0].datatype",
        ),
    ] {
        let (got, problem) = server.send("POST", path, body);
        assert_eq!((got, &problem["path"]), (status, &json!(at)), "{path} {body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 5), "{problem}");
    }
    assert_eq!(server.get("/v1/nothing").0, 404);
    assert_eq!(server.get("/v1/rank").0, 405);
    assert_eq!(server.get("/v1/items/nothing").0, 404);
    assert_eq!(server.send("PATCH", "/v1/items/nothing", "{}").0, 404);
    assert_eq!(server.send("PUT", "/v1/items/x", r#"{"status":3}"#).1["path"], "$.status");
    assert_eq!(server.send("PUT", "/v1/items/x", r#"{"bid":{"a":1}}"#).1["path"], "$.bid");
}

#[test]
fn pages_repeat_nothing_and_inference_takes_flat_and_nested_tensors() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let server = Server::start(dir.path());
    let (mut seen, mut cursor) = (Vec::new(), json!(""));
    while let Value::String(_) = cursor {
        let (status, page) =
            server.post("/v1/retrieve", json!({"k": 7, "cursor": cursor, "source": "sequence"}));
        assert_eq!(status, 200, "{page}");
        seen.extend(items(&page));
        cursor = page["cursor"].clone();
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert!(count == seen.len() && count > 20, "{count}");
    let infer = |data: Value, shape: Value| {
        let inputs = json!([{"name": "candidates", "shape": shape, "datatype": "BYTES", "data": data}]);
        server.post("/v2/models/semrank/infer", json!({"id": "7", "inputs": inputs}))
    };
    let (status, flat) = infer(json!(seen[..4]), json!([4]));
    assert_eq!(
        (status, &flat["id"], &flat["outputs"][0]["shape"]),
        (200, &json!("7"), &json!([4])),
        "{flat}"
    );
    assert_eq!(infer(json!([seen[..2], seen[2..4]]), json!([2, 2])).1["outputs"], flat["outputs"]);
    for path in
        ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/semrank", "/v2/models/semrank/ready"]
    {
        assert_eq!(server.get(path).0, 200, "{path}");
    }
    let (_, api) = server.get("/openapi.json");
    let described: Vec<&String> = api["paths"].as_object().unwrap().keys().collect();
    assert!(described.len() >= 12 && api["openapi"] == "3.1.0", "{described:?}");
    let metrics = server.get("/metrics").1;
    assert!(metrics.as_str().is_some_and(|text| text.contains("semrank_requests_total")), "{metrics}");
    for path in ["/", "/?user=nobody", "/?find=a&history=", "/docs/"] {
        let (status, html) = server.get(path);
        assert!(
            status == 200 && html.as_str().is_some_and(|html| html.contains("</html>")),
            "{path}: {html}"
        );
    }
}

#[test]
fn keys_open_what_their_scopes_say() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let (key, entry) = semrank_serve::new_key("web", &[semrank_serve::Scope::Rank]).unwrap();
    let path = dir.path().join("keys.toml");
    std::fs::write(&path, entry).unwrap();
    let server = Server::with_keys(dir.path(), Some(&path));
    let status = |path: &str, key: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request =
            agent.post(format!("{}{path}", server.url)).header("authorization", format!("Bearer {key}"));
        request.send(&*json!({}).to_string()).unwrap().status().as_u16()
    };
    assert_eq!(
        (status("/v1/rank", &key), status("/v1/rank", "guess"), status("/v1/events", &key)),
        (200, 401, 403)
    );
    assert_eq!((server.get("/").0, server.get("/v2/health/live").0), (401, 200));
}
