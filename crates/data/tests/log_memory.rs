//! The promise of the log in memory: reading one takes at most 1.3 times the memory that it keeps.

#![cfg(target_os = "linux")] // Where a process knows the most memory that it took.
#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::Folder;
use semrank_core::Rng;
use semrank_data::{
    ColumnType, Dataset, DatasetWriter, EventRow, ExtraColumn, ItemRow, Value, When, WriterOptions,
};
use std::path::{Path, PathBuf};
use std::process::Command;

const LOG: &str = "SEMRANK_LOG_MEMORY";
const EVENTS: u64 = 10_000_000;
const USERS: usize = 200_000;
const ITEMS: usize = 50_000;

/// A log in the order of time, with dwell times.
fn write(dir: &Path) {
    let event_extra = vec![ExtraColumn { name: "dwell_ms".into(), kind: ColumnType::Integer }];
    let mut writer =
        DatasetWriter::create(dir, WriterOptions { event_extra, ..WriterOptions::default() }).unwrap();
    for item in 0..ITEMS {
        writer.item(&ItemRow { id: &format!("item-{item}"), ..ItemRow::default() }).unwrap();
    }
    let mut rng = Rng::new(1, "log");
    for row in 0..EVENTS {
        let (user, item) = (format!("user-{}", rng.below(USERS)), format!("item-{}", rng.below(ITEMS)));
        let action = ["view", "click", "purchase"][rng.below(3)];
        let time = When::Time(1_700_000_000_000 + row as i64 * 250);
        let extra = [Value::Integer(rng.below(60_000) as i64)];
        writer.event(&EventRow { user: &user, item: &item, action, time, extra: &extra }).unwrap();
    }
    writer.finish().unwrap();
}

/// Resident memory of this process in KiB: now (`VmRSS`) or at most so far (`VmHWM`).
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Not a test of its own: the process that [`a_log_is_read_in_little_more_memory_than_it_keeps`] measures.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(LOG) else { return };
    let before = memory("VmRSS");
    let dataset = Dataset::open(&PathBuf::from(dir)).unwrap();
    let (kept, peak) = (memory("VmRSS") - before, memory("VmHWM") - before);
    println!("{} events: kept {kept} KiB, peak {peak} KiB", dataset.events.len());
    assert!(peak * 10 <= kept * 13, "the peak is more than 1.3 times what is kept");
}

#[test]
#[ignore = "writes and reads 10 million events: half a minute"]
fn a_log_is_read_in_little_more_memory_than_it_keeps() {
    let folder = Folder::new();
    let dir = std::env::var_os(LOG).map_or_else(|| folder.path("log"), PathBuf::from);
    if !dir.exists() {
        write(&dir);
    }
    let arguments = ["--exact", "child", "--nocapture"];
    let output =
        Command::new(std::env::current_exe().unwrap()).args(arguments).env(LOG, &dir).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
