//! Raw text in, vectors out: encoders behind one trait, chosen by a URL-like name, and a cache that lets every text be
//! encoded once.
//!
//! | name | encoder |
//! |---|---|
//! | `hash:` | words and runs of words, hashed, TF-IDF weighted, truncated SVD ([`hash`]) |
//! | `static:PATH` | a table with one vector per token ([`static_table`]) |
//! | `bert:PATH` | a sentence encoder of the BERT family ([`bert`]) |
//! | `llama:PATH` | a decoder of the Llama family, pooled ([`llama`]) |
//! | `onnx:PATH` | an exported model, run by `rten` |
//! | `parquet:PATH` | vectors computed elsewhere, by item id ([`precomputed`]) |
//! | `http:URL` | a content model behind an endpoint |
//!
//! Options follow a question mark: `bert:models/minilm?precision=int8&max_tokens=128`. `PATH` is a folder in Hugging
//! Face layout, or a wheel or zip file that carries one ([`ModelFolder`]).

mod archive;
pub mod bert;
mod cache;
pub mod distill;
mod document;
mod embedder;
mod error;
pub mod fetch;
mod folder;
mod forward;
pub mod hash;
#[cfg(feature = "http")]
pub mod http;
pub mod llama;
#[cfg(feature = "onnx")]
pub mod onnx;
mod output;
mod place;
pub mod precomputed;
mod prompt;
mod registry;
mod source;
mod spec;
pub mod static_table;
mod tokenizer;
mod trainable;

pub use cache::{Cache, CacheKey};
pub use document::{Document, Field, TextEncoder};
pub use embedder::{EmbedStats, Embedder, ItemFeatures, VisitVectors, side_by_side};
pub use error::Error;
pub use folder::ModelFolder;
pub use output::{VectorColumns, VectorWriter, check_id};
pub use registry::{EncoderKind, Fit, hash_settings, is_fitted, kinds, open};
pub use source::{CHUNK, Source, TextFile};
pub use spec::{EncoderOption, Spec};
pub use tokenizer::Tokenizer;
pub use trainable::click::{Engaged, Engagement, engagements, finetune_clicks};
pub use trainable::finetune::{FinetuneSettings, Losses, finetune};
pub use trainable::tasks::{
    ITEMS_PER_TASK, Saved, TaskPass, TextLayers, TrainedEncoder, backward_in_tasks, forward_in_tasks,
    vectors_of,
};
#[doc(hidden)]
pub use trainable::testing;
pub use trainable::{Kept, Lora, Matrix, Trainable, UpperSaved};
