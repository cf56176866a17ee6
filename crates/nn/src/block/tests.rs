//! Gradients of every combination of the switches, and the last position alone.

use super::*;
use crate::{DistanceBias, Gelu, NormKind, Rotary, RotaryConfig, gradient_check::check};

const OFFSETS: [usize; 4] = [0, 3, 3, 5];

/// Every combination of the six switches, on small sizes.
fn configs() -> Vec<BlockConfig> {
    let mut out = Vec::new();
    for bits in 0..16 {
        for feed_forward in
            [FeedForward::Gelu(Gelu::Exact), FeedForward::Gelu(Gelu::Tanh), FeedForward::SwiGlu]
        {
            for biases in [Biases::None, Biases::AfterAttention, Biases::All] {
                for positions in [Positions::None, Positions::Rotary, Positions::Distance] {
                    out.push(BlockConfig {
                        norm: if bits & 1 == 0 { NormKind::Layer } else { NormKind::Rms },
                        norm_first: bits & 2 == 0,
                        causal: bits & 4 == 0,
                        kv_heads: if bits & 8 == 0 { 2 } else { 1 },
                        head_width: 2,
                        feed_forward,
                        biases,
                        positions,
                        dropout: 0.3,
                        ..BlockConfig::new(3, 2, 4)
                    });
                }
            }
        }
    }
    out
}

/// Tables for both kinds of positions.
fn tables() -> (Rotary<f64>, DistanceBias<f64>) {
    let rotary = Rotary::new(RotaryConfig { width: 2, theta: 10.0, factor: 1.0 }, 3);
    (rotary, DistanceBias::new(2, 3, |head, distance| (head as f64 - distance as f64).sin()))
}

fn table<'a>(
    config: &BlockConfig,
    (rotary, bias): &'a (Rotary<f64>, DistanceBias<f64>),
) -> PositionTable<'a, f64> {
    match config.positions {
        Positions::None => PositionTable::None,
        Positions::Rotary => PositionTable::Rotary(rotary),
        Positions::Distance => PositionTable::Distance(bias),
    }
}

#[test]
fn gradients_of_every_configuration_agree_with_finite_differences() {
    let tables = tables();
    for (index, config) in configs().into_iter().enumerate() {
        let mut layout = Layout::new();
        let block = Block::new(&mut layout, "block", config);
        let (positions, key) = (table(&config, &tables), (index % 2 == 0).then_some(3));
        check(
            &layout,
            5 * 3,
            5 * 3,
            |params, x, y| {
                y.copy_from_slice(x);
                block.forward(
                    &Pass { params, offsets: &OFFSETS, positions, key },
                    &mut BlockSaved::default(),
                    y,
                );
            },
            |params, x, dy, grads, dx| {
                let (pass, mut saved) =
                    (Pass { params, offsets: &OFFSETS, positions, key }, BlockSaved::default());
                block.forward(&pass, &mut saved, &mut x.to_vec());
                dx.copy_from_slice(dy);
                block.backward(&pass, &mut saved, grads, dx);
            },
        );
    }
}

#[test]
fn the_last_positions_alone_are_those_of_all_positions() {
    let tables = tables();
    for config in configs() {
        let mut layout = Layout::new();
        let block = Block::new(&mut layout, "block", config);
        let params: Vec<f64> = layout.init(&semrank_core::Rng::new(4, "init"));
        let pass = Pass { positions: table(&config, &tables), ..Pass::new(&params, &OFFSETS) };
        let mut all: Vec<f64> = (0..15).map(|i| f64::from(i * 7 % 11) / 5.0 - 1.0).collect();
        let mut last = all.clone();
        block.forward(&pass, &mut BlockSaved::default(), &mut all);
        block.forward_last(&pass, &mut BlockSaved::default(), &mut last);
        keep_last(&OFFSETS, 3, &mut all);
        assert_eq!(last, all, "{config:?}");
    }
}
