//! A model folder of two layers with made-up weights, and helpers that open and run it.

use safetensors::{Dtype, tensor::TensorView};
use semrank_embed::{Error, Spec, TextEncoder, bert};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) const TYPES: &str = "embeddings.token_type_embeddings.weight";
pub(crate) const DIM: usize = 8;
const HIDDEN: usize = 12;
pub(crate) const WORDS: [&str; 9] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "shoes", "tea", "##pot", "lamp"];

/// A model folder of two layers whose weights are made up.
pub(crate) struct Model {
    pub(crate) config: Value,
    pub(crate) modules: Value,
    pub(crate) pooling: Value,
    pub(crate) tokenizer: Value,
    pub(crate) tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

pub(crate) fn tokenizer() -> Value {
    let vocabulary: BTreeMap<&str, usize> = WORDS.iter().enumerate().map(|(id, &word)| (word, id)).collect();
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

pub(crate) fn values(len: usize, salt: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + salt * 101) % 211) as f32 / 100.0 - 1.05).collect()
}

impl Model {
    pub(crate) fn new() -> Model {
        let mut model = Model {
            config: json!({
                "model_type": "bert", "vocab_size": WORDS.len(), "max_position_embeddings": 16,
                "type_vocab_size": 2, "hidden_size": DIM, "num_attention_heads": 2, "num_hidden_layers": 2,
                "intermediate_size": HIDDEN, "hidden_act": "gelu", "layer_norm_eps": 1e-12
            }),
            modules: json!([
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}
            ]),
            pooling: json!({"word_embedding_dimension": DIM, "pooling_mode_mean_tokens": true,
                "pooling_mode_cls_token": false}),
            tokenizer: tokenizer(),
            tensors: BTreeMap::new(),
        };
        for (table, rows) in [("word", WORDS.len()), ("position", 16), ("token_type", 2)] {
            model.add(format!("embeddings.{table}_embeddings.weight"), &[rows, DIM]);
        }
        model.norm("embeddings.LayerNorm");
        for layer in 0..2 {
            let name = |part: &str| format!("encoder.layer.{layer}.{part}");
            for part in ["query", "key", "value"] {
                model.map(&name(&format!("attention.self.{part}")), DIM, DIM);
            }
            model.map(&name("attention.output.dense"), DIM, DIM);
            model.norm(&name("attention.output.LayerNorm"));
            model.map(&name("intermediate.dense"), DIM, HIDDEN);
            model.map(&name("output.dense"), HIDDEN, DIM);
            model.norm(&name("output.LayerNorm"));
        }
        model
    }

    pub(crate) fn add(&mut self, name: String, shape: &[usize]) {
        let values = values(shape.iter().product(), self.tensors.len());
        self.tensors.insert(name, (shape.to_vec(), values));
    }

    pub(crate) fn map(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.add(format!("{name}.weight"), &[outputs, inputs]);
        self.add(format!("{name}.bias"), &[outputs]);
    }

    pub(crate) fn norm(&mut self, name: &str) {
        self.add(format!("{name}.weight"), &[DIM]);
        self.add(format!("{name}.bias"), &[DIM]);
    }

    pub(crate) fn rename(&mut self, rule: impl Fn(&str) -> String) {
        self.tensors = std::mem::take(&mut self.tensors)
            .into_iter()
            .map(|(name, tensor)| (rule(&name), tensor))
            .collect();
    }

    /// The same model in another family's names.
    pub(crate) fn become_distilbert(&mut self) {
        self.tensors.remove(TYPES);
        self.rename(|name| {
            let rules = [
                ("encoder.layer", "distilbert.transformer.layer"),
                ("attention.self.query", "attention.q_lin"),
                ("attention.self.key", "attention.k_lin"),
                ("attention.self.value", "attention.v_lin"),
                ("attention.output.dense", "attention.out_lin"),
                ("attention.output.LayerNorm", "sa_layer_norm"),
                ("intermediate.dense", "ffn.lin1"),
                ("output.dense", "ffn.lin2"),
                ("output.LayerNorm", "output_layer_norm"),
            ];
            let name =
                if name.starts_with("embeddings") { format!("distilbert.{name}") } else { name.to_owned() };
            rules.iter().fold(name, |name, (from, to)| name.replace(from, to))
        });
        self.config = json!({
            "model_type": "distilbert", "vocab_size": WORDS.len(), "max_position_embeddings": 16, "dim": DIM,
            "n_heads": 2, "n_layers": 2, "hidden_dim": HIDDEN, "activation": "gelu"
        });
    }

    /// Writes the folder, numbers stored as `dtype`.
    pub(crate) fn write(&self, folder: &Path, dtype: Dtype) {
        let json = [
            ("config.json", &self.config),
            ("modules.json", &self.modules),
            ("1_Pooling/config.json", &self.pooling),
            ("tokenizer.json", &self.tokenizer),
        ];
        std::fs::create_dir_all(folder.join("1_Pooling")).expect("a folder");
        for (name, value) in json {
            std::fs::write(folder.join(name), value.to_string()).expect("a file");
        }
        let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| (name.clone(), shape.clone(), stored(values, dtype)))
            .collect();
        let views = bytes.iter().map(|(name, shape, bytes)| {
            (name, TensorView::new(dtype, shape.clone(), bytes).expect("a tensor"))
        });
        let file = safetensors::serialize(views, None).expect("a file");
        std::fs::write(folder.join("model.safetensors"), file).expect("a file");
    }

    pub(crate) fn open(&self, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
        self.open_as(options, Dtype::F32)
    }

    pub(crate) fn open_as(&self, options: &str, dtype: Dtype) -> Result<Box<dyn TextEncoder>, Error> {
        let dir = tempfile::tempdir().expect("a folder");
        self.write(dir.path(), dtype);
        open(dir.path(), options)
    }

    #[track_caller]
    pub(crate) fn refused(&self, options: &str, parts: &[&str]) {
        let message = self.open(options).map(|_| ()).expect_err("a refusal").to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

pub(crate) fn stored(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::BF16 => {
            values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
        }
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

pub(crate) fn open(path: &Path, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
    bert::open(Spec::parse(&format!("bert:{}{options}", path.display())).expect("a name"))
}
