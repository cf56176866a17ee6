//! Gradients, training, determinism and damaged files of the alignment tower.

use super::files::FACTS;
use super::loss::Step;
use super::*;
use crate::Error;
use semrank_nn::kernel;
use semrank_store::sealed;
use serde_json::{Value, json};

const PAIRS: [[u32; 2]; 5] = [[0, 1], [2, 3], [4, 5], [1, 0], [5, 2]];

fn contents() -> Vec<f32> {
    let mut rng = Rng::new(3, "contents");
    (0..6 * 12).map(|_| rng.normal() as f32).collect()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let settings = AlignSettings { hidden: 5, width: 3, ..AlignSettings::default() };
    let contents = contents();
    let mut tower = Tower::<f64>::new(12, &settings, 1);
    let mut step = Step::default();
    let loss =
        |tower: &Tower<f64>, step: &mut Step<f64>| step.gradients(tower, &contents, &PAIRS, &settings, 7);
    loss(&tower, &mut step);
    let grads = step.grads.clone();
    for entry in tower.layout().entries().to_vec() {
        assert!(entry.slot.of(&grads).iter().any(|&g| g != 0.0), "{} gets no gradient", entry.name);
    }
    for (at, &grad) in grads.iter().enumerate() {
        let (value, small) = (tower.params[at], 1e-6);
        tower.params[at] = value + small;
        let up = loss(&tower, &mut step);
        tower.params[at] = value - small;
        let down = loss(&tower, &mut step);
        tower.params[at] = value;
        let expected = (up - down) / (2.0 * small);
        let near = (grad - expected).abs() < 1e-6 * (1.0 + expected.abs());
        assert!(near, "parameter {at}: {grad} {expected}");
    }
}

#[test]
fn a_training_that_diverges_names_its_rate() {
    let pairs: Vec<[u32; 2]> = PAIRS.repeat(20);
    // Both within their ranges: every step multiplies the parameters by 1 - rate · weight decay.
    let settings = AlignSettings { rate: 1.0, weight_decay: 100.0, batch: 5, ..AlignSettings::default() };
    let said = Tower::fit(&contents(), 12, &pairs, &settings, 1, |_| ()).unwrap_err().to_string();
    assert!(said.contains("of the alignment tower is"), "{said}");
    assert!(said.ends_with("with align.rate=1: training has diverged"), "{said}");
}

#[test]
fn items_taken_together_become_neighbours() {
    // Contents say 0 and 1 are alike, behaviour says 0 and 2 (1 and 3) are.
    let contents = [[1.0, 0.0, 0.5, 0.0], [1.0, 0.0, 0.0, 0.5], [0.0, 1.0, 0.5, 0.0], [0.0, 1.0, 0.0, 0.5]];
    let pairs: Vec<[u32; 2]> = (0..64).map(|at| [[0, 2], [1, 3]][at % 2]).collect();
    let settings = AlignSettings { hidden: 16, width: 8, epochs: 200, batch: 16, ..AlignSettings::default() };
    let mut losses = Vec::new();
    let tower =
        Tower::fit(contents.as_flattened(), 4, &pairs, &settings, 1, |loss| losses.push(loss)).unwrap();
    let mut z = vec![0.0; 4 * 8];
    tower.forward(contents.as_flattened(), &mut z);
    let cosine = |a: usize, b: usize| kernel::dot(&z[a * 8..a * 8 + 8], &z[b * 8..b * 8 + 8]);
    assert!(cosine(0, 2) > cosine(0, 1) && cosine(1, 3) > cosine(1, 0), "{z:?}");
    assert!(losses.last() < losses.first());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let settings = AlignSettings { hidden: 5, width: 3, ..AlignSettings::default() };
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Tower::fit(&contents(), 12, &PAIRS, &settings, 1, |_| ()).unwrap().params)
    };
    assert_eq!(fit(1), fit(3));
}

#[test]
fn facts_that_claim_more_than_the_tensors_are_refused_before_anything_is_allocated() {
    let dir = tempfile::tempdir().unwrap();
    let settings = AlignSettings { hidden: 8, width: 4, ..AlignSettings::default() };
    let tower = Tower::<f32>::new(6, &settings, 1);
    type Claim = fn(&mut Value);
    let claims: [Claim; 4] = [
        |facts| facts["inputs"] = json!(1u64 << 62),
        |facts| (facts["inputs"], facts["settings"]["hidden"]) = (json!(1 << 20), json!(1 << 20)),
        |facts| facts["settings"]["width"] = json!(0),
        |facts| facts["settings"]["hidden"] = json!(9),
    ];
    for claim in claims {
        tower.write(dir.path(), &settings, "features").unwrap();
        assert_eq!(Tower::open(dir.path(), "features").unwrap().params, tower.params);
        let (mut facts, _): (Value, String) = sealed::read(&dir.path().join(FACTS)).unwrap();
        claim(&mut facts);
        sealed::write(&dir.path().join(FACTS), &facts).unwrap();
        let error = Tower::open(dir.path(), "features").unwrap_err();
        assert!(matches!(error, Error::Damaged { .. } | Error::Checkpoint(_)), "{error}");
    }
}
