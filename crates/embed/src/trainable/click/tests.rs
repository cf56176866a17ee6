//! Gradients, generalisation, negatives and divergence.

use super::super::testing::{INPUTS, ITEMS, Tiny};
use super::*;

/// Whether an item is of the first of two groups, which its inputs tell.
fn is_first(item: u32) -> bool {
    Tiny::new().inputs[item as usize * INPUTS] > 0.0
}

/// Users who take items of one group, and users who take those of the other.
fn engaged() -> Engaged {
    let mut rng = Rng::new(4, "log");
    let groups = [true, false]
        .map(|first| (0..ITEMS as u32).filter(|&item| is_first(item) == first).collect::<Vec<u32>>());
    let of_user = |user: usize| {
        let group = &groups[user % 2];
        (0..5).map(|_| group[rng.below(group.len())]).collect()
    };
    Engaged { by_user: (0..40).map(of_user).collect(), pool: (0..ITEMS as u32).collect() }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    let engaged = &engaged();
    let (mut tiny, all) = (Tiny::new(), engagements(engaged));
    let batch = Draw::new(engaged).batch(&all[..12], &mut Rng::new(1, "batch"));
    let head = Head { scale: 1.5, bias: -0.5 };
    let (loss, grads) = head.gradients(&tiny, &batch).unwrap();
    assert!((loss - head.loss(&tiny, std::slice::from_ref(&batch)).unwrap()).abs() < 1e-6);
    for (at, &grad) in grads.iter().enumerate() {
        let mut moved = |by: f32| {
            tiny.params[at] += by;
            let loss = head.loss(&tiny, std::slice::from_ref(&batch)).unwrap();
            tiny.params[at] -= by;
            loss
        };
        let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
        let got = f64::from(grad);
        assert!((got - slope).abs() < 1e-3 + 0.01 * slope.abs(), "{at}: {got} {slope}");
    }
}

#[test]
fn training_lowers_the_loss_of_held_out_users() {
    let engaged = &engaged();
    let (mut tiny, all) = (Tiny::new(), engagements(engaged));
    assert_eq!(all.len(), 40 * 4);
    assert!(
        all.iter().all(|one| one.recent.len() <= RECENT && is_first(one.recent[0]) == is_first(one.item))
    );
    let (held, learned): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.user < 10);
    let settings = FinetuneSettings { epochs: 40, batch: 30, rate: 0.05, ..FinetuneSettings::default() };
    let losses = finetune_clicks(&mut tiny, engaged, (&learned, &held), &settings, 1, |_, _| Ok(())).unwrap();
    assert!(losses.after < losses.before - 0.02, "{losses:?}");
    let stopped =
        finetune_clicks(&mut tiny, engaged, (&learned, &held), &settings, 1, |_, _| Err(Error::Stopped));
    assert!(matches!(stopped, Err(Error::Stopped)));
}

#[test]
fn negatives_were_not_taken_and_the_fitted_head_is_the_best() {
    let engaged = &engaged();
    let (tiny, all, draw) = (Tiny::new(), engagements(engaged), Draw::new(engaged));
    let batch = draw.batch(&all, &mut Rng::new(1, "batch"));
    for (example, (_, candidates)) in all.iter().zip(&batch.examples) {
        let taken = &draw.taken[example.user as usize];
        assert!(candidates[1..].iter().all(|item| !taken.contains(item)));
    }
    let batches = [batch];
    let head = Head::fit(&tiny, &batches).unwrap();
    let least = head.loss(&tiny, &batches).unwrap();
    for (scale, bias) in [(0.1, 0.0), (-0.1, 0.0), (0.0, 0.1), (0.0, -0.1)] {
        let other = Head { scale: head.scale + scale, bias: head.bias + bias };
        assert!(other.loss(&tiny, &batches).unwrap() > least);
    }
}

#[test]
fn an_encoder_that_diverges_ends_the_training() {
    let engaged = &engaged();
    let (mut tiny, all) = (Tiny::new(), engagements(engaged));
    tiny.params[0] = f32::NAN;
    let settings = FinetuneSettings::default();
    let ended = finetune_clicks(&mut tiny, engaged, (&all, &all), &settings, 1, |_, _| Ok(()));
    assert!(matches!(ended, Err(Error::Diverged { what: "loss", step: 0, .. })), "{ended:?}");
}
