//! RQ-VAE: it learns to reconstruct without unused codes, and depends on neither threads nor neighbours.

use super::*;
use crate::{Kind, Rows};
use semrank_core::Rng;

fn vectors(rows: usize, dim: usize) -> Vec<f32> {
    let mut rng = Rng::new(9, "test");
    let centres: Vec<f64> = (0..30 * dim).map(|_| 3.0 + rng.normal()).collect();
    (0..rows * dim)
        .map(|i| (0.01 * (centres[i / dim % 30 * dim + i % dim] + 0.2 * rng.normal())) as f32)
        .collect()
}

fn settings() -> TokenSettings {
    TokenSettings {
        tokenizer: Kind::RqVae,
        levels: 2,
        codes: 16,
        hidden: 32,
        latent: 8,
        epochs: 40,
        batch: 128,
        rate: 3e-3,
        ..TokenSettings::default()
    }
}

#[test]
fn it_learns_to_reconstruct_and_no_code_is_dead() {
    let x = vectors(1500, 12);
    let fitted = RqVae::fit(&settings(), &Rows::new(&x, 12), 1).unwrap();
    let ids = fitted.encode(&x).unwrap();
    let off: f64 = x.iter().zip(fitted.decode(&ids).unwrap()).map(|(x, y)| f64::from(x - y).powi(2)).sum();
    let mean: Vec<f64> = (0..12)
        .map(|column| x.iter().skip(column).step_by(12).map(|&x| f64::from(x)).sum::<f64>() / 1500.0)
        .collect();
    let spread: f64 = x.iter().enumerate().map(|(i, &x)| (f64::from(x) - mean[i % 12]).powi(2)).sum();
    assert!(off / spread < 0.25, "{}", off / spread);
    for level in 0..2 {
        let used: std::collections::BTreeSet<u16> = (0..1500).map(|item| ids.of(item)[level]).collect();
        assert!(level > 0 || used.len() == 16, "{} codes of level {level}", used.len());
    }
}

#[test]
fn threads_and_neighbours_change_nothing() {
    let x = vectors(600, 10);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let settings = TokenSettings { epochs: 3, ..settings() };
        pool.install(|| RqVae::fit(&settings, &Rows::new(&x, 10), 1).unwrap())
    };
    let (one, three) = (run(1), run(3));
    assert!(one.params == three.params && one.codes.level(1) == three.codes.level(1));
    let all = one.encode(&x).unwrap();
    assert!(x.chunks(10).enumerate().all(|(row, x)| one.encode(x).unwrap().of(0) == all.of(row)));
}
