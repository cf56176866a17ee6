//! Counts a log in CSV files, for `benches/experiment_counts.py`, which compares it with a database.
//!
//! ```text
//! counts DEFINITION EXPOSURES EVENTS PARTS THREADS    DEFINITION: JSON of `counts::Definition`
//!   -> JSON: seconds of reading and counting, peak MiB, counts
//! ```
//!
//! Columns: event_id, unit, arm, time_ms, received_ms, would_differ, bot; event_id, unit, action, time_ms, received_ms, value. A field has no
//! quotes; flags are 0 and 1.

use semrank_experiment::Error;
use semrank_experiment::counts::{Counter, Definition, Event, Exposure, Part, count_in_parts};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::time::Instant;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    // `cargo bench` runs every bench.
    let [definition, exposures, events, parts, threads] = words.as_slice() else { return };
    let text = std::fs::read(definition).expect("the definition");
    let definition: Definition = serde_json::from_slice(&text).expect("a definition");
    let (parts, threads) = (parts.parse().expect("a number"), threads.parse().expect("a number"));
    let (begin, mut reading) = (Instant::now(), 0.0);
    let counts = count_in_parts(&definition, parts, threads, |part| {
        let begin = Instant::now();
        let counter = read(&definition, part, [exposures, events], threads as u64);
        reading += begin.elapsed().as_secs_f64();
        counter
    });
    let counts = counts.expect("a log of the definition");
    let out = serde_json::json!({
        "seconds": begin.elapsed().as_secs_f64(), "reading": reading, "mib": peak_mib(), "counts": counts,
    });
    println!("{out}");
}

/// Every thread reads its share of both files.
fn read(definition: &Definition, part: Part, files: [&str; 2], threads: u64) -> Result<Counter, Error> {
    let shard = |at: u64| {
        let mut counter = Counter::of_part(definition.clone(), part)?;
        share(files[0], at, threads, part, exposure_reader(&mut counter))?;
        share(files[1], at, threads, part, event_reader(&mut counter))?;
        Ok::<_, Error>(counter)
    };
    std::thread::scope(|scope| {
        let shard = &shard;
        let others: Vec<_> = (1..threads).map(|at| scope.spawn(move || shard(at))).collect();
        let mut all = shard(0)?;
        others.into_iter().try_for_each(|other| all.merge(other.join().expect("no panic")?))?;
        Ok(all)
    })
}

/// The lines of a part that begin in one of `of` equal shares of a file, without its header.
fn share(
    file: &str,
    at: u64,
    of: u64,
    part: Part,
    mut row: impl FnMut(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut file = File::open(file).expect("the log");
    let size = file.metadata().expect("a size").len();
    let (start, end) = (size * at / of, size * (at + 1) / of);
    // The line that an earlier share has begun is its own; the first line of all is the header.
    let mut place = start.saturating_sub(1);
    file.seek(SeekFrom::Start(place)).expect("a place in the file");
    let (mut reader, mut line) = (BufReader::with_capacity(1 << 20, file), Vec::new());
    place += reader.read_until(b'\n', &mut line).expect("a line") as u64;
    while place < end {
        line.clear();
        place += reader.read_until(b'\n', &mut line).expect("a line") as u64;
        // Most rows are of other parts: only their unit is looked at.
        let mut cells = line.splitn(3, |&byte| byte == b',');
        if part.has(text(cells.nth(1).expect("a unit"))) {
            row(text(line.trim_ascii_end()))?;
        }
    }
    Ok(())
}

fn exposure_reader(counter: &mut Counter) -> impl FnMut(&str) -> Result<(), Error> {
    let mut row = Exposure {
        event_id: String::new(),
        unit: String::new(),
        arm: String::new(),
        time_ms: 0,
        received_ms: 0,
        would_differ: false,
        bot: false,
    };
    move |line| {
        let mut cells = line.split(',');
        let mut cell = || cells.next().expect("seven columns");
        set(&mut row.event_id, cell());
        set(&mut row.unit, cell());
        set(&mut row.arm, cell());
        (row.time_ms, row.received_ms) = (millis(cell()), millis(cell()));
        (row.would_differ, row.bot) = (cell() == "1", cell() == "1");
        counter.exposure(&row)
    }
}

fn event_reader(counter: &mut Counter) -> impl FnMut(&str) -> Result<(), Error> {
    let mut row = Event {
        event_id: String::new(),
        unit: String::new(),
        action: String::new(),
        time_ms: 0,
        received_ms: 0,
        value: 0.0,
    };
    move |line| {
        let mut cells = line.split(',');
        let mut cell = || cells.next().expect("six columns");
        set(&mut row.event_id, cell());
        set(&mut row.unit, cell());
        set(&mut row.action, cell());
        (row.time_ms, row.received_ms) = (millis(cell()), millis(cell()));
        row.value = cell().parse().expect("a number");
        counter.event(&row)
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

fn set(text: &mut String, value: &str) {
    text.clear();
    text.push_str(value);
}

fn millis(cell: &str) -> i64 {
    cell.parse().expect("milliseconds")
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1024
}
