//! The decoder behind [`TextEncoder`]: texts are tokenized, packed into chunks, run through all layers and pooled.

use super::{LlamaModel, LoadOptions, Pool, StackSaved};
use crate::{Document, Error, Spec, TextEncoder};
use rayon::prelude::*;
use semrank_nn::unit_rows;
use std::path::Path;

/// Positions of a chunk, at least: enough that a matrix product reads its weights for many rows at once, few enough
/// that two threads share a batch. (SmolLM2-135M, texts per CPU second in chunks of 64, 128, 256, 512 and 1024: 29, 32,
/// 35, 34, 37.)
const CHUNK_POSITIONS: usize = 256;

/// A pooled decoder.
#[derive(Debug)]
pub struct LlamaEncoder {
    model: LlamaModel,
    pool: Pool,
    fingerprint: String,
}

/// Opens `llama:PATH` with the options `pool`, `max_tokens` and `layers`.
///
/// # Errors
/// An unknown option, or whatever [`LlamaModel::open`] refuses.
pub fn open(mut spec: Spec) -> Result<Box<dyn TextEncoder>, Error> {
    let pool = spec.choice("pool", &Pool::NAMES)?;
    let max_tokens = spec.take("max_tokens", 128usize)?;
    let layers = spec.take("layers", 0usize)?;
    let path = spec.path().to_owned();
    spec.finish(&["pool", "max_tokens", "layers"])?;
    let options = LoadOptions { max_tokens, layers: (layers > 0).then_some(layers), head: false };
    let model = LlamaModel::open(Path::new(&path), options)?;
    Ok(Box::new(LlamaEncoder::new(model, Pool::of(pool))))
}

impl LlamaEncoder {
    /// Pools a model's last hidden states.
    pub fn new(model: LlamaModel, pool: Pool) -> LlamaEncoder {
        let (layers, max_tokens) = (model.config().layers, model.rotary().positions());
        let pooling = format!("{pool:?}").to_lowercase();
        let options = format!("layers={layers}&max_tokens={max_tokens}&pool={pooling}&precision=f32");
        let kernel = semrank_nn::kernel::level().name();
        let fingerprint = format!("llama:{}?{options}&kernel={kernel}", model.hash());
        LlamaEncoder { model, pool, fingerprint }
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
        let layers = 0..self.model.config().layers;
        self.model.forward_layers(layers, &offsets, &mut StackSaved::inference(), &mut states);
        let mut pooled = vec![0.0; out.len()];
        self.pool.forward(&offsets, dim, &states, &mut pooled);
        unit_rows(dim, &pooled, &mut vec![0.0; texts.len()], out);
    }
}

impl TextEncoder for LlamaEncoder {
    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn width(&self) -> usize {
        self.model.dim()
    }

    /// A document without text has the zero vector.
    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error> {
        let dim = self.width();
        let tokenizer = self.model.tokenizer();
        let texts = batch.par_iter().map(|document| tokenizer.encode(document.id, &document.text()));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        let mut left = &mut *out;
        let mut tasks = Vec::new();
        for range in chunks(&texts) {
            let (chunk, rest) = left.split_at_mut(range.len() * dim);
            tasks.push((&texts[range], chunk));
            left = rest;
        }
        tasks.into_par_iter().for_each(|(texts, chunk)| self.encode_chunk(texts, chunk));
        let mut vectors = batch.iter().zip(out.chunks_exact(dim));
        match vectors.find(|(_, vector)| !vector.iter().all(|value| value.is_finite())) {
            None => Ok(()),
            Some((document, _)) => {
                let encoder = self.fingerprint.clone();
                Err(Error::NotFinite { encoder, item: document.id.to_owned() })
            }
        }
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
