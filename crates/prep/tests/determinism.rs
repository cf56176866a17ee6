//! The promise of sameness: the output is a function of the log and the windows, not of threads, memory or the order of rows.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Row, START, entries, random_logs, write_raw};
use semrank_prep::{PrepSettings, prepare, settings_of};
use std::path::Path;

const FILES: [&str; 4] = ["dataset.toml", "events.parquet", "examples.parquet", "items.parquet"];

fn files(dir: &Path) -> Vec<Vec<u8>> {
    FILES.iter().map(|file| std::fs::read(dir.join(file)).unwrap()).collect()
}

/// Enough rows that little memory is full of them: users with long histories.
fn large_log() -> Vec<Row> {
    let actions = ["impression", "impression", "view", "click", "conversion"];
    (0..400_000_i64)
        .map(|at| Row {
            seq: at,
            user: format!("user-with-a-long-name-{}", (at * 7_919) % 101),
            item: format!("i{}", (at * 31) % 3),
            action: actions[(at * 13 % 5) as usize].into(),
            time: START + (at * 15_485_863) % 86_400_000,
            id: Some(format!("an-event-with-a-long-name-{at}")),
            request: Some(format!("a-request-with-a-long-name-{}", at / 4)),
            ..Row::default()
        })
        .collect()
}

#[test]
fn threads_and_memory_change_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    write_raw(&raw, &large_log());
    let made = [(1, 1024), (2, 1024), (2, 96), (1, 96)].map(|(threads, memory_mb)| {
        let out = folder.path().join(format!("out-{threads}-{memory_mb}"));
        let settings = PrepSettings { threads, memory_mb, view_through_days: 1, ..PrepSettings::default() };
        let report = prepare(&raw, &out, &settings, &|| false).unwrap();
        assert_eq!(report.spilled_bytes > 0, memory_mb == 96, "{report:?}");
        files(&out)
    });
    assert!(made.iter().all(|files| *files == made[0]));
    assert_eq!(
        made[0][3],
        std::fs::read(raw.join("items.parquet")).unwrap(),
        "the catalogue is copied as it is"
    );
    let names = ["out-1-1024", "out-1-96", "out-2-1024", "out-2-96", "raw"];
    assert_eq!(entries(folder.path()), names, "nothing else is left");
}

#[test]
fn the_order_of_rows_changes_no_byte() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = random_logs(5, 50).concat();
    let mut made = Vec::new();
    for name in ["a", "b"] {
        let (raw, out) = (folder.path().join(format!("raw-{name}")), folder.path().join(name));
        write_raw(&raw, &rows);
        prepare(&raw, &out, &settings_of(&raw, &[]).unwrap(), &|| false).unwrap();
        made.push(files(&out));
        rows.reverse();
    }
    assert!(made[0] == made[1]);
}
