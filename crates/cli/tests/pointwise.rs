//! The promise of ranking tasks: labelled rows in, a run whose probabilities can be measured and written out, the same for any
//! number of threads; and a run of another task is refused by name.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Output};

fn semrank(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_semrank"));
    command.current_dir(folder).args(args).output().unwrap()
}

fn good(folder: &Path, args: &[&str]) -> String {
    let output = semrank(folder, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Forty users who like items of their own parity; three files of rows.
fn write_rows(folder: &Path) {
    let mut items = String::from("item\ttitle\n");
    (0..20).for_each(|item| writeln!(items, "i{item}\tthing number {item}").unwrap());
    std::fs::write(folder.join("items.tsv"), items).unwrap();
    for (part, from, to) in [("train", 0, 24), ("valid", 24, 30), ("test", 30, 36)] {
        let mut rows = String::from("user\titem\tlabel\ttimestamp\n");
        for (user, at) in (0..40).flat_map(|user| (from..to).map(move |at| (user, at))) {
            let item = (user * 7 + at * 3) % 20;
            let label = u8::from((user + item) % 2 == 0) ^ u8::from((user * 31 + at * 17) % 10 == 0);
            writeln!(rows, "u{user}\ti{item}\t{label}\t{}", 1_600_000_000 + at * 3600 + user).unwrap();
        }
        std::fs::write(folder.join(format!("{part}.tsv")), rows).unwrap();
    }
}

#[test]
fn labelled_rows_become_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_rows(folder);
    let import = "import --format pointwise --items items.tsv --item-id item --text title --train train.tsv --valid valid.tsv \
                  --test test.tsv --out data";
    good(folder, &import.split_whitespace().collect::<Vec<_>>());
    let run = |out: &str, threads: &str| {
        let set = "pointwise.epochs=4";
        good(
            folder,
            &[
                "run",
                "--data",
                "data",
                "--out",
                out,
                "--set",
                "task=ctr",
                "--set",
                set,
                "--threads",
                threads,
                "--json",
            ],
        )
    };
    let found: serde_json::Value = serde_json::from_str(&run("a", "1")).unwrap();
    run("b", "2");
    for file in
        ["model/model.safetensors", "model/model.json", "model/calibration.json", "report/evaluation.json"]
    {
        let bytes = |run: &str| std::fs::read(folder.join(run).join(file)).unwrap();
        assert_eq!(bytes("a"), bytes("b"), "{file}");
    }
    assert!(folder.join("a/report/report.html").is_file());
    assert_eq!((&found["task"], &found["rows"]), (&"ctr".into(), &240.into()));
    assert!(found["auc"].as_f64().unwrap() > 0.7, "{}", found["auc"]);
    for key in ["uauc", "pr_auc", "log_loss", "ne", "calibration", "ece", "segments"] {
        assert!(!found[key].is_null(), "{key}");
    }

    let again = good(folder, &["evaluate", "a", "--task", "ctr", "--json", "--predictions", "p.tsv"]);
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["auc"], found["auc"], "the saved model is the trained one");
    let lines = std::fs::read_to_string(folder.join("p.tsv")).unwrap();
    assert_eq!(lines.lines().next(), Some("user\titem\tlabel\tscore"));
    assert_eq!(lines.lines().count(), 241);

    let refused = |args: &[&str]| {
        let output = semrank(folder, args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(refused(&["evaluate", "a", "--task", "oc"]).contains("task ctr"));
    assert!(refused(&["recommend", "a", "--user", "u1"]).contains("task ctr"));
    let wrong = refused(&["run", "--data", "data", "--out", "c", "--set", "task=clicks"]);
    assert!(wrong.contains("`retrieval`") && wrong.contains("`oc`"), "{wrong}");
}
