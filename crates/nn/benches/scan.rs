//! Milliseconds of exact searches of random vectors on one core, by precision and share of eligible rows, in segments as the flat
//! index has them; and seconds and memory of the building. Every first result is compared with a plain scan. `cpu` is the median time on
//! the processor, without that of other programs in between.
//!
//! With a MEAN, every value of rows and queries has that added, as embeddings of texts have much in common: 1 gives cosines near 0.5.
//! With `factors`, vectors have 16 factors and a tenth of noise.
//!
//! ```text
//! cargo bench -p semrank-nn --bench scan [-- ROWS DIM K SEARCHES PRECISION,… PERCENT,… MEAN|factors]
//! ```

use semrank_core::Rng;
use semrank_nn::kernel::{axpy, dot};
use semrank_nn::scan::{Arena, Bitmap, Hit, Precision, Scan};
use std::time::Instant;

/// Rows of a segment.
const SEGMENT: usize = 1 << 18;
const FACTORS: usize = 16;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let word = |at: usize, otherwise: &str| words.get(at).cloned().unwrap_or_else(|| otherwise.to_owned());
    let number = |at, otherwise| word(at, otherwise).parse::<usize>().expect("a number");
    let (rows, dim, k, searches) =
        (number(0, "1000000"), number(1, "64"), number(2, "500"), number(3, "100"));
    let mut rng = Rng::new(1, "scan bench");
    let kind = word(6, "0");
    let factors = (kind == "factors").then(|| draw(&mut rng, 0.0, FACTORS * dim));
    let mean = if factors.is_some() { 0.0 } else { kind.parse().expect("a number") };
    let mut vectors = |count: usize| {
        let mut out = draw(&mut rng, mean, count * dim);
        if let Some(factors) = &factors {
            out.chunks_exact_mut(dim).for_each(|row| add_factors(&mut rng, factors, row));
        }
        out
    };
    let (values, queries) = (vectors(rows), vectors(searches));
    println!("{rows} rows, D = {dim}, best {k}, {searches} searches; ms:    min      p50      p99      cpu");
    for name in word(4, "f32,int8").split(',') {
        let precision = if name == "int8" { Precision::Int8 } else { Precision::F32 };
        let (begin, before) = (Instant::now(), resident());
        let segments: Vec<Scan> =
            values.chunks(SEGMENT * dim).map(|rows| segment(dim, precision, rows)).collect();
        let mib = (resident() - before) / (1 << 20) as f64;
        println!("{name}: built in {:.2} s, {mib:.0} MiB", begin.elapsed().as_secs_f64());
        for percent in word(5, "1,10,50,100").split(',') {
            let share: f64 = percent.parse().expect("a share in percent");
            let mut rng = Rng::new(1, "eligible");
            let eligible: Bitmap = (0..rows).map(|_| rng.unit() * 100.0 < share).collect();
            let eligible = (share < 100.0).then_some(&eligible);
            let (mut arena, mut times, mut processor) = (Arena::default(), Vec::new(), Vec::new());
            for (at, query) in queries.chunks_exact(dim).enumerate() {
                let (begin, before) = (Instant::now(), on_processor());
                let found = search(&segments, query, k, eligible, &mut arena);
                times.push(begin.elapsed().as_secs_f64() * 1e3);
                processor.push(on_processor() - before);
                assert!(at > 0 || found == plain(query, &values, k, eligible), "not what a plain scan finds");
            }
            times.sort_by(f64::total_cmp);
            processor.sort_by(f64::total_cmp);
            let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100]);
            let cpu = processor[processor.len() / 2];
            println!("  {percent:>5} % eligible {:38.3} {p50:8.3} {p99:8.3} {cpu:8.3}", times[0]);
        }
    }
}

fn draw(rng: &mut Rng, mean: f64, len: usize) -> Vec<f32> {
    (0..len).map(|_| (mean + rng.normal()) as f32).collect()
}

/// Turns a row into factors and a tenth of what it was.
fn add_factors(rng: &mut Rng, factors: &[f32], row: &mut [f32]) {
    row.iter_mut().for_each(|value| *value *= 0.1);
    for factor in factors.chunks_exact(row.len()) {
        axpy(rng.normal() as f32 / 4.0, factor, row);
    }
}

/// Milliseconds that this thread ran.
fn on_processor() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` only.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

/// Appended row by row, as the flat index does.
fn segment(dim: usize, precision: Precision, rows: &[f32]) -> Scan {
    let mut out = Scan::new(dim, precision);
    rows.chunks_exact(dim).for_each(|row| _ = out.push(row, 0.0));
    out
}

fn search(
    segments: &[Scan],
    query: &[f32],
    k: usize,
    eligible: Option<&Bitmap>,
    arena: &mut Arena,
) -> Vec<Hit> {
    arena.begin(k, None);
    for (number, segment) in segments.iter().enumerate() {
        segment.search_into(query, (number * SEGMENT) as u32, eligible, arena);
    }
    arena.finish().to_vec()
}

fn plain(query: &[f32], values: &[f32], k: usize, eligible: Option<&Bitmap>) -> Vec<Hit> {
    let rows = (0..).zip(values.chunks_exact(query.len()));
    let rows = rows.filter(|(row, _)| eligible.is_none_or(|set| set.contains(*row)));
    let mut out: Vec<Hit> = rows.map(|(row, vector)| Hit { score: dot(query, vector) + 0.0, row }).collect();
    out.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    out.truncate(k);
    out
}

/// Bytes of this process that are in memory.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(f64::NAN) * 4096.0
}
