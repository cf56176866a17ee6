//! Records per second of the journal, beside what a sync costs on this machine.
//!
//! `cargo bench -p semrank-store --bench journal [-- FOLDER]`; the folder should lie on the disk that is meant.

use semrank_store::journal::{Journal, Options};
use std::path::Path;
use std::time::{Duration, Instant};

const RECORD: [u8; 200] = [7; 200];
const TIME: Duration = Duration::from_secs(3);

fn main() {
    let folder = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let place = folder.map_or_else(|| std::env::current_dir().expect("there is a folder"), Into::into);
    let dir = tempfile::tempdir_in(place).expect("a folder can be made");
    println!("records of {} bytes, {} s each, below {}", RECORD.len(), TIME.as_secs(), dir.path().display());
    println!("{:<34} {:>12} {:>10} {:>10}", "", "records/s", "p50 ms", "p99 ms");
    let syncs = raw_syncs(&dir.path().join("raw"));
    report("write and fdatasync, no journal", syncs.len(), syncs);
    let open = |name: &str| Journal::open(&dir.path().join(name), Options::default()).expect("a journal");
    for (name, threads, batch) in [
        ("1 thread, commit each", 1, 1),
        ("8 threads, commit each", 8, 1),
        ("64 threads, commit each", 64, 1),
        ("1 thread, batches of 1,000", 1, 1000),
        ("8 threads, batches of 1,000", 8, 1000),
    ] {
        let journal = open(name);
        let times = commits(&journal, threads, batch);
        report(name, times.len() * batch, times);
    }
    let journal = open("8 threads, batches of 1,000");
    let start = Instant::now();
    let mut bytes = 0;
    let read = journal.for_each(0, |_, record| {
        bytes += record.len();
        Ok::<(), semrank_store::Error>(())
    });
    read.expect("the journal is whole");
    let rate = journal.recovered().next as f64 / start.elapsed().as_secs_f64();
    println!("{:<34} {rate:>12.0}   ({:.0} MB)", "reading all of the last", bytes as f64 / 1e6);
}

/// A write of one record and a sync, again and again, into a file whose space is reserved as a segment's is.
fn raw_syncs(path: &Path) -> Vec<Duration> {
    use semrank_store::journal::{Folder, Storage};
    let folder = Folder::lock(path).expect("a folder");
    let mut file = folder.create("file").expect("a file");
    file.reserve(Options::default().segment_bytes).and_then(|()| file.sync_all()).expect("it has room");
    let (start, mut times, mut at) = (Instant::now(), Vec::new(), 0);
    while start.elapsed() < TIME {
        let begun = Instant::now();
        file.write_at(at, &RECORD).and_then(|()| file.sync_data()).expect("the disk works");
        times.push(begun.elapsed());
        at += RECORD.len() as u64;
    }
    times
}

fn commits(journal: &Journal, threads: usize, batch: usize) -> Vec<Duration> {
    let records = vec![&RECORD[..]; batch];
    let start = Instant::now();
    let one = || {
        let mut times = Vec::new();
        while start.elapsed() < TIME {
            let begun = Instant::now();
            let numbers = journal.append_batch(&records).expect("it takes records");
            journal.commit(numbers.end - 1).expect("the disk works");
            times.push(begun.elapsed());
        }
        times
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no thread fails")).collect()
    })
}

fn report(name: &str, records: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    let ms = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let rate = records as f64 / TIME.as_secs_f64();
    println!("{name:<34} {rate:>12.0} {:>10.2} {:>10.2}", ms(0.5), ms(0.99));
}
