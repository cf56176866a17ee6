//! Answers searches of another program's vectors, one per line, for `benches/retrieval_peers.py`, which compares engines turn by turn.
//!
//! ```text
//! scan_peer VECTORS DIM PRECISION    VECTORS: f32 numbers, row after row; PRECISION: f32 or int8
//!   -> seconds and MiB of the index
//! eligible FILE                      one byte per row; `-`: all rows
//! search K x x x …                   -> milliseconds, then the rows, best first
//! ```

use semrank_nn::scan::{Arena, Bitmap, Precision, Scan};
use std::io::{BufRead, Write};
use std::time::Instant;

/// Rows of a segment, as the flat index has them.
const SEGMENT: usize = 1 << 18;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    // `cargo bench` runs every bench.
    let [file, dim, precision] = words.as_slice() else { return };
    let dim: usize = dim.parse().expect("a width");
    let precision = if precision == "int8" { Precision::Int8 } else { Precision::F32 };
    let (segments, seconds) = build(file, dim, precision);
    println!("{seconds} {}", resident_mib());
    let (mut arena, mut eligible) = (Arena::default(), None);
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let (verb, rest) = line.split_once(' ').expect("a verb and what it is about");
        if verb == "eligible" {
            let read = |file: &str| {
                std::fs::read(file).expect("a file").iter().map(|&byte| byte != 0).collect::<Bitmap>()
            };
            eligible = (rest != "-").then(|| read(rest));
            continue;
        }
        let (k, query) = rest.split_once(' ').expect("a number and a query");
        let query: Vec<f32> = query.split(' ').map(|word| word.parse().expect("a number")).collect();
        let begin = Instant::now();
        arena.begin(k.parse().expect("a number"), None);
        for (number, segment) in segments.iter().enumerate() {
            segment.search_into(&query, (number * SEGMENT) as u32, eligible.as_ref(), &mut arena);
        }
        let found = arena.finish();
        let mut out = format!("{}", begin.elapsed().as_secs_f64() * 1e3);
        found.iter().for_each(|hit| out += &format!(" {}", hit.row));
        println!("{out}");
        std::io::stdout().flush().expect("a reader");
    }
}

/// The index and the seconds without reading the file.
fn build(file: &str, dim: usize, precision: Precision) -> (Vec<Scan>, f64) {
    let bytes = std::fs::read(file).expect("a file");
    let values = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect::<Vec<_>>();
    drop(bytes);
    let begin = Instant::now();
    let segments = values.chunks(SEGMENT * dim).map(|rows| {
        let mut out = Scan::new(dim, precision);
        rows.chunks_exact(dim).for_each(|row| _ = out.push(row, 0.0));
        out
    });
    (segments.collect(), begin.elapsed().as_secs_f64())
}

/// Of the index alone: the vectors of the file are gone.
fn resident_mib() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(f64::NAN) / 256.0
}
