//! Both precisions and plans find what scoring every row finds, bit by bit, at every level of instructions.

use super::*;
use crate::kernel::{Level, limit};
use proptest::prelude::*;
use semrank_core::Rng;

const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

/// Values of a kind that is hard for the bound.
fn draw(rng: &mut Rng, kind: u8, len: usize, dim: usize) -> Vec<f32> {
    (0..len)
        .map(|_| match kind {
            0 => rng.normal() as f32,
            // Many exact ties.
            1 => rng.below(3) as f32 - 1.0,
            // One column dwarfs the others.
            2 => rng.normal() as f32 * if rng.below(dim) == 0 { 1e4 } else { 1e-3 },
            3 => rng.normal() as f32 * 1e-25,
            4 => 10.0 + 1e-3 * rng.normal() as f32,
            // Denormal numbers, negative numbers, and numbers so near each other that the 4-bit sieve lets many rows through.
            6 => rng.normal() as f32 * 1e-42,
            7 => -(rng.normal().abs() as f32),
            8 => 1.0 + 0.1 * rng.normal() as f32,
            // Numbers that no bound holds for.
            _ => match rng.below(40) {
                0 => f32::NAN,
                1 => f32::NEG_INFINITY,
                2 => 1e30,
                _ => rng.normal() as f32,
            },
        })
        .collect()
}

/// The best of all rows by their exact scores.
fn plain(scan: &Scan, query: &[f32], k: usize, may: impl Fn(u32) -> bool) -> Vec<(u32, u32)> {
    let rows = (0..scan.len() as u32).filter(|&row| may(row));
    let mut all: Vec<_> = rows.map(|row| (scan.score(query, row), row)).collect();
    all.retain(|(score, _)| !score.is_nan());
    all.sort_by(|a, b| b.0.partial_cmp(&a.0).expect("numbers").then(a.1.cmp(&b.1)));
    all.into_iter().take(k).map(|(score, row)| (score.to_bits(), row)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn a_search_finds_the_rows_of_the_plain_search(
        dim in 1usize..70, rows in 0usize..4000, k in 0usize..60, share in 0usize..6, seed: u64, kind in 0u8..9
    ) {
        let mut rng = Rng::new(seed, "test");
        // Sometimes more than there are.
        let k = if k == 59 { 3000 } else { k };
        let (values, query) = (draw(&mut rng, kind, rows * dim, dim), draw(&mut rng, kind, dim, dim));
        let bias = draw(&mut rng, kind, rows, dim);
        // All rows, then fewer and fewer.
        let chance = [1, 1, 3, 10, 200, 1][share];
        // In the last case whole groups of rows, and none of others.
        let is_in = |row: usize| share < 5 || row / 150 % 3 == 1;
        let eligible: Bitmap = (0..rows).map(|row| rng.below(chance) == 0 && is_in(row)).collect();
        let eligible = (share > 0).then_some(&eligible);
        let deleted: Vec<u32> = (0..rows as u32).filter(|_| rng.below(9) == 0).collect();
        for precision in [Precision::Int8, Precision::F32] {
            let mut scan = Scan::from_rows(dim, precision, &values, &bias);
            deleted.iter().for_each(|&row| assert!(scan.delete(row)));
            let may = |row| scan.alive().contains(row) && eligible.is_none_or(|eligible| eligible.contains(row));
            let want = plain(&scan, &query, k, may);
            for most in LEVELS {
                limit(most);
                let mut arena = Arena::default();
                let got: Vec<_> =
                    scan.search(&query, k, eligible, &mut arena).iter().map(|hit| (hit.score.to_bits(), hit.row)).collect();
                limit(Level::Avx512);
                prop_assert_eq!(&got, &want, "{:?} {}", precision, most.name());
            }
        }
    }

    #[test]
    fn a_search_of_segments_finds_the_rows_of_the_plain_search(
        dim in 1usize..40, sizes in prop::collection::vec(0usize..20, 1..5), k in 1usize..60, share in 1usize..4, slack in 0usize..3,
        seed: u64, kind in 0u8..9
    ) {
        let mut rng = Rng::new(seed, "test");
        let rows: usize = sizes.iter().map(|size| 64 * size).sum();
        let (values, query) = (draw(&mut rng, kind, rows * dim, dim), draw(&mut rng, kind, dim, dim));
        let bias = draw(&mut rng, kind, rows, dim);
        let eligible: Bitmap = (0..rows).map(|_| rng.below(share) == 0).collect();
        let slack = [None, Some(0.0), Some(0.5)][slack];
        let all = Scan::from_rows(dim, Precision::F32, &values, &bias);
        let every = plain(&all, &query, rows, |row| eligible.contains(row));
        let worst = every.get(k - 1).map_or(f32::NEG_INFINITY, |worst| f32::from_bits(worst.0));
        let least = slack.map_or(worst, |slack| worst - slack);
        let reaches = |(at, hit): &(usize, (u32, u32))| match slack {
            Some(_) => f32::from_bits(hit.1) >= least,
            None => *at < k,
        };
        let want: Vec<_> = every.iter().map(|&(score, row)| (row, score)).enumerate().filter(reaches).collect();
        for precision in [Precision::Int8, Precision::F32] {
            let (mut first, mut arena) = (0, Arena::default());
            arena.begin(k, slack);
            for size in &sizes {
                let rows = first..first + 64 * size;
                let part = Scan::from_rows(dim, precision, &values[rows.start * dim..rows.end * dim], &bias[rows]);
                part.search_into(&query, first as u32, Some(&eligible), &mut arena);
                first += 64 * size;
            }
            let got: Vec<_> = arena.finish().iter().map(|hit| (hit.row, hit.score.to_bits())).enumerate().collect();
            prop_assert_eq!(&got, &want, "{:?}", precision);
        }
    }

    #[test]
    fn the_best_rows_of_queries_are_those_of_the_plain_search(
        dim in 1usize..70, rows in 1usize..90, queries in 1usize..200, seed: u64, kind in 0u8..6
    ) {
        let mut rng = Rng::new(seed, "test");
        let (values, x) = (draw(&mut rng, kind, rows * dim, dim), draw(&mut rng, kind, queries * dim, dim));
        let bias: Vec<f32> = values.chunks(dim).map(|row| -0.5 * dot(row, row)).collect();
        for precision in [Precision::Int8, Precision::F32] {
            let scan = Scan::from_rows(dim, precision, &values, &bias);
            let nearest = Nearest::new(dim, precision, &values, &bias);
            let best = |x: &[f32]| plain(&scan, x, 1, |_| true).first().map_or(0, |best| best.1);
            let want: Vec<u32> = x.chunks(dim).map(best).collect();
            for most in LEVELS {
                limit(most);
                let mut got = vec![9; queries];
                nearest.best_rows(&x, &mut Arena::default(), &mut got);
                limit(Level::Avx512);
                prop_assert_eq!(&got, &want, "{:?} {}", precision, most.name());
            }
        }
    }
}

#[test]
fn a_row_without_a_bound_is_found_once() {
    let scan = Scan::from_rows(1, Precision::Int8, &[1.0, 1e30, 2.0], &[0.0; 3]);
    let mut arena = Arena::default();
    let rows: Vec<u32> = scan.search(&[1.0], 3, None, &mut arena).iter().map(|hit| hit.row).collect();
    assert_eq!(rows, [1, 2, 0]);
}

#[test]
fn near_ties_of_wide_vectors_are_told_apart_as_the_plain_search_does() {
    let mut rng = Rng::new(1, "test");
    let centre: Vec<f32> = (0..384).map(|_| rng.normal() as f32).collect();
    let mut near = |rows: usize| -> Vec<f32> {
        (0..rows).flat_map(|_| centre.clone()).map(|value| value + 1e-4 * rng.normal() as f32).collect()
    };
    let (rows, queries) = (near(3000), near(20));
    let scan = Scan::from_rows(384, Precision::Int8, &rows, &[0.0; 3000]);
    let (mut arena, mut best) = (Arena::default(), vec![0; 20]);
    Nearest::new(384, Precision::Int8, &rows, &[0.0; 3000]).best_rows(&queries, &mut arena, &mut best);
    for (query, best) in queries.chunks(384).zip(best) {
        let want = plain(&scan, query, 10, |_| true);
        let got = scan.search(query, 10, None, &mut arena);
        assert_eq!(got.iter().map(|hit| (hit.score.to_bits(), hit.row)).collect::<Vec<_>>(), want);
        assert_eq!(best, want[0].1);
    }
}

#[test]
fn rows_that_were_appended_one_by_one_are_those_that_came_at_once() {
    let mut rng = Rng::new(2, "test");
    let (rows, query) = (draw(&mut rng, 0, 500 * 8, 8), draw(&mut rng, 0, 8, 8));
    let (whole, mut grown) =
        (Scan::from_rows(8, Precision::Int8, &rows, &[0.5; 500]), Scan::new(8, Precision::Int8));
    for (number, row) in rows.chunks(8).enumerate() {
        assert_eq!(grown.push(row, 0.5), number as u32);
    }
    let (mut a, mut b) = (Arena::default(), Arena::default());
    assert_eq!(grown.search(&query, 50, None, &mut a), whole.search(&query, 50, None, &mut b));
    assert!(grown.delete(3) && !grown.delete(3) && !grown.delete(500));
    assert_eq!((grown.len(), grown.alive().count()), (500, 499));
}
