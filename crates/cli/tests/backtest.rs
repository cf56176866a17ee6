//! What `semrank backtest` promises: its cases lie inside the training events, its figures are those of a run on these alone, and clear
//! words about settings that cannot be compared.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{QUICK, fail, json, run_args, succeed};
use std::fmt::Write;
use std::path::{Path, PathBuf};

const ITEMS: usize = 60;

/// Users who go through neighbouring items; with `cut` their last so many events are missing.
fn data(dir: &Path, name: &str, cut: usize) -> PathBuf {
    let mut sequences = String::new();
    for user in 0..150 {
        let length = 8 + user % 4 - cut;
        let items = (0..length).map(|at| (user * 7 + at * (1 + user % 2)) % ITEMS + 1);
        let items: Vec<String> = items.map(|item| item.to_string()).collect();
        let _ = writeln!(sequences, "{} {}", user + 1, items.join(" "));
    }
    let texts: String =
        (1..=ITEMS).map(|item| format!("{item},shade {} of brand {}\n", item % 5, item / 9)).collect();
    let (events, items) = (dir.join(format!("{name}.txt")), dir.join("items.csv"));
    std::fs::write(&events, sequences).unwrap();
    std::fs::write(&items, format!("item,text\n{texts}")).unwrap();
    let out = dir.join(name);
    let paths = [("--events", &events), ("--items", &items), ("--out", &out)];
    let paths = paths.into_iter().flat_map(|(option, path)| [option, path.to_str().unwrap()]);
    let rest = ["import", "--format", "s3rec", "--item-id", "item", "--text", "text"];
    succeed(rest.into_iter().chain(paths));
    out
}

/// The quick settings of tests as a file, since `--set` names models here.
fn quick(dir: &Path) -> String {
    let path = dir.join("quick.toml");
    std::fs::write(&path, QUICK.join("\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

fn args(data: &Path, dir: &Path, more: &[&str]) -> Vec<String> {
    let (out, config) = (dir.join("work"), quick(dir));
    let fixed =
        ["backtest", "--data", data.to_str().unwrap(), "--out", out.to_str().unwrap(), "--config", &config];
    fixed.iter().chain(more).map(|&arg| arg.to_owned()).collect()
}

#[test]
fn a_cut_is_a_run_on_the_training_events_alone() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let whole = data(dir, "whole", 0);
    let narrow = "model.dim=4; blend.text=0";
    let found = json(&succeed(args(&whole, dir, &["--cuts", "2", "--set", narrow, "--json"])));
    let tested = &found["settings"];
    assert_eq!((&tested[0]["name"], &tested[1]["name"]), (&"default".into(), &narrow.into()));
    for (at, less) in [2, 4].into_iter().enumerate() {
        let name = format!("cut-{less}");
        let out = dir.join("run");
        succeed(run_args(&data(dir, &name, less), &out, &[]));
        let evaluation = json(&succeed(["evaluate", out.to_str().unwrap(), "--json"]));
        let (cut, alone) = (&tested[0]["ndcg@10 by cut"][at], &evaluation["rows"][0]["ndcg@10"]);
        let apart = (cut.as_f64().unwrap() - alone.as_f64().unwrap()).abs();
        assert!(apart < 1e-12, "{cut} on the cut, {alone} of the run without {less} events of each user");
        assert_eq!(found["cases"][at], evaluation["users"]);
    }
    assert!(tested[0]["difference of ndcg@10"].is_null());
    let less = &tested[1]["difference of ndcg@10"];
    let of = |name: &str| less[name].as_f64().unwrap();
    assert!(of("low") <= of("difference") && of("difference") <= of("high"), "{less}");
    let plain = tested[1]["ndcg@10"].as_f64().unwrap() - tested[0]["ndcg@10"].as_f64().unwrap();
    assert!((of("difference") - plain).abs() < 1e-12, "{less}");
}

#[test]
fn settings_that_cannot_be_compared_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let data = data(dir, "whole", 0);
    let said = |more: &[&str]| fail(args(&data, dir, more));
    assert!(said(&["--set", "model.dimm=4"]).contains("`model.dim`"));
    assert!(said(&["--set", "task=ctr"]).contains("a backtest compares next-item models"));
    assert!(said(&["--cuts", "9", "--set", "model.dim=4"]).contains("no test case"));
}
