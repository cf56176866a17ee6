//! What is reported for small data: what was not calibrated, how little a few test cases say, and in a handful of lines; and that a few
//! hundred rows make a model no worse than the base rate.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::ranking::{call_in, succeed_in};
use common::{json, stderr};
use semrank_core::Rng;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Rows `user,item,timestamp,label` whose labels are positive at a rate and say nothing else.
fn write_rows(path: &Path, (rows, rate): (usize, f64), (first_user, start): (usize, i64), seed: u64) {
    let (mut rng, mut text) = (Rng::new(seed, "rows"), String::from("user,item,timestamp,label\n"));
    for row in 0..rows {
        let (user, item) = (first_user + rng.below(40), rng.below(30));
        let label = u8::from(rng.unit() < rate);
        let _ = writeln!(text, "u{user},i{item},{},{label}", start + 60 * row as i64);
    }
    std::fs::write(path, text).unwrap();
}

/// Imports training and test rows, and validation rows if wanted; test users are unknown.
fn import_rows(folder: &Path, rate: f64, valid: bool) {
    write_rows(&folder.join("train.csv"), (500, rate), (0, 1_700_000_000), 1);
    write_rows(&folder.join("valid.csv"), (120, rate), (20, 1_701_000_000), 2);
    write_rows(&folder.join("test.csv"), (120, rate), (100, 1_702_000_000), 3);
    let valid = if valid { "--valid valid.csv" } else { "" };
    let import = format!("import --format pointwise --train train.csv {valid} --test test.csv --out data");
    succeed_in(folder, &import);
}

/// Runs clicks and returns what is on standard output and error.
fn run_clicks(folder: &Path, more: &str) -> (String, String) {
    let output = call_in(folder, &format!("run --data data --out run --set task=ctr {more}"));
    assert!(output.status.success(), "{}", stderr(&output));
    (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output))
}

fn epoch_lines(said: &str) -> usize {
    said.lines().filter(|line| line.trim_start().starts_with("epoch ")).count()
}

#[test]
fn probabilities_without_validation_rows_are_not_called_calibrated() {
    let folder = tempfile::tempdir().unwrap();
    import_rows(folder.path(), 0.3, false);
    let (table, said) = run_clicks(folder.path(), "");
    let why = "not calibrated: no validation rows";
    assert!(table.lines().next().unwrap().ends_with(&format!("({why})")), "{table}");
    assert!(said.contains(why), "{said}");
    assert!(
        table.contains("was kept: the last one, as there are no validation rows to choose by"),
        "{table}"
    );
    assert!(table.contains("warning: only 120 rows measured"), "{table}");
    let page = std::fs::read_to_string(folder.path().join("run/report/report.html")).unwrap();
    assert!(page.contains(why) && page.contains("only 120 rows measured"));
    let found = json(&succeed_in(folder.path(), "evaluate run --json"));
    assert_eq!(found["calibrated"], why);
    let (table, _) = run_clicks(folder.path(), "--set pointwise.calibration=none");
    assert!(table.contains("(not calibrated: pointwise.calibration=none)"), "{table}");
}

#[test]
fn validation_rows_of_one_label_calibrate_nothing() {
    let folder = tempfile::tempdir().unwrap();
    import_rows(folder.path(), 0.3, true);
    let negative = std::fs::read_to_string(folder.path().join("valid.csv")).unwrap().replace(",1\n", ",0\n");
    std::fs::write(folder.path().join("negative.csv"), negative).unwrap();
    let import =
        "import --format pointwise --train train.csv --valid negative.csv --test test.csv --out data2";
    succeed_in(folder.path(), import);
    let table = succeed_in(folder.path(), "run --data data2 --out run2 --set task=ctr");
    assert!(table.contains("(not calibrated: 0 of 120 rows are positive"), "{table}");
}

/// One in twelve is positive: a model that begins at one half would be far off after a few steps.
#[test]
fn a_few_hundred_rows_begin_at_their_base_rate() {
    let folder = tempfile::tempdir().unwrap();
    import_rows(folder.path(), 1.0 / 12.0, true);
    let (table, said) = run_clicks(folder.path(), "");
    assert!(epoch_lines(&said) <= 25, "{said}");
    assert!(table.contains("(calibrated on 120 validation rows: Platt, slope "), "{table}");
    let calibration = std::fs::read_to_string(folder.path().join("run/model/calibration.json")).unwrap();
    let slope = serde_json::from_str::<Value>(&calibration).unwrap()["click"]["slope"].as_f64().unwrap();
    assert!((0.0..=3.0).contains(&slope), "{calibration}");
    let found = json(&succeed_in(folder.path(), "evaluate run --json"));
    assert!(found["ne"].as_f64().unwrap() < 1.1, "{}", found["ne"]);
    // Without a map the probabilities are right on average too.
    let (_, _) = run_clicks(
        folder.path(),
        "--set pointwise.calibration=none --set pointwise.epochs=1 --set pointwise.min_steps=0",
    );
    let found = json(&succeed_in(folder.path(), "evaluate run --split validation --json"));
    let ratio = found["calibration"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&ratio), "predicted over observed is {ratio}");
}

#[test]
fn a_normalised_entropy_above_one_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    import_rows(folder.path(), 0.3, false);
    // Positive in training, negative in the test.
    let train = std::fs::read_to_string(folder.path().join("train.csv")).unwrap();
    std::fs::write(folder.path().join("train.csv"), train.replacen(",0\n", ",1\n", 250)).unwrap();
    succeed_in(folder.path(), "import --format pointwise --train train.csv --test test.csv --out data3");
    let table = succeed_in(folder.path(), "run --data data3 --out run3 --set task=ctr");
    assert!(table.contains("warning: normalised entropy is "), "{table}");
}

/// Sixty events of ten users and eight items without text.
fn import_events(folder: &Path) {
    let mut text = String::from("user,item,timestamp\n");
    let mut rng = Rng::new(4, "events");
    for row in 0..60 {
        let _ = writeln!(text, "u{},i{},{}", row % 10, rng.below(8), 1_700_000_000 + 100 * row);
    }
    std::fs::write(folder.join("events.csv"), text).unwrap();
    succeed_in(folder, "import --events events.csv --out data");
}

#[test]
fn sixty_rows_are_not_read_a_thousand_times() {
    let folder = tempfile::tempdir().unwrap();
    import_events(folder.path());
    let output = call_in(folder.path(), "run --data data --out run --set data.split=leave-one-out");
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(epoch_lines(&said) <= 25, "{said}");
    let facts = std::fs::read_to_string(folder.path().join("run/model/model.json")).unwrap();
    let facts: Value = serde_json::from_str(&facts).unwrap();
    let last = facts["curve"].as_array().unwrap().last().unwrap()["epoch"].as_u64().unwrap();
    assert!(last <= 200, "{last} epochs");
}

#[test]
fn few_cases_are_said_to_be_few_and_one_has_no_interval() {
    let folder = tempfile::tempdir().unwrap();
    import_events(folder.path());
    let quick = "--set train.epochs=1 --set train.min_steps=0";
    let table = succeed_in(
        folder.path(),
        &format!("run --data data --out run --set data.split=leave-one-out {quick}"),
    );
    assert!(table.contains("warning: only 10 test cases of 10 users"), "{table}");
    let page = std::fs::read_to_string(folder.path().join("run/report/report.html")).unwrap();
    assert!(page.contains("only 10 test cases of 10 users"));
    assert!(page.contains("95 % intervals") && page.contains("gain over "));
    let found = json(&succeed_in(folder.path(), "evaluate run --json"));
    let (model, intervals) = (&found["rows"][0], found["intervals"].as_array().unwrap());
    assert_eq!(
        (&model["protocol"], &intervals[0]["protocol"], intervals.len()),
        (&"strict".into(), &"strict".into(), 2)
    );
    for figure in ["recall@10", "ndcg@10"] {
        let [low, value, high] = [&intervals[0][figure][0], &model[figure], &intervals[0][figure][1]]
            .map(|value| value.as_f64().unwrap());
        // Each of eight items is among the best ten.
        assert!(
            low <= value && value <= high && (low < high || figure == "recall@10"),
            "{figure}: {low} {value} {high}"
        );
    }
    // One user comes last: the cuts in time leave that one alone to be tested.
    let mut text = String::from("user,item,timestamp\n");
    for (user, event) in (0..100).flat_map(|user| (0..8).map(move |event| (user, event))) {
        let _ =
            writeln!(text, "u{user},i{},{}", (user * 3 + event) % 20, 1_700_000_000 + user * 1000 + event);
    }
    for event in 0..100 {
        let _ = writeln!(text, "last,i{},{}", event % 20, 1_700_000_000 + event * 1100);
    }
    std::fs::write(folder.path().join("late.csv"), text).unwrap();
    succeed_in(folder.path(), "import --events late.csv --out late");
    let table = succeed_in(folder.path(), &format!("run --data late --out late-run {quick}"));
    assert!(table.contains("warning: only 1 test case of 101 users"), "{table}");
    assert!(table.contains("--set data.split=leave-one-out has 101 cases"), "{table}");
    assert!(!table.contains("95 % interval"), "one user has no interval: {table}");
    let found = json(&succeed_in(folder.path(), "evaluate late-run --json"));
    assert!(found["differences"][0]["ndcg@10"].is_null(), "{}", found["differences"][0]);
    assert!(found.get("intervals").is_none(), "{}", found["intervals"]);
    let page = std::fs::read_to_string(folder.path().join("late-run/report/report.html")).unwrap();
    assert!(page.contains("only 1 test case of 101 users") && !page.contains("95 %"));
}

#[test]
fn tokenize_makes_do_with_fewer_codes_as_run_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut items = String::from("item,title\n");
    for item in 0..80 {
        let _ = writeln!(items, "i{item},thing {item} of kind {}", item % 7);
    }
    std::fs::write(folder.path().join("items.csv"), items).unwrap();
    let (mut text, mut rng) = (String::from("user,item,timestamp\n"), Rng::new(5, "events"));
    for row in 0..400 {
        let _ = writeln!(text, "u{},i{},{}", rng.below(30), rng.below(80), 1_700_000_000 + 1000 * row);
    }
    std::fs::write(folder.path().join("events.csv"), text).unwrap();
    succeed_in(
        folder.path(),
        "import --items items.csv --item-id item --text title --events events.csv --out data",
    );
    let found = json(&succeed_in(folder.path(), "tokenize --data data --out tokens --json"));
    succeed_in(folder.path(), "run --data data --out run --set train.epochs=1");
    let of_run = json(&succeed_in(folder.path(), "tokens report run --json"));
    assert_eq!(found["levels"], of_run["levels"]);
}

#[test]
fn sessions_of_one_day_each_are_told_which_split_has_cases() {
    let folder = tempfile::tempdir().unwrap();
    let line = |session: usize, at: usize| {
        format!("s{session},i{},{}\n", (session + at) % 9, 1_700_000_000 + session * 86_400)
    };
    let lines: String = (0..40).flat_map(|session| (0..4).map(move |at| line(session, at))).collect();
    std::fs::write(folder.path().join("events.csv"), format!("user,item,timestamp\n{lines}")).unwrap();
    succeed_in(folder.path(), "import --events events.csv --out data");
    let said = stderr(&call_in(folder.path(), "run --data data --out run"));
    assert!(said.contains("no user has events before and after the cut"), "{said}");
    assert!(said.contains("--set data.split=leave-one-out has 40 test cases"), "{said}");
}
