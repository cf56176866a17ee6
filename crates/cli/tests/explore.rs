//! Exploration by the program: a server that draws lists, is killed, and whose log gives the lists again and the values of policies.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::server::{ask, start_with};
use common::{fail, json, market, run_args, succeed};
use serde_json::Value;

#[test]
fn the_log_of_a_server_that_explores_is_replayed_and_values_policies() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let data = market(dir.path(), 1);
    succeed(run_args(&data, &dir.path().join("run"), &["--set", "train.epochs=1"]));
    let options = ["--explore", "0.5", "--explore-slots", "2", "--explore-pool", "4"];
    let mut server = start_with(dir.path(), None, &options).unwrap();
    let send = |to: &str, body: String| ask(&server.address, "POST", to, &body).unwrap();
    let mut clicks = 0;
    for id in 0..400 {
        let (user, request) = (format!("u{}", id % 5), format!("r{id}"));
        let (status, answer) = send(
            "/v1/rank",
            format!(
                r#"{{"user":"{user}","request_id":"{request}","k":3,"candidates":["{}"]}}"#,
                items().join(r#"",""#)
            ),
        );
        assert_eq!(status, 200, "{answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["exploration"]["propensity"].as_f64().unwrap() > 0.0, "{answer}");
        let item = answer["items"][0]["item"].as_str().unwrap();
        if item.ends_with(['1', '3', '5', '7', '9']) {
            clicks += 1;
            let event = format!(
                r#"{{"event_id":"c{id}","user_id":"{user}","item_id":"{item}","action":"tap","request_id":"{request}"}}"#
            );
            assert_eq!(send("/v1/events", event).0, 202);
        }
    }
    let (status, openapi) = ask(&server.address, "GET", "/openapi.json", "").unwrap();
    assert!(status == 200 && openapi.contains("Probability of the list"), "{openapi}");
    // Everything that an event acknowledged is in the log, and the answers before it.
    let last = format!(r#"{{"user_id":"u","item_id":"{}","action":"tap"}}"#, items()[0]);
    assert_eq!(send("/v1/events", last).0, 202);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let played = json(&succeed([
        "replay",
        &path("state/log"),
        "--run",
        &path("run"),
        "--state",
        &path("state"),
        "--json",
    ]));
    assert_eq!((&played["answers"], &played["equal"]), (&Value::from(400), &Value::from(400)), "{played}");
    let estimate =
        ["experiment", "off-policy", "--state", &path("state"), "--reward", "tap", "--run", &path("run")];
    let found = json(&succeed(estimate.into_iter().chain(["--json"])));
    assert_eq!(
        (&found["lists"], &found["rewarded"], &found["elsewhere"]),
        (&400.into(), &clicks.into(), &1.into())
    );
    let of = |at: usize| found["policies"][at]["list"]["ips"]["value"].as_f64().unwrap();
    assert!((of(0) - f64::from(clicks) / 400.0).abs() < 1e-12 && of(1) == of(2), "{found}");
    let table = succeed(estimate);
    assert!(table.contains("best first") && table.contains("the log"), "{table}");
    let nothing = fail(["experiment", "off-policy", "--state", &path("nothing")]);
    assert!(nothing.contains("there is no log"), "{nothing}");
}

/// Eight items of the market, each by both names of which it has one.
fn items() -> Vec<String> {
    (0..8).flat_map(|item| ["ad", "post"].map(|kind| format!("{kind}-{item:06}"))).collect()
}
