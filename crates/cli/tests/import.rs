//! What `semrank import` says to people, and what `run` says of data that it was given too little of.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{call, fail, json, semrank, stderr, succeed};
use std::io::Write;
use std::process::Stdio;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

#[test]
fn an_import_ends_with_its_place_and_the_next_steps() {
    let dir = Dir::new();
    let events = dir.file(
        "e.csv",
        "user,item,time,action\nu,a,2023-11-14 22:13:20,impression\nu,a,2023-11-14 22:13:21,click\n",
    );
    let out = dir.path("my set");
    let said = succeed(["import", "--events", &events, "--out", &out]);
    assert!(said.contains("times     2023-11-14 22:13:20 to 2023-11-14 22:13:21 UTC"), "{said}");
    assert!(
        said.contains("rfc3339 (inferred from the first value, 2023-11-14 22:13:20); no zone: taken as UTC"),
        "{said}"
    );
    assert!(said.contains("warning   every `impression` is a target"), "{said}");
    let end = format!(
        "data set: {out}\nnext:     semrank run --data '{out}' --out '{out}-run'\n          semrank prep --data '{out}' --out \
         '{out}-examples'\n"
    );
    assert!(said.ends_with(&end), "{said}");
    let train = dir.file("t.csv", "user,item,label\nu,a,1\nu,b,0\n");
    let out = dir.path("rows");
    let said = succeed(["import", "--format", "pointwise", "--train", &train, "--out", &out]);
    assert!(
        said.ends_with(&format!("next:     semrank run --data {out} --out {out}-run --set task=ctr\n")),
        "{said}"
    );
    let printed = json(&succeed(["import", "--events", &events, "--out", &dir.path("b"), "--json"]));
    assert!(printed["warnings"][0].as_str().unwrap().contains("--target-action"), "{printed}");
}

#[test]
fn an_unknown_format_names_the_known_ones() {
    let output = call(["import", "--format", "wikispeedia", "--events", "x", "--out", "y"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("wikispeedia") && said.contains("s3rec") && said.contains("pointwise"), "{said}");
}

#[test]
fn options_reach_the_import() {
    let dir = Dir::new();
    let text = "who~what~when~did\nu~['a', 'b']~14/11/2023 22:13~1\n";
    let columns = "--user WHO --event-item what --timestamp when --action did --map-action 1=click --unfold";
    let args = ["import", "--events", "-", "--delimiter", "~", "--time-format", "DD/MM/YYYY HH:MM", "--json"];
    let mut program = semrank();
    program.args(args).args(columns.split(' ')).args(["--out", &dir.path("set")]);
    program.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = program.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let report = json(&String::from_utf8(output.stdout).unwrap());
    assert_eq!((&report["events"], &report["actions"]["click"]), (&2.into(), &2.into()), "{report}");
    assert_eq!(report["time_range_ms"][0], 1_699_999_980_000i64);
}

#[test]
fn a_log_of_one_moment_is_told_how_it_can_be_divided() {
    let dir = Dir::new();
    let rows: String = (0..100).map(|at| format!("u{},i{},1700000000\n", at % 20, at * 7 % 13)).collect();
    let events = dir.file("e.csv", &format!("user,item,timestamp\n{rows}"));
    succeed(["import", "--events", &events, "--out", &dir.path("set")]);
    let said = fail(["run", "--data", &dir.path("set"), "--out", &dir.path("run")]);
    assert!(said.contains("all events have the same time: --set data.split=leave-one-out"), "{said}");
}
