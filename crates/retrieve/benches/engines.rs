//! Searches of the same vectors by several indexes, one thread: `cargo bench -p semrank-retrieve --features hnsw,postgres --bench engines --
//! ROWS WIDTH factors|normal URL …`. Prints, for the best 500, milliseconds (median), recall against the exact flat index, seconds to fill,
//! and for `hnsw://` those of the graph, with 500, 1,000 and 2,000 candidates.
//!
//! `normal`: independent components, the hardest case of a graph. `factors`: 16 factors and a tenth of noise, as vectors of texts and of
//! behaviour are nearly of few dimensions.

use semrank_core::Rng;
use semrank_retrieve::{Bitmap, Flat, Index, IndexUrl, Precision};
use std::time::Instant;

const K: usize = 500;
const SEARCHES: usize = 50;
const FACTORS: usize = 16;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut number =
        || args.next().and_then(|arg| arg.parse().ok()).expect("ROWS WIDTH factors|normal URL …");
    let (rows, width): (usize, usize) = (number(), number());
    let is_normal = args.next().is_some_and(|kind| kind == "normal");
    let mut rng = Rng::new(1, "engines");
    let mut draw = |count: usize| -> Vec<f32> { (0..count).map(|_| rng.normal() as f32).collect() };
    let factors: Vec<f32> = draw(FACTORS * width);
    let mut vectors = |count: usize| -> Vec<f32> {
        let mut out = draw(count * width);
        for row in out.chunks_exact_mut(width).filter(|_| !is_normal) {
            row.iter_mut().for_each(|value| *value *= 0.1);
            for (weight, factor) in draw(FACTORS).iter().zip(factors.chunks_exact(width)) {
                semrank_nn::kernel::axpy(weight / 4.0, factor, row);
            }
        }
        out
    };
    let (values, queries) = (vectors(rows), vectors(SEARCHES));
    let exact = Flat::new(width, Precision::Int8);
    fill(&exact, &values, width);
    let places: Vec<String> = args.collect();
    for share in [100u64, 50, 10, 1] {
        let mut rng = Rng::new(2, "eligible");
        let eligible: Bitmap = (0..rows).map(|_| (rng.below(100) as u64) < share).collect();
        let eligible = (share < 100).then_some(&eligible);
        report(&format!("flat, int8, {share} %"), &exact, &exact, &queries, eligible, 1);
    }
    for place in places {
        let url: IndexUrl = place.parse().expect("an address");
        if url.to_string().starts_with("hnsw") {
            graph(&exact, &values, &queries, width);
            continue;
        }
        let index = url.open(width, Precision::fastest()).expect("an index");
        index.clear().expect("an empty index");
        println!("{url}: filled in {:.1} s", fill(&*index, &values, width));
        for share in [100u64, 50, 10, 1] {
            let mut rng = Rng::new(2, "eligible");
            let eligible: Bitmap = (0..rows).map(|_| (rng.below(100) as u64) < share).collect();
            let eligible = (share < 100).then_some(&eligible);
            report(&format!("{url}, {share} %"), &*index, &exact, &queries, eligible, 1);
        }
    }
}

fn fill(index: &dyn Index, values: &[f32], width: usize) -> f64 {
    let begin = Instant::now();
    let items: Vec<u32> = (0..(values.len() / width) as u32).collect();
    index.put_all(&items, values, &vec![0.0; items.len()]).expect("vectors");
    begin.elapsed().as_secs_f64()
}

/// Asks for `times` the items, of which the first count.
fn report(
    name: &str,
    index: &dyn Index,
    exact: &Flat,
    queries: &[f32],
    eligible: Option<&Bitmap>,
    times: usize,
) {
    let (mut millis, mut found, mut wanted) = (Vec::new(), 0, 0);
    for query in queries.chunks_exact(exact.width()) {
        let begin = Instant::now();
        let hits = index.search(query, times * K, None, eligible).expect("a search");
        millis.push(begin.elapsed().as_secs_f64() * 1e3);
        let want = exact.search(query, K, None, eligible).expect("a search");
        let rows: std::collections::HashSet<u32> = hits.iter().take(K).map(|hit| hit.row).collect();
        (found, wanted) =
            (found + want.iter().filter(|hit| rows.contains(&hit.row)).count(), wanted + want.len());
    }
    millis.sort_by(f64::total_cmp);
    println!("{name}: {:.2} ms, recall {:.4}", millis[millis.len() / 2], found as f64 / wanted as f64);
}

#[cfg(feature = "hnsw")]
fn graph(exact: &Flat, values: &[f32], queries: &[f32], width: usize) {
    use semrank_retrieve::index::{Hnsw, HnswSettings};
    let rows = values.len() / width;
    let settings = HnswSettings {
        least_rows: rows,
        least_share: 0.0,
        candidates_per_item: 1,
        ..HnswSettings::default()
    };
    let index = Hnsw::new(width, Precision::Int8, settings);
    fill(&index, values, width);
    let begin = Instant::now();
    index.settle();
    let (graph, flat) = index.bytes();
    println!(
        "hnsw://: graph in {:.0} s, {} MiB beside {} MiB of the flat index",
        begin.elapsed().as_secs_f64(),
        graph >> 20,
        flat >> 20
    );
    for share in [100u64, 50, 10] {
        let mut rng = Rng::new(2, "eligible");
        let eligible: Bitmap = (0..rows).map(|_| (rng.below(100) as u64) < share).collect();
        let eligible = (share < 100).then_some(&eligible);
        // Again, as the machine may be busier than it was.
        report(&format!("flat, int8, {share} %"), exact, exact, queries, eligible, 1);
        for times in [1, 2, 4] {
            report(
                &format!("hnsw, {share} %, {} candidates", times * K),
                &index,
                exact,
                queries,
                eligible,
                times,
            );
        }
    }
}

#[cfg(not(feature = "hnsw"))]
fn graph(_: &Flat, _: &[f32], _: &[f32], _: usize) {
    println!("hnsw:// needs the feature hnsw");
}
