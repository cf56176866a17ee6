//! Central finite differences against a hand-written backward pass, in `f64`.
//!
//! The loss is a fixed random projection of the layer's output, `L = <r, y>`, so `dL/dy = r`. Every parameter and every
//! input is nudged by ±1e-5 and the slope compared. A trainable tensor whose gradient is zero everywhere fails.

use crate::Layout;
use semrank_core::Rng;

const STEP: f64 = 1e-5;
const TOLERANCE: f64 = 1e-6;

/// Checks `backward(params, x, dy, grads, dx)` against `forward(params, x, y)` for `x` and `y` of the given lengths.
///
/// # Panics
/// When a slope differs by more than 1e-6 (relative to 1 + its size) or a tensor gets no gradient.
pub fn check(
    layout: &Layout,
    inputs: usize,
    outputs: usize,
    forward: impl Fn(&[f64], &[f64], &mut [f64]),
    backward: impl Fn(&[f64], &[f64], &[f64], &mut [f64], &mut [f64]),
) {
    let mut rng = Rng::new(11, "gradient check");
    let mut params: Vec<f64> = layout.init(&rng.fork(0));
    // Constant starts (gains at 1, biases at 0) would hide mistakes.
    params.iter_mut().for_each(|value| *value += 0.1 * rng.normal());
    let mut x: Vec<f64> = (0..inputs).map(|_| rng.normal()).collect();
    let dy: Vec<f64> = (0..outputs).map(|_| rng.normal()).collect();
    let (mut grads, mut dx) = (vec![0.0; params.len()], vec![0.0; inputs]);
    backward(&params, &x, &dy, &mut grads, &mut dx);

    let loss = |params: &[f64], x: &[f64]| {
        let mut y = vec![0.0; outputs];
        forward(params, x, &mut y);
        y.iter().zip(&dy).map(|(y, dy)| y * dy).sum::<f64>()
    };
    compare_all(layout, &mut params, &grads, |params| loss(params, &x));
    for (i, &dx) in dx.iter().enumerate() {
        let slope = slope_at(&mut x, i, |x| loss(&params, x));
        compare(&format!("input {i}"), dx, slope);
    }
}

/// Checks the gradient of a scalar `loss` with respect to every parameter of `layout`.
///
/// # Panics
/// As [`check`].
pub fn compare_all(layout: &Layout, params: &mut [f64], grads: &[f64], loss: impl Fn(&[f64]) -> f64) {
    for entry in layout.entries() {
        let range = entry.slot.range();
        assert!(grads[range.clone()].iter().any(|&g| g != 0.0), "{} gets no gradient", entry.name);
        for i in range.clone() {
            let slope = slope_at(params, i, &loss);
            compare(&format!("{}[{}]", entry.name, i - range.start), grads[i], slope);
        }
    }
}

/// The central difference of `loss` in coordinate `i`.
pub fn slope_at(values: &mut [f64], i: usize, loss: impl Fn(&[f64]) -> f64) -> f64 {
    let kept = values[i];
    values[i] = kept + STEP;
    let above = loss(values);
    values[i] = kept - STEP;
    let below = loss(values);
    values[i] = kept;
    (above - below) / (2.0 * STEP)
}

/// Compares a gradient with a slope.
///
/// # Panics
/// When they differ by more than 1e-6, relative to 1 + the slope's size.
pub fn compare(what: &str, gradient: f64, slope: f64) {
    let off = (gradient - slope).abs() / (1.0 + slope.abs());
    assert!(off < TOLERANCE, "{what}: gradient {gradient}, finite difference {slope}");
}
