//! The input of an encoder (a document), and the encoder trait.

use crate::Error;

/// One text of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, such as `title`.
    pub name: &'a str,
    /// The raw text; empty where the item has none.
    pub text: &'a str,
}

/// One item to encode: its id and its texts in the order of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Document<'a> {
    /// The item's id, for encoders that look vectors up.
    pub id: &'a str,
    /// Its texts.
    pub fields: &'a [Field<'a>],
}

impl Document<'_> {
    /// The texts that are not empty, one per line: what an encoder of one text reads.
    ///
    /// ```
    /// use semrank_embed::{Document, Field};
    /// let fields = [("title", "Nail file"), ("brand", ""), ("categories", "Beauty")];
    /// let fields = fields.map(|(name, text)| Field { name, text });
    /// assert_eq!(Document { id: "7", fields: &fields }.text(), "Nail file\nBeauty");
    /// ```
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.fields.iter().map(|field| field.text).filter(|t| !t.is_empty()).collect();
        texts.join("\n")
    }
}

/// Texts into vectors.
///
/// An encoder is a pure function: the same document gives the same bytes, whatever else is in the batch, on any number
/// of threads (a remote endpoint promises what it can).
pub trait TextEncoder: Send + Sync {
    /// Names everything that shapes the vectors: kind, hash of the weights, options. Equal fingerprints mean equal
    /// vectors; precision and runtime are part of it, because int8 and f32 neighbours agree only in part.
    fn fingerprint(&self) -> &str;

    /// Values of a vector.
    fn width(&self) -> usize;

    /// Documents that one call of [`encode`](TextEncoder::encode) should get, for the best speed.
    fn batch(&self) -> usize {
        256
    }

    /// Whether vectors cost enough to be kept in the cache.
    fn is_cached(&self) -> bool {
        true
    }

    /// Writes one vector per document into `out`, `[batch x width]`, which is zero at first.
    ///
    /// # Errors
    /// Whatever keeps the encoder from giving finite vectors; `out` is then of no use.
    fn encode(&self, batch: &[Document], out: &mut [f32]) -> Result<(), Error>;

    /// Remarks for the user about what was encoded so far, such as items without a vector.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Returns an error for the first document whose vector is not finite.
pub(crate) fn check_finite(
    encoder: &(impl TextEncoder + ?Sized),
    batch: &[Document],
    vectors: &[f32],
) -> Result<(), Error> {
    match vectors.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::NotFinite {
            encoder: encoder.fingerprint().to_owned(),
            item: batch[at / encoder.width()].id.to_owned(),
        }),
    }
}
