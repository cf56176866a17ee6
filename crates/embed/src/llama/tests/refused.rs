//! Models, tokenizers, folders and options that are not supported are refused with the reason.

use super::*;
use crate::llama::testing::config_json;

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
