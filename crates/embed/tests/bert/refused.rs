//! Models that do not fit together are refused with an error that names the file, the value and the expectation.

use crate::model::{DIM, Model, open};
use safetensors::Dtype;
use semrank_embed::{Document, Error, Field};
use serde_json::json;

#[test]
fn what_does_not_fit_is_refused_with_the_reason() {
    let with = |change: &dyn Fn(&mut Model)| {
        let mut model = Model::new();
        change(&mut model);
        model
    };
    with(&|m| m.config["model_type"] = json!("modernbert")).refused("", &["modernbert", "xlm-roberta"]);
    with(&|m| m.config["hidden_act"] = json!("silu")).refused("", &["silu", "gelu"]);
    with(&|m| m.config["position_embedding_type"] = json!("relative_key")).refused("", &["relative_key"]);
    with(&|m| m.config["num_attention_heads"] = json!(3)).refused("", &["num_attention_heads", "divisor"]);
    with(&|m| m.config["vocab_size"] = json!(7)).refused("", &["largest token id is 8", "at most 6"]);
    with(&|m| m.config["vocab_size"] = json!(12)).refused("", &["word_embeddings", "[9, 8]", "[12, 8]"]);
    with(&|m| m.config["intermediate_size"] = json!(16)).refused("", &["intermediate.dense", "[12, 8]"]);
    with(&|m| m.config = json!({"model_type": "bert"})).refused("", &["config.json", "missing field"]);
    with(&|m| m.pooling["pooling_mode_cls_token"] = json!(true))
        .refused("", &["pooling mode", "mean_sqrt_len"]);
    with(&|m| m.modules[2]["type"] = json!("sentence_transformers.models.Dense")).refused("", &["Dense"]);
    let gone = "encoder.layer.1.output.dense.bias";
    with(&|m| drop(m.tensors.remove(gone))).refused("", &[gone, "missing"]);
    let broken = "encoder.layer.0.output.dense.bias";
    with(&|m| m.tensors.get_mut(broken).expect("a tensor").1[3] = f32::NAN).refused("", &[broken, "NaN"]);
    Model::new().refused("?pool=last", &["pool=last", "mean_sqrt_len"]);
    Model::new().refused("?precision=int4", &["int4", "f32, bf16, int8"]);
    Model::new().refused("?max_tokens=2", &["max_tokens is 2", "2 special tokens"]);
    Model::new().refused("?depth=1", &["depth"]);
}

/// Before anything of the claimed size is allocated: these would take from a terabyte to more than there are addresses.
#[test]
fn sizes_that_the_weights_do_not_have_are_refused() {
    let claim = |key: &str, size: u64, said: &[&str]| {
        let mut model = Model::new();
        model.config[key] = json!(size);
        model.refused("", said);
    };
    for key in [
        "vocab_size",
        "type_vocab_size",
        "hidden_size",
        "num_attention_heads",
        "num_hidden_layers",
        "intermediate_size",
        "max_position_embeddings",
    ] {
        for size in [u64::MAX, 1 << 62, 1 << 32] {
            claim(key, size, &["config.json", key, &size.to_string(), " to "]);
        }
    }
    claim("vocab_size", 1 << 24, &["word_embeddings", "[16777216, 8]"]);
    claim("type_vocab_size", 1 << 24, &["token_type_embeddings", "[16777216, 8]"]);
    claim("hidden_size", 1 << 24, &["word_embeddings", "[9, 16777216]"]);
    claim("intermediate_size", 1 << 24, &["intermediate.dense", "[16777216, 8]"]);
    claim("num_hidden_layers", 1 << 10, &["encoder.layer.2.", "missing"]);
    claim("max_position_embeddings", 1 << 20, &["position_embeddings", "[1048576, 8]"]);
    let mut all = Model::new();
    for key in ["vocab_size", "hidden_size", "intermediate_size"] {
        all.config[key] = json!(1 << 24);
    }
    all.refused("", &["word_embeddings", "[16777216, 16777216]"]);
    let mut wide = Model::new();
    wide.config["layer_norm_eps"] = json!(-1.0);
    wide.refused("", &["layer_norm_eps"]);
    for padding in [u64::MAX, u64::MAX - 1, 15, 1 << 20] {
        let mut model = Model::new();
        model.config["model_type"] = json!("roberta");
        model.config["pad_token_id"] = json!(padding);
        model.refused("", &["config.json", "is"]);
    }
}

/// The library panics at a merge whose second token is shorter than the prefix that it takes off.
#[test]
fn a_tokenizer_that_makes_the_library_panic_is_an_error() {
    let mut model = Model::new();
    model.tokenizer["model"] = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "a long prefix",
        "end_of_word_suffix": null, "fuse_unk": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]
    });
    model.refused("", &["tokenizer.json", "panicked"]);
}

#[test]
fn an_id_that_no_token_has_is_an_error() {
    let mut model = Model::new();
    model.tokenizer["post_processor"]["cls"] = json!(["[CLS]", 4_000_000_000u32]);
    let encoder = model.open("").expect("a model");
    let fields = [Field { name: "title", text: "tea" }];
    let error =
        encoder.encode(&[Document { id: "7", fields: &fields }], &mut [0.0; DIM]).expect_err("beyond");
    let said = error.to_string();
    assert!(said.contains("item `7`") && said.contains("4000000000") && said.contains("end at 9"), "{said}");
}

#[test]
fn a_damaged_weight_file_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    Model::new().write(dir.path(), Dtype::F32);
    let file = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&file).expect("the file");
    std::fs::write(&file, &bytes[..bytes.len() - 9]).expect("a shorter file");
    assert!(matches!(open(dir.path(), ""), Err(Error::Damaged { .. })));
    std::fs::remove_file(&file).expect("no file");
    assert!(matches!(open(dir.path(), ""), Err(Error::MissingFile { .. })));
}
