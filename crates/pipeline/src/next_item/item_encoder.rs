//! Texts of items that come after training in, everything that the model and its sources read of an item out: content vectors by the
//! run's own encoders and alignment, ids by its frozen codebook, words for the order of new items.
//!
//! The texts of an item of the catalogue give what the run has of that item, to the bit (`crates/pipeline/tests/later_items.rs`), except
//! where the encoder was trained with the ranker: the run's vectors may be some steps older than its parameters.

use crate::features::Encoders;
use crate::tokens::{Content, aligned, aligned_fingerprint};
use crate::{Context, Error};
use semrank_embed::hash::{FeatureSettings, buckets_of};
use semrank_embed::{Document, Trainable, UpperSaved};
use semrank_sequence::ItemInput;
use semrank_tokens::{Codebook, Rows, Tower, encode_all};
use std::path::Path;

/// Everything that makes an item of its texts.
pub struct ItemEncoder {
    /// None where the model reads no texts.
    encoders: Option<Encoders>,
    /// In place of the first encoder's vectors, in what the network reads.
    trained: Option<Trainable>,
    /// None where vectors are not aligned with behaviour.
    tower: Option<Tower<f32>>,
    /// None where items have no ids.
    codebook: Option<Codebook>,
    words: FeatureSettings,
}

/// What the model and its sources read of an item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EncodedItem {
    /// What the network reads.
    pub content: Vec<f32>,
    /// What neighbours are found by.
    pub similar: Vec<f32>,
    /// The semantic id.
    pub codes: Vec<u16>,
    /// Hash buckets of the words, ascending.
    pub words: Vec<u32>,
    /// The texts, one per line.
    pub text: String,
}

impl EncodedItem {
    /// As a servable takes it.
    pub fn input(&self) -> ItemInput<'_> {
        let Self { content, similar, codes, words, text: _ } = self;
        ItemInput { content, similar, codes, words }
    }
}

impl ItemEncoder {
    /// Of a run's encoders and the folder of its alignment and codebook.
    ///
    /// # Errors
    /// A damaged file, or one that was made with other encoders.
    pub(crate) fn open(
        (encoders, trained): (Option<Encoders>, Option<Trainable>),
        (content, words): (&Content, &FeatureSettings),
        codebook: &Path,
    ) -> Result<Self, Error> {
        let mut out = Self { encoders, trained, tower: None, codebook: None, words: words.clone() };
        let Some(encoders) = &out.encoders else { return Ok(out) };
        let mut fingerprint = encoders.fingerprint();
        if content.is_aligned() {
            let tower = Tower::open(codebook, &fingerprint)?;
            fingerprint = aligned_fingerprint(&tower, &fingerprint);
            out.tower = Some(tower);
        }
        if content.tokens.is_some() {
            let (codebook, _) = Codebook::open(codebook)?;
            codebook.check_features(&fingerprint)?;
            out.codebook = Some(codebook);
        }
        Ok(out)
    }

    /// Encodes items; each is what it is alone.
    ///
    /// # Errors
    /// A text that an encoder refuses.
    pub fn encode(&mut self, items: &[Document], context: &Context) -> Result<Vec<EncodedItem>, Error> {
        let words = |at: usize| buckets_of(&items, at, &self.words);
        let item =
            |at: usize| EncodedItem { words: words(at), text: items[at].text(), ..EncodedItem::default() };
        let mut out: Vec<EncodedItem> = (0..items.len()).map(item).collect();
        let Some(encoders) = &mut self.encoders else { return Ok(out) };
        let features = encoders.encode(&items, context)?;
        let similar = match &self.tower {
            Some(tower) => &aligned(tower, &features),
            None => &features,
        };
        let rows = Rows::new(&similar.values, similar.dim);
        let ids = self.codebook.as_ref().map(|codebook| encode_all(codebook.tokenizer(), &rows));
        let ids = ids.transpose()?;
        for (at, (item, document)) in out.iter_mut().zip(items).enumerate() {
            item.content = features.of(at).to_vec();
            item.similar = similar.of(at).to_vec();
            item.codes = ids.as_ref().map_or(Vec::new(), |ids| ids.of(at).to_vec());
            if self.tower.is_some() {
                item.content.extend_from_slice(similar.of(at));
            }
            if let Some(trained) = &self.trained {
                let tokens = trained.tokens(document)?;
                let offsets = [0, tokens.len()];
                let lower = trained.lower(&tokens, &offsets);
                let columns = &mut item.content[..trained.width()];
                trained.forward(&offsets, lower, &mut UpperSaved::default(), columns);
            }
        }
        Ok(out)
    }
}
