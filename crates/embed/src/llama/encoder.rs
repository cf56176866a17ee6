//! The decoder behind [`TextEncoder`]: texts are tokenized, packed into chunks, run through all layers and pooled.

use super::{LlamaModel, LoadOptions, Pool};
use crate::document::check_finite;
use crate::forward::FORWARD;
use crate::prompt::{self, Prompt};
use crate::spec::EncoderOption;
use crate::{Document, Error, ModelFolder, Spec, TextEncoder};
use rayon::prelude::*;
use semrank_nn::{PackedBuffers, PackedStack, PositionTable, Precision, unit_rows};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Positions of a chunk, at least: enough that a matrix product reads its weights for many rows at once, few enough
/// that two threads share a batch. (SmolLM2-135M, texts per CPU-second in chunks of 64, 128, 256, 512 and 1024: 29, 32,
/// 35, 34, 37.)
const CHUNK_POSITIONS: usize = 256;

/// Its options.
pub(crate) const OPTIONS: [EncoderOption; 5] = [
    EncoderOption::new("pool", "mean, last, weighted", "pooling of the token vectors [mean]"),
    EncoderOption::new("max_tokens", "N", "longest text; the rest is cut off [128]"),
    EncoderOption::new("layers", "N", "number of layers from the first on; 0 for all [0]"),
    EncoderOption::new(
        "precision",
        "f32, bf16, int8",
        "bf16 is up to 2 times, int8 3 times as fast; both change vectors slightly [f32]",
    ),
    prompt::OPTION,
];

/// A pooled decoder.
#[derive(Debug)]
pub struct LlamaEncoder {
    /// Without the layers' own parameters.
    model: LlamaModel,
    stack: PackedStack,
    pool: Pool,
    prompt: Prompt,
    fingerprint: String,
    /// Buffers that no thread is using.
    buffers: Mutex<Vec<PackedBuffers>>,
}

/// Opens `llama:PATH` with the options `pool`, `max_tokens`, `layers`, `precision` and `prompt`.
///
/// # Errors
/// An unknown option, or whatever [`LlamaModel::open`] refuses.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let pool = spec.choice("pool", &Pool::NAMES)?;
    let max_tokens = spec.take("max_tokens", 128usize)?;
    let layers = spec.take("layers", 0usize)?;
    let precision = spec.choice("precision", &Precision::NAMES)?;
    let precision = Precision::named(precision).unwrap_or(Precision::F32);
    let path = spec.path().to_owned();
    // A GGUF file has no prompts of its own.
    let prompt = Prompt::take(&mut spec, ModelFolder::open(Path::new(&path)).ok().as_ref())?;
    spec.finish_with(&OPTIONS)?;
    let options = LoadOptions { max_tokens, layers: (layers > 0).then_some(layers) };
    let model = LlamaModel::open(Path::new(&path), options)?;
    Ok(Box::new(LlamaEncoder::new(model, Pool::of(pool), precision).with_prompt(prompt)))
}

impl LlamaEncoder {
    /// Pools a model's last hidden states.
    pub fn new(model: LlamaModel, pool: Pool, precision: Precision) -> LlamaEncoder {
        let (layers, max_tokens) = (model.config().layers, model.rotary().positions());
        let pooling = format!("{pool:?}").to_lowercase();
        let precision_name = precision.name();
        let options =
            format!("layers={layers}&max_tokens={max_tokens}&pool={pooling}&precision={precision_name}");
        let kernel = semrank_nn::kernel::level().name();
        let fingerprint = format!("llama:{}?{options}&kernel={kernel}&{FORWARD}", model.hash());
        let (model, stack) = model.into_packed(precision);
        let (prompt, buffers) = (Prompt::default(), Mutex::default());
        LlamaEncoder { model, stack, pool, prompt, fingerprint, buffers }
    }

    fn with_prompt(self, prompt: Prompt) -> LlamaEncoder {
        LlamaEncoder { fingerprint: self.fingerprint + &prompt.mark(), prompt, ..self }
    }

    /// Vectors of a chunk of texts, `[texts x D]`.
    fn encode_chunk(&self, texts: &[Vec<u32>], out: &mut [f32]) {
        let ids: Vec<u32> = texts.concat();
        let mut offsets = vec![0];
        offsets.extend(texts.iter().scan(0, |end, text| {
            *end += text.len();
            Some(*end)
        }));
        if ids.is_empty() {
            return;
        }
        let dim = self.model.dim();
        let mut states = self.model.embed(&ids);
        let mut buffers = self.free_buffers().pop().unwrap_or_default();
        let positions = PositionTable::Rotary(self.model.rotary());
        self.stack.forward(&offsets, positions, &mut buffers, &mut states);
        self.free_buffers().push(buffers);
        let mut pooled = vec![0.0; out.len()];
        self.pool.forward(&offsets, dim, &states, &mut pooled);
        unit_rows(dim, &pooled, &mut vec![0.0; texts.len()], out);
    }

    fn free_buffers(&self) -> std::sync::MutexGuard<'_, Vec<PackedBuffers>> {
        // A list of buffers is whole even after a panic elsewhere.
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TextEncoder for LlamaEncoder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.model.dim()
    }

    fn notes(&self) -> Vec<String> {
        self.prompt.notes()
    }

    /// A document without text has the zero vector.
    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        let dim = self.width();
        let tokenizer = self.model.tokenizer();
        let texts = batch.par_iter().map(|document| match document.text().is_empty() {
            true => Ok(Vec::new()),
            false => tokenizer.encode(document.id, &self.prompt.before(document)),
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let mut left = &mut *out;
        let mut tasks = Vec::new();
        for range in chunks(&texts) {
            let (chunk, rest) = left.split_at_mut(range.len() * dim);
            tasks.push((&texts[range], chunk));
            left = rest;
        }
        tasks.into_par_iter().for_each(|(texts, chunk)| self.encode_chunk(texts, chunk));
        check_finite(self, batch, out)
    }
}

/// Cuts a batch into runs of texts with [`CHUNK_POSITIONS`] positions or a little more.
fn chunks(texts: &[Vec<u32>]) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut start, mut positions) = (Vec::new(), 0, 0);
    for (at, text) in texts.iter().enumerate() {
        positions += text.len();
        if positions >= CHUNK_POSITIONS || at + 1 == texts.len() {
            ranges.push(start..at + 1);
            (start, positions) = (at + 1, 0);
        }
    }
    ranges
}
