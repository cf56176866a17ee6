//! Sentence encoders of the BERT family: a Hugging Face folder in, one vector per text out.
//!
//! The folder holds `config.json`, `tokenizer.json`, `model.safetensors` (or the parts that `model.safetensors.index.json`
//! names) and, from sentence-transformers, `modules.json` with pooling and normalisation and
//! `config_sentence_transformers.json` with prompts. Model types: bert, roberta, xlm-roberta, camembert, distilbert, mpnet.
//!
//! | option | values | default |
//! |---|---|---|
//! | `precision` | `f32`, `bf16` or `int8` ([`semrank_nn::Precision`]) | `f32` |
//! | `max_tokens` | longest text, special tokens included | the folder's |
//! | `pool` | `mean`, `cls`, `max`, `mean_sqrt_len` | the folder's |
//! | `prompt` | name of a prompt of the folder, or a text that stands before every text | the folder's default |
//!
//! [`TrainableBert`] is such a folder opened for training ([`crate::Trainable`]).

mod config;
mod distances;
mod encoder;
mod engine;
mod model;
mod pooling;
mod trainable;
mod weights;

#[cfg(feature = "onnx")]
pub(crate) use config::read_pooling;
pub(crate) use encoder::OPTIONS;
pub use encoder::open;
pub(crate) use engine::{Buffers, Engine};
pub use model::{Activation, BertConfig, BertModel};
pub(crate) use model::{distances, longest};
pub use pooling::Pool;
pub use trainable::TrainableBert;
