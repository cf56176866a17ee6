//! A randomised test in a server: arms by request, what the other arms would have shown, exposures in the log, replay, forgetting.

use super::{Server, common, items, settings};
use semrank_experiment::assign::Namespace;
use semrank_experiment::definition::{Definition, Design};
use semrank_experiment::log::LoggedExposure;
use semrank_pipeline::{Context, Run};
use semrank_serve::{Log, OpenError, Service, TrialRow, replay, trial_rows, used_definitions};
use serde_json::json;
use std::path::Path;

const DEFINITION: &str = r#"
name = "content"
start = 1970-01-01
days = 14
shadow = 0.9
segments = ["surface"]
bots = { flag = "is_bot" }

[[arms]]
name = "control"
weight = 0.5
set = { "retrieve.content.quota" = 0 }

[[arms]]
name = "treatment"
weight = 0.5

[[metrics]]
name = "clicks"
role = "primary"
numerator = { action = "click" }
window_days = 1
"#;

/// A test that begins with the newest event; treatment has no source but the content source.
pub(crate) fn definition(dir: &Path) -> Definition {
    let mut out = Definition::from_toml(DEFINITION).unwrap();
    out.start = newest(dir);
    let retrieval = Run::open(&dir.join("run")).unwrap().retrieval().unwrap();
    let quota = |name: &str| (format!("retrieve.{name}.quota"), json!(if name == "content" { 5 } else { 0 }));
    out.arms[1].set = retrieval.names().into_iter().map(quota).collect();
    out
}

fn newest(dir: &Path) -> i64 {
    let run = Run::open(&dir.join("run")).unwrap();
    let events = &run.data().unwrap().dataset.events;
    (0..events.len()).map(|at| events.event(at).time).max().unwrap()
}

fn start(dir: &Path, definition: Definition) -> Server {
    let mut settings = settings(dir);
    settings.experiments = vec![definition];
    Server::with_settings(dir, settings, None, None)
}

fn refused(dir: &Path, definition: Definition) -> String {
    let mut settings = settings(dir);
    settings.experiments = vec![definition];
    let opened = Service::open(Run::open(&dir.join("run")).unwrap(), settings, &Context::default());
    match opened {
        Err(error @ OpenError::Experiment { .. }) => error.to_string(),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn interleaved_lists_take_turns_and_the_log_says_who_contributed_what() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let (users, now) = (users(dir), newest(dir));
    let mut mixed = definition(dir);
    mixed.design = Design::Interleaving;
    {
        let server = start(dir, mixed);
        for user in &users {
            let answer =
                server.rank(json!({"user": user, "k": 5, "time": now, "request_id": format!("r-{user}")}));
            assert_eq!(answer["experiment"]["arm"], "interleaved");
            assert_eq!(items(&answer).len(), 5);
        }
    }
    let rows = exposures(dir);
    let mut firsts = [0, 0];
    for row in &rows {
        let teams: Vec<&str> = row.slate.iter().filter_map(|item| item.team.as_deref()).collect();
        let of = |name: &str| teams.iter().filter(|team| **team == name).count();
        assert_eq!((teams.len(), of("control").abs_diff(of("treatment"))), (5, 1), "{teams:?}");
        firsts[usize::from(teams[0] == "treatment")] += 1;
        let names: std::collections::BTreeSet<&str> =
            row.slate.iter().map(|item| item.item.as_str()).collect();
        assert_eq!(names.len(), 5);
    }
    assert!(firsts[0] > 0 && firsts[1] > 0 && rows.iter().any(|row| row.would_differ == Some(true)));
    let found = replay(Run::open(&dir.join("run")).unwrap(), &settings(dir), &Context::default()).unwrap();
    assert_eq!((found.equal, found.answers), (users.len(), users.len()), "{found:?}");
}

#[test]
fn two_tests_of_one_server_never_take_the_same_request() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let with = |name: &str, change: &dyn Fn(&mut Definition)| {
        let mut out = definition(dir);
        out.name = name.to_owned();
        change(&mut out);
        out
    };
    let opens = |tests: Vec<Definition>| {
        let mut settings = settings(dir);
        settings.experiments = tests;
        Service::open(Run::open(&dir.join("run")).unwrap(), settings, &Context::default())
            .map(|service| service.stop())
    };
    let error = opens(vec![with("a", &|_| {}), with("b", &|_| {})]).unwrap_err().to_string();
    assert!(error.contains("a can take the same request"), "{error}");
    let of = |start: f64, end: f64| {
        move |one: &mut Definition| {
            one.namespace = Some(Namespace { name: "feed".into(), start, end });
        }
    };
    opens(vec![with("a", &of(0.0, 0.5)), with("b", &of(0.5, 1.0))]).unwrap();
    assert!(opens(vec![with("a", &of(0.0, 0.5)), with("b", &of(0.4, 1.0))]).is_err());
    let on = |surface: &'static str| {
        move |one: &mut Definition| {
            one.targeting = [("surface".to_owned(), vec![surface.to_owned()])].into();
        }
    };
    opens(vec![with("c", &on("feed")), with("d", &on("search"))]).unwrap();
}

fn exposures(dir: &Path) -> Vec<LoggedExposure> {
    let mut out = Vec::new();
    let log = Log::existing(&dir.join("state/log").into(), settings(dir).journal).unwrap();
    trial_rows::<OpenError>(&log, |row| {
        if let TrialRow::Exposure(row) = row {
            out.push(*row);
        }
        Ok(())
    })
    .unwrap();
    out
}

/// Users with a history of the data set.
fn users(dir: &Path) -> Vec<String> {
    let run = Run::open(&dir.join("run")).unwrap();
    run.data().unwrap().dataset.users.names().map(str::to_owned).collect()
}

#[test]
fn requests_have_the_arms_of_their_units_and_the_log_says_what_others_would_have_seen() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let (definition, users, now) = (definition(dir), users(dir), newest(dir));
    let (mut lists, mut arms) = (Vec::new(), Vec::new());
    {
        let server = start(dir, definition.clone());
        for user in &users {
            let answer = server.rank(json!({"user": user, "k": 5, "surface": "feed", "time": now, "request_id": format!("r-{user}")}));
            let arm = definition.arms[definition.arm(user).unwrap()].name.clone();
            assert_eq!(answer["experiment"], json!({"name": "content", "arm": arm}));
            lists.push(items(&answer));
            arms.push(arm);
        }
        // Repeated, and from a bot; somebody without an id takes no part.
        server.rank(json!({"user": users[0], "k": 5, "time": now, "request_id": format!("r-{}", users[0])}));
        server.rank(json!({"user": "robot", "time": now, "context": {"is_bot": true}}));
        assert!(server.rank(json!({"k": 5})).get("experiment").is_none());
        let flag = |user: &str| {
            server.post("/ofrep/v1/evaluate/flags/content", json!({"context": {"targetingKey": user}}))
        };
        let (status, answer) = flag(&users[0]);
        // The clock of the log stands within the phase.
        assert_eq!((status, &answer["value"]), (200, &json!(arms[0])), "{answer}");
        let (status, all) =
            server.post("/ofrep/v1/evaluate/flags", json!({"context": {"targetingKey": users[0]}}));
        assert_eq!((status, &all["flags"][0]["variant"]), (200, &json!(arms[0])));
        let (status, missing) =
            server.post("/ofrep/v1/evaluate/flags/no", json!({"context": {"targetingKey": "u"}}));
        assert_eq!((status, &missing["errorCode"]), (404, &json!("FLAG_NOT_FOUND")));
        let (status, missing) = server.post("/ofrep/v1/evaluate/flags/content", json!({"context": {}}));
        assert_eq!((status, &missing["errorCode"]), (400, &json!("TARGETING_KEY_MISSING")));
    }
    let rows = exposures(dir);
    // The repeated request is there once.
    assert_eq!(rows.len(), users.len() + 1);
    for (row, (user, list)) in rows.iter().zip(users.iter().zip(&lists)) {
        assert_eq!((&row.unit, row.time, &row.segments["surface"]), (user, now, &"feed".to_owned()));
        assert_eq!(&row.slate.iter().map(|item| item.item.clone()).collect::<Vec<_>>(), list);
        assert_eq!(row.would_differ.is_some(), definition.is_shadowed(user));
    }
    assert!(rows[users.len()].bot);
    assert!(rows.iter().any(|row| row.would_differ == Some(true)));
    // Each arm alone shows the same, so it is known what would have differed.
    let of_arm = |arm: usize| -> Vec<Vec<String>> {
        let mut alone = definition.clone();
        alone.name = format!("only-{arm}");
        alone.arms.iter_mut().enumerate().for_each(|(at, one)| one.weight = f64::from(u8::from(at == arm)));
        alone.shadow = 0.0;
        let other = dir.join(format!("alone-{arm}"));
        std::fs::create_dir(&other).unwrap();
        let mut settings = settings(dir);
        (settings.state, settings.log) = (other.join("state"), other.join("state/log").into());
        settings.experiments = vec![alone];
        let server = Server::with_settings(dir, settings, None, None);
        users.iter().map(|user| items(&server.rank(json!({"user": user, "k": 5, "time": now})))).collect()
    };
    let [control, treatment] = [of_arm(0), of_arm(1)];
    for (at, row) in rows[..users.len()].iter().enumerate() {
        let shown = if row.arm == "control" { &control[at] } else { &treatment[at] };
        assert_eq!(shown, &lists[at], "{}", row.unit);
        if let Some(differs) = row.would_differ {
            assert_eq!(differs, control[at] != treatment[at], "{}", row.unit);
        }
    }
    let found = replay(Run::open(&dir.join("run")).unwrap(), &settings(dir), &Context::default()).unwrap();
    assert_eq!((found.equal, found.answers), (users.len() + 3, users.len() + 3), "{found:?}");
}

#[test]
fn units_that_were_exposed_do_not_move_and_forgotten_ones_leave_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let now = newest(dir);
    let mut other = definition(dir);
    (other.arms[0].weight, other.arms[1].weight) = (0.4, 0.6);
    {
        // Nobody is exposed yet.
        drop(start(dir, definition(dir)));
        let server = start(dir, other.clone());
        server.rank(json!({"user": "somebody", "time": now}));
        server.rank(json!({"user": "another", "time": now}));
        let (status, _) = server.send("DELETE", "/v1/users/somebody", "");
        assert_eq!(status, 204);
    }
    assert_eq!(exposures(dir).iter().map(|row| row.unit.as_str()).collect::<Vec<_>>(), ["another"]);
    // It goes on after a stop.
    drop(start(dir, other.clone()));
    let error = refused(dir, definition(dir));
    assert!(error.contains("phase = 2"), "{error}");
    let mut smaller = other.clone();
    smaller.traffic = 0.5;
    assert!(refused(dir, smaller).contains("phase = 2"));
    let mut next = definition(dir);
    next.phase = 2;
    drop(start(dir, next));
    let used = used_definitions(&dir.join("state")).unwrap();
    assert_eq!(
        used.iter().map(|one| (one.definition.phase, one.exposed)).collect::<Vec<_>>(),
        [(1, false), (1, true), (2, false)]
    );
    let mut split = definition(dir);
    split.design = Design::BudgetSplit;
    assert!(refused(dir, split).contains("no budget of an arm"));
    let mut unknown = definition(dir);
    unknown.arms[0].set = [("retrieve.nothing.quota".to_owned(), json!(1))].into();
    assert!(refused(dir, unknown.clone()).contains("there is no source nothing"));
    unknown.arms[0].set = [("train.rate".to_owned(), json!(1))].into();
    assert!(refused(dir, unknown).contains("`train.rate` cannot be set by an arm"));
}
