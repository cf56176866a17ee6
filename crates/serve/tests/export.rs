//! A log as a data set: what was sent through the API is what `semrank-data` reads, with the changes of items, and a run that learns from
//! it knows users and items that it was sent.
#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

#[path = "../../pipeline/tests/common/mod.rs"]
mod common;

use semrank_core::{ItemId, Kind};
use semrank_data::columns::Table;
use semrank_data::{ColumnType, Dataset};
use semrank_pipeline::retrieval::{Change, FieldValue, Fields};
use semrank_pipeline::{Context, Run};
use semrank_serve::{Event, ExportError, ExportSettings, Exported, Service, ServiceSettings, export};
use serde_json::{Value, json};
use std::path::Path;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn events(count: usize, known: &str) -> Vec<Value> {
    let event = |at: usize| {
        json!({
            "event_id": format!("e{at}"),
            "user_id": format!("new {}", at % 7),
            "item_id": (if at.is_multiple_of(3) { known } else { ["later", "unknown"][at % 2] }),
            "action": (["click", "hum"][at % 2]),
            "timestamp": 1_800_000_000_000_i64 + 1000 * (at as i64 / 2),
            "received_at": 1_800_000_000_500_i64 + 1000 * (at as i64 / 2),
            "slot": at,
            "propensity": 0.5,
            "country": "de",
            "request_id": format!("r{at}"),
        })
    };
    (0..count).map(event).collect()
}

/// A run, and the state of a service that was told of events and changes.
fn served(dir: &Path) -> (Run, ServiceSettings, Vec<Value>) {
    let run = common::trained(dir);
    let known = run.data().unwrap().dataset.catalog.ids.name(3).to_owned();
    drop(run);
    let state = ServiceSettings::new(&dir.join("state"));
    let open = || Run::open(&dir.join("run")).unwrap();
    let service = Service::open(open(), state.clone(), &Context::default()).unwrap();
    let fields = |pairs: &[(&str, FieldValue)]| -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    };
    let text = |text: &str| FieldValue::Text(text.to_owned());
    let title = open().data().unwrap().dataset.catalog.texts[0].name.clone();
    let later = fields(&[
        (&title, text("a later thing")),
        ("kind", text("ad")),
        ("bid", FieldValue::Number(0.7)),
        ("active_to", FieldValue::Number(2e12)),
    ]);
    let changes = [
        Change::Put("later".into(), later),
        Change::Patch(known.clone(), fields(&[(&title, text("another title"))])),
        Change::Put("gone".into(), Fields::new()),
        Change::Delete("gone".into()),
    ];
    service.change(&changes).unwrap();
    let sent = events(60, &known);
    let parsed = sent.iter().map(|event| Event::from_json(event.clone(), "$", i64::MAX).unwrap());
    let parsed: Vec<Event> = parsed.collect();
    wait(service.events(parsed.clone())).unwrap();
    wait(service.events(parsed[..9].to_vec())).unwrap();
    service.stop();
    (open(), state, sent)
}

fn made(run: &Run, state: &ServiceSettings, out: &Path, with_run: bool) -> Result<Exported, ExportError> {
    export(run, state, &ExportSettings { out: out.to_owned(), with_run, overwrite: false })
}

#[test]
fn what_was_sent_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let (run, state, sent) = served(dir.path());
    let out = dir.path().join("raw");
    let made = made(&run, &state, &out, false).unwrap();
    assert_eq!((made.events, made.received, made.users), (60, 60, 7));
    let catalog = &run.data().unwrap().dataset.catalog;
    assert_eq!((made.items, made.new_items), (catalog.len() as u64 + 3, 3), "later, gone, unknown");
    let read = Dataset::open(&out).unwrap();
    for user in 0..7 {
        let own: Vec<&Value> =
            sent.iter().filter(|event| event["user_id"] == format!("new {user}")).collect();
        let row = read.users.get(&format!("new {user}")).unwrap();
        let range = read.events.range(semrank_core::UserId(row));
        assert_eq!(range.len(), own.len());
        for (at, sent) in range.zip(own) {
            let event = read.events.event(at);
            assert_eq!(read.catalog.name(event.item), sent["item_id"].as_str().unwrap());
            assert_eq!(read.actions.name(event.action.0.into()), sent["action"].as_str().unwrap());
            assert_eq!(event.time, sent["timestamp"].as_i64().unwrap());
        }
    }
    let table = Table::open(&out.join("events.parquet")).unwrap();
    for (name, kind) in [
        ("event_id", ColumnType::Text),
        ("request_id", ColumnType::Text),
        ("received_at", ColumnType::Integer),
        ("slot", ColumnType::Integer),
        ("propensity", ColumnType::Number),
        ("country", ColumnType::Text),
    ] {
        assert_eq!(table.column_type(name).unwrap(), kind, "{name}");
    }
    // Items as changes have left them, the others as they were.
    let (later, changed) =
        (read.catalog.ids.get("later").unwrap(), read.catalog.ids.get(catalog.ids.name(3)));
    let text = |row: u32| read.catalog.texts[0].values[row as usize].as_str();
    assert_eq!((text(later), read.catalog.kinds[later as usize]), ("a later thing", Kind::Ad));
    assert_eq!(read.catalog.active_to[later as usize], 2_000_000_000_000);
    assert_eq!((text(changed.unwrap()), text(0)), ("another title", catalog.texts[0].values[0].as_str()));
    assert!(read.catalog.active_to[read.catalog.ids.get("gone").unwrap() as usize] < i64::MAX);
    // It is not replaced unless it may be.
    assert!(export(&run, &state, &ExportSettings { out, with_run: false, overwrite: false }).is_err());
}

#[test]
fn a_run_that_learns_from_a_log_knows_who_and_what_came_through_it() {
    let dir = tempfile::tempdir().unwrap();
    let (run, state, _) = served(dir.path());
    let (out, before) = (dir.path().join("both"), run.data().unwrap().dataset.clone());
    let made = made(&run, &state, &out, true).unwrap();
    assert_eq!(made.events, before.events.len() as u64 + 60);
    let both = Dataset::open(&out).unwrap();
    for user in 0..20 {
        let row = both.users.get(before.users.name(user)).unwrap();
        let (now, then) =
            (both.events.of(semrank_core::UserId(row)), before.events.of(semrank_core::UserId(user)));
        let name = |dataset: &Dataset, items: &[ItemId]| -> Vec<String> {
            items.iter().map(|&item| dataset.catalog.name(item).to_owned()).collect()
        };
        assert_eq!(name(&both, now.items), name(&before, then.items));
        assert_eq!(now.times, then.times);
    }
    let next = common::create(&out, &dir.path().join("run 2"));
    next.make_content(&Context::default()).unwrap();
    next.make_model(false, &Context::default()).unwrap();
    drop(next);
    let next = Run::open(&dir.path().join("run 2")).unwrap();
    let service =
        Service::open(next, ServiceSettings::new(&dir.path().join("state 2")), &Context::default()).unwrap();
    assert_eq!(service.history("new 1").unwrap().len(), 9);
    assert!(service.item("later").is_some());
}
