//! The promise of a served click model: built through the API event by event, among them late and repeated ones, it gives the scores of
//! the evaluation to the bit; a replay of the log gives the answers again; after a kill it goes on as if nothing had been.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::ad_log::{DAY, ITEMS, Row, log, write_raw};
use common::server::ask;
use common::{QUICK, succeed};
use semrank_data::Part;
use semrank_pipeline::response::{Beginning, Inputs};
use semrank_pipeline::{Context, Run};
use semrank_response::{Position, Score};
use semrank_serve::{Clock, Listen, Service, ServiceSettings, replay, serve};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

/// Settings of a small conversion model whose evaluation reads test labels once they are known, as a server does.
const OC: [&str; 6] = [
    "task=oc",
    "pointwise.known=past",
    "pointwise.epochs=1",
    "pointwise.min_steps=0",
    "features.dim=8",
    "features.buckets=4096",
];

fn settings(dir: &Path) -> ServiceSettings {
    ServiceSettings {
        clock: Clock::Log,
        clicks: Some(dir.join("clicks")),
        beginning: Beginning::Test,
        ..ServiceSettings::new(&dir.join("state"))
    }
}

/// What `during` makes of a server's address.
fn served<R>(dir: &Path, during: impl FnOnce(&str) -> R) -> R {
    let service =
        Service::open(Run::open(&dir.join("next")).unwrap(), settings(dir), &Context::default()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let listen = Listen { address, keys: None, tls: None, without_keys: false };
    let (stop, (tell, told)) = (Arc::new(AtomicBool::new(false)), channel());
    let asked = stop.clone();
    let thread = std::thread::spawn(move || {
        serve(service, &listen, move || asked.load(Ordering::Relaxed), |at| tell.send(at).unwrap()).unwrap();
    });
    let out = during(&told.recv().unwrap().to_string());
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    out
}

fn post(address: &str, path: &str, body: &Value) -> Value {
    let (status, answer) = ask(address, "POST", path, &body.to_string()).unwrap();
    assert!(status < 300, "{status}: {answer}");
    serde_json::from_str(&answer).unwrap()
}

fn event(at: usize, row: &Row) -> Value {
    json!({
        "event_id": format!("e{at}"),
        "parent_event_id": row.parent.map(|parent| format!("e{parent}")),
        "user_id": format!("u{}", row.user),
        "item_id": format!("i{}", row.item),
        "action": row.action,
        "timestamp": row.time,
        "received_at": row.received,
        "dwell_ms": row.dwell_ms,
    })
}

/// Scores by (user, item, time), each with the number of events of the history.
type Evaluated = HashMap<(String, String, i64), (Score, usize)>;

/// Evaluated scores, and when the test begins.
fn evaluated(dir: &Path) -> (Evaluated, i64) {
    let mut run = Run::open(&dir.join("clicks")).unwrap();
    let inputs = Inputs::new(&mut run).unwrap();
    let (examples, names) = (inputs.examples, &inputs.data.dataset.catalog.ids);
    let rows: Vec<usize> = examples.rows(Part::Test).collect();
    let scores = inputs.model().unwrap().score_last(&rows, Position::Neutral).unwrap();
    let of = |(&row, score): (&usize, &Score)| {
        let user = examples.user_names.name(examples.users[row].0).to_owned();
        let item = names.name(examples.items[row].0).to_owned();
        ((user, item, examples.times[row]), (*score, examples.history_ends[row] as usize))
    };
    (rows.iter().zip(&scores).map(of).collect(), examples.times[rows[0]])
}

#[test]
fn served_scores_are_the_evaluations() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, path) = (dir.path(), |name: &str| dir.path().join(name).to_str().unwrap().to_owned());
    let mut rows = log();
    // Hours late, not days: more histories can be compared.
    rows.iter_mut().for_each(|row| row.received = row.time + (row.received - row.time) / 48);
    // Who sends an event with its dwell time sends it when the visit is over.
    rows.iter_mut().for_each(|row| row.received = row.received.max(row.time + row.dwell_ms.unwrap_or(0)));
    rows.iter_mut().filter(|row| row.action == "impression").for_each(|row| row.received = row.time);
    // Events of equal times keep the order in which they came, which is not that of the log where one came late.
    let views = rows.iter_mut().filter(|row| row.action == "view");
    views.for_each(|row| (row.time, row.received) = (row.time + 1_000, row.received + 1_000));
    let rows = rows;
    write_raw(&dir.join("raw"), &rows);
    succeed(["prep", "--data", &path("raw"), "--out", &path("data"), "--conversion-days", "3"]);
    for (name, set) in [("clicks", &OC[..]), ("next", &QUICK[..])] {
        let (data, out) = (path("data"), path(name));
        let set = set.iter().flat_map(|setting| ["--set", setting]);
        succeed(["run", "--data", &data, "--out", &out].into_iter().chain(set));
    }
    let (want, begins) = evaluated(dir);
    // A server that begins before the test has the beginnings of histories that were known by then: an event that was not known hides those
    // after it.
    let mut hidden_until: HashMap<usize, i64> = HashMap::new();
    let mut by_time: Vec<usize> = (0..rows.len()).collect();
    by_time.sort_by_key(|&at| (rows[at].time, at));
    by_time.retain(|&at| {
        let Row { user, action, received, .. } = rows[at];
        if action == "impression" {
            return received >= begins;
        }
        let until = hidden_until.entry(user).or_insert(received);
        *until = (*until).max(received);
        *until >= begins
    });
    let mut order = by_time;
    order.sort_by_key(|&at| (rows[at].received, at));
    let (mut compared, mut other_history) = (0, 0);
    served(dir, |address| {
        let mut waiting: Vec<Value> = Vec::new();
        for &at in &order {
            let row = &rows[at];
            let (user, item) = (format!("u{}", row.user), format!("i{}", row.item));
            if let Some((score, history)) = want.get(&(user.clone(), item.clone(), row.time))
                && row.action == "impression"
            {
                // What was sent once more counts once.
                let again = waiting.first().cloned();
                waiting.extend(again);
                post(address, "/v1/events", &json!(std::mem::take(&mut waiting)));
                let answer =
                    post(address, "/v1/rank", &json!({"user": user, "candidates": [item], "time": row.time}));
                // Offline, an event that is not known yet hides those after it; and some items are not active yet.
                let is_before = |other: &&Row| {
                    other.user == row.user && other.action != "impression" && other.received < row.time
                };
                let comparable = rows.iter().filter(is_before).count() == *history;
                other_history += usize::from(!comparable);
                if let (true, Some(ranked)) = (comparable, answer["items"].get(0)) {
                    let served = [&ranked["probability"], &ranked["conversion"]].map(|x| x.as_f64().unwrap());
                    assert_eq!(
                        served,
                        [score.click_and_conversion(), score.conversion()],
                        "{item} for {user}, after {compared}"
                    );
                    compared += 1;
                }
            }
            waiting.push(event(at, row));
        }
        post(address, "/v1/events", &json!(waiting));
        let ranked =
            post(address, "/v1/rank", &json!({"user": "u1", "k": ITEMS, "time": rows[rows.len() - 1].time}));
        assert!(ranked["items"].as_array().unwrap().len() > 5, "{ranked}");
    });
    assert!(compared > 100 && other_history < compared, "{compared} compared, {other_history} not");
    let next = || Run::open(&dir.join("next")).unwrap();
    let played = replay(next(), &settings(dir), &Context::default()).unwrap();
    assert_eq!(
        (played.answers, played.equal, played.left_out),
        (want.len() + 1, want.len() + 1, 0),
        "{played:?}"
    );
    // Started again, it goes on from its log; then a user is forgotten.
    let now = rows[rows.len() - 1].time + 2 * DAY;
    let ask_again = json!({"user": "u1", "k": 5, "time": now});
    let first = served(dir, |address| post(address, "/v1/rank", &ask_again));
    served(dir, |address| {
        assert_eq!(post(address, "/v1/rank", &ask_again)["items"], first["items"]);
        assert_eq!(ask(address, "DELETE", "/v1/users/u1", "").unwrap().0, 204);
        let (forgotten, nobody) = (
            post(address, "/v1/rank", &ask_again),
            post(address, "/v1/rank", &json!({"user": "nobody", "k": 5, "time": now})),
        );
        assert_ne!(forgotten["items"], first["items"]);
        assert_eq!(forgotten["items"], nobody["items"]);
    });
}
