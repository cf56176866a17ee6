//! The contract of the commands: keys of the JSON, what goes to which stream, exit codes, precedence of settings.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{call, fail, json, run_args, semrank, stderr, succeed};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// A finished run of a small market.
fn finished(dir: &Path) -> (PathBuf, PathBuf) {
    let (data, out) = (common::market(dir, 5), dir.join("run"));
    succeed(run_args(&data, &out, &["--set", "data.split=time"]));
    (data, out)
}

fn has_keys(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(value.get(key).is_some(), "no `{key}` in {value}");
    }
}

#[test]
fn evaluate_prints_the_agreed_json() {
    let dir = tempfile::tempdir().unwrap();
    let (_, out) = finished(dir.path());
    let run = out.to_str().unwrap();
    let found = json(&succeed(["evaluate", run, "--json"]));
    has_keys(
        &found,
        &["dataset", "split", "users", "items", "rows", "train_seconds", "seen_policy", "without_history"],
    );
    assert_eq!((found["split"].as_str(), found["items"].as_u64()), (Some("test"), Some(120)));
    let rows = found["rows"].as_array().unwrap();
    let names = |protocol: &str| -> Vec<&str> {
        rows.iter()
            .filter(|row| row["protocol"] == protocol)
            .map(|row| row["name"].as_str().unwrap())
            .collect()
    };
    assert_eq!(names("strict"), ["model", "popularity", "recent_popularity", "markov", "tfidf", "content"]);
    assert_eq!(names("strict"), names("filtered"));
    assert_eq!(rows[0]["protocol"], "strict", "strict comes first");
    for row in rows {
        has_keys(row, &["recall@5", "recall@10", "ndcg@5", "ndcg@10", "mrr"]);
        has_keys(&row["segments"], &["head", "torso", "tail", "new"]);
    }
    let validation = json(&succeed(["evaluate", run, "--split", "validation", "--json"]));
    assert_eq!(validation["split"], "validation");
    assert!(succeed(["evaluate", run]).contains("strict: nothing is removed"));
}

#[test]
fn predictions_have_a_line_a_user_and_agree_with_the_figures() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = finished(dir.path());
    let dataset = semrank_data::Dataset::open(&data).unwrap();
    let split = semrank_data::Split::new(&dataset, semrank_data::SplitKind::Time).unwrap();
    for protocol in ["strict", "filtered"] {
        let file = dir.path().join(protocol);
        let mut args =
            vec!["evaluate", out.to_str().unwrap(), "--json", "--predictions", file.to_str().unwrap()];
        args.extend((protocol == "filtered").then_some("--filtered"));
        let found = json(&succeed(args));
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), split.test.len());
        let mut hits = 0;
        for (line, case) in text.lines().zip(&split.test) {
            let (user, items) = line.split_once('\t').unwrap();
            let items: Vec<&str> = items.split(' ').collect();
            assert_eq!((user, items.len()), (dataset.users.name(case.user.0), 50));
            hits += usize::from(items[..10].contains(&dataset.catalog.name(case.target)));
        }
        let rows = found["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == "model" && row["protocol"] == protocol).unwrap();
        let recall = row["recall@10"].as_f64().unwrap();
        assert!((recall - hits as f64 / split.test.len() as f64).abs() < 1e-12, "{protocol}");
    }
}

#[test]
fn run_prints_one_object_and_the_rest_goes_to_standard_error() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::market(dir.path(), 5);
    let out = dir.path().join("run");
    let args = run_args(&data, &out, &["--json", "--threads", "1"]);
    let output = call(&args);
    let found = json(&String::from_utf8(output.stdout.clone()).unwrap());
    has_keys(&found, &["run", "dataset", "rows", "stages", "train_seconds", "wall_seconds", "peak_rss_mb"]);
    assert!(stderr(&output).contains("epoch 1/3"), "{}", stderr(&output));
    for stage in ["features", "tokens", "model", "report"] {
        assert!(out.join(stage).join("manifest.json").is_file(), "{stage}");
        assert!(out.join(stage).join("timing.json").is_file(), "{stage}");
    }
    assert!(std::fs::read_to_string(out.join("report/report.html")).unwrap().ends_with("</html>\n"));

    let again = json(&succeed(&args));
    let skipped: Vec<bool> =
        again["stages"].as_array().unwrap().iter().map(|stage| stage["skipped"] == true).collect();
    assert_eq!(skipped, [true; 4], "nothing has changed");
    assert_eq!(again["rows"], found["rows"]);
    let other = json(&succeed(args.iter().cloned().chain(["--set".into(), "train.epochs=2".into()])));
    let skipped: Vec<bool> =
        other["stages"].as_array().unwrap().iter().map(|stage| stage["skipped"] == true).collect();
    assert_eq!(skipped, [true, true, false, false], "features and tokens do not depend on epochs");
}

#[test]
fn recommend_explains_and_names_the_nearest_user() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = finished(dir.path());
    let run = out.to_str().unwrap();
    let dataset = semrank_data::Dataset::open(&data).unwrap();
    let user = dataset.users.name(0);
    let found = json(&succeed(["recommend", run, "--user", user, "-k", "4", "--explain", "--json"]));
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    for item in items {
        has_keys(item, &["rank", "item", "text", "kind", "score", "parts"]);
        let parts: f64 = item["parts"].as_object().unwrap().values().map(|part| part.as_f64().unwrap()).sum();
        assert!((parts - item["score"].as_f64().unwrap()).abs() < 1e-3, "parts add up to the score: {item}");
    }
    assert!(found["last_events"].as_array().unwrap().len() > 1);
    let interests = found["interests"].as_array().unwrap();
    assert!((1..=3).contains(&interests.len()));
    for interest in interests {
        has_keys(interest, &["label", "share", "events", "ads", "items"]);
        assert!(!interest["label"].as_array().unwrap().is_empty(), "{interest}");
    }
    let shares: f64 = interests.iter().map(|interest| interest["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    let explained = succeed(["recommend", run, "--user", user, "--explain"]);
    let strongest = interests[0]["label"][0].as_str().unwrap();
    assert!(explained.contains("interests\n") && explained.contains(strongest), "{explained}");
    let plain = json(&succeed(["recommend", run, "--user", user, "--json"]));
    assert_eq!(plain["items"].as_array().unwrap().len(), 10);
    assert!(plain["items"][0].get("parts").is_none() && plain.get("interests").is_none());
    let text = succeed(["recommend", run, "--user", user, "-k", "2"]);
    assert!(text.contains(items[0]["item"].as_str().unwrap()) && text.contains("the whole history was read"));
    // Reasons are by item, each once, and add up over both ways of being brought.
    for item in items {
        let sources = item["brought_by"].as_array().cloned().unwrap_or_default();
        let names: std::collections::BTreeSet<&str> =
            sources.iter().map(|source| source["item"].as_str().unwrap()).collect();
        assert_eq!(names.len(), sources.len(), "{item}");
        for source in &sources {
            let part = |name: &str| source[name].as_f64().unwrap();
            assert!((part("score") - part("item_item") - part("content")).abs() < 1e-4, "{source}");
        }
    }
    let unknown = format!("{user}0");
    let said = fail(["recommend", run, "--user", &unknown]);
    assert!(said.contains(&format!("no user `{unknown}`")) && said.contains("did you mean `"), "{said}");
}

#[test]
fn recommend_takes_a_history_that_the_log_does_not_have() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = finished(dir.path());
    let run = out.to_str().unwrap();
    let dataset = semrank_data::Dataset::open(&data).unwrap();
    let name = |item: u32| dataset.catalog.name(semrank_core::ItemId(item));
    let history = [name(3), name(40), name(7)].join(",");
    let found = json(&succeed(["recommend", run, "--history", &history, "-k", "5", "--explain", "--json"]));
    assert_eq!((found["history"].as_u64(), found.get("user")), (Some(3), None), "{found}");
    let past: Vec<&str> = found["last_events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["item"].as_str().unwrap())
        .collect();
    assert_eq!(past, [name(3), name(40), name(7)]);
    assert_eq!(found["items"].as_array().unwrap().len(), 5);
    let repeated = json(&succeed([
        "recommend",
        run,
        "--history",
        name(3),
        "--history",
        name(40),
        "--history",
        name(7),
        "-k",
        "5",
        "--explain",
        "--json",
    ]));
    assert_eq!(found, repeated);
    let text = succeed(["recommend", run, "--history", &history, "--explain"]);
    assert!(text.contains("because of"), "{text}");
    let new = json(&succeed(["recommend", run, "--new-user", "-k", "5", "--json"]));
    assert_eq!((new["history"].as_u64(), new["items"].as_array().unwrap().len()), (Some(0), 5), "{new}");
    let unknown = format!("{}x", name(3));
    let said = fail(["recommend", run, "--history", &unknown]);
    assert!(said.contains(&format!("no item `{unknown}`")) && said.contains("did you mean `"), "{said}");
    let both = call(["recommend", run, "--user", "u", "--history", "a"]);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
    assert_eq!(call(["recommend", run]).status.code(), Some(2));
}

#[test]
fn settings_come_from_file_environment_and_flags_in_this_order() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("semrank.toml");
    std::fs::write(&file, "[train]\nepochs = 2\nbatch = 32\n").unwrap();
    let config = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = semrank();
        command.args(["config", "--json", "--config"]).arg(&file).args(more).envs(variables.iter().copied());
        json(&String::from_utf8(command.output().unwrap().stdout).unwrap())["train"].clone()
    };
    let train = config(&[], &[]);
    assert_eq!((train["epochs"].as_u64(), train["batch"].as_u64()), (Some(2), Some(32)));
    assert_eq!(config(&[("SEMRANK_TRAIN_EPOCHS", "3")], &[])["epochs"], 3);
    let variables = [("SEMRANK_TRAIN_EPOCHS", "3"), ("SEMRANK_DATA", "../shared/data")];
    assert_eq!(config(&variables, &["--set", "train.epochs=4"])["epochs"], 4);

    std::fs::write(&file, "[train]\nepochs = 2\nbach = 32\n").unwrap();
    let said = fail(["config", "--config", file.to_str().unwrap()]);
    assert!(said.contains("semrank.toml:3: there is no setting `train.bach`"), "{said}");
    assert!(said.contains("did you mean `train.batch`?"), "{said}");
    let said = fail(["config", "--set", "model.heads=3"]);
    assert!(said.contains("model.heads is 3, expected a divisor of model.dim"), "{said}");
}

#[test]
fn exit_codes_and_streams() {
    assert_eq!(call(["run"]).status.code(), Some(2), "wrong usage");
    assert_eq!(call(["evalute"]).status.code(), Some(2), "an unknown verb");
    let said = fail(["run", "--data", "no/such/folder", "--out", "no/such/run"]);
    assert!(said.contains("no/such/folder") && said.contains("help:"), "{said}");
    assert!(!Path::new("no").exists(), "a refused run leaves nothing behind");
    let mut child = semrank().arg("config").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "a closed pipe is quiet: {}",
        stderr(&output)
    );
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::market(dir.path(), 6);
    let tensors = |threads: &str| {
        let out = dir.path().join(threads);
        succeed(run_args(&data, &out, &["--threads", threads]));
        common::bytes(&out.join("model/model.safetensors"))
    };
    assert!(tensors("1") == tensors("3"));
}
