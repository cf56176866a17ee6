//! A sentence encoder to train: parameters in one flat vector, and texts as token ids.
//!
//! The lower layers can run once with [`BertModel::forward_layers`] and their output be kept, while the layers above are
//! trained; [`BertModel::tail`] tells which parameters those are.

use super::config::Settings;
use super::{BertModel, BertSaved, Pool, weights};
use crate::{Document, Error, ModelFolder, Tokenizer};
use rayon::prelude::*;
use semrank_nn::unit_rows;

const TEXTS_PER_TASK: usize = 64;

/// An encoder with its parameters.
#[derive(Debug)]
pub struct TrainableBert {
    /// The network.
    pub model: BertModel,
    /// All parameters, as the model lays them out.
    pub params: Vec<f32>,
    /// How token vectors become one.
    pub pool: Pool,
    /// Whether vectors are brought to length 1.
    pub is_normalised: bool,
    tokenizer: Tokenizer,
    is_lowered: bool,
}

impl TrainableBert {
    /// Reads a model folder; texts are cut after `max_tokens`, or the model's own length if that is less.
    ///
    /// # Errors
    /// As `bert:PATH`.
    pub fn open(folder: &ModelFolder, max_tokens: usize) -> Result<Self, Error> {
        let settings = Settings::read(folder)?;
        let tokenizer = Tokenizer::open(folder, max_tokens.min(settings.max_tokens))?;
        tokenizer.check_rows(settings.model.vocabulary)?;
        let model = BertModel::new(settings.model);
        let bytes = folder.read("model.safetensors")?;
        let params = weights::read(&bytes, folder.place("model.safetensors"), settings.family, &model)?;
        let Settings { pool, is_normalised, is_lowered, .. } = settings;
        Ok(Self { model, params, pool, is_normalised, tokenizer, is_lowered })
    }

    /// Token ids of a document, special tokens included.
    ///
    /// # Errors
    /// A text that cannot be tokenized.
    pub fn tokens(&self, document: &Document) -> Result<Vec<u32>, Error> {
        super::encoder::tokens(&self.tokenizer, self.is_lowered, document)
    }

    /// Vectors of texts given as token ids, `[texts x D]`.
    pub fn vectors(&self, texts: &[Vec<u32>]) -> Vec<f32> {
        let dim = self.model.config().dim;
        let mut out = vec![0.0; texts.len() * dim];
        out.par_chunks_mut(TEXTS_PER_TASK * dim)
            .zip(texts.par_chunks(TEXTS_PER_TASK))
            .for_each_init(BertSaved::default, |saved, (out, texts)| self.task(texts, saved, out));
        out
    }

    fn task(&self, texts: &[Vec<u32>], saved: &mut BertSaved<f32>, out: &mut [f32]) {
        let dim = self.model.config().dim;
        let mut offsets = vec![0];
        offsets.extend(texts.iter().scan(0, |end, text| {
            *end += text.len();
            Some(*end)
        }));
        let tokens = texts.concat();
        let mut hidden = vec![0.0; tokens.len() * dim];
        self.model.forward(&self.params, &tokens, &offsets, saved, &mut hidden);
        self.pool.forward(dim, &offsets, &hidden, out);
        if self.is_normalised {
            let pooled = out.to_vec();
            unit_rows(dim, &pooled, &mut vec![0.0; texts.len()], out);
        }
    }
}
