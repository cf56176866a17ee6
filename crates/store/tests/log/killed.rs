//! A program that writes a log is killed, wherever it is: what it confirmed is there, once, and the next one goes on.

use super::place::{Place, open};
use super::promises::{all, payload};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

const URL: &str = "SEMRANK_TEST_LOG";

/// Not a test of its own: the program that is killed. It says which records were confirmed.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Ok(url) = std::env::var(URL) else { return };
    let log = open(&url).unwrap();
    let say = |text: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
    };
    say(format!("\nopened {}", log.next_sequence()));
    loop {
        let next = log.next_sequence();
        let batch: Vec<Vec<u8>> = (next..next + 1 + next % 5).map(payload).collect();
        let range = log.append_batch(&batch).unwrap();
        assert_eq!(range.start, next);
        if next.is_multiple_of(3) {
            log.commit(range.end - 1).unwrap();
            say(format!("confirmed {}", range.end));
        }
    }
}

pub(crate) fn a_killed_writer_keeps_what_it_confirmed(place: &Place, name: &str) {
    let url = place.url();
    let url = if url.starts_with("redis") { format!("{url}&lease_ms=500") } else { url };
    let mut confirmed = 0;
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child_that_appends_until_it_is_killed", "--nocapture"])
            .env(URL, &url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("opened")), "{name}: the child ended early");
        std::thread::sleep(Duration::from_millis(40 + round * 30));
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(end) = line.strip_prefix("confirmed ").and_then(|text| text.parse().ok()) {
                confirmed = confirmed.max(end);
            }
        }
        let log = open(&url).unwrap();
        let found = all(&*log, 0);
        assert!(
            found.len() as u64 >= confirmed,
            "{name}: {confirmed} were confirmed, {} are there",
            found.len()
        );
        assert_eq!(log.next_sequence(), found.len() as u64);
        for (expected, (sequence, bytes)) in (0..).zip(&found) {
            assert_eq!((*sequence, bytes), (expected, &payload(expected)), "{name}");
        }
    }
    assert!(confirmed > 10, "{name}: {confirmed}");
}
