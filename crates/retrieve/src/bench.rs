//! What this machine can do: searches of random vectors, made in memory, timed and compared with a plain scan.

use crate::{Error, Flat, Index};
use semrank_core::{Rng, narrow};
use semrank_nn::kernel::dot;
use semrank_nn::scan::{Bitmap, Hit, Precision};
use serde::Serialize;
use std::time::Instant;

/// What is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Vectors.
    pub rows: usize,
    /// Their width.
    pub dim: usize,
    /// Shares of eligible rows, in percent.
    pub eligible: Vec<f64>,
    /// Rows that a search returns.
    pub k: usize,
    /// Searches that are timed for each share.
    pub searches: usize,
    /// Of vectors, queries and eligible rows.
    pub seed: u64,
}

/// One precision and share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `f32` or `int8`.
    pub precision: &'static str,
    /// In percent.
    pub eligible: f64,
    /// Half of the searches take at most this.
    pub p50_ms: f64,
    /// 99 of 100 take at most this.
    pub p99_ms: f64,
    /// Making the index took so long.
    pub build_seconds: f64,
    /// Its memory, vectors included.
    pub mib: f64,
    /// Whether the first searches found what a plain scan finds.
    pub exact: bool,
}

/// The timings of both precisions and all shares, on one thread; `progress` is told of each.
///
/// # Errors
/// Never.
///
/// # Panics
/// When the width or the number of searches is 0.
pub fn run(setup: &Setup, mut progress: impl FnMut(&Row)) -> Result<Vec<Row>, Error> {
    let mut rng = Rng::new(setup.seed, "index bench");
    let mut draw = |rows: usize| -> Vec<f32> { (0..rows * setup.dim).map(|_| rng.normal() as f32).collect() };
    let (values, queries) = (draw(setup.rows), draw(setup.searches));
    let mut out = Vec::new();
    for (precision, name) in [(Precision::F32, "f32"), (Precision::Int8, "int8")] {
        let (index, begin) = (Flat::new(setup.dim, precision), Instant::now());
        for (item, vector) in narrow::indices(setup.rows).zip(values.chunks_exact(setup.dim)) {
            index.put(item, vector, 0.0)?;
        }
        let (build_seconds, mib) = (begin.elapsed().as_secs_f64(), index.bytes() as f64 / f64::from(1 << 20));
        for &percent in &setup.eligible {
            let mut rng = Rng::new(setup.seed, "eligible");
            let eligible: Bitmap = (0..setup.rows).map(|_| rng.unit() * 100.0 < percent).collect();
            let eligible = (percent < 100.0).then_some(&eligible);
            let (mut times, mut exact) = (Vec::new(), true);
            for (at, query) in queries.chunks_exact(setup.dim).enumerate() {
                let begin = Instant::now();
                let found = index.search(query, setup.k, None, eligible)?;
                times.push(begin.elapsed().as_secs_f64() * 1e3);
                if at < CHECKED {
                    exact &= found == plain(query, &values, setup, eligible);
                }
            }
            times.sort_by(f64::total_cmp);
            let quantile = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
            let row = Row {
                precision: name,
                eligible: percent,
                p50_ms: quantile(0.5),
                p99_ms: quantile(0.99),
                build_seconds,
                mib,
                exact,
            };
            progress(&row);
            out.push(row);
        }
    }
    Ok(out)
}

/// Searches that are compared with a plain scan.
const CHECKED: usize = 5;

fn plain(query: &[f32], values: &[f32], setup: &Setup, eligible: Option<&Bitmap>) -> Vec<Hit> {
    let rows = narrow::indices(setup.rows).zip(values.chunks_exact(setup.dim));
    let rows = rows.filter(|(row, _)| eligible.is_none_or(|set| set.contains(*row)));
    let mut out: Vec<Hit> = rows.map(|(row, vector)| Hit { score: dot(query, vector) + 0.0, row }).collect();
    out.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.row.cmp(&b.row)));
    out.truncate(setup.k);
    out
}
