//! What `semrank compare` promises: the agreed JSON, medians over seeds, a page, and clear words about runs that cannot be
//! compared.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, call, fail, json, run_args, succeed};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A market with runs of it.
struct Fixture {
    dir: tempfile::TempDir,
    data: PathBuf,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let data = common::market(dir.path(), 5);
        Fixture { dir, data }
    }

    /// Makes a run of this name and gives its path.
    fn run(&self, name: &str, more: &[&str]) -> String {
        let out = self.path(name);
        succeed(run_args(&self.data, out.as_ref(), more));
        out
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }
}

fn change(path: &Path, alter: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&bytes(path)).unwrap();
    alter(&mut value);
    std::fs::write(path, value.to_string()).unwrap();
}

fn timing(run: &str, stage: &str) -> PathBuf {
    Path::new(run).join(stage).join("timing.json")
}

const STAGES: [&str; 4] = ["features", "tokens", "model", "report"];

/// Sum or largest of a number in the stages' timings.
fn stages(run: &str, name: &str, fold: fn(f64, f64) -> f64) -> f64 {
    let read = |stage| -> Value { serde_json::from_slice(&bytes(&timing(run, stage))).unwrap() };
    STAGES.map(|stage| read(stage)[name].as_f64().unwrap()).into_iter().fold(0.0, fold)
}

#[test]
fn compare_prints_the_agreed_json() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.run("one", &[]), fixture.run("two", &["--set", "train.epochs=2"]));
    // What another way of training would have noted: two minutes more.
    change(&timing(&two, "model"), |timing| {
        timing["cpu_seconds"] = (timing["cpu_seconds"].as_f64().unwrap() + 120.0).into();
        timing["counts"] = serde_json::json!({ "encoder_passes": 240, "bytes_cached": 4096 });
    });
    let found = json(&succeed(["compare", &one, &two, "--json"]));
    let runs = found["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["name"], &runs[1]["name"]), (2, &"one".into(), &"two".into()));
    assert_eq!((&found["reference"], found.get("groups")), (&"one".into(), None));
    for (run, path) in runs.iter().zip([&one, &two]) {
        let evaluation = json(&succeed(["evaluate", path, "--json"]));
        let model = &evaluation["rows"][0];
        for metric in ["recall@10", "ndcg@10"] {
            assert_eq!(run[metric], model[metric]);
            for segment in ["head", "torso", "tail", "new"] {
                assert_eq!(run["segments"][segment][metric], model["segments"][segment][metric]);
            }
        }
        assert_eq!(run["targets"], evaluation["users"]);
        assert_eq!(run["segments"]["head"]["targets"], model["segments"]["head"]["users"]);
        let close = |got: &Value, expected: f64| (got.as_f64().unwrap() - expected).abs() < 1e-9;
        assert!(close(&run["wall_seconds"], stages(path, "seconds", |a, b| a + b)), "{run}");
        assert!(close(&run["cpu_seconds"], stages(path, "cpu_seconds", |a, b| a + b)), "{run}");
        assert!(close(&run["peak_rss_mb"], stages(path, "peak_rss_mb", f64::max)), "{run}");
        assert!(run["cpu_seconds"].as_f64().unwrap() > 0.0);
    }
    assert_eq!((&runs[0]["encoder_passes"], &runs[0]["bytes_cached"]), (&0.0.into(), &0.0.into()));
    assert_eq!((&runs[1]["encoder_passes"], &runs[1]["bytes_cached"]), (&240.0.into(), &4096.0.into()));
    assert_eq!(runs[0]["gain_per_cpu_minute"], Value::Null, "the reference has no gain");
    let more = |name: &str| runs[1][name].as_f64().unwrap() - runs[0][name].as_f64().unwrap();
    let gain = runs[1]["gain_per_cpu_minute"].as_f64().unwrap();
    assert!((gain - more("ndcg@10") / (more("cpu_seconds") / 60.0)).abs() < 1e-12, "{gain}");
    let swapped = json(&succeed(["compare", &two, &one, "--json"]));
    assert_eq!(swapped["runs"][1]["gain_per_cpu_minute"], Value::Null, "it costs less than the reference");
}

#[test]
fn a_skipped_stage_keeps_its_cost() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.run("one", &[]), fixture.run("two", &[]));
    let before = json(&succeed(["compare", &one, &two, "--json"]));
    fixture.run("two", &[]);
    assert_eq!(json(&succeed(["compare", &one, &two, "--json"])), before);
}

#[test]
fn runs_that_differ_in_the_seed_have_medians() {
    let fixture = Fixture::new();
    let short = |name: &str, seed: &str| fixture.run(name, &["--seed", seed, "--set", "train.epochs=2"]);
    let runs = [
        short("short-1", "1"),
        short("short-2", "2"),
        short("short-3", "3"),
        fixture.run("long-1", &["--seed", "1"]),
    ];
    let args = |more: &[&str]| -> Vec<String> {
        std::iter::once("compare")
            .chain(runs.iter().map(String::as_str))
            .chain(more.iter().copied())
            .map(Into::into)
            .collect()
    };
    let out = fixture.path("page");
    let found = json(&succeed(args(&["--json", "--out", &out])));
    let groups = found["groups"].as_array().unwrap();
    let names: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["short", "long-1"]);
    assert_eq!(groups[0]["runs"], serde_json::json!(["short-1", "short-2", "short-3"]));
    let mut ndcg: Vec<f64> = (0..3).map(|at| found["runs"][at]["ndcg@10"].as_f64().unwrap()).collect();
    ndcg.sort_by(f64::total_cmp);
    let got = ["ndcg@10_min", "ndcg@10_max"].map(|key| groups[0][key].as_f64().unwrap());
    assert_eq!((got, groups[0]["medians"]["ndcg@10"].as_f64()), ([ndcg[0], ndcg[2]], Some(ndcg[1])));
    for at in 0..3 {
        assert_eq!(found["runs"][at]["gain_per_cpu_minute"], Value::Null, "another seed is not another way");
    }

    let page = String::from_utf8(bytes(&Path::new(&out).join("compare.html"))).unwrap();
    assert!(page.ends_with("</html>\n") && page.contains("short (3 seeds)") && page.contains("short-2"));
    assert!(page.matches("<svg").count() == 2 && !page.contains("NaN"), "a scatter plot and bars");
    let text = succeed(args(&[]));
    for part in ["medians over seeds", "short (3 seeds)", "short-3", "gain/min", "torso ("] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_run_of_an_earlier_version_has_an_unknown_cost() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.run("one", &[]), fixture.run("two", &["--set", "train.epochs=2"]));
    for stage in STAGES {
        change(&timing(&two, stage), |timing| *timing = serde_json::json!({ "seconds": 1.5 }));
    }
    let found = json(&succeed(["compare", &one, &two, "--json"]));
    let run = &found["runs"][1];
    assert_eq!((&run["wall_seconds"], &run["cpu_seconds"]), (&6.0.into(), &Value::Null));
    assert_eq!((&run["peak_rss_mb"], &run["gain_per_cpu_minute"]), (&Value::Null, &Value::Null));
    assert!(found["notes"][0].as_str().unwrap().starts_with("two: made by a semrank"), "{found}");
    let text = succeed(["compare", &one, &two, "--out", &fixture.path("page")]);
    assert!(text.contains("did not count CPU time"), "{text}");
}

#[test]
fn runs_of_different_data_are_refused() {
    let fixture = Fixture::new();
    let other = Fixture { data: common::market(&fixture.dir.path().join("elsewhere"), 9), ..Fixture::new() };
    let (one, two) = (fixture.run("one", &[]), other.run("two", &[]));
    let said = fail(["compare", &one, &two, "--json"]);
    for path in [&fixture.data, &other.data] {
        assert!(said.contains(path.to_str().unwrap()), "{} is not named: {said}", path.display());
    }
    assert!(said.contains("runs one and two cannot be compared") && said.contains("help:"), "{said}");

    let timed = fixture.run("timed", &["--set", "data.split=time"]);
    let last = fixture.run("last", &["--set", "data.split=leave-one-out"]);
    let said = fail(["compare", &timed, &last]);
    assert!(said.contains("leave-one-out") && said.contains("cut in time"), "{said}");
}

#[test]
fn a_folder_that_is_no_finished_run_is_refused() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.run("one", &[]), fixture.run("two", &["--set", "train.epochs=2"]));
    assert_eq!(call(["compare", &one]).status.code(), Some(2), "one run has nothing beside it");
    let data = fixture.data.to_str().unwrap();
    let said = fail(["compare", &one, data]);
    assert!(said.contains("is not a run folder: it has no run.json") && said.contains("makes one"), "{said}");
    let trained = fixture.path("trained");
    let mut args = run_args(&fixture.data, trained.as_ref(), &[]);
    args[0] = "train".into();
    succeed(args);
    let said = fail(["compare", &one, &trained]);
    assert!(said.contains("trained has no finished report stage") && said.contains("semrank run"), "{said}");

    let says_repeat = |stage: &str| {
        let said = fail(["compare", &one, &two]);
        assert!(said.contains(stage) && said.contains("repeat `semrank run`"), "{said}");
    };
    let run = Path::new(&two).join("run.json");
    let whole = bytes(&run);
    change(&run, |run| run["config"]["train"]["epochs"] = 9.into());
    says_repeat("model/manifest.json");
    std::fs::write(&run, whole).unwrap();
    let features = Path::new(&two).join("features/manifest.json");
    let whole = bytes(&features);
    change(&features, |manifest| manifest["kernel"] = "another".into());
    says_repeat("tokens/manifest.json");
    std::fs::write(&features, whole).unwrap();
    change(&Path::new(&two).join("report/evaluation.json"), |found| found["users"] = 7.into());
    says_repeat("evaluation.json");
}
