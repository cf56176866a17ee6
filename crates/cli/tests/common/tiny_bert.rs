//! A BERT folder of two small random layers, whose vocabulary is letters and a few words: it reads any text.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const DIM: usize = 16;
const HIDDEN: usize = 32;
const POSITIONS: usize = 64;

/// Writes it to `folder`.
pub(crate) fn write(folder: &Path) {
    let tokenizer = tokenizer();
    let words = tokenizer["model"]["vocab"].as_object().unwrap().len();
    let config = json!({
        "model_type": "bert", "vocab_size": words, "max_position_embeddings": POSITIONS, "type_vocab_size": 2,
        "hidden_size": DIM, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": HIDDEN,
        "hidden_act": "gelu", "layer_norm_eps": 1e-12
    });
    let module = |at: usize, path: &str, kind: &str| json!({"idx": at, "name": at.to_string(), "path": path, "type": format!("sentence_transformers.models.{kind}")});
    let modules = json!([
        module(0, "", "Transformer"),
        module(1, "1_Pooling", "Pooling"),
        module(2, "2_Normalize", "Normalize")
    ]);
    let pooling = json!({"word_embedding_dimension": DIM, "pooling_mode_mean_tokens": true});
    std::fs::create_dir_all(folder.join("1_Pooling")).unwrap();
    for (name, value) in [
        ("config.json", config),
        ("modules.json", modules),
        ("1_Pooling/config.json", pooling),
        ("tokenizer.json", tokenizer),
    ] {
        std::fs::write(folder.join(name), value.to_string()).unwrap();
    }
    std::fs::write(folder.join("model.safetensors"), weights(words)).unwrap();
}

/// Word pieces: every letter and digit, at the beginning of a word and inside.
fn tokenizer() -> Value {
    let mut words: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"].map(str::to_owned).into();
    for letter in ('a'..='z').chain('0'..='9') {
        words.extend([letter.to_string(), format!("##{letter}")]);
    }
    let vocabulary: BTreeMap<&String, usize> = words.iter().zip(0..).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary}
    })
}

type Shapes = Vec<(String, Vec<usize>)>;

fn map(shapes: &mut Shapes, name: &str, inputs: usize, outputs: usize) {
    shapes.push((format!("{name}.weight"), vec![outputs, inputs]));
    shapes.push((format!("{name}.bias"), vec![outputs]));
}

fn norm(shapes: &mut Shapes, name: &str) {
    shapes.extend(["weight", "bias"].map(|part| (format!("{name}.{part}"), vec![DIM])));
}

fn weights(words: usize) -> Vec<u8> {
    let mut shapes = Shapes::new();
    for (table, rows) in [("word", words), ("position", POSITIONS), ("token_type", 2)] {
        shapes.push((format!("embeddings.{table}_embeddings.weight"), vec![rows, DIM]));
    }
    norm(&mut shapes, "embeddings.LayerNorm");
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in ["query", "key", "value"] {
            map(&mut shapes, &name(&format!("attention.self.{part}")), DIM, DIM);
        }
        map(&mut shapes, &name("attention.output.dense"), DIM, DIM);
        norm(&mut shapes, &name("attention.output.LayerNorm"));
        map(&mut shapes, &name("intermediate.dense"), DIM, HIDDEN);
        map(&mut shapes, &name("output.dense"), HIDDEN, DIM);
        norm(&mut shapes, &name("output.LayerNorm"));
    }
    let bytes = shapes.iter().enumerate().map(|(salt, (name, shape))| {
        let len: usize = shape.iter().product();
        let value = |at: usize| match name.ends_with("LayerNorm.weight") {
            true => 1.0f32,
            false => ((at * 37 + salt * 101) % 211) as f32 / 400.0 - 0.26,
        };
        let bytes: Vec<u8> = (0..len).flat_map(|at| value(at).to_le_bytes()).collect();
        (name.clone(), shape.clone(), bytes)
    });
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = bytes.collect();
    let views = bytes
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}
