//! What is said about runs that cannot be used: every message names what is wrong and what to do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, fail, run_args, succeed};
use std::path::{Path, PathBuf};

struct Fixture {
    dir: tempfile::TempDir,
    data: PathBuf,
    run: PathBuf,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let (data, run) = (common::market(dir.path(), 5), dir.path().join("run"));
        succeed(run_args(&data, &run, &[]));
        Fixture { dir, data, run }
    }

    #[track_caller]
    fn evaluation_says(&self, expected: &[&str]) {
        let said = fail(["evaluate", self.run.to_str().unwrap(), "--json"]);
        for text in expected {
            assert!(said.contains(text), "no {text:?} in: {said}");
        }
    }

    fn repeat(&self) {
        succeed(run_args(&self.data, &self.run, &[]));
        succeed(["evaluate", self.run.to_str().unwrap(), "--json"]);
    }
}

fn cut(path: &Path) {
    let whole = bytes(path);
    std::fs::write(path, &whole[..whole.len() - 10]).unwrap();
}

#[test]
fn damaged_stages_are_refused_and_made_again() {
    let fixture = Fixture::new();
    cut(&fixture.run.join("model/model.safetensors"));
    fixture.evaluation_says(&["model.safetensors", "cut short or altered", "semrank run"]);
    fixture.repeat();
    cut(&fixture.run.join("features/vectors.safetensors"));
    fixture.evaluation_says(&["vectors.safetensors", "cut short or altered"]);
    fixture.repeat();
    cut(&fixture.run.join("model/manifest.json"));
    fixture.evaluation_says(&["manifest.json is damaged", "help:"]);
    fixture.repeat();
    std::fs::remove_dir_all(fixture.run.join("model")).unwrap();
    fixture.evaluation_says(&["no finished model stage", "finishes or repeats"]);
    fixture.repeat();
}

/// Hashes tell of damage; a file that was made to do harm comes with the right ones.
#[test]
fn a_model_that_claims_more_than_its_tensors_hold_is_refused_before_anything_is_allocated() {
    let fixture = Fixture::new();
    let (facts, manifest) = (fixture.run.join("model/model.json"), fixture.run.join("model/manifest.json"));
    let [whole, of_whole] = [&facts, &manifest].map(|path| bytes(path));
    for (key, claim, said) in [
        ("dim", 1u64 << 40, "model.dim"),
        ("dim", 16_384, "network.content.weight"),
        ("history", 65_536, "network.position"),
        ("blocks", 64, "network.block."),
        ("expansion", 64, "up.weight"),
        ("heads", 0, "model.heads"),
        ("id_rows", 1, "network.ids"),
    ] {
        let mut json: serde_json::Value = serde_json::from_slice(&whole).unwrap();
        json["model"][key] = claim.into();
        std::fs::write(&facts, json.to_string()).unwrap();
        let mut json: serde_json::Value = serde_json::from_slice(&of_whole).unwrap();
        json["outputs"]["model.json"] = semrank_store::hash_file(&facts).unwrap().into();
        std::fs::write(&manifest, json.to_string()).unwrap();
        fixture.evaluation_says(&[said]);
    }
}

#[test]
fn stages_of_another_run_are_refused() {
    let fixture = Fixture::new();
    let other = fixture.dir.path().join("other");
    succeed(run_args(&fixture.data, &other, &["--set", "features.dim=6"]));
    let theirs = other.join("features");
    std::fs::remove_dir_all(fixture.run.join("features")).unwrap();
    std::fs::rename(theirs, fixture.run.join("features")).unwrap();
    fixture.evaluation_says(&["configuration", "repeat `semrank run`"]);
}

#[test]
fn other_data_is_refused() {
    let fixture = Fixture::new();
    let elsewhere = fixture.dir.path().join("elsewhere");
    let other = common::market(&elsewhere, 9);
    let run = fixture.run.to_str().unwrap();
    let said = fail(["evaluate", run, "--data", other.to_str().unwrap()]);
    assert!(said.contains("has the hash") && said.contains("is another one"), "{said}");

    let moved = fixture.dir.path().join("moved");
    std::fs::rename(&fixture.data, &moved).unwrap();
    fixture.evaluation_says(&["market", "help:"]);
    succeed(["evaluate", run, "--data", moved.to_str().unwrap(), "--json"]);

    std::fs::rename(&other, &fixture.data).unwrap();
    fixture.evaluation_says(&["data set `market` has the hash", "it has changed since the run"]);
}

#[test]
fn folders_of_others_are_left_alone() {
    let fixture = Fixture::new();
    let foreign = fixture.dir.path().join("letters");
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("letter.txt"), "dear").unwrap();
    let said = fail(["evaluate", foreign.to_str().unwrap()]);
    assert!(said.contains("is not a run folder: it has no run.json"), "{said}");
    let said = fail(run_args(&fixture.data, &foreign, &[]));
    assert!(
        said.contains("exists and is not a run folder") && said.contains("will not be touched"),
        "{said}"
    );
    let said = fail(["quickstart", "--out", foreign.to_str().unwrap()]);
    assert!(said.contains("is not a folder of an earlier quickstart"), "{said}");
    let names: Vec<_> =
        std::fs::read_dir(&foreign).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["letter.txt"]);
}

#[test]
fn data_too_small_to_split_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("events.csv");
    std::fs::write(&events, "user,item\nann,a\nann,b\nbob,a\n").unwrap();
    let (data, out) = (dir.path().join("tiny"), dir.path().join("run"));
    succeed(["import", "--events", events.to_str().unwrap(), "--out", data.to_str().unwrap()]);
    let said = fail(run_args(&data, &out, &[]));
    assert!(said.contains("has no") && said.contains("three events"), "{said}");
    assert!(!out.exists(), "a refused run leaves nothing behind");
}

#[test]
fn a_training_that_diverges_says_which_rate_to_lower() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (common::market(dir.path(), 5), dir.path().join("run"));
    let wild = ["--set", "train.rate=1", "--set", "train.weight_decay=100"];
    let said = fail(run_args(&data, &run, &wild));
    assert!(said.contains("try a lower train.rate"), "{said}");
    assert!(!run.join("model").exists(), "no stage was made of it");
}
