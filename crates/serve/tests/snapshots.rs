//! A start with a snapshot knows what a start without one knows, and reads only the records after it; a snapshot that is damaged, of
//! another run or log, or older than a rewriting is passed over; nobody who was forgotten is in one.
#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

#[path = "../../pipeline/tests/common/mod.rs"]
mod common;

use semrank_core::Rng;
use semrank_pipeline::{Context, Progress, Run};
use semrank_serve::testing::{Derived, derived, snapshot};
use semrank_serve::{Clock, Event, Log, Record, Service, ServiceSettings, SnapshotEvery};
use semrank_store::journal::Options;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// When events are received, later than any of them.
const NOW: i64 = 4_000_000_000_000;
/// Ids of events that are remembered.
const IDS: usize = 20;

/// What was said at a start.
#[derive(Default)]
struct Said(Mutex<Vec<String>>);

impl Progress for Said {
    fn event(&self, event: semrank_pipeline::Event<'_>) {
        if let semrank_pipeline::Event::Note(text) = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

/// Never by itself: tests say when.
fn settings(state: &Path) -> ServiceSettings {
    ServiceSettings {
        clock: Clock::Log,
        remembered_ids: IDS,
        journal: Options { segment_bytes: 1 << 16 },
        snapshots: SnapshotEvery { records: u64::MAX, time: Duration::MAX },
        ..ServiceSettings::new(state)
    }
}

fn open(run: &Path, state: &Path) -> Service {
    open_with(run, state, IDS)
}

fn open_with(run: &Path, state: &Path, remembered_ids: usize) -> Service {
    let settings = ServiceSettings { remembered_ids, ..settings(state) };
    Service::open(Run::open(run).unwrap(), settings, &Context::default()).unwrap()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn send(service: &Service, events: Vec<Event>) {
    wait(service.events(events)).unwrap();
}

fn event(id: usize, user: &str, item: &str, time: i64) -> Event {
    let value = json!({"event_id": format!("e{id}"), "user_id": user, "item_id": item, "action": "click", "timestamp": time});
    Event::from_json(value, "$", NOW).unwrap()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

fn files(state: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(state).unwrap().flatten().map(|entry| entry.path());
    paths.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("snapshot")).collect()
}

fn mentions(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).unwrap().flatten().any(|entry| match entry.path() {
        path if path.is_dir() => mentions(&path, text),
        path => fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()),
    })
}

/// What a copy of a state is opened as, and how many events were read for it.
fn opened(
    run: &Path,
    (state, ids): (&Path, usize),
    users: &[String],
    is_with_snapshot: bool,
) -> (Derived, usize) {
    let copied = state.with_extension("opened");
    copy(state, &copied);
    if !is_with_snapshot {
        files(&copied).iter().for_each(|path| fs::remove_file(path).unwrap());
    }
    let service = open_with(run, &copied, ids);
    (derived(&service, users).unwrap(), service.replayed())
}

#[test]
fn a_start_with_a_snapshot_knows_what_one_without_knows() {
    let dir = tempfile::tempdir().unwrap();
    let (made, run) = (common::trained(dir.path()), dir.path().join("run"));
    let dataset = &made.data().unwrap().dataset;
    let mut users: Vec<String> = (0..6).map(|user| dataset.users.name(user).to_owned()).collect();
    users.extend((0..9).map(|user| format!("new {user}")));
    let (mut saved, mut all) = (0, 0);
    for seed in 0..8 {
        println!("seed {seed}");
        // An id that comes again when it is forgotten counts again, unless a rewriting has brought it nearer to the first: so either ids
        // are forgotten here, or users.
        let forgets_users = seed % 2 == 1;
        let ids = if forgets_users { 10_000 } else { IDS };
        let (state, mut rng) = (dir.path().join(format!("state {seed}")), Rng::new(seed, "snapshots"));
        let mut service = open_with(&run, &state, ids);
        for step in 0..12 {
            let is_done = AtomicBool::new(false);
            std::thread::scope(|scope| {
                if step % 3 == 0 {
                    // Parts are copied between events.
                    scope.spawn(|| {
                        while !is_done.load(Ordering::Relaxed) {
                            _ = snapshot(&service);
                        }
                    });
                }
                for _ in 0..rng.below(12) {
                    let events = (0..1 + rng.below(5)).map(|_| {
                        let item = rng.below(130);
                        let known = (item < dataset.catalog.len())
                            .then(|| dataset.catalog.ids.name(item as u32).to_owned());
                        json!({
                            "event_id": format!("e{}", rng.below(400)),
                            "user_id": users[rng.below(users.len())],
                            "item_id": known.unwrap_or_else(|| format!("later {item}")),
                            "action": (["click", "conversion", "hum", "sing"][rng.below(4)]),
                            "timestamp": rng.below(3_000_000_000_000),
                        })
                    });
                    let events = events.map(|event| Event::from_json(event, "$", NOW).unwrap());
                    send(&service, events.collect());
                }
                is_done.store(true, Ordering::Relaxed);
            });
            match rng.below(8) {
                0 | 1 if forgets_users => _ = wait(service.forget(&users[rng.below(users.len())])).unwrap(),
                2 | 3 => snapshot(&service).unwrap(),
                // Killed: a copy of the disk is started.
                4 => {
                    let killed = dir.path().join("killed");
                    copy(&state, &killed);
                    drop(service);
                    copy(&killed, &state);
                    service = open_with(&run, &state, ids);
                }
                5 => {
                    service.stop();
                    drop(service);
                    service = open_with(&run, &state, ids);
                    assert_eq!(service.replayed(), 0, "a stop writes a snapshot");
                }
                _ => {}
            }
            let (with, read) = opened(&run, (&state, ids), &users, true);
            let (without, read_all) = opened(&run, (&state, ids), &users, false);
            assert_eq!(with, without, "seed {seed}, step {step}");
            (saved, all) = (saved + read_all - read, all + read_all);
        }
    }
    assert!(saved * 4 > all, "{saved} of {all} events came from snapshots");
}

#[test]
fn only_what_came_after_the_snapshot_is_read() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let (run, state) = (dir.path().join("run"), dir.path().join("state"));
    let service = open(&run, &state);
    send(&service, (0..500).map(|at| event(at, "u", "i", at as i64)).collect());
    snapshot(&service).unwrap();
    send(&service, (500..507).map(|at| event(at, "u", "j", at as i64)).collect());
    let users = ["u".to_owned()];
    assert_eq!(opened(&run, (&state, IDS), &users, true).1, 7);
    assert_eq!(opened(&run, (&state, IDS), &users, false).1, 507);
    // By itself, after so many records.
    drop(service);
    let mut often = settings(&state);
    often.snapshots.records = 5;
    let service = Service::open(Run::open(&run).unwrap(), often, &Context::default()).unwrap();
    let before = service.snapshot().as_of;
    send(&service, (600..620).map(|at| event(at, "u", "j", at as i64)).collect());
    while service.snapshot().as_of == before {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!((files(&state).len(), opened(&run, (&state, IDS), &users, true).1), (1, 0));
}

#[test]
fn a_snapshot_that_cannot_be_trusted_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let (run, state) = (dir.path().join("run"), dir.path().join("state"));
    let users = ["u0", "u1", "u2"].map(str::to_owned);
    let service = open(&run, &state);
    send(&service, (0..300).map(|at| event(at, &users[at % 3], &format!("i{at}"), at as i64)).collect());
    snapshot(&service).unwrap();
    let expected = derived(&service, &users).unwrap();
    drop(service);
    let [path] = &files(&state)[..] else { panic!("one snapshot") };
    let whole = fs::read(path).unwrap();
    let restart = |what: &str, is_used: bool| {
        let said = Said::default();
        let context = Context { progress: &said, ..Context::default() };
        let service = Service::open(Run::open(&run).unwrap(), settings(&state), &context).unwrap();
        assert_eq!(derived(&service, &users).unwrap(), expected, "{what}");
        let said = said.0.into_inner().unwrap().join("\n");
        let expected = if is_used { (0, false) } else { (300, true) };
        assert_eq!((service.replayed(), said.contains("is not used")), expected, "{what}: {said}");
    };
    restart("whole", true);
    let mut rng = Rng::new(7, "damage");
    for round in 0..60 {
        let mut damaged = whole.clone();
        let at = rng.below(whole.len());
        match round % 3 {
            0 => damaged.truncate(at),
            _ => damaged[at] ^= 1 << rng.below(8),
        }
        files(&state).iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::write(path, damaged).unwrap();
        restart(&format!("round {round}, byte {at}"), false);
    }
    // Whole, of another number of remembered ids, of another log.
    files(&state).iter().for_each(|path| fs::remove_file(path).unwrap());
    fs::write(path, &whole).unwrap();
    let fewer = ServiceSettings { remembered_ids: 19, ..settings(&state) };
    drop(Service::open(Run::open(&run).unwrap(), fewer, &Context::default()).unwrap());
    let other = dir.path().join("other");
    let service = open(&run, &other);
    send(&service, (0..300).map(|at| event(at + 1, "other", "i", at as i64)).collect());
    drop(service);
    files(&other).iter().for_each(|path| fs::remove_file(path).unwrap());
    fs::write(other.join(path.file_name().unwrap()), &whole).unwrap();
    let service = open(&run, &other);
    assert_eq!((service.replayed(), service.history("u0")), (300, None));
}

#[test]
fn nobody_who_was_forgotten_is_in_a_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let (run, state) = (dir.path().join("run"), dir.path().join("state"));
    let (gone, users) =
        ("somebody to be forgotten", ["somebody to be forgotten".to_owned(), "stays".to_owned()]);
    let service = open(&run, &state);
    send(&service, (0..100).map(|at| event(at, &users[at % 2], "i", at as i64)).collect());
    snapshot(&service).unwrap();
    let old = files(&state)[0].clone();
    let (kept, expected) = (fs::read(&old).unwrap(), service.history("stays"));
    assert!(mentions(&state, gone));
    // Snapshots are being written all the time.
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut at = 1000;
            while !is_done.load(Ordering::Relaxed) {
                send(&service, vec![event(at, "other", "i", 1)]);
                _ = snapshot(&service);
                at += 1;
            }
        });
        std::thread::sleep(Duration::from_millis(50));
        wait(service.forget(gone)).unwrap();
        assert!(!mentions(&state, gone));
        is_done.store(true, Ordering::Relaxed);
    });
    service.stop();
    drop(service);
    assert!(!mentions(&state, gone));
    // A snapshot from before, as if its removal had not reached the disk.
    fs::write(&old, &kept).unwrap();
    let service = open(&run, &state);
    assert_eq!((service.history(gone), service.history("stays")), (None, expected.clone()));
    // Killed after the record that asks for it, before anything was removed.
    send(&service, (200..210).map(|at| event(at, gone, "i", at as i64)).collect());
    snapshot(&service).unwrap();
    drop(service);
    assert!(mentions(&state, gone));
    let log = Log::open(&state.join("log").into(), settings(&state).journal).unwrap();
    log.journal().append(&Record::forget(gone)).unwrap();
    log.journal().commit_all().unwrap();
    drop(log);
    let service = open(&run, &state);
    assert_eq!((service.history(gone), service.history("stays")), (None, expected));
    assert!(!mentions(&state, gone));
}
