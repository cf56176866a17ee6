//! What every reader of models and vectors promises: a file that was changed in any way is an error or another model, never a
//! panic, an abort, a hang, or memory beyond what the file holds.
//!
//! A few hundred changes per file here; `SEMRANK_HOSTILE_ROUNDS=5000 cargo test --release -p semrank-embed --test hostile`
//! tries more.

use safetensors::{Dtype, tensor::TensorView};
use semrank_core::{Catalog, Rng};
use semrank_embed::hash::FeatureSettings;
use semrank_embed::{Document, Error, Field, Fit, open};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

const ROUNDS: usize = 150;
const DIM: usize = 8;

/// Numbers at which sizes overflow, and those just beside.
const NUMBERS: [u64; 10] =
    [0, 1, 255, 1 << 24, (1 << 31) - 1, 1 << 32, 1 << 60, 1 << 62, u64::MAX - 1, u64::MAX];

fn rounds() -> usize {
    std::env::var("SEMRANK_HOSTILE_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// Opens an encoder and encodes a text.
fn try_out(name: &str) -> Result<Vec<f32>, Error> {
    let (catalog, settings) = (Catalog::default(), FeatureSettings::default());
    let encoder = open(name, &Fit { source: &catalog, known: None, settings: &settings, seed: 1 })?;
    let mut out = vec![0.0; encoder.width()];
    let fields = [Field { name: "title", text: "red shoes, a teapot" }];
    encoder.encode(&[Document { id: "a", fields: &fields }], &mut out)?;
    Ok(out)
}

/// The bytes with one change.
fn changed(bytes: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let at = rng.below(out.len());
    match rng.below(6) {
        0 => out[at] = rng.below(256) as u8,
        1 => out.truncate(at),
        2 => drop(out.splice(at..at, vec![rng.below(256) as u8; rng.below(40)])),
        3 => drop(out.drain(at..(at + rng.below(40)).min(bytes.len()))),
        4 => {
            let number = NUMBERS[rng.below(NUMBERS.len())].to_le_bytes();
            let end = (at + if rng.below(2) == 0 { 4 } else { 8 }).min(out.len());
            out[at..end].copy_from_slice(&number[..end - at]);
        }
        _ => replace_number(&mut out, at, rng),
    }
    out
}

/// Puts another number in the place of the first one in decimals from `at` on.
fn replace_number(bytes: &mut Vec<u8>, at: usize, rng: &mut Rng) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|offset| at + offset) else {
        return;
    };
    let len = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = match rng.below(8) {
        0 => "-1".into(),
        1 => "1e308".into(),
        2 => "null".into(),
        _ => NUMBERS[rng.below(NUMBERS.len())].to_string(),
    };
    bytes.splice(start..start + len, number.into_bytes());
}

/// Changes each of `files` in `folder` many times and opens `name` each time.
fn change_each(name: &str, folder: &Path, files: &[&str]) {
    try_out(name).unwrap_or_else(|error| panic!("the files as they are: {error}"));
    for file in files {
        let path = folder.join(file);
        let whole = std::fs::read(&path).expect("a file");
        for round in 0..rounds() {
            let mut rng = Rng::new(round as u64, file);
            let mut bytes = changed(&whole, &mut rng);
            if rng.below(3) == 0 && !bytes.is_empty() {
                bytes = changed(&bytes, &mut rng);
            }
            std::fs::write(&path, bytes).expect("a file");
            let tried = std::panic::catch_unwind(|| try_out(name).map(drop));
            assert!(tried.is_ok(), "{file} of {name}, seed {round}");
        }
        std::fs::write(&path, whole).expect("a file");
    }
}

fn write(folder: &Path, file: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, content).expect("a file");
}

/// A sentence encoder of one layer.
fn write_bert(folder: &Path) {
    let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "shoes", "tea", "##pot"];
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        words.iter().enumerate().map(|(id, &word)| (word.to_owned(), json!(id))).collect();
    let config = json!({"model_type": "bert", "vocab_size": words.len(), "max_position_embeddings": 16,
        "type_vocab_size": 2, "hidden_size": DIM, "num_attention_heads": 2, "num_hidden_layers": 1,
        "intermediate_size": 12, "hidden_act": "gelu", "layer_norm_eps": 1e-12});
    let modules = json!([{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"}]);
    let tokenizer = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary}});
    let mut tensors = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![words.len(), DIM]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![16, DIM]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, DIM]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![DIM]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![DIM]),
    ];
    for (part, inputs, outputs) in [
        ("attention.self.query", DIM, DIM),
        ("attention.self.key", DIM, DIM),
        ("attention.self.value", DIM, DIM),
        ("attention.output.dense", DIM, DIM),
        ("intermediate.dense", DIM, 12),
        ("output.dense", 12, DIM),
    ] {
        tensors.push((format!("encoder.layer.0.{part}.weight"), vec![outputs, inputs]));
        tensors.push((format!("encoder.layer.0.{part}.bias"), vec![outputs]));
    }
    for norm in ["attention.output.LayerNorm", "output.LayerNorm"] {
        tensors.extend(["weight", "bias"].map(|part| (format!("encoder.layer.0.{norm}.{part}"), vec![DIM])));
    }
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, shape)| {
            let values = 0..shape.iter().product::<usize>();
            let bytes = values.flat_map(|i| ((i * 37 % 211) as f32 / 100.0 - 1.0).to_le_bytes()).collect();
            (name, shape, bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
    });
    write(folder, "model.safetensors", safetensors::serialize(views, None).expect("a file"));
    write(folder, "config.json", config.to_string());
    write(folder, "modules.json", modules.to_string());
    write(folder, "1_Pooling/config.json", json!({"pooling_mode_mean_tokens": true}).to_string());
    write(
        folder,
        "sentence_bert_config.json",
        json!({"max_seq_length": 12, "do_lower_case": false}).to_string(),
    );
    write(folder, "tokenizer.json", tokenizer.to_string());
}

const BERT: [&str; 6] = [
    "config.json",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "tokenizer.json",
    "model.safetensors",
];

#[test]
fn a_sentence_encoder() {
    let dir = tempfile::tempdir().expect("a folder");
    write_bert(dir.path());
    change_each(&format!("bert:{}", dir.path().display()), dir.path(), &BERT);
}

#[test]
fn a_wheel() {
    let dir = tempfile::tempdir().expect("a folder");
    write_bert(&dir.path().join("model"));
    let wheel = dir.path().join("model.whl");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&wheel).expect("a file"));
    for file in BERT {
        zip.start_file(format!("pkg/{file}"), zip::write::SimpleFileOptions::default()).expect("an entry");
        let content = std::fs::read(dir.path().join("model").join(file)).expect("a file");
        zip.write_all(&content).expect("its content");
    }
    zip.finish().expect("a wheel");
    change_each(&format!("bert:{}", wheel.display()), dir.path(), &["model.whl"]);
}

#[test]
fn static_tables() {
    for name in ["plain", "shared"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/static").join(name);
        let dir = tempfile::tempdir().expect("a folder");
        let files = ["config.json", "tokenizer.json", "model.safetensors"];
        for file in files {
            std::fs::copy(golden.join(file), dir.path().join(file)).expect("a file");
        }
        change_each(&format!("static:{}", dir.path().display()), dir.path(), &files);
    }
}

#[test]
fn vectors_by_id() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "vectors.tsv", "a\t1 2 3\nb\t4 5 -6e-3\n");
    let path: PathBuf = dir.path().join("vectors.parquet");
    let columns = vec![("vector".to_owned(), 3)];
    let file = std::fs::File::create(&path).expect("a file");
    let mut writer = semrank_embed::VectorWriter::new(&path, columns, file).expect("a writer");
    let documents = ["a", "b"].map(|id| Document { id, fields: &[] });
    writer.write(&documents, &[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]).expect("rows");
    writer.finish().expect("a file");
    for file in ["vectors.tsv", "vectors.parquet"] {
        change_each(&format!("parquet:{}", dir.path().join(file).display()), dir.path(), &[file]);
    }
}

#[cfg(feature = "onnx")]
#[test]
fn an_onnx_graph() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny-onnx");
    let dir = tempfile::tempdir().expect("a folder");
    let files = ["config.json", "tokenizer.json", "model.onnx"];
    for file in files {
        std::fs::copy(golden.join(file), dir.path().join(file)).expect("a file");
    }
    change_each(&format!("onnx:{}", dir.path().display()), dir.path(), &files);
}
