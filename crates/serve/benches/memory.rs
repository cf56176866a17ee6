//! A service with many users: seconds to start without a snapshot and with one, size of the snapshot, resident memory of the histories.
//!
//! `cargo bench -p semrank-serve --bench memory -- 1000000 50` (users, events of each); the log takes some 150 bytes an event on the disk.
#![allow(clippy::unwrap_used, reason = "a measurement ends by panicking")]

#[path = "../../pipeline/tests/common/mod.rs"]
mod common;

use semrank_core::Rng;
use semrank_pipeline::{Context, Run};
use semrank_serve::{Event, Log, Record, Service, ServiceSettings};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const ITEMS: usize = 100_000;
/// In a process of its own a start has no memory of another.
const CHILD: &str = "SEMRANK_BENCH_MEMORY";

fn main() {
    if let Some(dir) = std::env::var_os(CHILD) {
        return start(Path::new(&dir));
    }
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let [users, each] = numbers[..] else {
        println!("name users and events of each: cargo bench -p semrank-serve --bench memory -- 1000000 50");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    common::trained(dir.path());
    let begin = Instant::now();
    write_log(&dir.path().join("state"), users, each);
    println!(
        "{users} users x {each} events, {:.2} GB of log, written in {:.1} s",
        mb(dir.path(), "state/log") / 1e3,
        begin.elapsed().as_secs_f64()
    );
    for _ in 0..2 {
        let child = Command::new(std::env::current_exe().unwrap()).env(CHILD, dir.path()).status().unwrap();
        assert!(child.success());
        println!("snapshot: {:.1} MB", mb(dir.path(), "state"));
    }
}

fn write_log(state: &Path, users: u64, each: u64) {
    let settings = ServiceSettings::new(state);
    let log = Log::open(&settings.log, settings.journal).unwrap();
    let mut rng = Rng::new(1, "memory");
    for round in 0..each {
        for first in (0..users).step_by(1000) {
            let event = |user: u64| {
                let time = 1_700_000_000_000 + (round * 86_400 + rng.below(86_400) as u64) as i64 * 1000;
                let value = json!({
                    "event_id": format!("{round:x}-{user:x}"),
                    "user_id": format!("user-{user:08}"),
                    "item_id": format!("item-{:06}", rng.below(ITEMS)),
                    "action": (["view", "click", "conversion"][rng.below(3)]),
                    "timestamp": time,
                    "received_at": time + 350,
                });
                Record::event(&Event::from_json(value, "$", 4_000_000_000_000).unwrap())
            };
            let batch: Vec<Vec<u8>> = (first..(first + 1000).min(users)).map(event).collect();
            log.journal().append_batch(&batch).unwrap();
        }
    }
    log.journal().commit_all().unwrap();
}

/// Opens the service, and stops it, which writes a snapshot where there is none.
fn start(dir: &Path) {
    let (before, begin) = (resident_mb(), Instant::now());
    let run = Run::open(&dir.join("run")).unwrap();
    run.data().unwrap();
    let service = Service::open(run, ServiceSettings::new(&dir.join("state")), &Context::default()).unwrap();
    println!(
        "start in {:.1} s, {} events read from the log, {} users, {:.0} MB resident",
        begin.elapsed().as_secs_f64(),
        service.replayed(),
        service.users(),
        resident_mb() - before
    );
    let begin = Instant::now();
    service.stop();
    println!("stop in {:.1} s, {:.0} MB resident at most", begin.elapsed().as_secs_f64(), peak_mb());
}

/// Files of a folder.
fn mb(dir: &Path, folder: &str) -> f64 {
    let files = std::fs::read_dir(dir.join(folder)).unwrap().flatten();
    let bytes = files.filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file);
    bytes.map(|file| file.len()).sum::<u64>() as f64 / 1e6
}

fn resident_mb() -> f64 {
    status("VmRSS:")
}

fn peak_mb() -> f64 {
    status("VmHWM:")
}

fn status(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(0.0, |kib| kib / 1024.0 * 1.048_576)
}
