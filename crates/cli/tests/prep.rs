//! The promise of the way from a raw log to probabilities: simulate, prep, run, evaluate.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{fail, json, succeed};
use std::path::Path;

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_raw_log_becomes_probabilities() {
    let folder = tempfile::tempdir().expect("a folder");
    let [raw, ads, run] = ["raw", "ads", "run"].map(|name| path(folder.path(), name));
    let dirt = ["--duplicates", "0.05", "--disordered", "0.05", "--skewed", "0.05"];
    succeed(
        ["simulate", "--impressions", "30000", "--click-rate", "0.1", "--out", &raw].into_iter().chain(dirt),
    );

    let report = json(&succeed(["prep", "--data", &raw, "--out", &ads, "--json", "--threads", "2"]));
    let count = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_u64).expect(pointer);
    assert!(count("/duplicates") > 100 && count("/skewed") > 10 && count("/late") > 100, "{report}");
    assert_eq!(count("/log_rows"), count("/duplicates") + count("/impressions") + count("/history_events"));
    assert_eq!(count("/clicks/attributed"), count("/clicked"));
    assert!(count("/converted") > 0 && count("/matured") > 1000 && count("/examples/test") > 500, "{report}");

    let set = ["task=ctr", "pointwise.epochs=2", "features.dim=8", "features.buckets=16384"];
    let set = set.iter().flat_map(|setting| ["--set", setting]);
    succeed(["run", "--data", &ads, "--out", &run].into_iter().chain(set));
    let found = json(&succeed(["evaluate", &run, "--task", "ctr", "--json"]));
    let auc = |of: &serde_json::Value| of["auc"].as_f64().expect("an AUC");
    let popularity =
        found["baselines"].as_array().expect("baselines").iter().find(|b| b["name"] == "popularity");
    assert!(auc(&found) > auc(popularity.expect("popularity")) + 0.02, "{found}");
}

#[test]
fn options_win_over_the_windows_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let [raw, ads] = ["raw", "ads"].map(|name| path(folder.path(), name));
    succeed(["simulate", "--impressions", "500", "--conversion-days", "3", "--out", &raw]);
    let text = succeed(["prep", "--data", &raw, "--out", &ads, "--click-minutes", "5"]);
    assert!(text.contains("clicks ") && text.contains("rows a second"), "{text}");
    let meta = std::fs::read_to_string(Path::new(&ads).join("dataset.toml")).expect("it was written");
    assert!(meta.contains("click_minutes = 5") && meta.contains("conversion_days = 3"), "{meta}");
    assert!(fail(["prep", "--data", &raw, "--out", &ads]).contains("exists"));
    let wrong = fail(["prep", "--data", &raw, "--out", &path(folder.path(), "b"), "--conversion-days", "0"]);
    assert!(wrong.contains("conversion_days is 0"), "{wrong}");
}
