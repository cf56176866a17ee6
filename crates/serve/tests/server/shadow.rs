//! A second run in the shadow: it ranks what was answered, says how it differs, takes over by one call, and no answer waits for it.

use super::off_policy::second_run;
use super::{Server, common, items};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn ask((server, users): (&Server, &[String]), from: usize, count: usize) {
    for id in from..from + count {
        let asked = json!({"user": users[id % users.len()], "k": 5, "request_id": format!("r{id}")});
        assert_eq!(items(&server.rank(asked)).len(), 5);
    }
}

/// The report when all requests were compared or dropped.
fn settled(server: &Server, offered: u64) -> Value {
    let begun = Instant::now();
    loop {
        let (status, report) = server.get("/v1/admin/shadow");
        assert_eq!(status, 200, "{report}");
        let count = |name: &str| report[name].as_u64().unwrap();
        if count("requests") + count("dropped") + count("errors") == offered {
            return report;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{report}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_run_in_the_shadow_says_how_it_differs_and_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = common::trained(dir);
    let users: Vec<String> = run.data().unwrap().dataset.users.names().take(20).map(str::to_owned).collect();
    drop(run);
    second_run(dir);
    let server = Server::start(dir);
    assert_eq!(server.get("/v1/admin/shadow").0, 404);
    assert_eq!(server.post("/v1/admin/shadow/promote", json!({})).0, 404);
    assert_eq!(server.post("/v1/admin/shadow", json!({"run": dir.join("second"), "share": 0})).0, 400);
    assert_eq!(server.post("/v1/admin/shadow", json!({"run": dir.join("nothing")})).0, 409);

    let (status, begun) = server.post("/v1/admin/shadow", json!({"run": dir.join("run")}));
    assert_eq!((status, &begun["requests"], &begun["share"]), (200, &json!(0), &json!(1.0)), "{begun}");
    ask((&server, &users[..]), 0, 30);
    settled(&server, 30);
    // It sees items that come later.
    assert_eq!(server.send("PUT", "/v1/items/late", r#"{"title":"a late one","kind":"ad"}"#).0, 200);
    assert_eq!(items(&server.rank(json!({"user": "u1", "candidates": ["late"]}))), ["late"]);
    let same = settled(&server, 31);
    assert_eq!((&same["errors"], &same["dropped"]), (&json!(0), &json!(0)), "{same}");
    for (figure, of_same) in [
        ("overlap", 1.0),
        ("same_list", 1.0),
        ("same_first", 1.0),
        ("rank_correlation", 1.0),
        ("score_difference", 0.0),
    ] {
        assert_eq!(same[figure], json!(of_same), "{figure}: {same}");
    }

    assert_eq!(server.post("/v1/admin/shadow", json!({"run": dir.join("second")})).0, 200);
    ask((&server, &users[..]), 100, 60);
    let other = settled(&server, 60);
    assert!(
        other["overlap"].as_f64().unwrap() < 1.0 && other["same_list"].as_f64().unwrap() < 1.0,
        "{other}"
    );
    assert!(
        other["score_difference"].as_f64().unwrap() > 0.0 && other["micros"][1].as_u64().unwrap() > 0,
        "{other}"
    );
    let (_, metrics) = server.get("/metrics");
    assert!(metrics.as_str().unwrap().contains("semrank_shadow_requests 60.0"), "{metrics}");

    // Some of the requests, and more of them than it has room for.
    let half = json!({"run": dir.join("second"), "share": 0.5});
    assert_eq!(server.post("/v1/admin/shadow", half).0, 200);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let with = (&server, users.as_slice());
            scope.spawn(move || ask(with, 1_000 * part, 250));
        }
    });
    let report = server.get("/v1/admin/shadow").1;
    std::thread::sleep(Duration::from_millis(200));
    let offered =
        ["requests", "dropped"].map(|name| server.get("/v1/admin/shadow").1[name].as_u64().unwrap());
    assert!((400..600).contains(&(offered[0] + offered[1])), "{report}");

    let (status, now) = server.post("/v1/admin/shadow/promote", json!({}));
    assert_eq!((status, &now["ranks"]), (200, &json!(true)), "{now}");
    assert_eq!(server.rank(json!({"user": "u1"}))["run"], json!("second"));
    assert_eq!(server.get("/v1/admin/shadow").0, 404);
    assert_eq!(server.post("/v1/admin/shadow", json!({"run": dir.join("run")})).0, 200);
    assert_eq!(server.send("DELETE", "/v1/users/u1", "").0, 204);
    ask((&server, &users[..]), 5_000, 3);
    assert_eq!(settled(&server, 3)["errors"], json!(0));
    let (status, last) = server.send("DELETE", "/v1/admin/shadow", "");
    assert_eq!((status, &last["requests"]), (200, &json!(3)), "{last}");
    assert_eq!(server.get("/v1/admin/shadow").0, 404);
}
