//! GFLOP/s of the products of a training step of the next-item model at its default sizes, on one core: 384 positions per shard,
//! width 128, 1,024 negatives, content of 256 values.
//!
//! ```text
//! cargo bench -p semrank-nn --bench product
//! ```

use semrank_core::Rng;
use semrank_nn::{Mat, matmul};
use std::time::Instant;

/// A product: its name, rows, inputs and columns, which operands are transposed, whether it is added, and how often a shard does it.
type Case = (&'static str, [usize; 3], [bool; 2], f32, f64);

const CASES: [Case; 17] = [
    ("logits", [192, 128, 1024], [false, true], 0.0, 2.0),
    ("d queries", [192, 1024, 128], [false, false], 1.0, 2.0),
    ("d negatives", [1024, 192, 128], [true, false], 1.0, 2.0),
    ("qkv", [384, 128, 384], [false, false], 0.0, 1.0),
    ("out", [384, 128, 128], [false, false], 1.0, 1.0),
    ("up", [384, 128, 512], [false, false], 1.0, 1.0),
    ("down", [384, 512, 128], [false, false], 1.0, 1.0),
    ("d qkv weights", [128, 384, 384], [true, false], 1.0, 1.0),
    ("d out weights", [128, 384, 128], [true, false], 1.0, 1.0),
    ("d up weights", [128, 384, 512], [true, false], 1.0, 1.0),
    ("d down weights", [512, 384, 128], [true, false], 1.0, 1.0),
    ("d qkv inputs", [384, 384, 128], [false, true], 0.0, 1.0),
    ("d out inputs", [384, 128, 128], [false, true], 0.0, 1.0),
    ("d up inputs", [384, 512, 128], [false, true], 0.0, 1.0),
    ("d down inputs", [384, 128, 512], [false, true], 0.0, 1.0),
    ("content", [256, 256, 128], [false, false], 1.0, 3.2),
    ("d content weights", [256, 412, 128], [true, false], 1.0, 2.0),
];
const ROUNDS: usize = 60;

/// The least of the seconds per run: rounds are so short that some go undisturbed by other programs.
fn seconds(operations: f64, mut run: impl FnMut()) -> f64 {
    let repeats = (2e8 / operations).ceil() as usize;
    let round = |_| {
        let start = Instant::now();
        (0..repeats).for_each(|_| run());
        start.elapsed().as_secs_f64() / repeats as f64
    };
    (0..ROUNDS).map(round).fold(f64::INFINITY, f64::min)
}

fn main() {
    println!("                       GFLOP/s  ms per shard");
    let (mut operations_of_all, mut seconds_of_all) = (0.0, 0.0);
    for (name, [rows, inputs, columns], transposed, keep, times) in CASES {
        let mut rng = Rng::new(1, name);
        let mut values = |len: usize| (0..len).map(|_| rng.normal() as f32).collect::<Vec<_>>();
        let (a, b, mut out) = (values(rows * inputs), values(inputs * columns), values(rows * columns));
        let view = |data, rows, columns, transposed| {
            if transposed { Mat::new(data, columns, rows).t() } else { Mat::new(data, rows, columns) }
        };
        let (a, b) = (view(&a, rows, inputs, transposed[0]), view(&b, inputs, columns, transposed[1]));
        let operations = 2.0 * (rows * inputs * columns) as f64;
        let seconds = seconds(operations, || matmul(&mut out, keep, a, b, 1e-3));
        println!("{name:20} {:9.1} {:13.3}", operations / seconds / 1e9, times * seconds * 1e3);
        operations_of_all += times * operations;
        seconds_of_all += times * seconds;
    }
    println!("{:20} {:9.1} {:13.3}", "all", operations_of_all / seconds_of_all / 1e9, seconds_of_all * 1e3);
}
