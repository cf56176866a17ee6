//! A server whose log is on Redis or NATS: what it acknowledged is there after it was killed and after the log's server was, once; while
//! that one is away nothing is acknowledged, and afterwards the service goes on without a start.
//! `cargo test --release -p semrank-cli --features redis,nats --test log_servers`
#![cfg(any(feature = "nats", feature = "redis"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;
#[path = "../../store/tests/log/place.rs"]
#[allow(dead_code, reason = "the suite of the log uses more of it")]
mod place;

use common::server::{Server, ask, start_with};
use common::succeed;
use place::Place;
use semrank_store::journal::Options;
use semrank_store::log::LogUrl;
use serde_json::Value;
use std::time::{Duration, Instant};

const QUICK: [&str; 5] =
    ["train.epochs=1", "train.min_steps=0", "model.dim=8", "features.dim=8", "features.buckets=16384"];

fn event(user: &str, number: i64) -> String {
    format!(
        r#"{{"event_id":"e{number}","user_id":"{user}","item_id":"1","action":"click","timestamp":{number}}}"#
    )
}

/// Sends an event; its status and the answer.
fn send(server: &Server, user: &str, number: i64) -> (u16, Value) {
    let (status, body) = ask(&server.address, "POST", "/v1/events", &event(user, number)).unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// Numbers of the events of a user's history.
fn history(server: &Server, user: &str) -> Vec<i64> {
    match ask(&server.address, "GET", &format!("/v1/users/{user}"), "").unwrap() {
        (200, body) => {
            let user: Value = serde_json::from_str(&body).unwrap();
            user["history"].as_array().unwrap().iter().map(|one| one["timestamp"].as_i64().unwrap()).collect()
        }
        (404, _) => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn rank(server: &Server, user: &str) {
    let (status, body) =
        ask(&server.address, "POST", "/v1/rank", &format!(r#"{{"user":"{user}","k":3}}"#)).unwrap();
    assert_eq!(status, 200, "{body}");
}

fn kill(mut server: Server) {
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// Sends an event until it is acknowledged.
fn send_until_acknowledged(server: &Server, user: &str, number: i64) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let (status, answer) = send(server, user, number);
        if status == 202 {
            return;
        }
        assert!(status == 503 && answer["retry_after"] == 1 && Instant::now() < until, "{status}: {answer}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn serves(mut place: Place, options: &str) {
    let dir = place.dir.path().join("semrank");
    std::fs::create_dir(&dir).unwrap();
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    succeed(["simulate", "--out", &path("data"), "--users", "200", "--items", "100"]);
    let mut args = vec!["run".to_owned(), "--data".into(), path("data"), "--out".into(), path("run")];
    args.extend(QUICK.iter().flat_map(|set| ["--set".to_owned(), (*set).to_owned()]));
    succeed(args);
    let url = place.url_with(options);
    let started = || start_with(&dir, None, &["--log", &url]).unwrap();

    // What was acknowledged is there after a kill, and once.
    let server = started();
    (1..=5).for_each(|number| assert_eq!(send(&server, "ada", number).0, 202));
    assert_eq!(send(&server, "bob", 6).0, 202);
    rank(&server, "ada");
    assert_eq!(send(&server, "ada", 7).0, 202);
    kill(server);
    let server = started();
    assert_eq!(history(&server, "ada"), [1, 2, 3, 4, 5, 7]);
    assert_eq!(send(&server, "ada", 7).1["duplicates"], 1);

    // A log that is away: nothing is acknowledged, nothing is seen, and then it goes on.
    place.signal("STOP");
    let (status, answer) = send(&server, "ada", 8);
    assert!(status == 503 && answer["retry_after"] == 1, "{status}: {answer}");
    assert_eq!(history(&server, "ada"), [1, 2, 3, 4, 5, 7]);
    rank(&server, "ada");
    place.signal("CONT");
    // Without anybody asking: the histories have what the log has.
    let until = Instant::now() + Duration::from_secs(20);
    while history(&server, "ada").len() < 7 {
        assert!(Instant::now() < until, "what was written late is not in the history");
        std::thread::sleep(Duration::from_millis(50));
    }
    send_until_acknowledged(&server, "ada", 8);
    assert_eq!(history(&server, "ada"), [1, 2, 3, 4, 5, 7, 8]);

    // The log's server is killed and started again.
    place.kill();
    let (status, answer) = send(&server, "ada", 9);
    assert!(status == 503 && answer["retry_after"] == 1, "{status}: {answer}");
    place.start();
    send_until_acknowledged(&server, "ada", 9);
    send_until_acknowledged(&server, "ada", 10);
    rank(&server, "ada");
    assert_eq!(send(&server, "bob", 11).0, 202);
    assert_eq!(history(&server, "ada"), [1, 2, 3, 4, 5, 7, 8, 9, 10]);
    kill(server);
    let server = started();
    assert_eq!(history(&server, "ada"), [1, 2, 3, 4, 5, 7, 8, 9, 10]);

    // Who is forgotten is not in the log.
    assert_eq!(ask(&server.address, "DELETE", "/v1/users/bob", "").unwrap().0, 204);
    let log = url.parse::<LogUrl>().unwrap().open_to_read(Options::default()).unwrap().unwrap();
    assert!(log.first_sequence() > 0, "the log was rewritten");
    let mut records = 0;
    let visit = |_, bytes: &[u8]| {
        records += 1;
        assert!(!String::from_utf8_lossy(bytes).contains("bob"));
        Ok::<(), semrank_store::Error>(())
    };
    log.for_each(log.first_sequence(), visit).unwrap();
    assert!(records > 9);
    drop(log);
    rank(&server, "ada");
    assert_eq!(send(&server, "ada", 12).0, 202);
    kill(server);

    // The log serves what reads logs.
    let replayed = succeed(["replay", &url, "--run", &path("run"), "--state", &path("state"), "--json"]);
    let replayed: Value = serde_json::from_str(&replayed).unwrap();
    assert!(
        replayed["answers"].as_u64().unwrap() > 0 && replayed["answers"] == replayed["equal"],
        "{replayed}"
    );
    succeed(["log", &path("state"), "--log", &url, "--run", &path("run"), "--out", &path("received")]);
    let server = started();
    assert_eq!(history(&server, "ada"), [1, 2, 3, 4, 5, 7, 8, 9, 10, 12]);
    assert!(history(&server, "bob").is_empty());
    kill(server);
}

#[test]
#[cfg(feature = "redis")]
fn a_log_on_redis_is_served() {
    Place::redis().into_iter().for_each(|place| serves(place, "&timeout_ms=700&lease_ms=500"));
}

#[test]
#[cfg(feature = "nats")]
fn a_log_on_nats_is_served() {
    Place::nats().into_iter().for_each(|place| serves(place, "&timeout_ms=700"));
}
