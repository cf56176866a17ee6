//! The promise that nothing which is fitted for clicks and conversions sees what came after training: with every event and label at
//! or after the first row that is not for training replaced by a random one, and with every row of validation and test replaced
//! where there are no times, features, codebook, ids and checkpoint are the same bytes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, succeed};
use semrank_core::{Kind, Rng};
use semrank_data::{
    Dataset, DatasetWriter, EventRow, ExampleRow, Examples, ExamplesWriter, ExtraColumn, ItemRow,
    LOG_COLUMNS, Meta, OptionalColumn, Part, Value, When, WriterOptions,
};
use std::path::Path;

const SEED: u64 = 5;
const USERS: usize = 40;
const ITEMS: usize = 80;
const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;
const START: i64 = 1_700_000_000_000;

/// What a fit leaves behind.
const FITTED: [&str; 6] = [
    "features/vectors.safetensors",
    "tokens/tower.safetensors",
    "tokens/codebook.safetensors",
    "tokens/vectors.safetensors",
    "tokens/ids.safetensors",
    "model/model.safetensors",
];

/// A row of a raw log.
#[derive(Debug, Clone)]
struct Row {
    user: usize,
    item: usize,
    action: &'static str,
    parent: Option<usize>,
    time: i64,
    received: i64,
}

fn text(item: usize) -> String {
    format!("{} thing of kind {}, number {item}", ["red", "green", "blue"][item % 3], item % 7)
}

fn writer(out: &Path, event_extra: &[&str], target: Option<&str>) -> DatasetWriter {
    let meta = Meta {
        name: "random".into(),
        text: vec!["title".into()],
        target_action: target.map(str::to_owned),
        ..Meta::default()
    };
    let extra = LOG_COLUMNS.into_iter().filter(|(name, _)| event_extra.contains(name));
    let event_extra = extra.map(|(name, kind)| ExtraColumn { name: name.into(), kind }).collect();
    let options = WriterOptions { meta, event_extra, ..WriterOptions::default() };
    let mut writer = DatasetWriter::create(out, options).unwrap();
    for item in 0..ITEMS {
        // Some are born when training is over.
        let active_from = Some(START + (item % 10) as i64 * 2 * DAY);
        let title = text(item);
        let row = ItemRow { kind: Kind::Ad, texts: &[&title], active_from, ..ItemRow::default() };
        writer.item(&ItemRow { id: &format!("i{item}"), ..row }).unwrap();
    }
    writer
}

/// Users who click on items of their own parity and convert days later; views between; a part of the log received late.
fn log() -> Vec<Row> {
    let mut rng = Rng::new(SEED, "log");
    let mut rows: Vec<Row> = Vec::new();
    for at in 0..3000 {
        let time = START + at * 20 * DAY / 3000;
        let (user, item) = (rng.below(USERS), rng.below(ITEMS));
        let late = if rng.unit() < 0.1 { rng.below(2 * DAY as usize) as i64 } else { 0 };
        let row = |action, parent, time| Row { user, item, action, parent, time, received: time + late };
        let shown = rows.len();
        rows.push(row("impression", None, time));
        if rng.unit() < if user % 2 == item % 2 { 0.5 } else { 0.1 } {
            rows.push(row("click", Some(shown), time + MINUTE));
            if rng.unit() < 0.4 {
                let delay = rng.below(5 * DAY as usize) as i64;
                rows.push(row("conversion", Some(shown + 1), time + MINUTE + delay));
            }
        }
        rows.push(row("view", None, time + 2 * MINUTE));
    }
    rows
}

/// Replaces what is known at or after a moment: other items, other parents, of earlier rows too; times stay. An impression is known
/// when it is shown, anything else when the log has it.
fn replaced(rows: &[Row], cut: i64) -> Vec<Row> {
    let mut rng = Rng::new(SEED, "replaced");
    let mut out = rows.to_vec();
    let known = |row: &Row| if row.action == "impression" { row.time } else { row.received };
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

fn write_raw(out: &Path, rows: &[Row]) {
    let mut writer = writer(out, &["event_id", "parent_event_id", "received_at"], Some("click"));
    for (at, row) in rows.iter().enumerate() {
        let (id, parent) = (format!("e{at}"), row.parent.map(|parent| format!("e{parent}")));
        let extra = [
            Value::Text(&id),
            parent.as_deref().map_or(Value::Null, Value::Text),
            Value::Integer(row.received),
        ];
        let (user, item) = (format!("u{}", row.user), format!("i{}", row.item));
        let event = EventRow { user: &user, item: &item, action: row.action, ..EventRow::default() };
        writer.event(&EventRow { time: When::Time(row.time), extra: &extra, ..event }).unwrap();
    }
    writer.finish().unwrap();
}

fn prepare(dir: &Path, name: &str, rows: &[Row]) -> Examples {
    let (raw, out) = (dir.join(format!("raw-{name}")), dir.join(name));
    write_raw(&raw, rows);
    let mut args: Vec<&std::ffi::OsStr> = vec!["prep".as_ref(), "--data".as_ref(), raw.as_os_str()];
    args.extend(["--out".as_ref(), out.as_os_str(), "--conversion-days".as_ref(), "3".as_ref()]);
    succeed(args);
    Examples::open(&out, &Dataset::open(&out).unwrap()).unwrap()
}

/// Runs both data sets and compares what was fitted.
fn check(dir: &Path, settings: &[&str]) {
    let small =
        ["features.dim=8", "features.buckets=4096", "tokens.codes=16", "pointwise.batch=64", "task=oc"];
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
    for fitted in FITTED {
        let same = file("plain", fitted) == file("changed", fitted);
        assert!(same, "{fitted} depends on what came after training ({settings:?}, seed {SEED})");
    }
    let scores = "report/scores.safetensors";
    assert!(file("plain", scores) != file("changed", scores), "nothing was replaced");
}

#[test]
fn what_the_log_has_after_training_reaches_nothing_that_is_fitted() {
    let dir = tempfile::tempdir().unwrap();
    let rows = log();
    let plain = prepare(dir.path(), "plain", &rows);
    let first = plain.parts.iter().position(|&part| part != Part::Train).unwrap();
    let changed = prepare(dir.path(), "changed", &replaced(&rows, plain.times[first]));
    assert_eq!((&plain.parts, &plain.times), (&changed.parts, &changed.times), "the same division");
    assert!((0..first).any(|row| plain.conversions[row] != changed.conversions[row]), "labels came later");
    check(dir.path(), &["train.stream=true"]);
    check(dir.path(), &["train.stream=true", "pointwise.known=past", "train.delay=elapsed"]);
    check(dir.path(), &["train.stream=false", "pointwise.epochs=1", "train.delay=window"]);
    check(dir.path(), &["train.stream=false", "pointwise.epochs=1", "train.delay=naive"]);
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
        // The same number of likes, so that users' events stand where they stood.
        write_rows(&dir.path().join(name), &mut || {
            (rng.below(ITEMS), of_first.unit() < 0.3, rng.unit() < 0.5)
        });
    }
    check(dir.path(), &["train.stream=false", "pointwise.epochs=1"]);
}
