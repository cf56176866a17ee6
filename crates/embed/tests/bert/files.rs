//! Which files of a model folder are read: weights in several files, tokenizer settings, modules, missing models.

use crate::model::{Model, open};
use safetensors::Dtype;
use semrank_embed::{Trainable, testing::encode};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn weights_in_parts_are_read_by_their_index_and_written_as_one_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let (model, parts) = (Model::new(), dir.path().join("parts"));
    let whole = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    let mut index = BTreeMap::new();
    std::fs::create_dir(&parts).expect("a folder");
    for (part, of) in [(1, 0), (2, 1)] {
        let name = format!("model-0000{part}-of-00002.safetensors");
        let tensors = model.tensors.iter().enumerate().filter(|(at, _)| at % 2 == of);
        let tensors = tensors.map(|(_, (name, tensor))| (name.clone(), tensor.clone())).collect();
        let part = Model { tensors, ..Model::new() };
        part.write(&parts, Dtype::F32);
        std::fs::rename(parts.join("model.safetensors"), parts.join(&name)).expect("a file");
        index.extend(part.tensors.keys().map(|tensor| (tensor.clone(), name.clone())));
    }
    let index = json!({"metadata": {"total_size": 1}, "weight_map": index});
    std::fs::write(parts.join("model.safetensors.index.json"), index.to_string()).expect("a file");
    assert_eq!(encode(open(&parts, "").expect("a model").as_ref(), &["red lamp"]), whole);

    let new = dir.path().join("new");
    std::fs::create_dir(&new).expect("a folder");
    let trainable = Trainable::open(&format!("bert:{}", parts.display()), Some(1), 16).expect("a model");
    trainable.write(&new).expect("a folder");
    assert_eq!(encode(open(&new, "").expect("a model").as_ref(), &["red lamp"]), whole);
    assert!(!new.join("model.safetensors.index.json").exists());

    let gone = "model-00002-of-00002.safetensors";
    std::fs::remove_file(parts.join(gone)).expect("a file");
    let said = open(&parts, "").map(drop).expect_err("a part is missing").to_string();
    assert!(said.contains(gone) && said.contains("index.json"), "{said}");
}

#[test]
fn the_tokenizer_says_how_long_a_text_is_where_the_sentence_encoder_does_not() {
    let dir = tempfile::tempdir().expect("a folder");
    Model::new().write(dir.path(), Dtype::F32);
    let vector =
        |options: &str| encode(open(dir.path(), options).expect("a model").as_ref(), &["red shoes tea lamp"]);
    let (long, short) = (vector(""), vector("?max_tokens=4"));
    for (length, want) in [("4", &short), ("1000000000000000019884624838656", &long), ("null", &long)] {
        let config = format!("{{\"model_max_length\": {length}}}");
        std::fs::write(dir.path().join("tokenizer_config.json"), config).expect("a file");
        assert_eq!(&vector(""), want, "{length}");
    }
}

#[test]
fn a_model_that_is_not_there_is_told_with_the_way_to_get_it() {
    let models = semrank_embed::fetch::default_dir();
    let there = |kind: &str, name: &str| format!("{kind}:{}", models.join(name).display());
    for (path, parts) in [
        ("minilm", ["minilm", &there("bert", "minilm")]),
        ("no/all-MiniLM-L6-v2", ["minilm", &there("bert", "minilm")]),
        ("no/smollm2", ["smollm2", &there("llama", "smollm2")]),
        ("no/roberta", ["the path of a model folder", "semrank model fetch minilm"]),
    ] {
        let error = open(Path::new(path), "").map(drop).expect_err("nothing there");
        assert!(error.to_string().contains(&format!("no model at {path}")), "{error}");
        let help = error.help().expect("help");
        assert!(parts.iter().all(|part| help.contains(part)), "{path}: {help}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    for (file, part) in [("model.safetensors", "AutoModel"), ("tokenizer.json", "AutoTokenizer")] {
        Model::new().write(dir.path(), Dtype::F32);
        std::fs::remove_file(dir.path().join(file)).expect("a file");
        let error = open(dir.path(), "").map(drop).expect_err("a file is missing");
        assert!(error.help().is_some_and(|help| help.contains(part)), "{error}");
    }
}

#[test]
fn modules_outside_of_the_folder_are_not_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("model");
    let mut model = Model::new();
    model.modules[1]["path"] = json!("../outside");
    model.write(&folder, Dtype::F32);
    std::fs::create_dir(dir.path().join("outside")).expect("a folder");
    let pooling = folder.join("1_Pooling/config.json");
    std::fs::rename(pooling, dir.path().join("outside/config.json")).expect("a file");
    let message = open(&folder, "").map(drop).expect_err("outside").to_string();
    assert!(message.contains("../outside/config.json") && message.contains("inside the folder"), "{message}");
}
