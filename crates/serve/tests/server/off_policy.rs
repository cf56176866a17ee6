//! What other policies would have earned, from a server's log, where the chance of every reward is known.

use super::explore::{POLICY, answers, exploring};
use super::{Server, common, items, settings};
use semrank_experiment::explore::Exploration;
use semrank_experiment::hash::wide;
use semrank_experiment::policy_value::Value as Estimate;
use semrank_experiment::random::Stream;
use semrank_pipeline::{Context, Data, Run};
use semrank_serve::{OffPolicyReport, OffPolicySettings, off_policy};
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;

const USERS: usize = 12;
const REQUESTS: usize = 2_400;
/// No action of the model's, so that histories stay as they are.
const REWARD: &str = "tap";

/// The chance of a tap on an item in a slot, from 0.
fn chance(item: &str, slot: usize) -> f64 {
    let of_item = 0.05 + 0.5 * (wide("chance", item) % 1_000) as f64 / 1_000.0;
    of_item / (1 + slot) as f64
}

/// A run with other settings at `dir/second`.
pub(crate) fn second_run(dir: &Path) {
    let mut config = common::quick();
    config.train.epochs = 1;
    let data = Data::open(&dir.join("market"), &config).unwrap();
    let run = Run::create(&dir.join("second"), data, config, 2).unwrap();
    run.make_content(&Context::default()).unwrap();
    run.make_model(false, &Context::default()).unwrap();
}

fn report(dir: &Path, run: Option<&str>, only_drawn: bool) -> OffPolicyReport {
    let run = run.map(|name| Run::open(&dir.join(name)).unwrap());
    let asked =
        OffPolicySettings { reward: REWARD.into(), only_drawn, within_ms: None, temperatures: vec![1.0] };
    off_policy(run, &settings(dir), &asked, &Context::default()).unwrap()
}

#[test]
fn estimates_from_the_log_are_near_the_truth() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let run = common::trained(dir);
    second_run(dir);
    let names: Vec<String> =
        run.data().unwrap().dataset.users.names().take(USERS).map(str::to_owned).collect();
    drop(run);
    let policy = Exploration { pool: 5, ..POLICY };
    let (mut stream, mut events, mut taps) = (Stream::new(2), Vec::new(), 0);
    {
        let server = Server::with_settings(dir, exploring(dir, policy), None, None);
        for id in 0..REQUESTS {
            let (request, user) = (format!("r{id}"), &names[id % USERS]);
            let shown = items(&server.rank(json!({"user": user, "request_id": request, "k": 3})));
            for (slot, item) in shown.iter().take(2).enumerate() {
                let impression = format!("i-{request}-{slot}");
                events.push(
                    json!({"event_id": impression, "user_id": user, "item_id": item, "action": "impression",
                    "request_id": request, "slot": slot + 1}),
                );
                if stream.uniform() < chance(item, slot) {
                    let by =
                        if id % 2 == 0 { ("request_id", &request) } else { ("parent_event_id", &impression) };
                    let mut tap = json!({"event_id": format!("t-{request}-{slot}"), "user_id": user, "item_id": item, "action": REWARD});
                    tap[by.0] = json!(by.1);
                    events.push(tap);
                    taps += 1;
                }
            }
        }
        // A tap of somebody else, one on what was not shown, and one of nowhere.
        for (id, user, item) in
            [("r1", "somebody else", "x"), ("r2", names[2].as_str(), "x"), ("none", "x", "x")]
        {
            events.push(json!({"event_id": format!("stray-{id}"), "user_id": user, "item_id": item, "action": REWARD, "request_id": id}));
        }
        for part in events.chunks(2_000) {
            assert_eq!(server.post("/v1/events", json!(part)).0, 202);
        }
    }
    let logged = answers(dir);
    let pools: Vec<Vec<&str>> = logged
        .iter()
        .map(|one| one.explored.as_ref().unwrap().pool.iter().map(|one| one.item.as_str()).collect())
        .collect();
    // What the second run makes of the pools, asked of a server of its own.
    let own = tempfile::tempdir().unwrap();
    let second = {
        std::fs::create_dir(own.path().join("run")).unwrap();
        copy(&dir.join("second"), &own.path().join("run"));
        let server = Server::start(own.path());
        let mut known: HashMap<(Option<&str>, &[&str]), Vec<String>> = HashMap::new();
        let mut truth = Vec::new();
        for (answer, pool) in logged.iter().zip(&pools) {
            let (user, pool) = (answer.user.as_deref(), pool.as_slice());
            let list = known
                .entry((user, pool))
                .or_insert_with(|| items(&server.rank(json!({"user": user, "candidates": pool, "k": 5}))));
            truth.push([chance(&list[0], 0), chance(&list[1], 1)]);
        }
        truth
    };
    let best: Vec<[f64; 2]> = pools.iter().map(|pool| [chance(pool[0], 0), chance(pool[1], 1)]).collect();
    let mean = |of: &dyn Fn(usize) -> Option<f64>| {
        let values: Vec<f64> = (0..REQUESTS).filter_map(of).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    for only_drawn in [false, true] {
        let found = report(dir, Some("second"), only_drawn);
        let is_of = |at: usize| !only_drawn || logged[at].explored.as_ref().is_some_and(|one| one.drawn);
        assert_eq!(found.lists, (0..REQUESTS).filter(|&at| is_of(at)).count());
        if !only_drawn {
            assert_eq!((found.rewarded, found.elsewhere, found.left_out), (taps, 3, 0));
        }
        let [itself, greedy, _, other] = &found.policies[..] else { panic!("{found:?}") };
        let earned = found.rewarded as f64 / found.lists as f64;
        for same in [itself.list.ips, itself.list.snips, itself.stepwise] {
            assert!((same.unwrap().value - earned).abs() < 1e-12, "{itself:?}");
        }
        for (policy, truth) in [(greedy, &best), (other, &second)] {
            let both = mean(&|at| is_of(at).then(|| truth[at].iter().sum()));
            let first = mean(&|at| is_of(at).then(|| truth[at][0]));
            let near = |found: Option<Estimate>, truth: f64| {
                let found = found.unwrap_or_else(|| panic!("{policy:?}"));
                assert!((found.value - truth).abs() < 4.0 * found.se, "{policy:?}: {truth}");
            };
            near(policy.list.ips, both);
            near(policy.list.snips, both);
            near(policy.stepwise, both);
            near(policy.first.ips, first);
            near(policy.first.doubly_robust, first);
        }
        assert!(greedy.list.ips != other.list.ips && found.in_pool.unwrap() > 0.0, "{found}");
    }
    // The run that served makes of its own items what it made of them.
    let same = report(dir, Some("run"), false);
    assert_eq!(
        (&same.policies[1].list, &same.policies[1].first),
        (&same.policies[3].list, &same.policies[3].first)
    );
    assert_eq!(same.in_pool, Some(1.0));
    println!("{}", report(dir, Some("second"), false));
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&path, &to);
        } else {
            std::fs::copy(&path, &to).unwrap();
        }
    }
}
