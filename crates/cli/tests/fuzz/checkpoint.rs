//! Tensors in safetensors files.

use crate::harness::{Subject, said};
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use std::path::Path;

pub(crate) const CHECKPOINTS: &[Subject] = &[Subject { name: "tensors", make, read }];

const FILE: &str = "model.safetensors";

fn make(folder: &Path) -> Vec<String> {
    let tensors = [
        Tensor { name: "floats", shape: [2, 3], values: Values::F32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) },
        Tensor { name: "codes", shape: [1, 2], values: Values::U32(&[7, 8]) },
        Tensor { name: "seeds", shape: [1, 2], values: Values::U64(&[1 << 60, 9]) },
        Tensor { name: "sums", shape: [1, 1], values: Values::F64(&[0.5]) },
    ];
    checkpoint::save(&folder.join(FILE), &tensors).expect("a file");
    vec![FILE.to_owned()]
}

fn read(folder: &Path) -> Result<(), String> {
    let file = Checkpoint::open(&folder.join(FILE)).map_err(said)?;
    let mut into = [0.0; 6];
    let floats = file.read_f32("floats", [2, 3], &mut into).map_err(said);
    let _ = file.f32s("floats", [1 << 31, 1 << 31]);
    let codes = file.len_of("codes").and_then(|len| file.read_u32("codes", len)).map_err(said);
    let seeds = file.len_of("seeds").and_then(|len| file.read_u64("seeds", len)).map_err(said);
    let sums = file.len_of("sums").and_then(|len| file.read_f64("sums", len)).map_err(said);
    floats.and(codes.map(drop)).and(seeds.map(drop)).and(sums.map(drop))
}
