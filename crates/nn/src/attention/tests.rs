//! Gradients, masks, and that all ways to the same positions give the same bytes.

use super::*;
use crate::{Layout, gradient_check::check};
use semrank_core::Rng;

const SHAPES: [Attention; 4] = [
    Attention { heads: 2, kv_heads: 2, width: 3, causal: true },
    Attention { heads: 2, kv_heads: 2, width: 3, causal: false },
    Attention { heads: 4, kv_heads: 2, width: 2, causal: true },
    Attention { heads: 2, kv_heads: 1, width: 16, causal: false },
];
const OFFSETS: [usize; 4] = [0, 4, 4, 7];

fn values<T: Scalar>(len: usize, name: &str) -> Vec<T> {
    let mut rng = Rng::new(1, name);
    (0..len).map(|_| T::from_f64(rng.normal())).collect()
}

fn run<T: Scalar>(shape: Attention, input: &AttentionInput<T>) -> (Vec<T>, Vec<T>) {
    let mut weights = vec![T::ZERO; shape.weights_len(input.offsets)];
    let mut y = vec![T::ONE; input.qkv.len() / shape.inputs() * shape.outputs()];
    shape.forward(input, &mut Scratch::default(), &mut weights, &mut y);
    (weights, y)
}

#[test]
fn gradients_agree_with_finite_differences_with_dropout_and_bias() {
    let bias = DistanceBias::new(4, 4, |head, distance| (head as f64 - distance as f64 / 2.0).sin());
    for shape in SHAPES {
        for dropout in [Dropout::off(), Dropout::new(0.4, 5)] {
            for bias in [None, Some(&bias)] {
                fn input<'a>(
                    qkv: &'a [f64],
                    bias: Option<&'a DistanceBias<f64>>,
                    dropout: Dropout,
                ) -> AttentionInput<'a, f64> {
                    AttentionInput { offsets: &OFFSETS, qkv, bias, dropout }
                }
                check(
                    &Layout::new(),
                    7 * shape.inputs(),
                    7 * shape.outputs(),
                    |_, qkv, y| y.copy_from_slice(&run(shape, &input(qkv, bias, dropout)).1),
                    |_, qkv, dy, _, dqkv| {
                        let weights = run(shape, &input(qkv, bias, dropout)).0;
                        shape.backward(
                            &input(qkv, bias, dropout),
                            &mut Scratch::default(),
                            &weights,
                            dy,
                            dqkv,
                        );
                    },
                );
            }
        }
    }
}

#[test]
fn other_sequences_are_invisible_and_the_future_where_it_is_causal() {
    for shape in SHAPES {
        let (inputs, outputs) = (shape.inputs(), shape.outputs());
        let mut qkv: Vec<f64> = values(7 * inputs, "qkv");
        let before = run(shape, &AttentionInput::new(&OFFSETS, &qkv)).1;
        qkv[3 * inputs..4 * inputs].iter_mut().for_each(|x| *x += 1.0);
        let after = run(shape, &AttentionInput::new(&OFFSETS, &qkv)).1;
        assert_eq!(before[..3 * outputs] == after[..3 * outputs], shape.causal);
        assert_ne!(before[3 * outputs..4 * outputs], after[3 * outputs..4 * outputs]);
        assert_eq!(before[4 * outputs..], after[4 * outputs..]);
    }
}

#[test]
fn one_position_mixes_nothing_and_equal_keys_average() {
    let shape = Attention { heads: 1, kv_heads: 1, width: 1, causal: false };
    let y = run(shape, &AttentionInput::new(&[0, 2], &[5.0, 1.0, 10.0, -3.0, 1.0, 20.0])).1;
    assert_eq!(y, [15.0, 15.0]);
}

/// Loops as plain as can be, in the order of arithmetic that this module promises.
fn plain(shape: Attention, input: &AttentionInput<f32>) -> Vec<f32> {
    let (inputs, outputs, width) = (shape.inputs(), shape.outputs(), shape.width);
    let mut y = vec![0.0; input.qkv.len() / inputs * outputs];
    for ends in filled(input.offsets) {
        for head in 0..shape.heads {
            let [q, k, v] = shape.columns(head);
            let at = |row: usize, column: usize| input.qkv[(ends[0] + row) * inputs + column];
            for i in 0..ends[1] - ends[0] {
                let seen = shape.visible(i, ends[1] - ends[0]);
                let score = |j: usize| {
                    (0..width).fold(0.0, |sum, c| at(i, q + c).mul_add(at(j, k + c), sum))
                        * shape.scale::<f32>()
                };
                let mut scores: Vec<f32> = (0..seen).map(score).collect();
                if let Some(bias) = input.bias {
                    scores.iter_mut().zip(bias.of(head, i, seen)).for_each(|(score, bias)| *score += bias);
                }
                let top = scores.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
                scores.iter_mut().for_each(|score| *score = Scalar::exp(*score - top));
                let mut totals = [0.0; LANE];
                scores.iter().enumerate().for_each(|(j, &score)| totals[j % LANE] += score);
                let factor = 1.0 / forward::fold(totals, |a, b| a + b);
                for c in 0..width {
                    let mixed = (0..seen).fold(0.0, |sum, j| (scores[j] * factor).mul_add(at(j, v + c), sum));
                    y[(ends[0] + i) * outputs + head * width + c] = mixed;
                }
            }
        }
    }
    y
}

#[test]
fn every_width_and_length_has_the_bytes_of_plain_loops() {
    let offsets = [0, 1, 1, 6, 23, 39, 40, 90];
    let bias = DistanceBias::new(4, 50, |head, distance| (head as f32 + distance as f32).sin());
    for (width, causal) in
        [(1, true), (8, false), (16, true), (24, false), (35, true), (48, true), (64, false), (80, true)]
    {
        let shape = Attention { heads: 4, kv_heads: 2, width, causal };
        let qkv = values(90 * shape.inputs(), "qkv");
        for bias in [None, Some(&bias)] {
            let input = AttentionInput { bias, ..AttentionInput::new(&offsets, &qkv) };
            let want = plain(shape, &input);
            assert!(run(shape, &input).1 == want, "training, width {width}");
            let scratch = &mut Scratch::default();
            let mut y = vec![9.0; want.len()];
            shape.infer(&input, Queries::All, scratch, &mut y);
            assert!(y == want, "inference, width {width}");
            let mut last = vec![9.0; 6 * shape.outputs()];
            shape.infer(&input, Queries::Last, scratch, &mut last);
            crate::keep_last(&offsets, shape.outputs(), &mut y);
            assert!(y == last, "last positions, width {width}");
        }
    }
}

#[test]
fn a_sequence_after_its_past_has_the_bytes_of_the_whole() {
    let bias = DistanceBias::new(4, 60, |head, distance| (head as f32 - distance as f32).cos());
    for width in [16, 20] {
        let shape = Attention { heads: 4, kv_heads: 2, width, causal: true };
        let (inputs, outputs) = (shape.inputs(), shape.outputs());
        let qkv: Vec<f32> = values(55 * inputs, "qkv");
        let whole =
            run(shape, &AttentionInput { bias: Some(&bias), ..AttentionInput::new(&[0, 55], &qkv) }).1;
        // 20 positions, then 17, then 18 as two sequences that have this past in common: the first 18, and the first of them.
        let mut past = [PastHeads::default(), PastHeads::default()];
        past[0].append(&shape, &qkv[..7 * inputs]);
        past[0].append(&shape, &qkv[7 * inputs..20 * inputs]);
        past[1].append(&shape, &qkv[20 * inputs..45 * inputs]);
        past[1].truncate(30);
        past[1].truncate(17);
        let mut tails = qkv[37 * inputs..].to_vec();
        tails.extend_from_slice(&qkv[37 * inputs..38 * inputs]);
        let mut y = vec![9.0; 19 * outputs];
        let segments = [&past[0], &past[1]];
        let input = AttentionInput { bias: Some(&bias), ..AttentionInput::new(&[0, 18, 18, 19], &tails) };
        let scratch = &mut Scratch::default();
        shape.infer_after(&mut std::iter::repeat(&segments[..]), &input, Queries::All, scratch, &mut y);
        assert!(y[..18 * outputs] == whole[37 * outputs..], "width {width}");
        assert!(y[18 * outputs..] == whole[37 * outputs..38 * outputs], "width {width}");
    }
}
