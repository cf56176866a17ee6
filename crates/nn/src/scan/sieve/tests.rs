//! No score is above what the sieve says, nor with four bits more, at every level of instructions, which all say the same.

use super::*;
use crate::Bound;
use crate::kernel::{Level, dot, limit};
use proptest::prelude::*;
use semrank_core::Rng;

/// Rows of any size: from denormal numbers to 1e12, zeros, one large value among small ones, all of one sign.
fn draw(rng: &mut Rng, dim: usize, rows: usize) -> Vec<f32> {
    let mut out = Vec::new();
    for _ in 0..rows {
        let scale = 10f64.powi([-42, -30, -3, 0, 0, 0, 3, 12][rng.below(8)]);
        let (kind, spike) = (rng.below(5), rng.below(dim));
        out.extend((0..dim).map(|at| {
            let value = match kind {
                0 => -rng.normal().abs(),
                1 => 5.0 + 0.01 * rng.normal(),
                2 if at != spike => 1e-4 * rng.normal(),
                3 if rng.below(2) == 0 => 0.0,
                _ => rng.normal(),
            };
            (scale * value) as f32
        }));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn no_score_is_above_what_the_sieve_says(dim in 1usize..300, rows in 1usize..200, seed: u64) {
        let mut rng = Rng::new(seed, "sieve");
        let (values, x) = (draw(&mut rng, dim, rows), draw(&mut rng, dim, 1));
        let bias = draw(&mut rng, 1, rows);
        let (mut sieve, mut fine) = (Sieve::new(dim), Fine::new(dim));
        for (row, (values, &bias)) in values.chunks(dim).zip(&bias).enumerate() {
            sieve.set(row, values, Bound::of_column(values).length, bias);
            fine.set(row, values);
        }
        let mut query = Query::default();
        query.set(&x, bias.iter().fold(0f32, |top, bias| top.max(bias.abs())));
        let groups = rows.div_ceil(GROUP);
        let masks: Vec<u64> = (0..groups).map(|_| if rng.below(4) == 0 { 0 } else { rng.next_u64() }).collect();
        let [portable, avx2, avx512] = [Level::Portable, Level::Avx2, Level::Avx512].map(|most| {
            limit(most);
            let mut out = Most::default();
            sieve.most(&query, 0..groups, &masks, &mut out);
            let (mut refined, mut kept) = (out.scores.clone(), (0..rows as u32).collect());
            fine.keep(&query, Reaching { rows: &mut kept, most: &mut refined, first: 0, least: f32::MIN });
            (out, refined, kept)
        });
        let told = |(most, refined, kept): &(Most, Vec<f32>, Vec<u32>)| {
            (most.tops.clone(), most.scores.clone(), refined.clone(), kept.clone())
        };
        for other in [&avx2, &avx512] {
            prop_assert_eq!(told(&portable), told(other));
        }
        let (portable, refined, kept) = portable;
        for row in 0..rows {
            let (most, is_in) = (portable.scores[row], masks[row / GROUP] >> (row % GROUP) & 1 == 1);
            let score = dot(&x, &values[row * dim..][..dim]) + bias[row];
            prop_assert!(!is_in || score <= most && most <= portable.tops[row / GROUP], "{} is above {}", score, most);
            prop_assert!(!is_in || score <= refined[row], "{} is above {}", score, refined[row]);
            prop_assert_eq!(is_in, kept.binary_search(&(row as u32)).is_ok());
            prop_assert!(is_in || most == f32::NEG_INFINITY);
        }
    }
}

#[test]
fn the_sieve_is_tight_and_sums_are_exact() {
    // Eight steps of 1/8: every value is a level, so only the query is rounded.
    let mut sieve = Sieve::new(9);
    let row = [-1.0, 0.875, 0.5, -0.125, 0.0, 0.25, 0.75, -0.5, 0.375];
    sieve.set(0, &row, Bound::of_column(&row).length, 3.0);
    let (mut query, mut most) = (Query::default(), Most::default());
    query.set(&[127.0, -1.0, 2.0, 3.0, -5.0, 8.0, 13.0, -21.0, 34.0], 3.0);
    sieve.most(&query, 0..1, &[1], &mut most);
    let exact = -127.0 - 0.875 + 1.0 - 0.375 + 2.0 + 9.75 + 10.5 + 12.75 + 3.0;
    assert!(most.tops[0] >= exact && most.tops[0] < exact + 0.01, "{} is not {exact}", most.tops[0]);
}

#[test]
fn four_bits_more_are_a_sixteenth_of_the_error() {
    let mut rng = Rng::new(1, "fine");
    let (row, x) = (draw_normal(&mut rng, 384), draw_normal(&mut rng, 384));
    let (mut sieve, mut fine, mut query, mut most) =
        (Sieve::new(384), Fine::new(384), Query::default(), Most::default());
    sieve.set(0, &row, Bound::of_column(&row).length, 0.0);
    fine.set(0, &row);
    query.set(&x, 0.0);
    // Without the error of the query, which is the same for both.
    query.error = 0.0;
    sieve.most(&query, 0..1, &[1], &mut most);
    let exact = dot(&x, &row);
    let coarse = most.tops[0] - exact;
    fine.keep(&query, Reaching { rows: &mut vec![0], most: &mut most.scores, first: 0, least: f32::MIN });
    let refined = most.scores[0] - exact;
    assert!(refined < coarse / 8.0 && refined.abs() < coarse / 4.0, "{refined} after {coarse}");
}

fn draw_normal(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| rng.normal() as f32).collect()
}

#[test]
fn a_number_is_rounded_up() {
    for value in
        [0.0, 1.0, -1.0, 1.000_000_1, -1.000_000_1, 3.3, -3.3, 1e-45, -1e-45, 1e15, f32::MIN_POSITIVE]
    {
        let up = f32::from_bits(u32::from(above(value)) << 16);
        assert!(up >= value && up - value <= value.abs() / 128.0 + 1e-40, "{up} of {value}");
    }
}
