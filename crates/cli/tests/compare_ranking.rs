//! What `semrank compare` promises of ranking runs: the figures of their own reports, differences with paired intervals, and
//! clear words about runs that cannot be compared.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::json;
use common::ranking::{fail_in, labelled_rows, run_in, succeed_in};
use serde_json::Value;
use std::path::Path;

const GOOD: &str = "--set pointwise.epochs=4";
/// A network that stays as it began, without counts: it knows nothing.
const BLIND: &str = "--set pointwise.epochs=1 --set pointwise.rate=1e-9 --set pointwise.table_rate=1e-9 \
                     --set pointwise.counts=false --set pointwise.affinity=0";

fn compare(folder: &Path, runs: &str) -> Value {
    let args = format!("compare {runs} --json");
    json(&succeed_in(folder, &args))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn a_worse_run_differs_significantly_and_a_copy_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let good = json(&run_in(folder, "data", "good", &format!("--set task=ctr {GOOD}")));
    run_in(folder, "data", "copy", &format!("--set task=ctr {GOOD}"));
    let blind = json(&run_in(folder, "data", "blind", &format!("--set task=ctr {BLIND}")));
    let found = compare(folder, "good copy blind");
    assert_eq!(
        (&found["task"], &found["split"], &found["reference"]),
        (&"ctr".into(), &"test".into(), &"good".into())
    );
    let runs = found["runs"].as_array().unwrap();
    for (run, own) in [(&runs[0], &good), (&runs[2], &blind)] {
        for key in ["rows", "auc", "uauc", "request_auc", "pr_auc", "ne", "calibration", "ece"] {
            assert_eq!(run[key], own[key], "{key}");
        }
        for key in ["wall_seconds", "cpu_seconds", "peak_rss_mb"] {
            assert!(number(&run[key]) > 0.0, "{key}");
        }
    }
    assert_eq!(runs[0]["difference"], Value::Null, "the reference differs from nothing");
    for key in ["ne", "auc", "uauc"] {
        let same = &runs[1]["difference"][key];
        assert_eq!(
            (number(&same["low"]), number(&same["high"]), &same["significant"]),
            (0.0, 0.0, &false.into())
        );
        let other = &runs[2]["difference"][key];
        let plain = number(&blind[key]) - number(&good[key]);
        assert!((number(&other["value"]) - plain).abs() < 1e-9, "{key}: {other} {plain}");
        let worse = if key == "ne" { number(&other["low"]) > 0.0 } else { number(&other["high"]) < 0.0 };
        assert!(worse && other["significant"] == true, "{key}: {other}");
    }
    let text = succeed_in(folder, "compare good copy blind --out page");
    let ne = &runs[2]["difference"]["ne"];
    let shown =
        format!("{:+.4} [{:+.4}, {:+.4}] *", number(&ne["value"]), number(&ne["low"]), number(&ne["high"]));
    assert!(text.contains(&shown), "no {shown} in {text}");
    let page = std::fs::read_to_string(folder.join("page/compare.html")).unwrap();
    assert!(page.ends_with("</html>\n") && page.contains("blind") && !page.contains("NaN"));
}

#[test]
fn conversions_are_compared_given_a_click_too_and_seeds_are_one_group() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let of = |name: &str, more: &str| json(&run_in(folder, "data", name, &format!("--set task=oc {more}")));
    let first = of("good-1", &format!("{GOOD} --seed 1"));
    let second = of("good-2", &format!("{GOOD} --seed 2"));
    let blind = of("blind-1", &format!("{BLIND} --seed 1"));
    let found = compare(folder, "blind-1 good-1 good-2");
    let run = &found["runs"][1]["given_click"];
    assert_eq!((&run["ne"], &run["rows"]), (&first["given_click"]["ne"], &first["given_click"]["rows"]));
    let groups = found["groups"].as_array().unwrap();
    assert_eq!((groups.len(), &groups[1]["name"]), (2, &"good".into()));
    let medians = &groups[1]["medians"];
    let mean = |of: &dyn Fn(&Value) -> f64| (of(&first) + of(&second)) / 2.0 - of(&blind);
    for (difference, plain) in [
        (&medians["difference"]["ne"], mean(&|run| number(&run["ne"]))),
        (&medians["given_click"]["difference"]["ne"], mean(&|run| number(&run["given_click"]["ne"]))),
    ] {
        assert!((number(&difference["value"]) - plain).abs() < 1e-9, "{difference} {plain}");
        assert!(number(&difference["low"]) < plain && plain < number(&difference["high"]), "{difference}");
    }
    let text = succeed_in(folder, "compare blind-1 good-1 good-2");
    assert!(text.contains("good (2 seeds)") && text.contains("conversions given a click"), "{text}");
}

#[test]
fn runs_of_other_rows_or_of_another_task_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    run_in(folder, "data", "one", &format!("--set task=ctr {BLIND}"));
    run_in(folder, "data", "two", &format!("--set task=oc {BLIND}"));
    let said = fail_in(folder, "compare one two");
    assert!(
        said.contains("one has the task ctr, two has the task oc") && said.contains("one task"),
        "{said}"
    );
    labelled_rows(folder, "other", 11);
    run_in(folder, "other", "three", &format!("--set task=ctr {BLIND}"));
    let said = fail_in(folder, "compare one three");
    assert!(said.contains("cannot be compared") && said.contains("of data set `other`"), "{said}");
}
