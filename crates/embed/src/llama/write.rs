//! A decoder as a Hugging Face folder, without an output head: `config.json`, `tokenizer.json`, `model.safetensors` in f32.
//!
//! Written from what is in memory, so a quantised GGUF file becomes a folder too, and a model of which only the first
//! layers were loaded becomes a smaller one. `llama:` opens it again with the same vectors, and so does
//! `transformers.AutoModel`.

use super::LlamaModel;
use super::tensors::{HUGGING_FACE_BASE, Plan};
use crate::Error;
use crate::folder::{WEIGHTS, pytorch};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::path::Path;

impl LlamaModel {
    /// Writes the model into an existing folder.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), Error> {
        let put = |name: &str, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(Error::io("write", path))
        };
        put("config.json", format!("{:#}\n", self.config_json()))?;
        put("tokenizer.json", self.tokenizer_json(dir)?)?;
        let path = dir.join(WEIGHTS);
        let failed = |reason: String| Error::Damaged { path: path.clone(), expected: "weights", reason };
        let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = self
            .tensors()
            .map(|(name, shape, values)| {
                (name, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
            })
            .collect();
        let mut views = Vec::new();
        for (name, shape, bytes) in &tensors {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes);
            views.push((name, view.map_err(|error| failed(error.to_string()))?));
        }
        safetensors::serialize_to_file(views, Some(pytorch()), &path)
            .map_err(|error| failed(error.to_string()))
    }

    /// Names, shapes and values as Hugging Face files have them.
    fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>, Vec<f32>)> {
        let (config, stack, weights) = self.parts();
        let plan = Plan::new(config, config.layers, stack, self.vocabulary(), &HUGGING_FACE_BASE);
        plan.into_values(weights)
    }

    fn config_json(&self) -> serde_json::Value {
        let config = self.config();
        let block = &config.block;
        let scaling = (config.rotary.factor != 1.0)
            .then(|| json!({"rope_type": "linear", "type": "linear", "factor": config.rotary.factor}));
        json!({
            "architectures": ["LlamaModel"],
            "model_type": "llama",
            "vocab_size": self.vocabulary(),
            "num_hidden_layers": config.layers,
            "hidden_size": block.dim,
            "intermediate_size": block.hidden,
            "num_attention_heads": block.heads,
            "num_key_value_heads": block.kv_heads,
            "head_dim": block.head_width,
            "hidden_act": "silu",
            "rms_norm_eps": block.epsilon,
            "rope_theta": config.rotary.theta,
            "rope_scaling": scaling,
            "max_position_embeddings": config.positions,
            "tie_word_embeddings": true,
            "attention_bias": false,
            "mlp_bias": false,
            "torch_dtype": "float32",
        })
    }

    /// The tokenizer without the cut at `max_tokens`, which belongs to the use of a model.
    fn tokenizer_json(&self, dir: &Path) -> Result<String, Error> {
        let damaged = |error: tokenizers::Error| Error::Damaged {
            path: dir.join("tokenizer.json"),
            expected: "a tokenizer that can be written",
            reason: error.to_string(),
        };
        let mut inner = self.tokenizer().inner().clone();
        inner.with_truncation(None).map_err(damaged)?;
        inner.to_string(true).map_err(damaged)
    }
}
