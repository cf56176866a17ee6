//! Training the upper layers: cached lower layers, gradients, and the written model folder.

use crate::model::{DIM, Model, open, values};
use safetensors::Dtype;
use semrank_embed::testing::{Texts, cosine, encode};
use semrank_embed::{Kept, Trainable, UpperSaved};

const TEXTS: Texts<'static, &str> = Texts(&["red shoes", "tea", "red teapot lamp", "lamp lamp shoes tea"]);

fn upper(encoder: &Trainable, kept: &Kept, items: &[u32], saved: &mut UpperSaved) -> (Vec<usize>, Vec<f32>) {
    let (offsets, lower) = kept.of(encoder, items).expect("kept");
    let mut out = vec![0.0; items.len() * DIM];
    encoder.forward(&offsets, lower, saved, &mut out);
    (offsets, out)
}

#[test]
fn trained_layers_over_kept_output_give_the_encoders_vectors_within_any_budget() {
    let dir = tempfile::tempdir().expect("a folder");
    Model::new().write(dir.path(), Dtype::F32);
    let name = format!("bert:{}", dir.path().display());
    let expected = encode(&*open(dir.path(), "").expect("a model"), TEXTS.0);
    let cache = dir.path().join("cache");
    let mut first = Vec::new();
    for layers in [Some(1), None] {
        let encoder = Trainable::open(&name, layers, 16).expect("a model");
        for budget in [u64::MAX, 100, 0] {
            let kept = Kept::make(&encoder, &TEXTS, budget, &cache).expect("kept");
            assert!(kept.bytes() <= budget && kept.len() == 4);
            let (_, vectors) = upper(&encoder, &kept, &[0, 1, 2, 3], &mut UpperSaved::default());
            for (got, expected) in vectors.chunks(DIM).zip(expected.chunks(DIM)) {
                assert!(cosine(got, expected) > 0.9999, "{layers:?} {budget}: {got:?} {expected:?}");
            }
            let files = std::fs::read_dir(&cache).expect("a folder").count();
            let again = Kept::make(&encoder, &TEXTS, budget, &cache).expect("kept");
            assert_eq!(upper(&encoder, &again, &[0, 1, 2, 3], &mut UpperSaved::default()).1, vectors);
            assert_eq!(std::fs::read_dir(&cache).expect("a folder").count(), files);
            first = if budget == u64::MAX {
                vectors
            } else {
                assert_eq!(first, vectors);
                first
            };
        }
    }
    let refusal = Trainable::open(&name, Some(3), 16).map(drop).expect_err("two layers only").to_string();
    assert!(refusal.contains("3 layers") && refusal.contains("has 2"), "{refusal}");
    assert!(Trainable::open("hash:", Some(1), 16).is_err());
}

#[test]
fn trained_layers_get_the_gradient_of_finite_differences() {
    let dir = tempfile::tempdir().expect("a folder");
    Model::new().write(dir.path(), Dtype::F32);
    let mut encoder =
        Trainable::open(&format!("bert:{}", dir.path().display()), Some(1), 16).expect("a model");
    let kept = Kept::make(&encoder, &TEXTS, u64::MAX, &dir.path().join("cache")).expect("kept");
    let weights = values(2 * DIM, 7);
    let loss = |encoder: &Trainable, saved: &mut UpperSaved| {
        let (offsets, out) = upper(encoder, &kept, &[3, 0], saved);
        (offsets, out.iter().zip(&weights).map(|(y, w)| f64::from(y * w)).sum::<f64>())
    };
    let mut saved = UpperSaved::default();
    let (offsets, _) = loss(&encoder, &mut saved);
    let mut grads = vec![0.0; encoder.params().len()];
    encoder.backward(&offsets, &mut saved, &weights, &mut grads);
    assert!(encoder.matrices().iter().all(|m| grads[m.start..][..m.rows * m.cols].iter().any(|g| *g != 0.0)));
    for at in (0..grads.len()).step_by(11) {
        let mut moved = |by: f32| {
            encoder.params_mut()[at] += by;
            let out = loss(&encoder, &mut UpperSaved::default()).1;
            encoder.params_mut()[at] -= by;
            out
        };
        let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
        assert!(
            (f64::from(grads[at]) - slope).abs() < 2e-3 + 0.02 * slope.abs(),
            "{at}: {} {slope}",
            grads[at]
        );
    }
}

#[test]
fn a_trained_encoder_is_written_as_a_folder_that_opens_again_with_the_same_vectors() {
    for (family, dtype) in [("bert", Dtype::F32), ("distilbert", Dtype::BF16)] {
        let dir = tempfile::tempdir().expect("folders");
        let mut model = Model::new();
        if family == "distilbert" {
            model.become_distilbert();
        }
        // A tensor that we do not read goes with it.
        model.add("pooler.dense.weight".into(), &[2, 2]);
        model.write(&dir.path().join("old"), dtype);
        let name = format!("bert:{}", dir.path().join("old").display());
        let mut encoder = Trainable::open(&name, Some(1), 16).expect("a model");
        encoder.params_mut().iter_mut().enumerate().for_each(|(i, x)| *x += ((i % 7) as f32 - 3.0) / 50.0);
        let kept = Kept::make(&encoder, &TEXTS, u64::MAX, &dir.path().join("cache")).expect("kept");
        let (_, trained) = upper(&encoder, &kept, &[0, 1, 2, 3], &mut UpperSaved::default());
        let new = dir.path().join("new");
        std::fs::create_dir(&new).expect("a folder");
        encoder.write(&new).expect("a folder");
        let again = encode(&*open(&new, "").expect("a model"), TEXTS.0);
        for (got, expected) in again.chunks(DIM).zip(trained.chunks(DIM)) {
            assert!(cosine(got, expected) > 0.9999, "{family}: {got:?} {expected:?}");
        }
        let before = encode(&*open(&dir.path().join("old"), "").expect("a model"), TEXTS.0);
        assert!(before.chunks(DIM).zip(again.chunks(DIM)).any(|(a, b)| cosine(a, b) < 0.999));
        let bytes = std::fs::read(new.join("model.safetensors")).expect("a file");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        assert!(tensors.tensor("pooler.dense.weight").is_ok());
        assert_eq!(tensors.len(), model.tensors.len());
    }
}
