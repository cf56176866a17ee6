//! A log that is away for a while: nothing is acknowledged, and what it has afterwards is what histories have, once.

use super::*;
use crate::record::Record;
use semrank_store::Error as StoreError;
use semrank_store::log::{DurableLog, Visit};
use serde_json::json;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

/// A log in memory that can be away.
#[derive(Default)]
struct Flaky {
    is_away: AtomicBool,
    /// Records, and how many of them are durable.
    records: Mutex<(Vec<Vec<u8>>, u64)>,
}

impl Flaky {
    fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err(StoreError::LogUnavailable { log: "flaky".into(), reason: "it is away".into() }),
            false => Ok(()),
        }
    }

    fn ids(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        let ids = records.0.iter().filter_map(|bytes| match Record::read(bytes).unwrap() {
            Record::Event(event) => event.event_id,
            _ => None,
        });
        ids.collect()
    }
}

impl DurableLog for Flaky {
    fn first_sequence(&self) -> u64 {
        0
    }

    fn next_sequence(&self) -> u64 {
        self.records.lock().unwrap().0.len() as u64
    }

    fn durable_end(&self) -> u64 {
        self.records.lock().unwrap().1
    }

    fn append_records(&self, payloads: &[&[u8]]) -> Result<Range<u64>, StoreError> {
        let mut records = self.records.lock().unwrap();
        let first = records.0.len() as u64;
        // As a log on a server: what waits does not grow.
        if first > records.1 {
            self.check()?;
        }
        records.0.extend(payloads.iter().map(|payload| payload.to_vec()));
        Ok(first..records.0.len() as u64)
    }

    fn commit(&self, _: u64) -> Result<(), StoreError> {
        self.check()?;
        let mut records = self.records.lock().unwrap();
        records.1 = records.0.len() as u64;
        Ok(())
    }

    fn rotate(&self) -> Result<u64, StoreError> {
        unreachable!("nobody asks for it")
    }

    fn read(&self, _: u64, _: Visit) -> Result<(), StoreError> {
        unreachable!("nobody asks for it")
    }

    fn remove_before(&self, _: u64) -> Result<(), StoreError> {
        unreachable!("nobody asks for it")
    }
}

/// What was applied, in its order.
#[derive(Default)]
struct Applied(Mutex<Vec<String>>);

impl Apply for Applied {
    fn event(&self, event: &Event) -> bool {
        self.0.lock().unwrap().push(event.event_id.clone().unwrap());
        true
    }

    fn forget(&self, user: &str) {
        self.0.lock().unwrap().push(format!("forget {user}"));
    }

    fn rewritten(&self, _: i64) {}
}

struct Bench {
    flaky: Arc<Flaky>,
    applied: Arc<Applied>,
    taken_out: Arc<Mutex<Vec<String>>>,
    ingest: Ingest,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn new() -> Self {
        let (flaky, applied) = (Arc::new(Flaky::default()), Arc::new(Applied::default()));
        let taken_out = Arc::new(Mutex::new(Vec::new()));
        let seen = taken_out.clone();
        let take_out: TakeOut = Box::new(move |users| {
            seen.lock().unwrap().extend(users.iter().cloned());
            Ok((Recent::new(1_000), 0))
        });
        let ingest =
            Ingest::start((Log::of(flaky.clone()), Recent::new(1_000)), (applied.clone(), take_out), 1_000);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Self { flaky, applied, taken_out, ingest: ingest.unwrap(), runtime }
    }

    fn send(&self, events: &[Event]) -> Result<Receipt, Problem> {
        self.runtime.block_on(self.ingest.events(events.to_vec()))
    }

    fn applied(&self) -> Vec<String> {
        self.applied.0.lock().unwrap().clone()
    }
}

fn event(id: &str, bytes: usize) -> Event {
    let note = "x".repeat(bytes);
    let value = json!({"event_id": id, "user_id": "u", "item_id": "i", "action": "click", "timestamp": 1, "note": note});
    Event::from_json(value, "$", 5).unwrap()
}

#[test]
fn what_a_log_that_was_away_has_is_applied_once() {
    let bench = Bench::new();
    assert_eq!(bench.send(&[event("a", 0)]).unwrap().accepted, 1);
    bench.flaky.set_away(true);
    for events in [[event("b", 0), event("c", 0)], [event("b", 0), event("d", 0)]] {
        let problem = bench.send(&events).unwrap_err();
        assert_eq!((problem.status, problem.retry_after), (503, Some(1)), "{}", problem.detail);
    }
    assert!(bench.ingest.ids().is_err(), "no snapshot has the id of an event that is not durable");
    assert_eq!((bench.applied(), bench.ingest.as_of()), (vec!["a".to_owned()], 1));
    bench.flaky.set_away(false);
    // Nobody sends anything: it is applied because the server flushes.
    bench.ingest.settle();
    let receipt = bench.send(&[event("c", 0), event("d", 0)]).unwrap();
    assert_eq!((receipt.accepted, receipt.duplicates, receipt.as_of), (1, 1, 4));
    assert_eq!(bench.applied(), ["a", "b", "c", "d"]);
    assert_eq!(bench.flaky.ids(), ["a", "b", "c", "d"]);
    assert!(bench.ingest.ids().is_ok());
}

#[test]
fn of_a_write_that_failed_halfway_the_rest_can_be_sent_again() {
    let bench = Bench::new();
    bench.flaky.set_away(true);
    // More than is appended together: the first goes in, and then it is found that the log is away.
    let ids: Vec<String> = (0..200).map(|id| id.to_string()).collect();
    let events: Vec<Event> = ids.iter().map(|id| event(id, 60_000)).collect();
    assert_eq!(bench.send(&events).unwrap_err().status, 503);
    let part = bench.flaky.ids().len();
    assert!(part > 0 && part < ids.len(), "{part}");
    bench.flaky.set_away(false);
    let receipt = bench.send(&events).unwrap();
    assert_eq!((receipt.accepted, receipt.duplicates), (ids.len() - part, part));
    assert_eq!(bench.applied(), ids);
    assert_eq!(bench.flaky.ids(), ids);
}

#[test]
fn who_is_forgotten_while_the_log_is_away_is_taken_out_afterwards() {
    let bench = Bench::new();
    bench.send(&[event("a", 0)]).unwrap();
    bench.flaky.set_away(true);
    assert_eq!(bench.runtime.block_on(bench.ingest.forget("u".into())).unwrap_err().status, 503);
    assert_eq!(bench.applied(), ["a"]);
    bench.flaky.set_away(false);
    bench.send(&[event("b", 0)]).unwrap();
    assert_eq!(bench.applied(), ["a", "forget u", "b"]);
    assert_eq!(*bench.taken_out.lock().unwrap(), ["u"]);
}
