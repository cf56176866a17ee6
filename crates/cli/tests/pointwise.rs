//! The promise of ranking tasks: labelled rows in, a run whose probabilities can be measured and written out, the same for any
//! number of threads; and a run of another task is refused by name.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::market;
use common::ranking::{fail_in, labelled_rows, run_in, succeed_in};

#[test]
fn labelled_rows_become_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    labelled_rows(folder, "data", 7);
    let run = |out: &str, threads: &str| {
        run_in(folder, "data", out, &format!("--set task=ctr --set pointwise.epochs=4 --threads {threads}"))
    };
    let found: serde_json::Value = serde_json::from_str(&run("a", "1")).unwrap();
    run("b", "2");
    for file in [
        "model/model.safetensors",
        "model/model.json",
        "model/calibration.json",
        "report/evaluation.json",
        "report/scores.safetensors",
    ] {
        let bytes = |run: &str| std::fs::read(folder.join(run).join(file)).unwrap();
        assert_eq!(bytes("a"), bytes("b"), "{file}");
    }
    assert!(folder.join("a/report/report.html").is_file());
    assert_eq!((&found["task"], &found["rows"]), (&"ctr".into(), &240.into()));
    assert!(found["auc"].as_f64().unwrap() > 0.7, "{}", found["auc"]);
    for key in ["uauc", "pr_auc", "log_loss", "ne", "calibration", "ece", "segments"] {
        assert!(!found[key].is_null(), "{key}");
    }
    let baselines = found["baselines"].as_array().unwrap();
    let base = baselines.iter().find(|baseline| baseline["name"] == "base_rate").unwrap();
    assert!((base["auc"].as_f64(), base["rows"].as_u64()) == (Some(0.5), Some(240)), "{base}");
    assert!(baselines.iter().any(|baseline| baseline["name"] == "item_user_mean+valid"));
    let page = std::fs::read_to_string(folder.join("a/report/report.html")).unwrap();
    assert!(page.contains("item_user_residual"));

    let again = succeed_in(folder, &["evaluate", "a", "--task", "ctr", "--json", "--predictions", "p.tsv"]);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["auc"], found["auc"], "the saved model is the trained one");
    assert_eq!(again["baselines"], found["baselines"], "measured once, in the report");
    assert!(succeed_in(folder, &["evaluate", "a", "--task", "ctr"]).contains("item_user_residual"));
    let valid = succeed_in(folder, &["evaluate", "a", "--task", "ctr", "--split", "validation", "--json"]);
    assert!(!valid.contains("baselines"), "those of test rows say nothing of other rows");
    let lines = std::fs::read_to_string(folder.join("p.tsv")).unwrap();
    assert_eq!(lines.lines().next(), Some("user\titem\tlabel\tscore"));
    assert_eq!(lines.lines().count(), 241);

    let refused = |args: &[&str]| fail_in(folder, args);
    assert!(refused(&["evaluate", "a", "--task", "oc"]).contains("task ctr"));
    assert!(refused(&["recommend", "a", "--user", "u1"]).contains("task ctr"));
    let wrong = refused(&["run", "--data", "data", "--out", "c", "--set", "task=clicks"]);
    assert!(wrong.contains("`retrieval`") && wrong.contains("`oc`"), "{wrong}");
}

#[test]
fn a_data_set_without_labelled_rows_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    market(folder.path(), 2);
    let said = fail_in(folder.path(), &["run", "--data", "market", "--out", "run", "--set", "task=ctr"]);
    assert!(said.contains("no examples.parquet") && said.contains("semrank prep"), "{said}");
    assert!(!folder.path().join("run").exists(), "no stage was made");
}
