//! Gradients of the whole network and of its upper layers alone.

use super::*;
use crate::bert::Pool;
use semrank_core::Rng;
use semrank_nn::gradient_check::{compare, compare_all, slope_at};

const TOKENS: [u32; 7] = [1, 4, 2, 1, 2, 5, 3];
const OFFSETS: [usize; 4] = [0, 3, 3, 7];

fn tiny() -> BertModel {
    BertModel::new(BertConfig {
        vocabulary: 7,
        positions: 6,
        first_position: 2,
        types: 2,
        dim: 6,
        heads: 2,
        layers: 2,
        hidden: 8,
        epsilon: 1e-12,
        activation: Activation::Exact,
    })
}

fn params(model: &BertModel) -> Vec<f64> {
    let mut rng = Rng::new(3, "bert test");
    let mut params: Vec<f64> = model.layout().init(&rng.fork(0));
    params.iter_mut().for_each(|value| *value += 0.3 * rng.normal());
    params
}

fn weights(len: usize) -> Vec<f64> {
    let mut rng = Rng::new(4, "loss weights");
    (0..len).map(|_| rng.normal()).collect()
}

/// `<r, pool(model(tokens))>`, and its gradients.
fn loss(model: &BertModel, params: &[f64], grads: Option<&mut [f64]>) -> f64 {
    let dim = model.config().dim;
    let r = weights(3 * dim);
    let (mut saved, mut hidden) = (BertSaved::default(), vec![0.0; TOKENS.len() * dim]);
    model.forward(params, &TOKENS, &OFFSETS, &mut saved, &mut hidden);
    let mut pooled = vec![0.0; 3 * dim];
    Pool::Mean.forward(dim, &OFFSETS, &hidden, &mut pooled);
    if let Some(grads) = grads {
        let mut dhidden = vec![0.0; hidden.len()];
        Pool::Mean.backward(dim, &OFFSETS, &hidden, &r, &mut dhidden);
        model.backward(params, &TOKENS, &OFFSETS, &mut saved, grads, &mut dhidden);
    }
    r.iter().zip(&pooled).map(|(r, y)| r * y).sum()
}

#[test]
fn every_tensor_gets_the_gradient_of_finite_differences() {
    let model = tiny();
    let mut params = params(&model);
    let mut grads = vec![0.0; params.len()];
    loss(&model, &params, Some(&mut grads));
    // Fails too when a tensor gets none.
    compare_all(model.layout(), &mut params, &grads, |params| loss(&model, params, None));
}

#[test]
fn the_upper_layers_train_alone_on_the_cached_output_of_the_lower() {
    let model = tiny();
    let mut params = params(&model);
    let r = weights(TOKENS.len() * 6);
    let mut cached = vec![0.0; TOKENS.len() * 6];
    let mut saved = BertSaved::default();
    model.embed(&params, &TOKENS, &OFFSETS, &mut saved, &mut cached);
    model.forward_layers(0..1, &params, &OFFSETS, &mut saved, &mut cached);

    let (mut upper, mut x) = (BertSaved::default(), cached.clone());
    model.forward_layers(1..2, &params, &OFFSETS, &mut upper, &mut x);
    let (mut grads, mut dx) = (vec![0.0; params.len()], r.clone());
    model.backward_layers(1..2, &params, &OFFSETS, &mut upper, &mut grads, &mut dx);
    let tail = model.tail(1);
    assert!(grads[..tail.start].iter().all(|&g| g == 0.0) && model.tail(2).is_empty());
    let top = |params: &[f64]| {
        let mut x = cached.clone();
        model.forward_layers(1..2, params, &OFFSETS, &mut BertSaved::default(), &mut x);
        x.iter().zip(&r).map(|(x, r)| x * r).sum::<f64>()
    };
    for i in tail {
        let slope = slope_at(&mut params, i, top);
        compare(&format!("parameter {i}"), grads[i], slope);
    }
}
