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
    assert!(text.contains("clicks ") && text.contains("rows per second"), "{text}");
    let meta = std::fs::read_to_string(Path::new(&ads).join("dataset.toml")).expect("it was written");
    assert!(meta.contains("click_minutes = 5") && meta.contains("conversion_days = 3"), "{meta}");
    assert!(fail(["prep", "--data", &raw, "--out", &ads]).contains("exists"));
    let wrong = fail(["prep", "--data", &raw, "--out", &path(folder.path(), "b"), "--conversion-days", "0"]);
    assert!(wrong.contains("conversion_days is 0"), "{wrong}");
}

#[test]
fn settings_of_a_file_steer_simulation_and_preparation() {
    let folder = tempfile::tempdir().expect("a folder");
    let [file, raw, ads, again] = ["a.toml", "raw", "ads", "again"].map(|name| path(folder.path(), name));
    std::fs::write(&file, "[prep]\nclick_minutes = 7\n[ads]\nconversion_days = 4\ndays = 9\n").unwrap();
    let set = ["--config", &file, "--set", "ads.conversion_days=2"];
    succeed(["simulate", "--impressions", "500", "--days", "12", "--out", &raw].into_iter().chain(set));
    let meta =
        |data: &str| std::fs::read_to_string(Path::new(data).join("dataset.toml")).expect("it was written");
    assert!(meta(&raw).contains("conversion_days = 2"), "--set wins over the file: {}", meta(&raw));
    succeed(["prep", "--data", &raw, "--out", &ads, "--config", &file]);
    assert!(
        meta(&ads).contains("click_minutes = 7") && meta(&ads).contains("conversion_days = 2"),
        "{}",
        meta(&ads)
    );
    succeed(["prep", "--set=prep.click_minutes=8", "--data", &raw, "--out", &again, "--click-minutes", "9"]);
    assert!(meta(&again).contains("click_minutes = 9"), "an option wins over a setting: {}", meta(&again));

    let unknown = fail(["prep", "--data", &raw, "--out", "x", "--set", "prep.click_minute=1"]);
    assert!(unknown.contains("no setting `prep.click_minute`"), "{unknown}");
    assert!(unknown.contains("did you mean `prep.click_minutes`?"), "{unknown}");
    let wrong = fail(["simulate", "--out", "x", "--set", "ads.click_rate=3"]);
    assert!(wrong.contains("ads.click_rate is 3, expected 0.0001 to 0.4"), "{wrong}");
}

#[test]
fn a_default_stands_once_and_is_shown_everywhere() {
    let config = succeed(["config"]);
    for line in [
        "[prep]",
        "click_minutes = 30 # 1 to 52560000",
        "[market]",
        "users = 2000 #",
        "[ads]",
        "days = 37 # 1 to 3650",
    ] {
        assert!(config.contains(line), "{line}");
    }
    let simulate = succeed(["simulate", "--help"]);
    for shown in
        ["[default: 2000;", "[default: 20]", "[default: 37]", "[default: 0.03]", "[default: lognormal]"]
    {
        assert!(simulate.contains(shown), "{shown}: {simulate}");
    }
    let prep = succeed(["prep", "--help"]);
    for shown in [
        "[default: that of dataset.toml, or 30]",
        "[default: last-touch]",
        "[default: 0.1]",
        "[default: 1024]",
    ] {
        let plain = prep.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(plain.contains(shown), "{shown}: {prep}");
    }
}
