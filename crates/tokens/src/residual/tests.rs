//! Residual k-means: codes of near vectors, determinism, and vectors that are refused.

use super::*;
use crate::{Rows, encode_all};
use semrank_core::Rng;
use semrank_nn::kernel::Level;

fn vectors(rows: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, "test");
    let centres: Vec<f64> = (0..20 * dim).map(|_| rng.normal()).collect();
    (0..rows * dim).map(|i| (centres[i / dim % 20 * dim + i % dim] + 0.5 * rng.normal()) as f32).collect()
}

fn settings() -> TokenSettings {
    TokenSettings { levels: 3, codes: 32, iterations: 10, points_per_code: 20, ..TokenSettings::default() }
}

fn error(x: &[f32], tokenizer: &ResidualKmeans) -> f64 {
    let decoded = tokenizer.decode(&tokenizer.encode(x).unwrap()).unwrap();
    let off = x.iter().zip(decoded).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>();
    off / x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>()
}

#[test]
fn every_level_takes_some_of_the_error_away() {
    let x = vectors(2000, 12, 1);
    for normalise_residuals in [false, true] {
        let errors: Vec<f64> = (1..4)
            .map(|levels| {
                let settings = TokenSettings { levels, normalise_residuals, ..settings() };
                error(&x, &ResidualKmeans::fit(&settings, &Rows::new(&x, 12), 1).unwrap())
            })
            .collect();
        assert!(errors[0] < 0.3 && errors[1] < 0.8 * errors[0] && errors[2] < 0.8 * errors[1], "{errors:?}");
    }
}

#[test]
fn mini_batches_and_threads_give_the_same_codes_as_a_sample_in_memory() {
    let x = vectors(3000, 9, 2);
    for (balanced, normalise_residuals) in [(false, false), (false, true), (true, false)] {
        let run = |mini_batch, threads| {
            let settings = TokenSettings { mini_batch, balanced, normalise_residuals, ..settings() };
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let fitted = pool.install(|| ResidualKmeans::fit(&settings, &Rows::new(&x, 9), 5).unwrap());
            let levels: Vec<Vec<f32>> = (0..3).map(|level| fitted.level(level).to_vec()).collect();
            (levels, fitted.lengths(), fitted.encode(&x).unwrap())
        };
        let want = run(0, 1);
        for (mini_batch, threads) in [(0, 2), (64, 1), (100, 3)] {
            assert!(run(mini_batch, threads) == want, "{mini_batch} rows, {threads} threads");
        }
    }
}

#[test]
fn an_id_depends_on_its_own_vector_only() {
    let x = vectors(700, 9, 3);
    let fitted = ResidualKmeans::fit(&settings(), &Rows::new(&x, 9), 5).unwrap();
    let all = fitted.encode(&x).unwrap();
    for (row, x) in x.chunks(9).enumerate() {
        assert_eq!(fitted.encode(x).unwrap().of(0), all.of(row));
    }
    assert_eq!(encode_all(&fitted, &Rows::new(&x, 9)).unwrap(), all);
}

#[test]
fn bad_input_is_named() {
    let mut x = vectors(100, 4, 4);
    let fitted = ResidualKmeans::fit(&settings(), &Rows::new(&x, 4), 5).unwrap();
    let said = |result: Result<SemanticIds, Error>| result.unwrap_err().to_string();
    assert_eq!(said(fitted.encode(&x[1..])), "the last vector is 3 wide, the codebook expects 4");
    let narrow = encode_all(&fitted, &Rows::new(&x, 5));
    assert_eq!(said(narrow), "a vector is 5 wide, the codebook expects 4");
    let few = ResidualKmeans::fit(&settings(), &Rows::new(&x[..40], 4), 5).unwrap_err();
    assert!(few.to_string().starts_with("10 items cannot be given 32 codes"));
    let foreign = fitted.decode(&SemanticIds::new(3, 16, vec![0; 3])).unwrap_err();
    assert_eq!(foreign.to_string(), "ids to decode: got 3 levels of 16 codes, expected 3 levels of 32 codes");
    x[4 * 70 + 2] = f32::NAN;
    assert!(said(fitted.encode(&x)).starts_with("the vector of item row 70 has NaN in column 2"));
    let unfit = ResidualKmeans::fit(&settings(), &Rows::new(&x, 4), 5).unwrap_err();
    assert!(unfit.to_string().starts_with("the vector of item row 70 has NaN in column 2"), "{unfit}");
}

#[test]
fn ids_are_those_of_the_plain_search_level_after_level() {
    let x = vectors(1500, 384, 6);
    let settings = TokenSettings { codes: 256, iterations: 3, normalise_residuals: false, ..settings() };
    let fitted = ResidualKmeans::fit(&settings, &Rows::new(&x, 384), 5).unwrap();
    let ids = fitted.encode(&x).unwrap();
    for (row, x) in x.chunks(384).enumerate() {
        let mut left = x.to_vec();
        for (level, &code) in fitted.levels.iter().zip(ids.of(row)) {
            let scores = (0..level.nearest.codes()).map(|other| level.nearest.score(&left, other));
            // Of equal scores the first.
            let (plain, _) = scores.enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a }).unwrap();
            assert_eq!(usize::from(code), plain);
            axpy(-1.0, level.nearest.of(code), &mut left);
        }
    }
}

#[test]
fn every_instruction_set_fits_the_same_codes() {
    let x = vectors(1200, 33, 7);
    let run = |most| {
        semrank_nn::kernel::limit(most);
        let fitted = ResidualKmeans::fit(&settings(), &Rows::new(&x, 33), 5).unwrap();
        semrank_nn::kernel::limit(Level::Avx512);
        fitted.values()
    };
    let want = run(Level::Portable);
    assert!(run(Level::Avx2) == want && run(Level::Avx512) == want);
}
