//! An exported sentence encoder, run by `rten`: `onnx:PATH`.
//!
//! In: a folder in Hugging Face layout (or a wheel or zip file with one) with `tokenizer.json` and an ONNX graph. Out:
//! an encoder. It covers the architectures that no other encoder of this crate knows, with a general
//! runtime; `bert:` and `llama:` are faster for the models that they know.
//!
//! | option | meaning | default |
//! |---|---|---|
//! | `file` | the graph's file in the folder | `model.onnx`, else `onnx/model.onnx` |
//! | `pool` | `mean` of the token vectors or that of the first (`cls`) | as `1_Pooling/config.json` says, else `mean` |
//! | `normalize` | whether vectors get length 1 | `true` |
//! | `prompt` | a prompt's name, or a text, before every text | the folder's default |
//! | `max_tokens` | tokens of a text, special tokens included | as `sentence_bert_config.json` says, else 256 |
//!
//! The graph gets `input_ids`, `attention_mask`, `token_type_ids` and `position_ids`, as far as it asks for them. Its
//! output `sentence_embedding` is taken as it is, unless `pool` is given; `token_embeddings` or `last_hidden_state` is
//! pooled.
//!
//! Every document is a run of its own on one thread, and documents are spread over threads: there is no padding, and
//! neither the number of threads nor the rest of the batch can change a vector. Eight texts of 32 tokens in one run
//! would take 12 % less processor time, of 8 tokens 41 % less, of 128 tokens not less (MiniLM, 6 layers, width 384).
//!
//! ```no_run
//! use semrank_embed::{Spec, onnx};
//! let encoder = onnx::open(Spec::parse("onnx:models/gte-small?max_tokens=128&pool=mean")?)?;
//! println!("{} values per vector", encoder.width());
//! # Ok::<(), semrank_embed::Error>(())
//! ```

mod pooling;
mod session;
#[cfg(test)]
mod tests;
mod whole;

use crate::prompt::{self, Prompt};
use crate::spec::EncoderOption;
use crate::{Document, Error, ModelFolder, Spec, TextEncoder, Tokenizer};
use pooling::Pool;
use rten::ThreadPool;
use serde::Deserialize;
use session::{RUNTIME, Session};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

const DEFAULT_MAX_TOKENS: usize = 256;

/// Its options.
pub(crate) const OPTIONS: [EncoderOption; 5] = [
    EncoderOption::new("file", "NAME", "the graph in the folder [model.onnx, or onnx/model.onnx]"),
    EncoderOption::new("pool", "mean, cls", "pooling of the token vectors [the model's, or mean]"),
    EncoderOption::new("normalize", "true, false", "whether vectors get length 1 [true]"),
    EncoderOption::new("max_tokens", "N", "longest text, special tokens included [the model's, or 256]"),
    prompt::OPTION,
];

struct Onnx {
    fingerprint: String,
    tokenizer: Tokenizer,
    prompt: Prompt,
    session: Session,
    pool: Pool,
    normalize: bool,
    width: usize,
    /// One thread each, so that a run's result cannot depend on how many there are.
    threads: Vec<Arc<ThreadPool>>,
}

#[derive(Deserialize)]
struct Config {
    vocab_size: Option<usize>,
}

#[derive(Deserialize)]
struct Lengths {
    max_seq_length: Option<usize>,
}

/// Loads the model and runs it once, to learn its width.
///
/// # Errors
/// An unknown option; a missing or damaged file; an operator that the runtime does not have; a graph with other inputs or
/// outputs than those of a text encoder.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let folder = ModelFolder::open(Path::new(spec.path()))?;
    let file = file(&folder, spec.take("file", String::new())?);
    let asked = spec.choice("pool", &["", "mean", "cls"])?;
    let normalize = spec.take("normalize", true)?;
    let max_tokens = spec.take("max_tokens", max_tokens(&folder)?)?;
    let prompt = Prompt::take(&mut spec, Some(&folder))?;
    spec.finish_with(&OPTIONS)?;
    let tokenizer = Tokenizer::open(&folder, max_tokens)?;
    if let Some(rows) = folder.read_json::<Config>("config.json")?.vocab_size {
        tokenizer.check_rows(rows)?;
    }
    let (session, hash) = Session::open(&folder, &file, !asked.is_empty())?;
    let pool = if session.is_pooled() { Pool::None } else { Pool::choose(asked, &folder)? };
    let threads =
        (0..rayon::current_num_threads()).map(|_| Arc::new(ThreadPool::with_num_threads(1))).collect();
    let tokens = blake3::hash(&folder.read_tokenizer()?).to_hex();
    let pooled = pool.name();
    let mark = prompt.mark();
    let fingerprint = format!(
        "onnx runtime={RUNTIME} model={hash} tokenizer={tokens} output={} pool={pooled} normalize={normalize} \
         max_tokens={max_tokens}{mark}",
        session.output()
    );
    let mut encoder = Onnx { fingerprint, tokenizer, prompt, session, pool, normalize, width: 0, threads };
    encoder.width = encoder.vector(0, "", "text")?.len();
    Ok(Box::new(encoder))
}

fn file(folder: &ModelFolder, asked: String) -> String {
    let nested = "onnx/model.onnx";
    match asked.as_str() {
        "" if !folder.has("model.onnx") && folder.has(nested) => nested.into(),
        "" => "model.onnx".into(),
        _ => asked,
    }
}

/// The length that the model was trained for.
fn max_tokens(folder: &ModelFolder) -> Result<usize, Error> {
    let file = "sentence_bert_config.json";
    if !folder.has(file) {
        return Ok(DEFAULT_MAX_TOKENS);
    }
    Ok(folder.read_json::<Lengths>(file)?.max_seq_length.unwrap_or(DEFAULT_MAX_TOKENS))
}

impl Onnx {
    /// The vector of a text; empty for a text without tokens.
    fn vector(&self, thread: usize, item: &str, text: &str) -> Result<Vec<f32>, Error> {
        let ids = self.tokenizer.encode(item, text)?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let (states, width) = self.session.run(&self.threads[thread], item, &ids)?;
        let mut vector = self.pool.apply(&states, width);
        if self.normalize {
            pooling::normalize(&mut vector);
        }
        Ok(vector)
    }

    fn write(&self, thread: usize, document: &Document, out: &mut [f32]) -> Result<(), Error> {
        let vector = self.vector(thread, document.id, &self.prompt.before(document))?;
        if vector.is_empty() {
            return Ok(());
        }
        if vector.len() != self.width {
            let reason = format!("a vector of width {}, expected {}", vector.len(), self.width);
            return Err(self.session.damaged(document.id, reason));
        }
        if !vector.iter().all(|value| value.is_finite()) {
            let encoder = self.session.place().display().to_string();
            return Err(Error::NotFinite { encoder, item: document.id.to_owned() });
        }
        out.copy_from_slice(&vector);
        Ok(())
    }
}

impl TextEncoder for Onnx {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.width
    }

    fn notes(&self) -> Vec<String> {
        self.prompt.notes()
    }

    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        assert_eq!(out.len(), batch.len() * self.width, "out is [batch x width]");
        let documents = Mutex::new(batch.iter().zip(out.chunks_exact_mut(self.width)));
        let failed: OnceLock<Error> = OnceLock::new();
        let work = |thread: usize| {
            while failed.get().is_none() {
                let next = documents.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((document, out)) = next else { return };
                if let Err(error) = self.write(thread, document, out) {
                    // One failure ends the call; which of several is reported does not matter.
                    let _ = failed.set(error);
                }
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..self.threads.len().min(batch.len()) {
                let work = &work;
                scope.spawn(move || self.threads[thread].run(|| work(thread)));
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }
}
