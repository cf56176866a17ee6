//! A server that is killed: no acknowledged event is lost, none counts twice, none is there that was never sent; also where it is killed
//! again while it starts, and while it writes snapshots, which it does all the time.
//! Long: `cargo test --release --workspace --test serve -- --ignored` (300 rounds).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::server::{ask, start};
use common::succeed;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const USERS: i64 = 7;

fn event(number: i64) -> String {
    let user = number % USERS;
    format!(
        r#"{{"event_id":"e{number}","user_id":"killed {user}","item_id":"{}","action":"click","timestamp":{number}}}"#,
        number % 5
    )
}

/// Sends events until the connection breaks; returns the numbers that were acknowledged.
fn send(address: &str, next: &AtomicI64) -> Vec<i64> {
    let mut acknowledged = Vec::new();
    loop {
        let first = next.fetch_add(9, Ordering::Relaxed);
        let numbers: Vec<i64> = (first..first + 1 + first % 9).collect();
        let body = format!("[{}]", numbers.iter().map(|&number| event(number)).collect::<Vec<_>>().join(","));
        match ask(address, "POST", "/v1/events", &body) {
            Some((202, _)) => acknowledged.extend(numbers),
            Some((status, answer)) => panic!("{status}: {answer}"),
            None => return acknowledged,
        }
    }
}

/// Numbers of all events of the histories.
fn found(address: &str) -> Vec<i64> {
    let mut out = Vec::new();
    for user in 0..USERS {
        let Some((200, user)) = ask(address, "GET", &format!("/v1/users/killed%20{user}"), "") else {
            continue;
        };
        let user: serde_json::Value = serde_json::from_str(&user).unwrap();
        let times =
            user["history"].as_array().unwrap().iter().map(|event| event["timestamp"].as_i64().unwrap());
        out.extend(times);
    }
    out
}

fn rounds(count: u64) {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    succeed(["simulate", "--out", &path("data"), "--users", "200", "--items", "100"]);
    let quick =
        ["train.epochs=1", "train.min_steps=0", "model.dim=8", "features.dim=8", "features.buckets=16384"];
    let mut args = vec!["run".to_owned(), "--data".into(), path("data"), "--out".into(), path("run")];
    args.extend(quick.iter().flat_map(|set| ["--set".to_owned(), (*set).to_owned()]));
    succeed(args);
    let (next, mut acknowledged) = (AtomicI64::new(0), BTreeSet::new());
    for round in 0..count {
        if round % 3 == 2 {
            start(dir.path(), Some(Duration::from_millis(3 + round * 37 % 90)));
        }
        let mut server = start(dir.path(), None).unwrap();
        let mut times: BTreeMap<i64, usize> = BTreeMap::new();
        found(&server.address).into_iter().for_each(|number| *times.entry(number).or_default() += 1);
        assert!(times.values().all(|&count| count == 1), "round {round}: an event counts twice");
        assert!(times.keys().all(|&number| number < next.load(Ordering::Relaxed)), "round {round}");
        let lost: Vec<&i64> = acknowledged.iter().filter(|number| !times.contains_key(number)).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");
        std::thread::scope(|scope| {
            let senders = [0, 1].map(|_| scope.spawn(|| send(&server.address, &next)));
            std::thread::sleep(Duration::from_millis(20 + round * 53 % 200));
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            senders.into_iter().for_each(|sender| acknowledged.extend(sender.join().unwrap()));
        });
        assert!(!acknowledged.is_empty(), "nothing was sent: the test tests nothing");
    }
}

#[test]
fn a_killed_server_has_lost_nothing_that_it_acknowledged() {
    rounds(6);
}

#[test]
#[ignore = "300 rounds"]
fn so_it_is_three_hundred_times() {
    rounds(300);
}
