//! GFLOP/s of attention on one core: training's forward and backward pass, and inference, on sequences of several lengths and
//! heads of several widths. A score and a mixed value take 2 W operations per query and visible position.
//!
//! ```text
//! cargo bench -p semrank-nn --bench attention
//! ```

use semrank_core::Rng;
use semrank_nn::{Attention, AttentionInput, AttentionScratch, Queries};

const CASES: [(&str, usize, Attention); 8] = [
    ("trunk, 9 positions", 9, Attention { heads: 2, kv_heads: 2, width: 64, causal: true }),
    ("trunk, 50 positions", 50, Attention { heads: 2, kv_heads: 2, width: 64, causal: true }),
    ("MiniLM, 16 tokens", 16, Attention { heads: 12, kv_heads: 12, width: 32, causal: false }),
    ("MiniLM, 128 tokens", 128, Attention { heads: 12, kv_heads: 12, width: 32, causal: false }),
    ("SmolLM2, 64 tokens", 64, Attention { heads: 9, kv_heads: 3, width: 64, causal: true }),
    ("width 16, 50 positions", 50, Attention { heads: 4, kv_heads: 4, width: 16, causal: true }),
    ("width 24, 50 positions", 50, Attention { heads: 4, kv_heads: 4, width: 24, causal: true }),
    ("width 48, 50 positions", 50, Attention { heads: 4, kv_heads: 4, width: 48, causal: true }),
];
const ROUNDS: usize = 9;

/// Seconds that this thread has worked.
fn worked() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|first| first.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

/// The median of operations per second, in thousand millions.
fn speed(operations: f64, mut run: impl FnMut()) -> f64 {
    let repeats = (2e9 / operations).ceil() as usize;
    let mut speeds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = worked();
            (0..repeats).for_each(|_| run());
            operations * repeats as f64 / (worked() - start) / 1e9
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    speeds[ROUNDS / 2]
}

fn main() {
    println!("GFLOP/s                     forward  backward  inference");
    for (name, len, shape) in CASES {
        let offsets: Vec<usize> = (0..=(768 / len).max(1)).map(|sequence| sequence * len).collect();
        let rows = offsets[offsets.len() - 1];
        let mut rng = Rng::new(1, name);
        let mut values = |len: usize| (0..len).map(|_| rng.normal() as f32).collect::<Vec<_>>();
        let (qkv, dy) = (values(rows * shape.inputs()), values(rows * shape.outputs()));
        let (mut y, mut dqkv) = (vec![0.0; dy.len()], vec![0.0; qkv.len()]);
        let mut weights = vec![0.0; shape.weights_len(&offsets)];
        let (input, scratch) = (AttentionInput::new(&offsets, &qkv), &mut AttentionScratch::default());
        let pairs = if shape.causal { len * (len + 1) / 2 } else { len * len };
        let operations = (4 * shape.width * pairs * shape.heads * (offsets.len() - 1)) as f64;
        let forward = speed(operations, || shape.forward(&input, scratch, &mut weights, &mut y));
        let backward = speed(2.5 * operations, || shape.backward(&input, scratch, &weights, &dy, &mut dqkv));
        let infer = speed(operations, || shape.infer(&input, Queries::All, scratch, &mut y));
        println!("{name:26} {forward:8.1} {backward:9.1} {infer:10.1}");
    }
}
