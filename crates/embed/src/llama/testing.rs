//! A tiny random model, written as the files that are read: shared by the tests of this folder.

use super::{LlamaModel, LoadOptions};
use crate::Error;
use semrank_core::Rng;
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

pub(super) const LAYERS: usize = 3;
const DIM: usize = 12;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_WIDTH: usize = 4;
const HIDDEN: usize = 20;
/// Two special tokens, 256 bytes, two merges.
const TOKENS: usize = 260;

/// A metadata value with its type.
#[derive(Clone)]
pub(super) enum Meta {
    U32(u32),
    F32(f32),
    Text(&'static str),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    Flag(bool),
    /// A type and bytes as they come.
    Raw(u32, Vec<u8>),
}

/// A tensor of a file: dimensions as there (the adjacent one first), type and bytes.
#[derive(Clone)]
pub(super) struct Tensor {
    pub(super) dimensions: Vec<u64>,
    pub(super) kind: u32,
    pub(super) bytes: Vec<u8>,
}

/// A GGUF file to be written, open to damage.
#[derive(Clone)]
pub(crate) struct TinyGguf {
    pub(super) version: u32,
    pub(super) metadata: BTreeMap<&'static str, Meta>,
    pub(super) tensors: BTreeMap<String, Tensor>,
}

/// GGUF name, Hugging Face name, `[rows x cols]` of a layer's tensors.
const PARTS: [(&str, &str, [usize; 2]); 9] = [
    ("attn_q", "self_attn.q_proj", [HEADS * HEAD_WIDTH, DIM]),
    ("attn_k", "self_attn.k_proj", [KV_HEADS * HEAD_WIDTH, DIM]),
    ("attn_v", "self_attn.v_proj", [KV_HEADS * HEAD_WIDTH, DIM]),
    ("attn_output", "self_attn.o_proj", [DIM, HEADS * HEAD_WIDTH]),
    ("ffn_gate", "mlp.gate_proj", [HIDDEN, DIM]),
    ("ffn_up", "mlp.up_proj", [HIDDEN, DIM]),
    ("ffn_down", "mlp.down_proj", [DIM, HIDDEN]),
    ("attn_norm", "input_layernorm", [1, DIM]),
    ("ffn_norm", "post_attention_layernorm", [1, DIM]),
];

/// All tensors in Hugging Face's order of rows: both names, shape, values.
fn tensors() -> Vec<(String, String, [usize; 2], Vec<f32>)> {
    let mut all = vec![
        ("token_embd.weight".to_owned(), "model.embed_tokens.weight".to_owned(), [TOKENS, DIM]),
        ("output_norm.weight".to_owned(), "model.norm.weight".to_owned(), [1, DIM]),
    ];
    for layer in 0..LAYERS {
        all.extend(PARTS.map(|(gguf, hugging_face, shape)| {
            let name = format!("model.layers.{layer}.{hugging_face}.weight");
            (format!("blk.{layer}.{gguf}.weight"), name, shape)
        }));
    }
    let mut rng = Rng::new(5, "tiny model");
    let fill = all.into_iter().map(|(gguf, name, shape)| {
        let base = if shape[0] == 1 { 1.0 } else { 0.0 };
        let values = (0..shape[0] * shape[1]).map(|_| base + 0.5 * rng.normal() as f32).collect();
        (gguf, name, shape, values)
    });
    fill.collect()
}

/// What llama.cpp's converter does to query and key matrices: `reshape(heads, 2, W/2, cols).swapaxes(1, 2)`.
fn permute(values: &[f32], cols: usize) -> Vec<f32> {
    let rows: Vec<&[f32]> = values.chunks_exact(cols).collect();
    let mut out = Vec::new();
    for head in rows.chunks_exact(HEAD_WIDTH) {
        for i in 0..HEAD_WIDTH / 2 {
            out.extend([head[i], head[HEAD_WIDTH / 2 + i]].concat());
        }
    }
    out
}

fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

impl TinyGguf {
    pub(crate) fn new() -> TinyGguf {
        let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
        alphabet.sort_unstable();
        let mut tokens = vec!["<s>".to_owned(), "<end>".to_owned()];
        tokens.extend(alphabet.iter().map(char::to_string));
        tokens.extend(["he", "hel"].map(String::from));
        let kinds = (0..TOKENS).map(|id| if id < 2 { 3 } else { 1 }).collect();
        let metadata = BTreeMap::from([
            ("general.architecture", Meta::Text("llama")),
            ("llama.block_count", Meta::U32(LAYERS as u32)),
            ("llama.context_length", Meta::U32(64)),
            ("llama.embedding_length", Meta::U32(DIM as u32)),
            ("llama.feed_forward_length", Meta::U32(HIDDEN as u32)),
            ("llama.attention.head_count", Meta::U32(HEADS as u32)),
            ("llama.attention.head_count_kv", Meta::U32(KV_HEADS as u32)),
            ("llama.attention.key_length", Meta::U32(HEAD_WIDTH as u32)),
            ("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5)),
            ("llama.rope.freq_base", Meta::F32(100.0)),
            ("tokenizer.ggml.model", Meta::Text("gpt2")),
            ("tokenizer.ggml.pre", Meta::Text("smollm")),
            ("tokenizer.ggml.tokens", Meta::Texts(tokens)),
            ("tokenizer.ggml.token_type", Meta::I32s(kinds)),
            ("tokenizer.ggml.merges", Meta::Texts(vec!["h e".into(), "he l".into()])),
        ]);
        let tensor = |(name, _, [rows, cols], values): (String, String, [usize; 2], Vec<f32>)| {
            let turned = name.ends_with("attn_q.weight") || name.ends_with("attn_k.weight");
            let bytes = le_bytes(&if turned { permute(&values, cols) } else { values });
            let dimensions = if rows == 1 { vec![cols as u64] } else { vec![cols as u64, rows as u64] };
            (name, Tensor { dimensions, kind: 0, bytes })
        };
        TinyGguf { version: 3, metadata, tensors: tensors().into_iter().map(tensor).collect() }
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            put_text(&mut out, key);
            value.put(&mut out);
        }
        let mut offset = 0u64;
        for (name, tensor) in &self.tensors {
            put_text(&mut out, name);
            out.extend((tensor.dimensions.len() as u32).to_le_bytes());
            tensor.dimensions.iter().for_each(|size| out.extend(size.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (tensor.bytes.len() as u64).next_multiple_of(32);
        }
        for tensor in self.tensors.values() {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(&tensor.bytes);
        }
        out
    }

    /// Writes the file and opens it.
    pub(super) fn open(&self) -> Result<LlamaModel, Error> {
        open_bytes(&self.bytes())
    }
}

/// Opens a GGUF file of these bytes.
pub(super) fn open_bytes(bytes: &[u8]) -> Result<LlamaModel, Error> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("tiny.gguf");
    std::fs::write(&path, bytes).expect("a file");
    LlamaModel::open(&path, options())
}

/// Options that suit the tiny model.
pub(super) fn options() -> LoadOptions {
    LoadOptions { max_tokens: 16, layers: None }
}

impl Meta {
    fn put(&self, out: &mut Vec<u8>) {
        let mut typed = |kind: u32, bytes: &[u8]| {
            out.extend(kind.to_le_bytes());
            out.extend(bytes);
        };
        match self {
            Meta::U32(value) => typed(4, &value.to_le_bytes()),
            Meta::F32(value) => typed(6, &value.to_le_bytes()),
            Meta::Flag(value) => typed(7, &[u8::from(*value)]),
            Meta::Raw(kind, bytes) => typed(*kind, bytes),
            Meta::Text(text) => {
                typed(8, &[]);
                put_text(out, text);
            }
            Meta::Texts(texts) => {
                typed(9, &8u32.to_le_bytes());
                out.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| put_text(out, text));
            }
            Meta::I32s(values) => {
                typed(9, &5u32.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The `config.json` of the tiny model.
pub(super) fn config_json() -> serde_json::Value {
    serde_json::json!({
        "model_type": "llama", "num_hidden_layers": LAYERS, "hidden_size": DIM, "intermediate_size": HIDDEN,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_WIDTH,
        "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 100.0, "tie_word_embeddings": true,
    })
}

/// A safetensors file of the tensors that `wanted` names.
fn safetensors(wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (_, name, [rows, cols], values) in tensors().into_iter().filter(|(_, name, ..)| wanted(name)) {
        let shape = if rows == 1 { vec![cols] } else { vec![rows, cols] };
        let from = data.len();
        data.extend(le_bytes(&values));
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [from, data.len()] });
        header.insert(name, entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

/// Writes the tiny model as a Hugging Face folder, in one file or in two with an index.
pub(super) fn write_folder(dir: &Path, is_sharded: bool) {
    let write = |file: &str, bytes: &[u8]| std::fs::write(dir.join(file), bytes).expect("a file");
    write("config.json", config_json().to_string().as_bytes());
    let model = TinyGguf::new().open().expect("a model");
    let tokenizer = model.tokenizer().inner().to_string(false).expect("JSON");
    write("tokenizer.json", tokenizer.as_bytes());
    if !is_sharded {
        return write("model.safetensors", &safetensors(|_| true));
    }
    let in_first = |name: &str| name.contains("layers.1");
    write("a.safetensors", &safetensors(in_first));
    write("b.safetensors", &safetensors(|name| !in_first(name)));
    let names = tensors().into_iter().map(|(_, name, ..)| name);
    let map: BTreeMap<String, &str> = names
        .map(|name| (name.clone(), if in_first(&name) { "a.safetensors" } else { "b.safetensors" }))
        .collect();
    write("model.safetensors.index.json", serde_json::json!({ "weight_map": map }).to_string().as_bytes());
}
