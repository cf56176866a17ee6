//! The promise of `--resume`: a training that was killed or interrupted goes on to the same bytes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, call, run_args, semrank, stderr, succeed};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Epochs enough that a signal arrives in the middle.
const LONG: [&str; 4] = ["--set", "train.epochs=60", "--set", "train.patience=0"];

fn start(args: &[String]) -> Child {
    semrank()
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started")
}

/// Waits until a first state is kept.
fn wait_for_state(out: &Path, child: &mut Child) {
    let started = Instant::now();
    while !out.join("model.partial/key.json").is_file() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it kept a state");
        assert!(started.elapsed() < Duration::from_secs(120), "no state was kept");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn whole(dir: &Path, data: &Path, more: &[&str]) -> Vec<u8> {
    let out = dir.join("whole");
    succeed(run_args(data, &out, more));
    assert!(!out.join("model.partial").exists(), "a finished training leaves no state behind");
    bytes(&out.join("model/model.safetensors"))
}

/// Ends a run in the middle by `signal`, resumes it, and compares.
fn check(signal: &str) -> (Option<i32>, String) {
    let dir = tempfile::tempdir().unwrap();
    check_run(dir.path(), &common::market(dir.path(), 3), (signal, &LONG))
}

/// The same of a data set and settings.
fn check_run(dir: &Path, data: &Path, (signal, more): (&str, &[&str])) -> (Option<i32>, String) {
    let expected = whole(dir, data, more);
    let out = dir.join("Ann's part");
    let args = run_args(data, &out, more);
    let mut child = start(&args);
    wait_for_state(&out, &mut child);
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = child.wait_with_output().unwrap();
    assert!(!out.join("model").exists(), "the run was over before the signal came");

    let resume: Vec<String> = args.iter().cloned().chain(["--resume".to_owned()]).collect();
    let output = call(&resume);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("from step ") && !said.contains("from step 0\n"), "it began again: {said}");
    assert!(bytes(&out.join("model/model.safetensors")) == expected, "another result after {signal}");
    assert!(!out.join("model.partial").exists());
    (ended.status.code(), stderr(&ended))
}

#[test]
fn a_killed_training_resumes_to_the_same_bytes() {
    let (code, _) = check("-KILL");
    assert_eq!(code, None, "ended by the signal");
}

#[test]
fn ctrl_c_ends_with_130_and_says_how_to_go_on() {
    let (code, said) = check("-INT");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("semrank run --data") && said.contains("--resume"), "{said}");
    assert!(said.contains(r"/Ann'\''s part'"), "a shell reads the quote back: {said}");
}

#[test]
fn a_killed_training_of_probabilities_resumes_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::ranking::labelled_rows(dir.path(), "rows", 7);
    let long = ["--set", "task=ctr", "--set", "pointwise.epochs=150", "--set", "pointwise.patience=0"];
    let (code, _) = check_run(dir.path(), &data, ("-KILL", &long));
    assert_eq!(code, None, "ended by the signal");
}

#[test]
fn without_resume_a_kept_state_is_reported_and_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::market(dir.path(), 3);
    let out = dir.path().join("run");
    let args = run_args(&data, &out, &LONG);
    let mut child = start(&args);
    wait_for_state(&out, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let quick = run_args(&data, &out, &["--resume"]);
    let said = stderr(&call(&quick));
    assert!(said.contains("other data or settings") && said.contains("from step 0"), "{said}");
    assert!(out.join("model/model.safetensors").is_file());

    std::fs::remove_dir_all(&out).unwrap();
    let mut child = start(&args);
    wait_for_state(&out, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = stderr(&call(&args));
    assert!(said.contains("--resume goes on with it") && said.contains("from step 0"), "{said}");
}

#[test]
fn a_damaged_state_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let data = common::market(dir.path(), 3);
    let out = dir.path().join("run");
    let args = run_args(&data, &out, &[&LONG[..], &["--resume"]].concat());
    let mut child = start(&args);
    wait_for_state(&out, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let state = out.join("model.partial/state.safetensors");
    let half = bytes(&state);
    std::fs::write(&state, &half[..half.len() / 2]).unwrap();
    let output = call(&args);
    let said = stderr(&output);
    assert!(output.status.success() && said.contains("the saved state is damaged"), "{said}");
}
