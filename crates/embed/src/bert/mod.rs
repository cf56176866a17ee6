//! Sentence encoders of the BERT family: a Hugging Face folder in, one vector a text out.
//!
//! The folder holds `config.json`, `tokenizer.json`, `model.safetensors` and, from sentence-transformers, `modules.json`
//! with pooling and normalisation. Model types: bert, roberta, xlm-roberta, camembert, distilbert.
//!
//! | option | values | default |
//! |---|---|---|
//! | `precision` | `f32`, or `int8`: quantised maps, about three times as fast ([`semrank_nn::QuantLinear`]) | `f32` |
//! | `max_tokens` | longest text, special tokens included | the folder's |
//! | `pool` | `mean`, `cls`, `max`, `mean_sqrt_len` | the folder's |
//!
//! [`BertModel`] is the same network with a backward pass, to train.

mod config;
mod encoder;
mod engine;
mod model;
mod pooling;
mod trainable;
mod weights;

pub use encoder::open;
pub use model::{Activation, BertConfig, BertModel, BertSaved};
pub use pooling::Pool;
pub use trainable::TrainableBert;
