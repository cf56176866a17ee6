//! A model's sizes, from a GGUF header or a `config.json`.

use super::gguf::{Gguf, Value};
use crate::{Error, ModelFolder};
use semrank_nn::{Biases, BlockConfig, FeedForward, NormKind, Positions, RotaryConfig};
use serde::Deserialize;
use std::path::Path;

/// No size of a model is larger; products of two sizes then fit.
const LARGEST: usize = 1 << 24;
/// Cosines and sines of a model, at most: a head's width times the longest text. 256 MiB of them.
const MOST_TURNS: usize = 1 << 26;

/// Sizes of a model of the Llama family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LlamaConfig {
    /// Blocks.
    pub layers: usize,
    /// Sizes of a block.
    pub block: BlockConfig,
    /// Turning of positions.
    pub rotary: RotaryConfig,
    /// Positions that the model was trained on, at most.
    pub positions: usize,
    /// Whether the token table is the output head too.
    pub is_tied: bool,
}

impl LlamaConfig {
    /// From a GGUF header.
    pub(super) fn of_gguf(gguf: &Gguf) -> Result<LlamaConfig, Error> {
        check_architecture(gguf)?;
        let required = |key: &str| gguf.size(key)?.ok_or_else(|| gguf.missing(key));
        let heads = required("llama.attention.head_count")?;
        let dim = required("llama.embedding_length")?;
        let head_width = gguf.size("llama.attention.key_length")?.unwrap_or(dim / heads);
        let epsilon = "llama.attention.layer_norm_rms_epsilon";
        let block = BlockConfig {
            kv_heads: gguf.size("llama.attention.head_count_kv")?.unwrap_or(heads),
            head_width,
            epsilon: gguf.number(epsilon)?.ok_or_else(|| gguf.missing(epsilon))?,
            ..block(dim, heads, required("llama.feed_forward_length")?)
        };
        let turned = gguf.size("llama.rope.dimension_count")?.unwrap_or(head_width);
        if turned != head_width {
            let key = "llama.rope.dimension_count";
            return Err(gguf.unfit(
                key,
                &Value::Integer(turned as i64),
                format!("{head_width}, a head's width"),
            ));
        }
        let config = LlamaConfig {
            layers: required("llama.block_count")?,
            block,
            rotary: RotaryConfig {
                width: head_width,
                theta: gguf.number("llama.rope.freq_base")?.unwrap_or(1e4),
                factor: gguf_factor(gguf)?,
            },
            positions: required("llama.context_length")?,
            is_tied: !gguf.tensors.iter().any(|tensor| tensor.name == "output.weight"),
        };
        config.check(&gguf.path())
    }

    /// From a `config.json`.
    pub(super) fn of_folder(folder: &ModelFolder) -> Result<LlamaConfig, Error> {
        let json: Json = folder.read_json("config.json")?;
        let path = folder.place("config.json");
        json.check(&path)?;
        let heads = json.num_attention_heads;
        let head_width = json.head_dim.unwrap_or(json.hidden_size / heads.max(1));
        let config = LlamaConfig {
            layers: json.num_hidden_layers,
            block: BlockConfig {
                kv_heads: json.num_key_value_heads.unwrap_or(heads),
                head_width,
                epsilon: json.rms_norm_eps,
                ..block(json.hidden_size, heads, json.intermediate_size)
            },
            rotary: json.rotary(&path, head_width)?,
            positions: json.max_position_embeddings,
            is_tied: json.tie_word_embeddings,
        };
        config.check(&path)
    }

    /// The longest text that can be read: the positions that the model claims, as far as their cosines and sines fit.
    pub(super) fn longest_text(&self) -> usize {
        self.positions.min(MOST_TURNS / self.rotary.width.max(1))
    }

    /// Validates the sizes.
    fn check(self, path: &Path) -> Result<LlamaConfig, Error> {
        let mismatch = |what: &str, got: String, expected: &str| Error::Mismatch {
            path: path.to_owned(),
            what: what.into(),
            got,
            expected: expected.into(),
        };
        let BlockConfig { dim, heads, kv_heads, head_width, hidden, epsilon, .. } = self.block;
        for (what, got) in [
            ("the number of layers", self.layers),
            ("the width", dim),
            ("the number of heads", heads),
            ("the number of key heads", kv_heads),
            ("a head's width", head_width),
            ("the feed-forward width", hidden),
        ] {
            if !(1..=LARGEST).contains(&got) {
                return Err(mismatch(what, got.to_string(), "1 to 16777216"));
            }
        }
        if heads % kv_heads != 0 {
            return Err(mismatch(
                "the number of key heads",
                kv_heads.to_string(),
                "a divisor of the query heads",
            ));
        }
        if head_width % 2 != 0 {
            return Err(mismatch(
                "a head's width",
                head_width.to_string(),
                "even, because halves turn together",
            ));
        }
        let RotaryConfig { theta, factor, .. } = self.rotary;
        if !(epsilon >= 0.0 && theta > 0.0 && factor > 0.0) {
            let got = format!("{epsilon}, {theta} and {factor}");
            return Err(mismatch("norm epsilon, rotary base and scaling", got, "positive numbers"));
        }
        Ok(self)
    }
}

/// The switches of the architecture.
fn block(dim: usize, heads: usize, hidden: usize) -> BlockConfig {
    BlockConfig {
        norm: NormKind::Rms,
        feed_forward: FeedForward::SwiGlu,
        biases: Biases::None,
        positions: Positions::Rotary,
        ..BlockConfig::new(dim, heads, hidden)
    }
}

fn check_architecture(gguf: &Gguf) -> Result<(), Error> {
    let key = "general.architecture";
    match gguf.text(key)?.ok_or_else(|| gguf.missing(key))? {
        "llama" => Ok(()),
        other => Err(unsupported(&gguf.path(), "the architecture", other, "llama")),
    }
}

fn gguf_factor(gguf: &Gguf) -> Result<f64, Error> {
    match gguf.text("llama.rope.scaling.type")?.unwrap_or("none") {
        "none" => Ok(1.0),
        "linear" => Ok(gguf.number("llama.rope.scaling.factor")?.unwrap_or(1.0)),
        other => Err(unsupported(&gguf.path(), "the rotary scaling", other, "none and linear")),
    }
}

fn unsupported(path: &Path, what: &str, got: impl ToString, supported: &str) -> Error {
    Error::Unsupported {
        path: path.to_owned(),
        what: what.into(),
        got: got.to_string(),
        supported: supported.into(),
    }
}

/// The part of a `config.json` that matters here.
#[derive(Deserialize)]
struct Json {
    model_type: String,
    num_hidden_layers: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default_positions")]
    max_position_embeddings: usize,
    #[serde(default = "default_epsilon")]
    rms_norm_eps: f64,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default)]
    tie_word_embeddings: bool,
    rope_theta: Option<f64>,
    rope_scaling: Option<Rope>,
    /// Where newer writers put both.
    rope_parameters: Option<Rope>,
}

#[derive(Deserialize, Default)]
struct Rope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    factor: Option<f64>,
    rope_theta: Option<f64>,
}

fn default_positions() -> usize {
    2048
}

fn default_epsilon() -> f64 {
    1e-6
}

fn default_activation() -> String {
    "silu".into()
}

impl Json {
    fn check(&self, path: &Path) -> Result<(), Error> {
        if self.model_type != "llama" {
            return Err(unsupported(path, "the model_type", &self.model_type, "llama"));
        }
        if self.hidden_act != "silu" {
            return Err(unsupported(path, "the activation", &self.hidden_act, "silu"));
        }
        Ok(())
    }

    fn rotary(&self, path: &Path, width: usize) -> Result<RotaryConfig, Error> {
        let none = Rope::default();
        let rope = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref()).unwrap_or(&none);
        let factor = match rope.rope_type.as_deref().unwrap_or("default") {
            "default" => 1.0,
            "linear" => rope.factor.unwrap_or(1.0),
            other => return Err(unsupported(path, "the rotary scaling", other, "default and linear")),
        };
        Ok(RotaryConfig { width, theta: rope.rope_theta.or(self.rope_theta).unwrap_or(1e4), factor })
    }
}
