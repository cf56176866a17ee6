//! Another run takes over.

use super::{Server, common, event, items, settings};
use semrank_pipeline::{Context, Run};
use semrank_serve::replay;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn another_run_takes_over_while_requests_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let first = common::trained(dir.path());
    let mut config = first.config().clone();
    config.train.epochs = 1;
    let path = |name: &str| dir.path().join(name);
    let data = semrank_pipeline::Data::open(&path("market"), &config).unwrap();
    let second = Run::create(&path("second"), data, config, 2).unwrap();
    second.make_content(&Context::default()).unwrap();
    second.make_model(false, &Context::default()).unwrap();
    let other = common::market_of(&path("elsewhere"), 130);
    let other = common::create(&other, &path("other"));
    other.make_content(&Context::default()).unwrap();
    other.make_model(false, &Context::default()).unwrap();
    drop((first, second, other));
    let server = Server::start(dir.path());
    let asked = json!({"user": "u", "k": 5});
    let before = server.rank(asked.clone());
    assert_eq!(server.send("PUT", "/v1/items/late", r#"{"title":"a late one","kind":"ad"}"#).0, 200);
    let (conflict, said) = server.post("/v1/admin/reload", json!({"run": path("other")}));
    assert!(conflict == 409 && said["detail"].as_str().unwrap().contains("another data set"), "{said}");
    assert_eq!(server.post("/v1/admin/rollback", json!({})).0, 409);
    assert_eq!(server.post("/v1/admin/reload", json!({"run": path("nothing")})).0, 409);
    let second = json!({"run": path("second")});
    let (status, checked) =
        server.post("/v1/admin/reload", json!({"run": path("second"), "only_check": true}));
    assert_eq!(
        (status, &checked["ranks"], &checked["requests"]),
        (200, &json!(false), &json!(1)),
        "{checked}"
    );
    assert_eq!(server.rank(asked.clone())["items"], before["items"]);
    let stop = AtomicBool::new(false);
    let answered = std::thread::scope(|scope| {
        let ask = || {
            let mut runs = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                runs.push(server.rank(json!({"user": "somebody"}))["run"].as_str().unwrap().to_owned());
                let liked = event(runs.len(), "somebody", "late", runs.len() as i64);
                assert_eq!(server.post("/v1/events", liked).0, 202);
            }
            runs
        };
        let asking = scope.spawn(ask);
        let (status, now) = server.post("/v1/admin/reload", second.clone());
        assert_eq!((status, &now["ranks"]), (200, &json!(true)), "{now}");
        std::thread::sleep(std::time::Duration::from_millis(50));
        stop.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert!(answered.first().unwrap() == "run" && answered.last().unwrap() == "second", "{answered:?}");
    let after = server.rank(asked.clone());
    assert_ne!(after["items"], before["items"]);
    assert_eq!(items(&server.rank(json!({"user": "u", "candidates": ["late"]}))), ["late"]);
    let history = server.get("/v1/users/somebody").1["history"].as_array().unwrap().len();
    assert_eq!(history, answered.len(), "no event is lost, none counts twice");
    assert_eq!(server.post("/v1/admin/rollback", json!({})).1["ranks"], json!(true));
    let again = server.rank(asked);
    assert_eq!((&again["run"], &again["items"]), (&json!("run"), &before["items"]));
    drop(server);
    let run = Run::open(&path("run")).unwrap();
    let played = replay(run, &settings(dir.path()), &Context::default()).unwrap();
    assert_eq!(played.equal, played.answers, "{played:?}");
}
