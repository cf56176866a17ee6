//! Loss and gradients against the textbook formula.

use super::*;
use crate::gradient_check::{compare, slope_at};
use semrank_core::Rng;

const DIM: usize = 3;
const POSITIONS: usize = 4;
const ITEMS: usize = 6;
const WEIGHTS: [f64; POSITIONS] = [1.0, 0.5, 2.0, 1.0];

struct Case {
    masked: Masked,
    seen: Masked,
    candidates: usize,
}

fn case(candidates: usize) -> Case {
    let (mut masked, mut seen) = (Masked::default(), Masked::default());
    masked.clear();
    seen.clear();
    for t in 0..POSITIONS {
        masked.indices.extend([t as u32, 0, t as u32]);
        masked.end_position();
        seen.indices.extend([4, 5, (candidates - 1) as u32]);
        seen.end_position();
    }
    Case { masked, seen, candidates }
}

impl Case {
    /// Values: queries, items, candidate vectors, candidate biases, scale, seen bias.
    fn len(&self) -> usize {
        (POSITIONS + ITEMS + self.candidates) * DIM + 2
    }

    fn run(&self, x: &[f64], grads: Option<&mut Vec<f64>>) -> f64 {
        let (queries, rest) = x.split_at(POSITIONS * DIM);
        let (items, rest) = rest.split_at(ITEMS * DIM);
        let (vectors, rest) = rest.split_at(self.candidates * DIM);
        let bias: Vec<f64> = (0..self.candidates).map(|c| (c % 5) as f64 / 10.0).collect();
        let loss = SoftmaxLoss {
            dim: DIM,
            queries,
            targets: &[1, 5, 0, 1],
            items,
            candidates: Candidates { vectors, bias: &bias },
            masked: &self.masked,
            seen: &self.seen,
            target_seen: &[false, true, false, true],
            scale: rest[0],
            seen_bias: rest[1],
            weight: 0.25,
            weights: &WEIGHTS,
        };
        let (mut dq, mut di, mut dc) =
            (vec![9.0; queries.len()], vec![0.0; items.len()], vec![0.0; vectors.len()]);
        let mut out = SoftmaxGrads {
            queries: &mut dq,
            items: &mut di,
            candidates: &mut dc,
            scale: 0.0,
            seen_bias: 0.0,
        };
        let value = loss.forward_backward(&mut out, &mut Vec::new()) * 0.25;
        let tail = [out.scale, out.seen_bias];
        if let Some(grads) = grads {
            *grads = [&dq[..], &di, &dc, &tail].concat();
        }
        value
    }

    /// The textbook formula.
    fn reference(&self, x: &[f64]) -> f64 {
        let at = |i: usize| &x[i * DIM..(i + 1) * DIM];
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let tail = &x[x.len() - 2..];
        let mut loss = 0.0;
        for (t, target) in [1, 5, 0, 1].into_iter().enumerate() {
            let seen = if t % 2 == 1 { tail[1] } else { 0.0 };
            let positive = (tail[0] * dot(at(t), at(POSITIONS + target)) + seen).exp();
            let mut total = positive;
            for c in 0..self.candidates {
                if self.masked.of(t).contains(&(c as u32)) {
                    continue;
                }
                let seen = if self.seen.of(t).contains(&(c as u32)) { tail[1] } else { 0.0 };
                let inner = dot(at(t), at(POSITIONS + ITEMS + c));
                total += (tail[0] * inner + (c % 5) as f64 / 10.0 + seen).exp();
            }
            loss -= 0.25 * WEIGHTS[t] * (positive / total).ln();
        }
        loss
    }
}

#[test]
fn a_scale_near_zero_has_the_gradient_of_the_textbook() {
    for scale in [0.0, 1e-12, -1e-12] {
        let case = case(8);
        let mut rng = Rng::new(6, "softmax test");
        let mut x: Vec<f64> = (0..case.len()).map(|_| rng.normal()).collect();
        let scale_at = x.len() - 2;
        x[scale_at] = scale;
        let mut grads = Vec::new();
        case.run(&x, Some(&mut grads));
        assert!(grads.iter().all(|grad| grad.is_finite()), "{grads:?}");
        let slope = slope_at(&mut x, scale_at, |x| case.reference(x));
        compare("the scale", grads[scale_at], slope);
    }
}

#[test]
fn loss_and_gradients_agree_with_the_textbook_for_one_and_for_several_tiles() {
    for candidates in [8, TILE_CANDIDATES + 9] {
        let case = case(candidates);
        let mut rng = Rng::new(5, "softmax test");
        let mut x: Vec<f64> = (0..case.len()).map(|_| rng.normal()).collect();
        let scale_at = x.len() - 2;
        x[scale_at] = 1.7;
        let mut grads = Vec::new();
        let loss = case.run(&x, Some(&mut grads));
        assert!((loss - case.reference(&x)).abs() < 1e-10);
        for i in (0..x.len()).step_by(candidates / 8) {
            let slope = slope_at(&mut x, i, |x| case.reference(x));
            compare(&format!("value {i}"), grads[i], slope);
        }
        for i in [x.len() - 2, x.len() - 1] {
            let slope = slope_at(&mut x, i, |x| case.reference(x));
            compare(&format!("value {i}"), grads[i], slope);
        }
    }
}
