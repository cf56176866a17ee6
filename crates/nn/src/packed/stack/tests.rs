//! The packed stack computes what the trained one computes, and a sequence in parts what it computes as a whole.

use super::*;
use crate::{Biases, Gelu, NormKind, Pass, Positions, Rotary, RotaryConfig, StackSaved};
use semrank_core::Rng;
use std::sync::Arc;

const OFFSETS: [usize; 5] = [0, 17, 17, 18, 40];

fn llama() -> BlockConfig {
    BlockConfig {
        kv_heads: 2,
        norm: NormKind::Rms,
        feed_forward: FeedForward::SwiGlu,
        biases: Biases::None,
        positions: Positions::Rotary,
        ..BlockConfig::new(32, 4, 40)
    }
}

fn bert() -> BlockConfig {
    BlockConfig {
        norm_first: false,
        causal: false,
        feed_forward: FeedForward::Gelu(Gelu::Exact),
        biases: Biases::All,
        ..BlockConfig::new(32, 4, 600)
    }
}

struct Case {
    stack: Stack,
    params: Vec<f32>,
    rotary: Rotary<f32>,
}

impl Case {
    fn new(config: BlockConfig, norm: Option<&str>) -> Self {
        let mut layout = Layout::new();
        layout.tensor("before", 3, 5, crate::Init::Constant(0.0));
        let stack = Stack::new(&mut layout, "layers", config, 0..3, norm);
        let mut rng = Rng::new(2, "stack");
        let mut params: Vec<f32> = layout.init(&rng.fork(1));
        params.iter_mut().for_each(|value| *value += 0.15 * rng.normal() as f32);
        let rotary = Rotary::new(RotaryConfig { width: config.head_width, theta: 100.0, factor: 1.0 }, 40);
        Self { stack, params, rotary }
    }

    fn positions(&self) -> PositionTable<'_, f32> {
        match self.stack.config().positions {
            Positions::Rotary => PositionTable::Rotary(&self.rotary),
            _ => PositionTable::None,
        }
    }

    fn packed(&self, precision: Precision) -> PackedStack {
        let mut params = self.params.clone();
        let packed = PackedStack::new(&self.stack, &mut params, precision);
        assert_eq!(params.len(), 15, "the parameters before the stack are left");
        packed
    }
}

fn input(rows: usize) -> Vec<f32> {
    let mut rng = Rng::new(3, "input");
    (0..rows * 32).map(|_| rng.normal() as f32).collect()
}

#[test]
fn it_has_the_bytes_of_the_trained_stack_or_is_near() {
    for (config, norm, is_equal) in [
        (BlockConfig::new(32, 4, 600), Some("norm"), true),
        (llama(), Some("norm"), true),
        (bert(), None, false),
    ] {
        let case = Case::new(config, norm);
        let pass = Pass { positions: case.positions(), ..Pass::new(&case.params, &OFFSETS) };
        let (mut want, mut want_last) = (input(40), input(40));
        case.stack.forward(0..3, &pass, &mut StackSaved::inference(), &mut want);
        case.stack.forward_last(&pass, &mut StackSaved::inference(), &mut want_last);
        for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::Bf16, 0.1), (Precision::Int8, 0.3)]
        {
            let (packed, buffers) = (case.packed(precision), &mut PackedBuffers::default());
            let (mut got, mut last) = (input(40), input(40));
            packed.forward(&OFFSETS, case.positions(), buffers, &mut got);
            packed.forward_last(&OFFSETS, case.positions(), buffers, &mut last);
            if precision == Precision::F32 && is_equal {
                assert!(got == want && last == want_last, "{config:?}");
            }
            let off = got.iter().zip(&want).map(|(got, want)| (got - want).abs()).fold(0.0, f32::max);
            let size = (want.iter().map(|x| x * x).sum::<f32>() / want.len() as f32).sqrt();
            assert!(off < tolerance * size, "{precision:?}: {off} of {size}, {config:?}");
            keep_last(&OFFSETS, 32, &mut got);
            assert!(got == last, "{precision:?} {config:?}");
        }
    }
}

#[test]
fn a_sequence_in_parts_has_the_bytes_of_the_whole() {
    for config in [llama(), BlockConfig::new(32, 4, 64)] {
        let case = Case::new(config, Some("norm"));
        for precision in [Precision::F32, Precision::Int8] {
            let (packed, buffers) = (case.packed(precision), &mut PackedBuffers::default());
            let x = input(40);
            let mut whole = x.clone();
            packed.forward(&[0, 40], case.positions(), buffers, &mut whole);
            // Two sequences that grow side by side: 5 and 40 positions.
            let mut caches = [KvCache::new(3), KvCache::new(3)];
            let mut parts = [&x[..5 * 32], &x[..20 * 32]].concat();
            packed.append(&mut caches, &[0, 5, 25], case.positions(), buffers, &mut parts);
            assert!(parts[..5 * 32] == whole[..5 * 32] && parts[5 * 32..] == whole[..20 * 32]);
            let mut more = x[20 * 32..].to_vec();
            packed.append(&mut caches, &[0, 0, 20], case.positions(), buffers, &mut more);
            assert!(more == whole[20 * 32..]);
            assert_eq!((caches[0].len(), caches[1].len()), (5, 40));
        }
    }
}

#[test]
fn candidates_after_a_shared_history_are_what_they_are_alone() {
    let case = Case::new(llama(), None);
    let (packed, buffers) = (case.packed(Precision::F32), &mut PackedBuffers::default());
    let x = input(40);
    let mut history = [KvCache::new(3)];
    packed.append(&mut history, &[0, 30], case.positions(), buffers, &mut x[..30 * 32].to_vec());
    let [history] = history;
    // Candidates of 3, 1 and 2 positions.
    let ends = [30, 33, 34, 36];
    let mut candidates = x[30 * 32..36 * 32].to_vec();
    packed.attend_shared(&history, &[0, 3, 4, 6], case.positions(), buffers, &mut candidates);
    for (ends, at) in ends.windows(2).zip([0, 3, 4]) {
        let mut alone = [&x[..30 * 32], &x[ends[0] * 32..ends[1] * 32]].concat();
        packed.forward(&[0, alone.len() / 32], case.positions(), buffers, &mut alone);
        assert!(candidates[at * 32..][..(ends[1] - ends[0]) * 32] == alone[30 * 32..], "{ends:?}");
    }
    // The same as tails that grow position by position.
    let history = Arc::new(history);
    let mut tails = [KvCache::after(&history), KvCache::after(&history)];
    let mut first = [&x[30 * 32..31 * 32], &x[34 * 32..35 * 32]].concat();
    packed.append(&mut tails, &[0, 1, 2], case.positions(), buffers, &mut first);
    let mut second = [&x[31 * 32..33 * 32], &x[35 * 32..36 * 32]].concat();
    packed.append(&mut tails, &[0, 2, 3], case.positions(), buffers, &mut second);
    assert!([&first[..32], &second[..64]].concat() == candidates[..96]);
    assert!([&first[32..], &second[64..]].concat() == candidates[128..]);
    tails[0].truncate(31);
    let mut again = x[31 * 32..33 * 32].to_vec();
    packed.append(&mut tails[..1], &[0, 2], case.positions(), buffers, &mut again);
    assert!(again == second[..64]);
    assert_eq!((tails[0].len(), history.len()), (33, 30));
}
