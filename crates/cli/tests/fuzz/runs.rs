//! A finished run's folder and the pairs to score with it. The hashes in its manifests are put right after the damage, or
//! nothing behind them would be read.

use crate::common;
use crate::harness::Subject;
use crate::program::run;
use semrank_store::hash_file;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

pub(crate) const RUNS: &[Subject] = &[
    Subject { name: "score", make, read: |folder| with_hashes(folder, score) },
    Subject { name: "evaluate", make, read: |folder| with_hashes(folder, evaluate) },
    Subject { name: "pairs", make: make_pairs, read: score },
];

pub(crate) const STATES: &[Subject] = &[Subject { name: "state", make: make_state, read: resume }];

const STAGES: [&str; 4] = ["features", "tokens", "model", "report"];

fn make(folder: &Path) -> Vec<String> {
    make_pairs(folder);
    let mut files = vec!["run/run.json".to_owned(), "pairs.tsv".into()];
    for stage in STAGES {
        let path = folder.join("run").join(stage);
        std::fs::copy(path.join("manifest.json"), folder.join(format!("{stage}.kept"))).expect("a copy");
        let entries = std::fs::read_dir(&path).expect("a stage");
        let names = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file());
        let data = names.filter(|path| path.extension().is_some_and(|end| end != "html" && end != "svg"));
        files.extend(data.map(|path| path.strip_prefix(folder).expect("inside").display().to_string()));
    }
    files.sort();
    files
}

/// A small market.
fn market(folder: &Path) -> PathBuf {
    let data = folder.join("market");
    let out = data.display().to_string();
    let sizes = ["--users", "40", "--items", "30", "--events-per-user", "8", "--seed", "5"];
    common::succeed(["simulate", "--out", &out].into_iter().chain(sizes));
    data
}

fn make_pairs(folder: &Path) -> Vec<String> {
    let data = market(folder);
    common::succeed(common::run_args(&data, &folder.join("run"), &[]));
    let dataset = semrank_data::Dataset::open(&data).expect("a data set");
    let pair = |at: u32| format!("{}\t{}\n", dataset.users.name(at), dataset.catalog.ids.name(at * 3));
    std::fs::write(folder.join("pairs.tsv"), (0..5).map(pair).collect::<String>()).expect("a file");
    vec!["pairs.tsv".to_owned()]
}

/// A training that goes on long enough to be killed.
const LONG: [&str; 4] = ["--set", "train.epochs=20", "--set", "train.patience=0"];

/// A run that was killed in its training, in `killed`; with the files of the state that it had kept.
fn make_state(folder: &Path) -> Vec<String> {
    let (data, killed) = (market(folder), folder.join("killed"));
    let state = killed.join("model.partial");
    let mut command = common::semrank();
    command.args(training(&data, &killed)).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program can be started");
    while !state.join("key.json").is_file() {
        assert!(child.try_wait().expect("a child").is_none(), "the run ended before it kept a state");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    let entries = std::fs::read_dir(&state).expect("the run was over before it was killed");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    let mut files: Vec<String> = names.map(|name| format!("killed/model.partial/{name}")).collect();
    files.sort();
    files
}

/// The stages up to the model.
fn training(data: &Path, out: &Path) -> Vec<String> {
    let mut args = common::run_args(data, out, &LONG);
    args[0] = "train".into();
    args
}

/// Goes on with a copy of the killed run.
fn resume(folder: &Path) -> Result<(), String> {
    let copy = folder.join("copy");
    let _ = std::fs::remove_dir_all(&copy);
    copy_folder(&folder.join("killed"), &copy);
    let mut args = training(&folder.join("market"), &copy);
    args.push("--resume".into());
    run(args)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            true => copy_folder(&from, &to),
            false => drop(std::fs::copy(&from, &to).expect("a copy")),
        }
    }
}

fn arguments(folder: &Path, words: &[&str]) -> Vec<OsString> {
    words.iter().map(|word| OsString::from(word.replace("FOLDER", &folder.display().to_string()))).collect()
}

fn score(folder: &Path) -> Result<(), String> {
    run(arguments(folder, &["score", "FOLDER/run", "--pairs", "FOLDER/pairs.tsv"]))
}

fn evaluate(folder: &Path) -> Result<(), String> {
    let _ = run(arguments(folder, &["compare", "FOLDER/run", "FOLDER/run"]));
    run(arguments(folder, &["evaluate", "FOLDER/run", "--json"]))
}

/// Reads a run whose manifests have the hashes of what is there; a damaged manifest is left as it is.
fn with_hashes(folder: &Path, read: fn(&Path) -> Result<(), String>) -> Result<(), String> {
    let manifest = |stage: &str| folder.join("run").join(stage).join("manifest.json");
    let kept = |stage: &str| std::fs::read(folder.join(format!("{stage}.kept"))).expect("a copy");
    let damaged: Vec<&str> = STAGES
        .into_iter()
        .filter(|stage| std::fs::read(manifest(stage)).expect("a manifest") != kept(stage))
        .collect();
    for stage in STAGES.iter().filter(|stage| !damaged.contains(stage)) {
        let mut json: Value = serde_json::from_slice(&kept(stage)).expect("a manifest");
        for (name, hash) in json["outputs"].as_object_mut().expect("outputs") {
            let file = folder.join("run").join(stage).join(name);
            *hash = hash_file(&file).unwrap_or_default().into();
        }
        let inputs = json["inputs"].as_object_mut().into_iter().flatten();
        for (name, hash) in inputs.filter(|(name, _)| STAGES.contains(&name.as_str())) {
            *hash = hash_file(&manifest(name)).unwrap_or_default().into();
        }
        std::fs::write(manifest(stage), json.to_string()).expect("a manifest");
    }
    let result = read(folder);
    for stage in STAGES.iter().filter(|stage| !damaged.contains(stage)) {
        std::fs::write(manifest(stage), kept(stage)).expect("a manifest");
    }
    result
}
