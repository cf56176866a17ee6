//! Distillation: the table's formula and geometry, the folder that is written, and what is refused.

use super::*;
use crate::{Spec, static_table};
use std::path::PathBuf;
use std::sync::Mutex;

const WIDTH: usize = 6;

/// The folder with a WordPiece tokenizer of 29 ids; 0 to 3 are special.
fn source() -> ModelFolder {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/static/plain");
    ModelFolder::open(&folder).expect("a folder")
}

/// A vector of rank 3 (after centring) for a token id, far from the origin.
fn vector(id: u32) -> [f32; WIDTH] {
    let wave = |k: f32| (id as f32 * k).sin();
    let (a, b, c) = (3.0 * wave(1.0), 2.0 * wave(2.3), wave(0.7));
    [10.0 + a, b - 4.0, c, a + b, b - c, a + 2.0 * c]
}

fn fake(ids: &[Vec<u32>]) -> Result<Vec<f32>, Error> {
    assert!(ids.iter().all(|ids| ids.len() == 3 && ids[0] == 2 && ids[2] == 3), "[CLS] token [SEP]");
    Ok(ids.iter().flat_map(|ids| vector(ids[1])).collect())
}

fn place(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("table")
}

/// The rows of a written table.
fn rows(folder: &Path) -> Vec<Vec<f32>> {
    let file = std::fs::read(folder.join(WEIGHTS)).expect("a table");
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("tensors");
    let tensor = tensors.tensor("embeddings").expect("embeddings");
    let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    values.chunks(tensor.shape()[1]).map(<[f32]>::to_vec).collect()
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>().sqrt()
}

#[test]
fn weights_follow_the_formula() {
    let weights = zipf_weights(3, 0.1);
    let sum = 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0;
    for (rank, weight) in weights.iter().enumerate() {
        let p = 1.0 / (rank as f64 + 2.0) / sum;
        assert!((weight - 0.1 / (0.1 + p)).abs() < 1e-12);
    }
    assert!(weights.is_sorted(), "frequent tokens are shorter");
}

#[test]
fn the_table_keeps_the_geometry_of_the_vectors() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = DistillOptions { dim: 3, sif: 1e-4 };
    let done = distill_ids(&source(), fake, &place(&dir), options).expect("a table");
    assert_eq!((done.tokens, done.dim), (25, 3));
    assert!((done.variance - 1.0).abs() < 1e-6, "rank 3 fits in 3 dimensions: {}", done.variance);
    let table = rows(&place(&dir));
    assert_eq!(table.len(), 29);
    assert!(table[..4].iter().flatten().all(|&value| value == 0.0), "special tokens have no vector");
    let weights = zipf_weights(25, 1e-4);
    let unweighted = |id: usize| table[id].iter().map(|x| x / weights[id - 4] as f32).collect::<Vec<f32>>();
    for i in 4..29 {
        for j in 4..29 {
            let (got, want) =
                (distance(&unweighted(i), &unweighted(j)), distance(&vector(i as u32), &vector(j as u32)));
            assert!((got - want).abs() < 1e-4, "tokens {i} and {j}: {got} {want}");
        }
    }
}

#[test]
fn axes_are_sorted_by_variance_and_point_to_the_largest_coordinate() {
    let x: Vec<f32> = (0..40).flat_map(vector).collect();
    let (scores, variance) = principal_components(x, WIDTH, 2);
    let column = |k: usize| scores.iter().skip(k).step_by(2);
    let spread = [0, 1].map(|k| column(k).map(|x| x * x).sum::<f32>());
    assert!(spread[0] > spread[1] && variance < 1.0);
    for k in 0..2 {
        let largest = column(k).copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).expect("a row");
        assert!(largest > 0.0);
        assert!(column(k).sum::<f32>().abs() < 1e-3, "centred");
    }
    assert_eq!(principal_components(vec![5.0; 8], 2, 2), (vec![0.0; 8], 1.0));
}

#[test]
fn the_folder_is_a_static_encoder_and_always_has_the_same_bytes() {
    let dirs = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
    distill_ids(&source(), fake, &place(&dirs[0]), DistillOptions::default()).expect("a table");
    pool.install(|| distill_ids(&source(), fake, &place(&dirs[1]), DistillOptions::default()))
        .expect("a table");
    for name in [WEIGHTS, CONFIG, TOKENIZER] {
        let bytes = |dir| std::fs::read(place(dir).join(name)).expect(name);
        assert_eq!(bytes(&dirs[0]), bytes(&dirs[1]), "{name}");
    }
    let table = rows(&place(&dirs[0]));
    let spec = format!("static:{}", place(&dirs[0]).display());
    let encoder = static_table::open(Spec::parse(&spec).expect("a name")).expect("an encoder");
    assert_eq!(encoder.width(), WIDTH, "256 is more than the encoder has");
    let tokenizer = crate::Tokenizer::open(&source(), 8).expect("a tokenizer");
    let id = tokenizer.inner().token_to_id("stove").expect("a token") as usize;
    let got = crate::testing::encode(&*encoder, &["stove"]);
    let length = distance(&table[id], &[0.0; WIDTH]);
    assert!(got.iter().zip(&table[id]).all(|(got, want)| (got - want / length).abs() < 1e-6), "{got:?}");
}

/// Remembers what it was asked.
#[derive(Default)]
struct Listener {
    texts: Mutex<Vec<String>>,
}

impl TextEncoder for Listener {
    fn fingerprint(&self) -> &str {
        "listener"
    }
    fn width(&self) -> usize {
        2
    }
    fn batch(&self) -> usize {
        10
    }
    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        let mut texts = self.texts.lock().expect("a lock");
        for (document, out) in batch.iter().zip(out.chunks_mut(2)) {
            out[0] = document.text().len() as f32;
            texts.push(document.text());
        }
        Ok(())
    }
}

#[test]
fn an_encoder_of_texts_gets_each_token_as_it_stands_in_a_text() {
    let dir = tempfile::tempdir().expect("a folder");
    let encoder = Listener::default();
    let done = distill(&encoder, &source(), &place(&dir), DistillOptions::default()).expect("a table");
    assert_eq!((done.tokens, done.dim), (25, 2));
    let texts = encoder.texts.into_inner().expect("texts");
    assert_eq!(texts.len(), 25);
    assert_eq!((&*texts[0], &*texts[15], &*texts[16], &*texts[22]), ("nail", "s", "ing", ","));
}

#[test]
fn what_cannot_be_distilled_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = |options, broken: bool, part: &str| {
        let encode = |ids: &[Vec<u32>]| if broken { Ok(vec![f32::NAN; ids.len()]) } else { fake(ids) };
        let error = distill_ids(&source(), encode, &place(&dir), options).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    let options = DistillOptions::default();
    refused(DistillOptions { dim: 0, ..options }, false, "at least 1");
    refused(DistillOptions { sif: f64::NAN, ..options }, false, "between 0 and 1");
    refused(options, true, "item `nail`");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 0);
    std::fs::create_dir(place(&dir)).expect("a folder");
    std::fs::write(place(&dir).join("mine"), "").expect("a file");
    refused(options, false, "not empty");
}
