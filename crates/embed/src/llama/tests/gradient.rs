//! The upper layers: their parameters and their gradients.

use super::*;
use crate::llama::testing::LAYERS;
use semrank_core::Rng;
use semrank_nn::{Pass, Rotary, StackSaved, gradient_check, unit_rows, unit_rows_backward};

const OFFSETS: [usize; 3] = [0, 3, 5];

/// The output of the first layer for two texts.
fn lower(model: &LlamaModel) -> Vec<f32> {
    let mut x = model.embed(&[5, 6, 7, 8, 9]);
    let positions = PositionTable::Rotary(model.rotary());
    model.packed(0..1, Precision::F32).forward(&OFFSETS, positions, &mut PackedBuffers::default(), &mut x);
    x
}

#[test]
fn top_parameters_go_out_and_in() {
    let mut model = TinyGguf::new().open().expect("a model");
    let before = states(&model);
    let mut params = model.top(2).2;
    model.set_top(&params);
    assert_eq!(states(&model), before);
    params.iter_mut().for_each(|value| *value *= 1.5);
    model.set_top(&params);
    assert_eq!(model.top(2).2, params);
    assert_ne!(states(&model), before);
}

/// Two top layers on cached states, pooled and scaled to length 1: every tensor of the layout gets the gradient that
/// finite differences give.
#[test]
fn every_tensor_of_the_top_layers_gets_its_gradient() {
    let model = TinyGguf::new().open().expect("a model");
    let (dim, offsets) = (model.dim(), OFFSETS);
    let (layout, top, params) = model.top(2);
    let names: Vec<&str> = layout.entries().iter().map(|entry| entry.name.as_str()).collect();
    assert!(names.contains(&"layers.1.qkv.weight") && names.contains(&"norm.gain"), "{names:?}");
    let lower: Vec<f64> = lower(&model).into_iter().map(f64::from).collect();
    let mut params: Vec<f64> = params.iter().map(|&value| f64::from(value)).collect();
    let rotary = Rotary::<f64>::new(model.config().rotary, 3);
    let mut rng = Rng::new(3, "direction");
    let dy: Vec<f64> = (0..2 * dim).map(|_| rng.normal()).collect();

    let forward = |params: &[f64], saved: &mut StackSaved<f64>| {
        let (mut x, mut pooled, mut unit, mut inverse) =
            (lower.clone(), vec![0.0; 2 * dim], vec![0.0; 2 * dim], vec![0.0; 2]);
        let positions = PositionTable::Rotary(&rotary);
        top.forward(1..LAYERS, &Pass { positions, ..Pass::new(params, &offsets) }, saved, &mut x);
        Pool::Weighted.forward(&offsets, dim, &x, &mut pooled);
        unit_rows(dim, &pooled, &mut inverse, &mut unit);
        (unit, inverse)
    };
    let mut saved = StackSaved::training();
    let (unit, inverse) = forward(&params, &mut saved);
    let (mut dpooled, mut dx) = (dy.clone(), vec![0.0; lower.len()]);
    unit_rows_backward(dim, &unit, &inverse, &mut dpooled);
    Pool::Weighted.backward(&offsets, dim, &dpooled, &mut dx);
    let mut grads = vec![0.0; params.len()];
    let positions = PositionTable::Rotary(&rotary);
    let pass = Pass { positions, ..Pass::new(&params, &offsets) };
    top.backward(1..LAYERS, &pass, &mut saved, &mut grads, &mut dx);
    gradient_check::compare_all(&layout, &mut params, &grads, |params| {
        let unit = forward(params, &mut StackSaved::inference()).0;
        unit.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    });
}
