//! Gradients of the attention, and its inner product.

use super::*;
use semrank_nn::gradient_check::check;

const DIM: usize = 19;

#[test]
fn gradients_agree_with_finite_differences_with_an_empty_history_too() {
    let mut layout = Layout::new();
    let attention = TargetAttention::new(&mut layout, "a", DIM, 2, 3);
    let reads = Reads {
        spans: &[[0, 2], [2, 2], [2, 5]],
        events: &[0, 3, 1, 3, 2],
        ages: &[[0, 1], [1, 0], [2, 2], [0, 0], [0, 2]],
    };
    let (candidates, events) = (3 * DIM, 4 * DIM);
    check(
        &layout,
        candidates + events,
        candidates,
        |params, x, y| {
            attention.forward(params, x.split_at(candidates), reads, &mut AttentionSaved::default(), y);
        },
        |params, x, dy, grads, dx| {
            let mut saved = AttentionSaved::default();
            attention.forward(params, x.split_at(candidates), reads, &mut saved, &mut vec![0.0; dy.len()]);
            let dx = dx.split_at_mut(candidates);
            attention.backward(params, x.split_at(candidates), reads, &mut saved, dy, grads, dx);
        },
    );
}

#[test]
fn an_inner_product_by_hand() {
    let (a, b): (Vec<f64>, Vec<f64>) = ((0..37).map(f64::from).collect(), vec![2.0; 37]);
    assert_eq!(inner(&a, &b), 36.0 * 37.0);
}
