//! Promise: what is computed of a sequence has the same bytes alone as among others, and on every level of instructions.

use semrank_core::Rng;
use semrank_nn::{
    Attention, AttentionInput, AttentionScratch, Biases, Block, BlockConfig, BlockSaved, FeedForward, Gelu,
    Layout, NormKind, Pass, PositionTable, Positions, Queries, Rotary, RotaryConfig, Scalar,
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
    let trunk = BlockConfig::new(24, 3, 72);
    let bert = BlockConfig {
        norm_first: false,
        causal: false,
        feed_forward: FeedForward::Gelu(Gelu::Exact),
        biases: Biases::All,
        ..BlockConfig::new(24, 2, 40)
    };
    let llama = BlockConfig {
        kv_heads: 2,
        norm: NormKind::Rms,
        feed_forward: FeedForward::SwiGlu,
        biases: Biases::None,
        positions: Positions::Rotary,
        ..BlockConfig::new(24, 4, 40)
    };
    let rotary = Rotary::new(RotaryConfig { width: 6, theta: 100.0, factor: 1.0 }, 40);
    for (name, config) in [("trunk", trunk), ("bert", bert), ("llama", llama)] {
        let mut layout = Layout::new();
        let block = Block::new(&mut layout, "block", config);
        let params: Vec<T> = values(layout.len(), "params");
        let is_turned = config.positions == Positions::Rotary;
        let positions = if is_turned { PositionTable::Rotary(&rotary) } else { PositionTable::None };
        check(name, [24; 2], |offsets, x| {
            let (mut x, pass) = (x.to_vec(), Pass { positions, ..Pass::new(&params, offsets) });
            block.forward(&pass, &mut BlockSaved::default(), &mut x);
            x
        });
    }
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
            let (input, scratch) = (AttentionInput::new(offsets, x), &mut AttentionScratch::default());
            shape.infer(&input, Queries::All, scratch, &mut y);
            y
        });
    }
    check::<f32>("unit rows", [37; 2], |_, x| {
        let mut y = vec![0.0; x.len()];
        unit_rows(37, x, &mut vec![0.0; x.len() / 37], &mut y);
        y
    });
}
