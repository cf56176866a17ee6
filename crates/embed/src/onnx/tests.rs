//! Exported encoders: pooling, options of the folder, and graphs that are refused.

use super::*;
use crate::testing::encode;
use std::path::PathBuf;

/// The last field of `model.onnx`: `opset_import { domain: "example" version: 1 }`.
const EXAMPLE_VERSION_BYTES: usize = 13;

fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny-onnx")
}

fn encoder(folder: &Path, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
    open(Spec::parse(&format!("onnx:{}?{options}", folder.display())).expect("a name"))
}

/// A copy of the tiny folder that a test may change.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for file in ["config.json", "tokenizer.json", "model.onnx", "only_tokens.onnx"] {
        std::fs::copy(tiny().join(file), dir.path().join(file)).expect("copied");
    }
    dir
}

#[track_caller]
fn refused(folder: &Path, options: &str, parts: &[&str]) {
    let message = encoder(folder, options).err().expect("an error").to_string();
    assert!(parts.iter().all(|part| message.contains(part)), "{message}\nlacks one of {parts:?}");
    assert!(message.contains(&folder.display().to_string()), "{message}");
}

#[test]
fn states_are_pooled_as_asked() {
    // The ids of `nail file` are 1 4 5 2, and the state of an id is [id, 1.5, -id / 2].
    let check = |options: &str, expected: [f32; 3]| {
        let encoder = encoder(&tiny(), &format!("normalize=false&{options}")).expect("an encoder");
        assert_eq!(encode(&*encoder, &["Nail file"]), expected, "{options}");
    };
    check("pool=mean", [3.0, 1.5, -1.5]);
    check("pool=cls", [1.0, 1.5, -0.5]);
    check("", [5.0, 1.5, -0.5]);
    check("file=only_tokens.onnx", [3.0, 1.5, -1.5]);
    check("pool=mean&max_tokens=3", [7.0 / 3.0, 1.5, -3.5 / 3.0]);
    let unit = encode(&*encoder(&tiny(), "pool=mean").expect("an encoder"), &["nail file"]);
    let length = (9.0f32 + 2.25 + 2.25).sqrt();
    let expected = [3.0 / length, 1.5 / length, -1.5 / length];
    assert!(unit.iter().zip(expected).all(|(got, expected)| (got - expected).abs() < 1e-6), "{unit:?}");
}

#[test]
fn the_folder_names_pooling_and_length() {
    let dir = copy();
    let write = |file: &str, text: &str| std::fs::write(dir.path().join(file), text).expect("written");
    std::fs::create_dir(dir.path().join("1_Pooling")).expect("a folder");
    write("1_Pooling/config.json", "{\"pooling_mode_cls_token\": true, \"pooling_mode_mean_tokens\": false}");
    write("sentence_bert_config.json", "{\"max_seq_length\": 3}");
    let first = encoder(dir.path(), "file=only_tokens.onnx&normalize=false").expect("an encoder");
    assert_eq!(encode(&*first, &["nail file"]), [1.0, 1.5, -0.5]);
    assert!(
        first.fingerprint().ends_with("pool=cls normalize=false max_tokens=3"),
        "{}",
        first.fingerprint()
    );
    write("1_Pooling/config.json", "{\"pooling_mode\": \"cls\", \"include_prompt\": true}");
    let by_word = encoder(dir.path(), "file=only_tokens.onnx&normalize=false").expect("an encoder");
    assert_eq!(by_word.fingerprint(), first.fingerprint(), "sentence-transformers 6 writes a word");
    let prompts = "{\"prompts\": {\"item\": \"nail \"}, \"default_prompt_name\": \"item\"}";
    write("config_sentence_transformers.json", prompts);
    let prompted =
        encoder(dir.path(), "file=only_tokens.onnx&normalize=false&pool=mean").expect("an encoder");
    let plain =
        encoder(dir.path(), "file=only_tokens.onnx&normalize=false&pool=mean&prompt=").expect("an encoder");
    assert_eq!(encode(&*prompted, &["file"]), encode(&*plain, &["nail file"]));
    assert_ne!(prompted.fingerprint(), plain.fingerprint());
    write("1_Pooling/config.json", "{\"pooling_mode_max_tokens\": true}");
    refused(dir.path(), "file=only_tokens.onnx", &["1_Pooling", "pool=mean and pool=cls"]);
}

#[test]
fn vectors_depend_neither_on_threads_nor_on_neighbours() {
    let texts = ["nail file", "", "red", "red red nail unknown file", "nail"];
    let encode_all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let encoder = pool.install(|| encoder(&tiny(), "pool=mean")).expect("an encoder");
        (encode(&*encoder, &texts), texts.map(|text| encode(&*encoder, &[text])).concat())
    };
    let (together, alone) = encode_all(1);
    assert_eq!(together, alone);
    assert_eq!(encode_all(3), (together.clone(), together));
}

#[test]
fn graphs_that_are_no_text_encoder_are_refused() {
    refused(&tiny(), "file=other_operator.onnx", &["Sum3000", "the operators of rten"]);
    refused(&tiny(), "file=other_input.onnx", &["`pixel_values`", "input_ids, attention_mask"]);
    refused(&tiny(), "file=without_ids.onnx", &["without input_ids: attention_mask, token_type_ids"]);
    refused(&tiny(), "file=other_output.onnx", &["logits", "sentence_embedding"]);
    refused(&tiny(), "file=fixed_length.onnx", &["always 128", "dynamic"]);
    refused(&tiny(), "file=absent.onnx", &["no file absent.onnx"]);
}

#[test]
fn damaged_files_are_refused() {
    let dir = copy();
    let model = dir.path().join("model.onnx");
    let bytes = std::fs::read(&model).expect("a model");
    std::fs::write(&model, b"not a graph at all").expect("written");
    refused(dir.path(), "", &["model.onnx", "a text encoder in ONNX format"]);
    for keep in 0..bytes.len() {
        std::fs::write(&model, &bytes[..keep]).expect("a part");
        // Between the versions of the two operator sets a cut cannot be seen, and does no harm.
        assert!(encoder(dir.path(), "").is_err() || bytes[keep..].len() == EXAMPLE_VERSION_BYTES, "{keep}");
    }
    std::fs::write(dir.path().join("config.json"), "{\"vocab_size\": 5}").expect("written");
    refused(dir.path(), "", &["at most 4", "two models"]);
}

#[test]
fn a_real_model_agrees_with_the_reference_implementation() {
    let models = std::env::var("SEMRANK_MODELS").unwrap_or_else(|_| "/tmp/models".into());
    let folder = Path::new(&models).join("minilm-onnx");
    let Ok(expected) = std::fs::read(folder.join("expected.json")) else {
        return println!("skipped: no {} (tests/data/export_minilm.py makes it)", folder.display());
    };
    let expected: Vec<(String, Vec<f32>)> = serde_json::from_slice(&expected).expect("vectors");
    let encoder = encoder(&folder, "").expect("an encoder");
    for (text, expected) in expected {
        let got = encode(&*encoder, &[&text]);
        let furthest = got.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{text}: furthest value by {furthest:.1e}");
        assert!(got.len() == expected.len() && furthest < 1e-5, "{text}: {furthest}");
    }
}
