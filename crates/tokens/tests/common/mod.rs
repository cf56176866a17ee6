//! Items with vectors, and a generation of ids for them.

use semrank_core::Rng;
use semrank_tokens::{Codebook, Collisions, Generation, Rows, TokenSettings, fit};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

pub(crate) const DIM: usize = 3;
pub(crate) const FEATURES: &str = "features of a test";

/// A folder in memory where there is one: thousands of appends are synced each.
pub(crate) fn dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// Names of items; not in the order of the alphabet.
pub(crate) fn names(items: usize) -> Vec<String> {
    (0..items).map(|item| format!("item {}", item * 7 % items)).collect()
}

/// Vectors of items, some of which are the same.
pub(crate) fn vectors(items: usize) -> Vec<f32> {
    let mut rng = Rng::new(1, "vectors");
    (0..items * DIM).map(|_| rng.below(12) as f32 / 4.0).collect()
}

pub(crate) fn codebook(vectors: &[f32], generation: u32, seed: u64) -> Codebook {
    let settings = TokenSettings { levels: 3, codes: 5, iterations: 4, ..TokenSettings::default() };
    let tokenizer = fit(&settings, &Rows::new(vectors, DIM), seed).expect("vectors are finite");
    Codebook::new(tokenizer, settings, generation, FEATURES)
}

/// The codebook of the generation that tests begin with; fitted once.
pub(crate) fn first() -> Codebook {
    static FIRST: OnceLock<Codebook> = OnceLock::new();
    FIRST.get_or_init(|| codebook(&vectors(60), 1, 1)).clone()
}

pub(crate) fn create(dir: &Path, collisions: Collisions) -> Generation {
    Generation::create(dir, first(), collisions).expect("a new folder")
}

/// Appends chosen items.
pub(crate) fn append(generation: &mut Generation, names: &[String], vectors: &[f32], rows: &[usize]) {
    let items: Vec<&str> = rows.iter().map(|&row| names[row].as_str()).collect();
    let values: Vec<f32> = rows.iter().flat_map(|&row| vectors[row * DIM..][..DIM].to_vec()).collect();
    generation.append(&items, &Rows::new(&values, DIM), FEATURES).expect("items with vectors");
}
