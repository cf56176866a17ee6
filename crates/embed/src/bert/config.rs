//! The configuration files of a model folder: `config.json` (sizes), `modules.json` and the files it points to (pooling,
//! normalisation), `sentence_bert_config.json` (length and case).

use super::distances::BUCKETS;
use super::pooling::Pool;
use super::{Activation, BertConfig, BertModel};
use crate::{Error, ModelFolder};
use serde::Deserialize;
use std::path::PathBuf;

/// Tensor names and position rule of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// BERT, and RoBERTa with its relatives: one set of names.
    Bert,
    /// DistilBERT.
    DistilBert,
    /// MPNet: distances between tokens count too.
    MpNet,
}

/// All that shapes a folder's vectors besides the weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// Naming.
    pub(super) family: Family,
    /// Sizes.
    pub(super) model: BertConfig,
    /// How token vectors become one.
    pub(super) pool: Pool,
    /// Whether the vector is scaled to length 1.
    pub(super) is_normalised: bool,
    /// Whether texts are lower-cased before the tokenizer sees them.
    pub(super) is_lowered: bool,
    /// Tokens of a text, special ones included, as the folder has it.
    pub(super) max_tokens: usize,
}

/// Which network it is; the names of the sizes depend on it.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    max_position_embeddings: usize,
    type_vocab_size: Option<usize>,
    relative_attention_num_buckets: Option<usize>,
    #[serde(alias = "dim")]
    hidden_size: usize,
    #[serde(alias = "n_heads")]
    num_attention_heads: usize,
    #[serde(alias = "n_layers")]
    num_hidden_layers: usize,
    #[serde(alias = "hidden_dim")]
    intermediate_size: usize,
    #[serde(alias = "activation")]
    hidden_act: String,
    layer_norm_eps: Option<f64>,
    pad_token_id: Option<usize>,
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize, Default)]
struct SentenceBert {
    max_seq_length: Option<usize>,
    #[serde(default)]
    do_lower_case: bool,
}

/// The tokenizer settings that the libraries read.
#[derive(Deserialize, Default)]
struct TokenizerConfig {
    /// Beyond 64 bits where it means "any".
    model_max_length: Option<f64>,
}

/// The file that lists the modules of a sentence encoder.
const MODULE_LIST: &str = "modules.json";

const MODELS: &str =
    "bert, roberta, xlm-roberta, camembert, distilbert, mpnet; others, exported to ONNX, by onnx:PATH";
const ACTIVATIONS: &str = "gelu, gelu_new, gelu_fast, gelu_pytorch_tanh";

/// No size of a model is larger; sums of products of two sizes then fit, and the weights are compared with them before
/// anything of that size is allocated.
const LARGEST: usize = 1 << 24;
/// The most layers.
const MOST_LAYERS: usize = 1 << 10;
/// The most positions, and the most that come before a text's first one.
const MOST_POSITIONS: usize = 1 << 20;

/// An [`Error::Unsupported`] about a file of the folder.
fn unsupported(path: PathBuf, what: &str, got: impl ToString, supported: &str) -> Error {
    Error::Unsupported { path, what: what.into(), got: got.to_string(), supported: supported.into() }
}

impl Settings {
    /// The network.
    pub(super) fn network(&self) -> BertModel {
        match self.family {
            Family::MpNet => BertModel::with_distances(self.model),
            Family::Bert | Family::DistilBert => BertModel::new(self.model),
        }
    }

    /// Reads all of it.
    pub(super) fn read(folder: &ModelFolder) -> Result<Settings, Error> {
        let (family, model) = read_model(folder)?;
        let (pool, is_normalised) = read_modules(folder)?;
        let file = "sentence_bert_config.json";
        let sentence: SentenceBert =
            if folder.has(file) { folder.read_json(file)? } else { Default::default() };
        let most = model.positions - model.first_position;
        let max_tokens = match sentence.max_seq_length {
            Some(length) => length,
            None => tokenizer_length(folder)?,
        };
        let max_tokens = max_tokens.min(most);
        Ok(Settings { family, model, pool, is_normalised, is_lowered: sentence.do_lower_case, max_tokens })
    }
}

/// The longest text of the tokenizer's settings; any where they have none.
fn tokenizer_length(folder: &ModelFolder) -> Result<usize, Error> {
    const FILE: &str = "tokenizer_config.json";
    let config: TokenizerConfig = if folder.has(FILE) { folder.read_json(FILE)? } else { Default::default() };
    // A float saturates: 1e30 is any length, and a negative one is refused with the tokenizer.
    Ok(config.model_max_length.map_or(usize::MAX, |length| length as usize))
}

fn read_model(folder: &ModelFolder) -> Result<(Family, BertConfig), Error> {
    let place = || folder.place("config.json");
    let kind: Kind = folder.read_json("config.json")?;
    let (family, is_offset) = match kind.model_type.as_deref().unwrap_or("missing") {
        "bert" => (Family::Bert, false),
        "roberta" | "xlm-roberta" | "camembert" => (Family::Bert, true),
        "distilbert" => (Family::DistilBert, false),
        "mpnet" => (Family::MpNet, true),
        other => return Err(unsupported(place(), "model_type", other, MODELS)),
    };
    let config: Config = folder.read_json("config.json")?;
    let positions = config.position_embedding_type.as_deref().unwrap_or("absolute");
    if positions != "absolute" {
        return Err(unsupported(place(), "position_embedding_type", positions, "absolute"));
    }
    if config.is_decoder {
        return Err(unsupported(place(), "is_decoder", true, "encoders (is_decoder false)"));
    }
    let activation = match config.hidden_act.as_str() {
        "gelu" => Activation::Exact,
        "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Activation::Tanh,
        other => return Err(unsupported(place(), "the activation", other, ACTIVATIONS)),
    };
    let buckets = config.relative_attention_num_buckets.unwrap_or(BUCKETS);
    if family == Family::MpNet && buckets != BUCKETS {
        return Err(unsupported(
            place(),
            "relative_attention_num_buckets",
            buckets,
            "32, those of transformers",
        ));
    }
    let model = BertConfig {
        vocabulary: config.vocab_size,
        positions: config.max_position_embeddings,
        // RoBERTa counts positions from after the padding id (its `create_position_ids_from_input_ids`).
        first_position: if is_offset { config.pad_token_id.unwrap_or(1).saturating_add(1) } else { 0 },
        // BERT's own default; a file with another table is refused by its shape.
        types: if family == Family::Bert { config.type_vocab_size.unwrap_or(2) } else { 0 },
        dim: config.hidden_size,
        heads: config.num_attention_heads,
        layers: config.num_hidden_layers,
        hidden: config.intermediate_size,
        epsilon: config.layer_norm_eps.unwrap_or(1e-12),
        activation,
    };
    check_sizes(folder, &model)?;
    Ok((family, model))
}

fn check_sizes(folder: &ModelFolder, model: &BertConfig) -> Result<(), Error> {
    let mismatch = |what: &str, got: String, expected: String| {
        Err(Error::Mismatch { path: folder.place("config.json"), what: what.into(), got, expected })
    };
    for (what, got, least, most) in [
        ("vocab_size", model.vocabulary, 1, LARGEST),
        ("type_vocab_size", model.types, 0, LARGEST),
        ("hidden_size", model.dim, 1, LARGEST),
        ("num_attention_heads", model.heads, 1, LARGEST),
        ("num_hidden_layers", model.layers, 0, MOST_LAYERS),
        ("intermediate_size", model.hidden, 1, LARGEST),
        ("pad_token_id + 1", model.first_position, 0, MOST_POSITIONS),
        ("max_position_embeddings", model.positions, model.first_position.saturating_add(3), MOST_POSITIONS),
    ] {
        if !(least..=most).contains(&got) {
            return mismatch(what, got.to_string(), format!("{least} to {most}"));
        }
    }
    if !model.dim.is_multiple_of(model.heads) {
        return mismatch(
            "num_attention_heads",
            model.heads.to_string(),
            format!("a divisor of hidden_size, {}", model.dim),
        );
    }
    if !(model.epsilon >= 0.0 && model.epsilon.is_finite()) {
        return mismatch("layer_norm_eps", model.epsilon.to_string(), "a number that is not negative".into());
    }
    Ok(())
}

/// The settings of the modules that `modules.json` lists.
///
/// # Errors
/// A list that cannot be read.
pub(super) fn module_files(folder: &ModelFolder) -> Result<Vec<String>, Error> {
    if !folder.has(MODULE_LIST) {
        return Ok(Vec::new());
    }
    let modules: Vec<Module> = folder.read_json(MODULE_LIST)?;
    let with_files = modules.into_iter().filter(|module| !module.path.is_empty());
    Ok(with_files.map(|module| format!("{}/config.json", module.path)).collect())
}

/// Pooling and normalisation, as `modules.json` lists them; without that file the mean, not normalised, as the
/// sentence-transformers library does.
fn read_modules(folder: &ModelFolder) -> Result<(Pool, bool), Error> {
    const MODULES: &str = "Transformer, Pooling, Normalize";
    if !folder.has(MODULE_LIST) {
        return Ok((Pool::Mean, false));
    }
    let (mut pool, mut is_normalised) = (Pool::Mean, false);
    for module in folder.read_json::<Vec<Module>>(MODULE_LIST)? {
        match module.kind.rsplit('.').next() {
            Some("Transformer") if module.path.is_empty() => {}
            Some("Transformer") => {
                return Err(unsupported(
                    folder.place(MODULE_LIST),
                    "the path of Transformer",
                    module.path,
                    "\"\"",
                ));
            }
            Some("Pooling") => pool = read_pooling(folder, &format!("{}/config.json", module.path))?,
            Some("Normalize") => is_normalised = true,
            _ => return Err(unsupported(folder.place(MODULE_LIST), "a module", module.kind, MODULES)),
        }
    }
    Ok((pool, is_normalised))
}

/// The pooling that a file of sentence-transformers names: by a flag, or since its version 6 by a word.
pub(crate) fn read_pooling(folder: &ModelFolder, file: &str) -> Result<Pool, Error> {
    let config: serde_json::Map<String, serde_json::Value> = folder.read_json(file)?;
    let mut modes: Vec<&str> = config
        .iter()
        .filter(|(_, value)| value.as_bool() == Some(true))
        .filter_map(|(key, _)| key.strip_prefix("pooling_mode_"))
        .collect();
    modes.extend(config.get("pooling_mode").and_then(|mode| mode.as_str()));
    match modes[..] {
        ["mean_tokens" | "mean"] => Ok(Pool::Mean),
        ["cls_token" | "cls"] => Ok(Pool::Cls),
        ["max_tokens" | "max"] => Ok(Pool::Max),
        ["mean_sqrt_len_tokens" | "mean_sqrt_len"] => Ok(Pool::MeanSqrtLen),
        _ => Err(unsupported(
            folder.place(file),
            "the pooling mode",
            format!("{modes:?}"),
            "one of mean, cls, max, mean_sqrt_len",
        )),
    }
}
