//! The promise of ranking tasks: labelled rows in, a run whose probabilities can be measured and written out, the same for any
//! number of threads; and a run of another task is refused by name.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::ranking::{call_in, fail_in, import_rows, labelled_rows, run_in, succeed_in};
use common::{json, market, stderr};
use std::path::Path;

#[test]
fn labelled_rows_become_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let run = |out: &str, threads: &str| {
        run_in(folder, "data", out, &format!("--set task=ctr --set pointwise.epochs=4 --threads {threads}"))
    };
    let found: serde_json::Value = serde_json::from_str(&run("a", "1")).unwrap();
    run("b", "2");
    for file in [
        "model/model.safetensors",
        "model/model.json",
        "model/calibration.json",
        "model/features.safetensors",
        "model/features.json",
        "model/serving.json",
        "report/evaluation.json",
        "report/scores.safetensors",
    ] {
        let bytes = |run: &str| std::fs::read(folder.join(run).join(file)).unwrap();
        assert_eq!(bytes("a"), bytes("b"), "{file}");
    }
    assert!(folder.join("a/report/report.html").is_file());
    assert_eq!((&found["task"], &found["rows"]), (&"ctr".into(), &240.into()));
    assert!(found["auc"].as_f64().unwrap() > 0.7, "{}", found["auc"]);
    for key in ["uauc", "pr_auc", "log_loss", "ne", "calibration", "ece", "segments"] {
        assert!(!found[key].is_null(), "{key}");
    }
    let baselines = found["baselines"].as_array().unwrap();
    let base = baselines.iter().find(|baseline| baseline["name"] == "base_rate").unwrap();
    assert!((base["auc"].as_f64(), base["rows"].as_u64()) == (Some(0.5), Some(240)), "{base}");
    assert!(baselines.iter().any(|baseline| baseline["name"] == "item_user_mean+valid"));
    let page = std::fs::read_to_string(folder.join("a/report/report.html")).unwrap();
    assert!(page.contains("item_user_residual"));

    let again = succeed_in(folder, "evaluate a --task ctr --json --predictions p.tsv");
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["auc"], found["auc"], "the saved model is the trained one");
    assert_eq!(again["baselines"], found["baselines"], "measured once, in the report");
    assert!(succeed_in(folder, "evaluate a --task ctr").contains("item_user_residual"));
    let valid = succeed_in(folder, "evaluate a --task ctr --split validation --json");
    assert!(!valid.contains("baselines"), "those of test rows say nothing of other rows");
    let lines = std::fs::read_to_string(folder.join("p.tsv")).unwrap();
    assert_eq!(lines.lines().next(), Some("user\titem\tlabel\tscore"));
    assert_eq!(lines.lines().count(), 241);

    assert!(fail_in(folder, "evaluate a --task oc").contains("task ctr"));
    assert!(fail_in(folder, "recommend a --user u1").contains("task ctr"));
    let wrong = fail_in(folder, "run --data data --out c --set task=clicks");
    assert!(wrong.contains("`next-item`") && wrong.contains("`oc`"), "{wrong}");
}

#[test]
fn a_data_set_without_labelled_rows_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    market(folder.path(), 2);
    let said = fail_in(folder.path(), "run --data market --out run --set task=ctr");
    assert!(said.contains("no examples.parquet") && said.contains("semrank prep"), "{said}");
    assert!(!folder.path().join("run").exists(), "no stage was made");
}

/// Imports `labelled_rows` once more under another name, the rows of all parts changed by `change`.
fn changed_rows(folder: &Path, name: &str, change: impl Fn(&str) -> String) {
    for part in ["train", "valid", "test"] {
        let path = folder.join(format!("{part}.tsv"));
        let lines: Vec<String> = std::fs::read_to_string(&path).unwrap().lines().map(&change).collect();
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    }
    import_rows(folder, name);
}

fn without_conversion(line: &str) -> String {
    line.rsplit_once('\t').unwrap().0.to_owned()
}

#[test]
fn conversions_are_learned_from_conversion_labels_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let oc = "--set task=oc --set pointwise.epochs=1";
    let whole = json(&run_in(folder, "data", "whole", oc));
    assert_eq!((&whole["rows"], &whole["unlabelled"]), (&240.into(), &0.into()));

    // The clicks of user 3 have no conversion label.
    let blank = |line: &str| match line.starts_with("u3\t") {
        true => without_conversion(line) + "\t",
        false => line.to_owned(),
    };
    changed_rows(folder, "some", blank);
    let some = json(&run_in(folder, "some", "some-run", oc));
    let unlabelled = some["unlabelled"].as_u64().unwrap();
    assert!((1..=6).contains(&unlabelled), "{unlabelled} of 6 rows");
    assert_eq!(some["rows"].as_u64(), Some(240 - unlabelled));
    let text = succeed_in(folder, "evaluate some-run --task oc");
    assert!(text.contains("without a conversion label") && text.contains("left out"), "{text}");

    changed_rows(folder, "none", without_conversion);
    let said = fail_in(folder, "run --data none --out none-run --set task=oc --set pointwise.epochs=1");
    assert!(said.contains("label_conversion") && said.contains("task=ctr"), "{said}");
    assert!(!folder.join("none-run/model").exists(), "nothing was trained");
}

#[test]
fn where_no_window_is_over_nothing_is_measured_and_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let meta = labelled_rows(folder, "data", 7).join("dataset.toml");
    let toml = std::fs::read_to_string(&meta).unwrap();
    assert!(!toml.contains("[windows]"), "{toml}");
    std::fs::write(&meta, toml + "\n[windows]\nconversion_days = 30\n").unwrap();
    let found = json(&run_in(folder, "data", "run", "--set task=oc --set pointwise.epochs=1"));
    assert_eq!((&found["rows"], &found["immature"]), (&0.into(), &240.into()));
    for key in ["auc", "uauc", "pr_auc", "log_loss", "ne", "calibration", "ece"] {
        assert_eq!(found.get(key), Some(&serde_json::Value::Null), "{key}");
    }
    assert!(found["segments"].is_object());
    let text = succeed_in(folder, "evaluate run --task oc");
    assert!(text.contains("nothing could be measured") && text.contains("240 rows of test"), "{text}");
    run_in(folder, "data", "other", "--set task=oc --set pointwise.epochs=1 --set pointwise.rate=1e-2");
    succeed_in(folder, "compare run other");
}

#[test]
fn the_entire_space_is_refused_where_samples_have_no_label() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let said = fail_in(folder, "run --data data --out run --set task=oc --set pointwise.entire_space=1");
    assert!(said.contains("train.delay=delay-model") && said.contains("window"), "{said}");
    assert!(!folder.join("run").exists(), "no stage was made");
    let possible = "--set task=oc --set pointwise.entire_space=1 --set train.delay=window";
    run_in(folder, "data", "run", &format!("{possible} --set pointwise.epochs=1"));
}

#[test]
fn a_training_that_diverges_says_which_rates_to_lower() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let run = "run --data data --out run --set task=ctr";
    let wild = format!("{run} --set pointwise.rate=1 --set pointwise.weight_decay=100");
    let said = fail_in(folder, &wild);
    assert!(said.contains("with pointwise.rate=1 and") && said.contains("training has diverged"), "{said}");
    assert!(said.contains("try a lower pointwise.rate"), "{said}");
    assert!(!folder.join("run/model").exists(), "no stage was made of it");
    let said = fail_in(folder, &format!("{run} --set pointwise.rate=1000"));
    assert!(said.contains("--set pointwise.rate=1000: pointwise.rate is 1000, expected 1e-9 to 1"), "{said}");
}

#[test]
fn rows_that_are_too_many_for_shared_labels_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let run = |out: &str, rows: &str| {
        let few = format!("--set pointwise.epochs=1 --set pointwise.neighbour_rows={rows}");
        stderr(&call_in(folder, &format!("run --data data --out {out} --set task=ctr {few}")))
    };
    assert!(run("few", "1440").contains("1440 rows, not below pointwise.neighbour_rows=1440"));
    assert!(!run("all", "1441").contains("neighbour_rows"));
}

/// Manifests tell of damage; a run that was made to do harm comes with the right ones.
#[test]
fn settings_of_a_run_are_checked_before_anything_is_allocated() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    run_in(folder, "data", "run", "--set task=ctr --set pointwise.epochs=1");
    let files = ["run/run.json", "run/model/manifest.json"].map(|name| folder.join(name));
    let whole = files.each_ref().map(|path| std::fs::read(path).unwrap());
    for (key, claim, said) in [
        ("dim", 1u64 << 40, "pointwise.dim is 1099511627776, expected"),
        ("batch", 0, "pointwise.batch is 0, expected"),
        ("hidden", 16_384, "network.hidden.0"),
        ("hidden_2", 16_384, "network.hidden.1"),
    ] {
        for (path, whole) in files.iter().zip(&whole) {
            let mut json: serde_json::Value = serde_json::from_slice(whole).unwrap();
            json["config"]["pointwise"][key] = claim.into();
            std::fs::write(path, json.to_string()).unwrap();
        }
        let found = fail_in(folder, "evaluate run --json");
        assert!(found.contains(said), "no {said:?} in: {found}");
    }
}
