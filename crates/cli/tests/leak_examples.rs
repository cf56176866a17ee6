//! The promise that nothing which is fitted for clicks and conversions sees what came after training: with every event and label at
//! or after the first row that is not for training replaced by a random one, and with every row of validation and test replaced
//! where there are no times, features, codebook, ids and checkpoint are the same bytes. With what came from the first test row on
//! replaced, so are the epoch that is kept, the calibration and the state of the features that is kept.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::ad_log::{DAY, ITEMS, MINUTE, Row, SEED, START, USERS, log, write_raw, writer};
use common::{bytes, call, succeed};
use safetensors::SafeTensors;
use semrank_core::Rng;
use semrank_data::{Dataset, EventRow, ExampleRow, Examples, ExamplesWriter, OptionalColumn, Part, When};
use std::path::Path;

/// What a fit leaves behind.
const FITTED: [&str; 6] = [
    "features/vectors.safetensors",
    "tokens/tower.safetensors",
    "tokens/codebook.safetensors",
    "tokens/vectors.safetensors",
    "tokens/ids.safetensors",
    "model/model.safetensors",
];

/// What labels of validation rows choose; the curve of one pass in time order measures days by labels that came later.
const CHOSEN: &str = "model/calibration.json";
const CHOSEN_OF_EPOCHS: [&str; 2] = [CHOSEN, "model/model.json"];

/// The state of the features just before the first test row.
const STATE: &str = "model/features.safetensors";

/// Replaces what is known at or after a moment: other items, other parents, of earlier rows too; times stay. An impression is known
/// when it is shown, anything else when the log has it.
fn replaced(rows: &[Row], cut: i64) -> Vec<Row> {
    let mut rng = Rng::new(SEED, "replaced");
    let mut out = rows.to_vec();
    let known = |row: &Row| if row.action == "impression" { row.time } else { row.received };
    for row in &mut out {
        // How long a visit lasts is known when it is over.
        let over = row.time + row.dwell_ms.unwrap_or(0);
        if known(row).max(over) >= cut {
            row.dwell_ms = row.dwell_ms.map(|ms| ms + rng.below(DAY as usize) as i64);
        }
    }
    for at in (0..rows.len()).filter(|&at| known(&rows[at]) >= cut) {
        out[at].item = rng.below(ITEMS);
        let wanted = match rows[at].action {
            "click" => "impression",
            "conversion" => "click",
            _ => continue,
        };
        let fits = |other: &usize| {
            let other = &rows[*other];
            other.action == wanted && other.user == rows[at].user && other.time < rows[at].time
        };
        let parents: Vec<usize> = (0..at).filter(fits).collect();
        let parent = parents[rng.below(parents.len())];
        (out[at].parent, out[at].item) = (Some(parent), out[parent].item);
    }
    out
}

fn prepare(dir: &Path, name: &str, rows: &[Row]) -> Examples {
    let (raw, out) = (dir.join(format!("raw-{name}")), dir.join(name));
    write_raw(&raw, rows);
    let mut args: Vec<&std::ffi::OsStr> = vec!["prep".as_ref(), "--data".as_ref(), raw.as_os_str()];
    args.extend(["--out".as_ref(), out.as_os_str(), "--conversion-days".as_ref(), "3".as_ref()]);
    succeed(args);
    Examples::open(&out, &Dataset::open(&out).unwrap()).unwrap()
}

/// Runs both data sets and compares what was fitted, and `chosen`.
fn check(dir: &Path, settings: &[&str], chosen: &[&str]) {
    let small = [
        "features.dim=8",
        "features.buckets=4096",
        "tokens.codes=16",
        "pointwise.batch=64",
        // More epochs would be chosen from by validation labels.
        "pointwise.min_steps=0",
        "task=oc",
    ];
    for name in ["plain", "changed"] {
        let (data, out) = (dir.join(name), dir.join(format!("run-{name}")));
        let _ = std::fs::remove_dir_all(&out);
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut args = vec!["run".into(), "--data".into(), path(&data), "--out".into(), path(&out)];
        for &setting in small.iter().chain(settings) {
            args.extend(["--set".to_owned(), setting.to_owned()]);
        }
        succeed(args);
    }
    let file = |name: &str, file: &str| bytes(&dir.join(format!("run-{name}")).join(file));
    for fitted in FITTED.iter().chain(chosen) {
        let same = file("plain", fitted) == file("changed", fitted);
        assert!(same, "{fitted} depends on what came after training ({settings:?}, seed {SEED})");
    }
    if !chosen.is_empty() {
        let [plain, changed] = ["plain", "changed"].map(|name| file(name, STATE));
        let [plain, changed] = [&plain, &changed].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        for name in plain.names().into_iter() {
            let same = plain.tensor(name).unwrap().data() == changed.tensor(name).unwrap().data();
            assert!(same, "{name} of {STATE} depends on what came after validation ({settings:?})");
        }
    }
    let scores = "report/scores.safetensors";
    assert!(file("plain", scores) != file("changed", scores), "nothing was replaced");
}

/// The log, and the log with all replaced that is known from the first row on that is not of these parts.
fn plain_and_changed(dir: &Path, parts: &[Part]) {
    let rows = log();
    let plain = prepare(dir, "plain", &rows);
    let first = plain.parts.iter().position(|part| !parts.contains(part)).unwrap();
    let changed = prepare(dir, "changed", &replaced(&rows, plain.times[first]));
    assert_eq!((&plain.parts, &plain.times), (&changed.parts, &changed.times), "the same division");
    assert!((0..first).any(|row| plain.conversions[row] != changed.conversions[row]), "labels came later");
    assert!((0..first).any(|row| plain.dwell_ms[row] != changed.dwell_ms[row]), "clicks came later");
}

#[test]
fn what_the_log_has_after_training_reaches_nothing_that_is_fitted() {
    let dir = tempfile::tempdir().unwrap();
    plain_and_changed(dir.path(), &[Part::Train]);
    let check = |settings: &[&str]| check(dir.path(), settings, &[]);
    check(&["train.stream=true"]);
    check(&["train.stream=true", "pointwise.keep_negatives=0.2"]);
    check(&["train.stream=true", "pointwise.known=past", "train.delay=elapsed"]);
    check(&["train.stream=false", "pointwise.epochs=1", "train.delay=window"]);
    check(&["train.stream=false", "pointwise.epochs=1", "train.delay=naive", "pointwise.keep_negatives=0.2"]);
}

#[test]
fn what_the_log_has_after_validation_reaches_nothing_that_is_chosen() {
    let dir = tempfile::tempdir().unwrap();
    plain_and_changed(dir.path(), &[Part::Train, Part::Valid]);
    check(dir.path(), &["train.stream=true"], &[CHOSEN]);
    check(
        dir.path(),
        &["train.stream=false", "pointwise.epochs=6", "pointwise.patience=1"],
        &CHOSEN_OF_EPOCHS,
    );
}

/// Every label of a training row is known half an hour after the row: when validation has begun.
#[test]
fn a_training_of_which_nothing_is_known_in_time_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut writer = writer(&data, &[], None);
    writer
        .event(&EventRow { user: "u0", item: "i0", time: When::Time(START), ..EventRow::default() })
        .unwrap();
    let mut examples = ExamplesWriter::create(writer.folder(), &[], &[]).unwrap();
    for seq in 0..30i64 {
        let part = [Part::Train, Part::Valid, Part::Test][seq as usize / 10];
        let (timestamp, click) = (START + seq * MINUTE, part != Part::Train && seq % 2 == 0);
        let row = ExampleRow { part, user: "u0", item: "i1", timestamp, seq, click, ..ExampleRow::default() };
        examples.push(&row).unwrap();
    }
    examples.close().unwrap();
    writer.finish().unwrap();
    let path = data.join("dataset.toml");
    let described = std::fs::read_to_string(&path).unwrap();
    for (minutes, refused) in [(30, true), (1, false)] {
        std::fs::write(&path, format!("{described}\n[windows]\nclick_minutes = {minutes}\n")).unwrap();
        let out = dir.path().join(format!("run-{minutes}"));
        let args = ["run".as_ref(), "--data".as_ref(), data.as_os_str(), "--out".as_ref(), out.as_os_str()];
        let settings = ["--set", "task=ctr", "--set", "features.dim=4"].map(AsRef::as_ref);
        let done = call(args.into_iter().chain(settings));
        assert_eq!(done.status.success(), !refused, "{done:?}");
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(
            said.contains("no label of a training row of data set `random` is known"),
            refused,
            "{said}"
        );
    }
}

/// Rows without times, their parts drawn at random; `held_out` gives the item, label and conversion of rows that are not for training.
fn write_rows(out: &Path, held_out: &mut dyn FnMut() -> (usize, bool, bool)) {
    let mut rng = Rng::new(SEED, "rows");
    let mut rows = Vec::new();
    for seq in 0..3000i64 {
        let (user, item) = (rng.below(USERS), rng.below(ITEMS));
        let part = [Part::Train, Part::Train, Part::Train, Part::Valid, Part::Test][rng.below(5)];
        let click = rng.unit() < if user % 2 == item % 2 { 0.5 } else { 0.1 };
        let converts = rng.unit() < 0.4;
        let (item, click, converts) = if part == Part::Train { (item, click, converts) } else { held_out() };
        rows.push((seq, part, user, item, click, click && converts));
    }
    let mut writer = writer(out, &[], None);
    for &(seq, _, user, item, ..) in rows.iter().filter(|row| row.4) {
        let (user, item) = (format!("u{user}"), format!("i{item}"));
        let event = EventRow { user: &user, item: &item, action: "like", ..EventRow::default() };
        writer.event(&EventRow { time: When::Position(seq), ..event }).unwrap();
    }
    let optional = [OptionalColumn::LabelConversion];
    let mut examples = ExamplesWriter::create(writer.folder(), &optional, &[]).unwrap();
    let mut seen = [0; USERS];
    for (seq, part, user, item, click, converts) in rows {
        examples
            .push(&ExampleRow {
                part,
                user: &format!("u{user}"),
                item: &format!("i{item}"),
                timestamp: START,
                seq,
                history_end: seen[user],
                click,
                conversion: click.then_some(converts),
                ..ExampleRow::default()
            })
            .unwrap();
        seen[user] += u32::from(click);
    }
    examples.close().unwrap();
    writer.finish().unwrap();
}

#[test]
fn held_out_rows_without_times_reach_nothing_that_is_fitted() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["plain", "changed"] {
        let mut rng = Rng::new(SEED, name);
        let mut of_first = Rng::new(SEED, "first");
        // The same number of likes, so that users' events keep their places.
        write_rows(&dir.path().join(name), &mut || {
            (rng.below(ITEMS), of_first.unit() < 0.3, rng.unit() < 0.5)
        });
    }
    check(dir.path(), &["train.stream=false", "pointwise.epochs=1"], &[]);
}
