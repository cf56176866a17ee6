//! Promise: what is computed of a sequence has the same bytes alone as among others, and on every level of instructions.

use semrank_core::Rng;
use semrank_nn::{
    Attention, Block, BlockConfig, BlockSaved, DecoderBlock, DecoderBlockConfig, DecoderBlockSaved,
    EncoderBlock, EncoderBlockConfig, EncoderBlockSaved, Gelu, InferenceScratch, Layout, Rotary,
    RotaryConfig, Scalar,
    kernel::{Level, limit},
    unit_rows,
};

const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];
/// Positions of the sequences.
const LENGTHS: [usize; 6] = [1, 5, 17, 1, 33, 9];

fn values<T: Scalar>(len: usize, name: &str) -> Vec<T> {
    let mut rng = Rng::new(1, name);
    (0..len).map(|_| T::from_f64(0.3 * rng.normal())).collect()
}

/// Compares `run(offsets, x)`, which turns rows of `inputs` values into rows of `outputs`, for all sequences and for each alone.
fn check<T: Scalar>(name: &str, [inputs, outputs]: [usize; 2], run: impl Fn(&[usize], &[T]) -> Vec<T>) {
    let mut offsets = vec![0];
    LENGTHS.iter().for_each(|len| offsets.push(offsets[offsets.len() - 1] + len));
    let x = values(offsets[LENGTHS.len()] * inputs, "rows");
    let [expected, others @ ..] = LEVELS.map(|most| {
        limit(most);
        let all = run(&offsets, &x);
        for ends in offsets.windows(2) {
            let alone = run(&[0, ends[1] - ends[0]], &x[ends[0] * inputs..ends[1] * inputs]);
            let among_others = &all[ends[0] * outputs..ends[1] * outputs];
            assert!(alone == among_others, "{name}: positions {ends:?} at the level {}", most.name());
        }
        all
    });
    assert!(others.iter().all(|other| *other == expected), "{name}: two levels differ");
}

fn blocks<T: Scalar>() {
    let mut layout = Layout::new();
    let block = Block::new(&mut layout, "a", BlockConfig { dim: 24, heads: 3, expansion: 3, dropout: 0.0 });
    let encoder = EncoderBlockConfig { dim: 24, heads: 2, hidden: 40, epsilon: 1e-5, gelu: Gelu::Exact };
    let encoder = EncoderBlock::new(&mut layout, "b", encoder);
    let decoder =
        DecoderBlockConfig { dim: 24, heads: 4, kv_heads: 2, head_width: 6, hidden: 40, epsilon: 1e-5 };
    let decoder = DecoderBlock::new(&mut layout, "c", decoder);
    let rotary = Rotary::new(RotaryConfig { width: 6, theta: 100.0, factor: 1.0 }, 40);
    let params: Vec<T> = values(layout.len(), "params");
    check("block", [24; 2], |offsets, x| {
        let mut x = x.to_vec();
        block.forward(&params, offsets, None, &mut BlockSaved::default(), &mut x);
        x
    });
    check("encoder block", [24; 2], |offsets, x| {
        let mut x = x.to_vec();
        encoder.forward(&params, offsets, None, &mut EncoderBlockSaved::default(), &mut x);
        x
    });
    check("decoder block", [24; 2], |offsets, x| {
        let mut x = x.to_vec();
        decoder.forward(&params, offsets, &rotary, &mut DecoderBlockSaved::default(), &mut x);
        x
    });
}

#[test]
fn blocks_in_f32() {
    blocks::<f32>();
}

#[test]
fn blocks_in_f64() {
    blocks::<f64>();
}

#[test]
fn attention_of_inference_and_rows_of_unit_length() {
    for causal in [false, true] {
        let shape = Attention { heads: 4, kv_heads: 2, width: 35, causal };
        check::<f32>("attention", [shape.inputs(), shape.outputs()], |offsets, x| {
            let mut y = vec![0.0; x.len() / shape.inputs() * shape.outputs()];
            shape.infer(offsets, x, &mut InferenceScratch::default(), &mut y);
            y
        });
    }
    check::<f32>("unit rows", [37; 2], |_, x| {
        let mut y = vec![0.0; x.len()];
        unit_rows(37, x, &mut vec![0.0; x.len() / 37], &mut y);
        y
    });
}
