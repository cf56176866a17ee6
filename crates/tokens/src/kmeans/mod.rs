//! K-means: vectors in, K codes out (Lloyd 1982).
//!
//! A pass gives every vector its nearest code ([`NearestCode`](crate::nearest::NearestCode)) and moves each code to the mean
//! of its vectors. Vectors come through a [`VectorSource`], so that a pass holds one block per thread and no more; sums are taken
//! in a fixed number of shards that are added in order, so neither blocks nor threads change a bit. A code without
//! vectors is moved next to the code with the most vectors, and both share them.
//!
//! There are two starts, and the one that explains more of a few vectors after some passes goes on: k-means++, and the same
//! codes moved to an equal distance from their mean. Vectors of many dimensions without clear clusters, as residuals are, are
//! nearly all nearer to the shortest drawn codes than to the others, and the passes rarely leave that state.

mod balance;
mod start;
mod update;

use crate::nearest::{NearestCode, Scratch};
use crate::vectors::first_error;
use crate::{Error, TokenSettings, VectorSource};
use rayon::prelude::*;
use start::First;
use update::Sums;

/// Passes that are added at most until no code is empty.
const REPAIRS: usize = 20;
/// Numbers in all shards' sums together, 256 MiB, as far as two shards allow.
const MOST_SUMS: usize = 1 << 26;
/// Shards of a pass.
const MOST_SHARDS: usize = 16;

/// Passes after which starts are compared, and vectors that they go over, for each code.
const START_PASSES: usize = 8;
const START_POINTS_PER_CODE: usize = 32;

/// How k-means runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// Number of codes, K.
    pub(crate) codes: usize,
    /// Most passes.
    pub(crate) iterations: usize,
    /// Whether every code gets equally many vectors.
    pub(crate) balanced: bool,
    /// Rows that a thread reads at once.
    pub(crate) block: usize,
    pub(crate) seed: u64,
}

impl Options {
    /// Those of the settings.
    pub(crate) fn new(settings: &TokenSettings, block: usize, seed: u64) -> Self {
        let &TokenSettings { codes, iterations, balanced, .. } = settings;
        Self { codes, iterations, balanced, block, seed }
    }
}

/// Fits K codes; `points` are finite, in random order, and at least K.
///
/// # Errors
/// Those of the source.
pub(crate) fn fit(points: &dyn VectorSource, options: &Options) -> Result<NearestCode, Error> {
    run(points, start(points, options)?, options)
}

/// Of two starts the one that explains more of a few vectors after some passes over them. It goes on as it was: few vectors
/// leave codes that have only one.
fn start(points: &dyn VectorSource, options: &Options) -> Result<NearestCode, Error> {
    let few = First::new(points, options.codes * START_POINTS_PER_CODE);
    let options = Options { iterations: START_PASSES.min(options.iterations), balanced: false, ..*options };
    let drawn = NearestCode::new(points.dim(), &start::plus_plus(points, &options)?);
    let equal = NearestCode::new(points.dim(), &start::equally_far(drawn.values(), points.dim()));
    let mut given = vec![u16::MAX; few.len()];
    let mut explained = |start: &NearestCode| -> Result<f64, Error> {
        let nearest = run(&few, start.clone(), &options)?;
        Ok(run_pass(&few, &nearest, &mut given, false, options.block)?.0.explained())
    };
    Ok(if explained(&drawn)? >= explained(&equal)? { drawn } else { equal })
}

/// The same from codes that there are already: `options.iterations` passes, and more as long as codes are empty.
pub(crate) fn run(
    points: &dyn VectorSource,
    mut nearest: NearestCode,
    options: &Options,
) -> Result<NearestCode, Error> {
    let mut given = vec![u16::MAX; points.len()];
    let (mut balanced, mut repairs) = (options.balanced, 0);
    for pass in 0.. {
        balanced &= pass < options.iterations;
        let (sums, changed) = run_pass(points, &nearest, &mut given, balanced, options.block)?;
        let done = pass >= options.iterations || !changed;
        if done && balanced {
            // Encoding is not balanced: codes that it leaves empty show in a pass that is not.
            balanced = false;
            continue;
        }
        let empty = sums.counts.contains(&0);
        if done && (!empty || repairs == REPAIRS) {
            break;
        }
        repairs += usize::from(done);
        nearest = NearestCode::new(points.dim(), &sums.codes(nearest.values()));
    }
    Ok(nearest)
}

/// Gives every vector its code; returns the sums of each code's vectors, and whether any code changed.
fn run_pass(
    points: &dyn VectorSource,
    nearest: &NearestCode,
    given: &mut [u16],
    balanced: bool,
    block: usize,
) -> Result<(Sums, bool), Error> {
    let (dim, codes) = (points.dim(), nearest.codes());
    let shards = (MOST_SUMS / (codes * dim)).clamp(2, MOST_SHARDS);
    // Blocks of balanced fitting must not be cut by a shard's end.
    let unit = if balanced { balance::block(codes) } else { 1 };
    let rows = given.len().div_ceil(shards).next_multiple_of(unit);
    let block = if balanced { unit } else { block };
    let results: Vec<_> = given
        .par_chunks_mut(rows)
        .enumerate()
        .map(|(shard, given)| run_shard(points, nearest, shard * rows, given, balanced, block))
        .collect();
    let mut total = Sums::new(codes, dim);
    let mut changed = false;
    for (sums, shard_changed) in first_error(results)? {
        total.add(&sums);
        changed |= shard_changed;
    }
    Ok((total, changed))
}

fn run_shard(
    points: &dyn VectorSource,
    nearest: &NearestCode,
    first: usize,
    given: &mut [u16],
    balanced: bool,
    block: usize,
) -> Result<(Sums, bool), Error> {
    let mut sums = Sums::new(nearest.codes(), nearest.dim());
    let (mut scratch, mut codes, mut changed) = (Scratch::default(), Vec::new(), false);
    for (index, given) in given.chunks_mut(block).enumerate() {
        let start = first + index * block;
        let rows = points.rows(start..start + given.len())?;
        codes.resize(given.len(), 0);
        if balanced {
            balance::assign(nearest, &rows, &mut codes);
        } else {
            nearest.find(&rows, &mut scratch, &mut codes);
        }
        changed |= given != codes;
        given.copy_from_slice(&codes);
        sums.collect(&rows, &codes);
    }
    Ok((sums, changed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rows;
    use semrank_core::Rng;

    /// `rows` vectors around `centres` far points.
    fn clustered(rows: usize, dim: usize, centres: usize, seed: u64) -> Vec<f32> {
        let mut rng = Rng::new(seed, "test");
        let points: Vec<f32> = (0..centres * dim).map(|_| 10.0 * rng.normal() as f32).collect();
        (0..rows)
            .flat_map(|row| points[row % centres * dim..][..dim].to_vec())
            .map(|value| value + 0.1 * rng.normal() as f32)
            .collect()
    }

    fn options(codes: usize) -> Options {
        Options { codes, iterations: 20, balanced: false, block: 64, seed: 1 }
    }

    fn counts(x: &[f32], nearest: &NearestCode) -> Vec<usize> {
        let mut given = vec![0; x.len() / nearest.dim()];
        nearest.find(x, &mut Scratch::default(), &mut given);
        let mut counts = vec![0; nearest.codes()];
        given.iter().for_each(|&code| counts[usize::from(code)] += 1);
        counts
    }

    #[test]
    fn clusters_are_found() {
        let x = clustered(400, 5, 8, 3);
        let nearest = fit(&Rows::new(&x, 5), &options(8)).unwrap();
        assert_eq!(counts(&x, &nearest), [50; 8]);
    }

    #[test]
    fn no_code_is_dead_even_if_few_points_are_far_apart() {
        for seed in 0..10 {
            let (x, balanced) = (clustered(300, 4, 3, seed), seed % 2 == 1);
            let nearest = fit(&Rows::new(&x, 4), &Options { seed, balanced, ..options(64) }).unwrap();
            assert!(counts(&x, &nearest).iter().all(|&count| count > 0));
        }
        let same = [1.0; 40];
        let nearest = fit(&Rows::new(&same, 4), &options(3)).unwrap();
        assert_eq!(nearest.codes(), 3, "equal vectors leave codes unused, and end");
    }

    #[test]
    fn vectors_without_clusters_are_spread_over_all_codes() {
        let mut rng = Rng::new(1, "test");
        let x: Vec<f32> = (0..4000)
            .flat_map(|_| {
                let size = 0.5 + rng.unit();
                (0..128).map(|_| (size * rng.normal()) as f32).collect::<Vec<_>>()
            })
            .collect();
        let largest = counts(&x, &fit(&Rows::new(&x, 128), &options(32)).unwrap()).into_iter().max();
        assert!(largest < Some(4000 / 4), "{largest:?}");
    }

    #[test]
    fn blocks_and_threads_do_not_change_a_bit() {
        let x = clustered(3000, 7, 40, 5);
        for balanced in [false, true] {
            let run = |block, threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let options = Options { block, balanced, ..options(50) };
                pool.install(|| fit(&Rows::new(&x, 7), &options).unwrap().values().to_vec())
            };
            let want = run(64, 1);
            assert!(run(1000, 1) == want && run(64, 3) == want);
        }
    }

    #[test]
    fn balanced_codes_have_about_as_many_vectors_each() {
        // Three of four vectors lie in one tight cluster.
        let mut x = clustered(1500, 6, 1, 1);
        x.extend(clustered(500, 6, 30, 2));
        let shuffled: Vec<f32> = crate::vectors::sample(2000, 2000, 1)
            .iter()
            .flat_map(|&row| x[row * 6..row * 6 + 6].to_vec())
            .collect();
        let largest = |balanced| {
            let nearest = fit(&Rows::new(&shuffled, 6), &Options { balanced, ..options(16) }).unwrap();
            counts(&shuffled, &nearest).into_iter().max()
        };
        assert!(largest(true) < largest(false), "{:?} {:?}", largest(true), largest(false));
    }
}
