//! Records per second of logs by their URLs, one after the other, round by round.
//!
//! `cargo bench -p semrank-store --features redis,nats --bench log -- URL …`; each names a log that is not there yet. A round appends for
//! a second in each way; the rounds interleave the logs, so that what else the machine does hits all of them.

use semrank_store::journal::Options;
use semrank_store::log::{DurableLog, LogUrl};
use std::sync::Arc;
use std::time::{Duration, Instant};

const RECORD: [u8; 200] = [7; 200];
const TIME: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;
/// Threads, and records of a batch.
const WAYS: [(usize, usize); 3] = [(1, 1), (8, 1), (1, 1000)];

fn main() {
    let urls: Vec<LogUrl> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .map(|arg| arg.parse().expect("a URL"))
        .collect();
    let logs: Vec<Arc<dyn DurableLog>> =
        urls.iter().map(|url| url.open(Options::default()).expect("a log")).collect();
    let mut found = vec![[const { Vec::new() }; WAYS.len()]; logs.len()];
    for _ in 0..ROUNDS {
        for (log, found) in logs.iter().zip(&mut found) {
            WAYS.iter().zip(found.iter_mut()).for_each(|(way, found)| found.push(round(&**log, *way)));
        }
    }
    println!("records of {} bytes; medians of {ROUNDS} rounds of {} s", RECORD.len(), TIME.as_secs());
    println!(
        "{:<44} {:>8} {:>8} {:>12} {:>9} {:>9}",
        "", "threads", "batch", "records/s", "p50 ms", "p99 ms"
    );
    for ((url, log), found) in urls.iter().zip(&logs).zip(&mut found) {
        for ((threads, batch), rounds) in WAYS.iter().zip(found) {
            let [rate, p50, p99] = medians(rounds);
            println!("{:<44} {threads:>8} {batch:>8} {rate:>12.0} {p50:>9.2} {p99:>9.2}", url.to_string());
        }
        let (begun, mut records) = (Instant::now(), 0);
        let read = log.for_each(0, |_, _| {
            records += 1;
            Ok::<(), semrank_store::Error>(())
        });
        read.expect("the log is whole");
        let rate = f64::from(records) / begun.elapsed().as_secs_f64();
        println!("{:<44} {:>17} {rate:>12.0}   ({records} records)", url.to_string(), "reading all");
    }
}

/// Records per second, and the times of a commit in ms: half of them and 99 % are shorter.
fn round(log: &dyn DurableLog, (threads, batch): (usize, usize)) -> [f64; 3] {
    let records = vec![&RECORD[..]; batch];
    let start = Instant::now();
    let one = || {
        let mut times = Vec::new();
        while start.elapsed() < TIME {
            let begun = Instant::now();
            let numbers = log.append_records(&records).expect("it takes records");
            log.commit(numbers.end - 1).expect("it confirms them");
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        times
    };
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread fails")).collect()
    });
    let rate = (times.len() * batch) as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable_by(f64::total_cmp);
    let share = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    [rate, share(0.5), share(0.99)]
}

fn medians(rounds: &[[f64; 3]]) -> [f64; 3] {
    [0, 1, 2].map(|at| {
        let mut all: Vec<f64> = rounds.iter().map(|round| round[at]).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    })
}
