//! What the tests of the program share: calling it, a small market, settings that train in a second.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod ad_log;
pub(crate) mod ranking;
pub(crate) mod server;
pub(crate) mod tiny_bert;
pub(crate) mod tokens;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Settings of a small, quick training.
pub(crate) const QUICK: [&str; 10] = [
    "train.epochs=3",
    "train.min_steps=0",
    "train.negatives=32",
    "train.batch=128",
    "model.dim=16",
    "model.history=10",
    "features.dim=8",
    "features.buckets=16384",
    "blend.alphas=[0, 8]",
    "blend.betas=[0, 0.4]",
];

/// The program, without settings of the environment.
pub(crate) fn semrank() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_semrank"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SEMRANK_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn call<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    semrank().args(args).output().expect("the program can be started")
}

/// Runs it and expects success; returns standard output.
#[track_caller]
pub(crate) fn succeed<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let output = call(args);
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs it and expects exit code 1; returns standard error.
#[track_caller]
pub(crate) fn fail<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let output = call(args);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "an error prints nothing on standard output");
    stderr(&output)
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as the one JSON object that it must be.
#[track_caller]
pub(crate) fn json(stdout: &str) -> Value {
    let value: Value = serde_json::from_str(stdout).expect("standard output is one JSON value");
    assert!(value.is_object(), "{value}");
    value
}

/// A small market's data set at `dir/market`.
pub(crate) fn market(dir: &Path, seed: u64) -> PathBuf {
    let out = dir.join("market");
    let seed = seed.to_string();
    let sizes = ["--users", "150", "--items", "120", "--events-per-user", "12", "--seed", &seed];
    succeed(
        ["simulate".as_ref(), "--out".as_ref(), out.as_os_str()].into_iter().chain(sizes.map(str::as_ref)),
    );
    out
}

/// Arguments of `semrank run` with quick settings and some more.
pub(crate) fn run_args(data: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let mut args = vec!["run".into(), "--data".into(), path(data), "--out".into(), path(out)];
    for setting in QUICK {
        args.extend(["--set".into(), setting.into()]);
    }
    args.extend(more.iter().map(|&arg| arg.into()));
    args
}

/// A file's bytes.
#[track_caller]
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
