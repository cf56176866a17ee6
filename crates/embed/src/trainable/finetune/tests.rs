//! Gradients, generalisation, hard negatives and divergence.

use super::super::testing::{ITEMS, Tiny};
use super::loss::forward;
use super::negatives::{NEAREST, TILE_ITEMS, nearest};
use super::*;

/// Even items are taken with even ones, odd ones with odd ones.
fn pairs() -> Vec<[u32; 2]> {
    let mut rng = Rng::new(4, "pairs");
    let mut pair = || {
        let first = rng.below(ITEMS);
        [first as u32, ((first + 2 + 2 * rng.below(2)) % ITEMS) as u32]
    };
    (0..60).map(|_| pair()).collect()
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let (mut tiny, pairs) = (Tiny::new(), pairs());
    let taken = Taken::new(ITEMS, &pairs);
    let settings = FinetuneSettings { temperature: 0.5, ..FinetuneSettings::default() };
    let hard: Vec<u32> = (0..20).map(|at| (at * 5 % ITEMS) as u32).collect();
    let (_, grads) = gradients(&tiny, &taken, &pairs[..20], &hard, &settings).unwrap();
    for (at, grad) in grads.iter().enumerate() {
        let mut moved = |by: f32| {
            tiny.params[at] += by;
            let loss = forward(&tiny, &taken, &pairs[..20], &hard, &settings).unwrap().0;
            tiny.params[at] -= by;
            loss
        };
        let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
        assert!((f64::from(*grad) - slope).abs() < 1e-3 + 0.01 * slope.abs(), "{at}: {grad} {slope}");
    }
}

#[test]
fn training_lowers_the_loss_of_held_out_pairs_and_hard_negatives_were_never_taken() {
    let (mut tiny, pairs) = (Tiny::new(), pairs());
    let (learned, held) = pairs.split_at(40);
    let taken = Taken::new(ITEMS, learned);
    let hard = hard_negatives(&tiny, ITEMS, learned, &taken, &mut Rng::new(1, "hard")).unwrap();
    assert!(learned.iter().zip(&hard).all(|(pair, &hard)| !taken.together(pair[0], hard)));
    let settings = FinetuneSettings {
        epochs: 20,
        batch: 20,
        rate: 0.02,
        temperature: 0.5,
        ..FinetuneSettings::default()
    };
    let losses = finetune(&mut tiny, ITEMS, (learned, held), &settings, 1, |_, _| Ok(())).unwrap();
    assert!(losses.after < losses.before - 0.02 && losses.steps == 40, "{losses:?}");
}

#[test]
fn the_nearest_items_are_those_of_a_full_sort_over_all_tiles() {
    let (items, dim) = (TILE_ITEMS + 500, 3);
    // Steps of a quarter: many ties, in all tiles.
    let mut rng = Rng::new(6, "vectors");
    let vectors: Vec<f32> = (0..items * dim).map(|_| rng.below(9) as f32 / 4.0 - 1.0).collect();
    let anchors = [0, 7, TILE_ITEMS as u32 + 3];
    let pairs: Vec<[u32; 2]> = (0..9_000).map(|at| [anchors[at % 3], rng.below(items) as u32]).collect();
    let taken = Taken::new(items, &pairs);
    let row = |item: u32| &vectors[item as usize * dim..][..dim];
    for (&anchor, found) in anchors.iter().zip(nearest(&anchors, &vectors, dim, &taken)) {
        let score = |item: u32| row(anchor).iter().zip(row(item)).map(|(a, b)| a * b).sum::<f32>();
        let mut all: Vec<u32> = (0..items as u32).filter(|&item| !taken.together(anchor, item)).collect();
        all.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        assert_eq!(found, all[..NEAREST], "anchor {anchor}");
    }
}

#[test]
fn an_encoder_that_diverges_ends_the_training() {
    let (mut tiny, pairs) = (Tiny::new(), pairs());
    tiny.params[0] = f32::NAN;
    let (learned, held) = pairs.split_at(40);
    let settings = FinetuneSettings { hard: false, ..FinetuneSettings::default() };
    let ended = finetune(&mut tiny, ITEMS, (learned, held), &settings, 1, |_, _| Ok(()));
    let said = ended.unwrap_err().to_string();
    assert_eq!(said, "the loss of the encoder under training is NaN in step 0: training has diverged");
}
