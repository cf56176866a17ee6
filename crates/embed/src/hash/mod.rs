//! Item texts in, one dense vector per item out: text -> sparse TF-IDF -> truncated SVD -> unit length.
//!
//! Latent semantic analysis (Deerwester et al. 1990): no download, seconds on a catalogue of thousands, and as good as a
//! frozen sentence encoder in these rankers once they use item ids. Other encoders take this place behind
//! [`TextEncoder`](crate::TextEncoder).
//!
//! ```
//! use semrank_core::{Catalog, TextColumn};
//! use semrank_embed::hash::{FeatureSettings, build};
//! let texts = ["red nail polish", "nail polish remover", "camping stove", "gas camping stove"];
//! let catalog = Catalog {
//!     ids: texts.into_iter().collect(),
//!     texts: vec![TextColumn { name: "title".into(), values: texts.map(String::from).to_vec() }],
//!     ..Catalog::default()
//! };
//! let settings = FeatureSettings { dim: 2, ..FeatureSettings::default() };
//! let features = build(&catalog, &[true; 4], &settings, 1)?;
//! let cosine = |a: usize, b: usize| features.of(a).iter().zip(features.of(b)).map(|(x, y)| x * y).sum::<f32>();
//! assert!(cosine(0, 1) > 0.99 && cosine(0, 2).abs() < 0.01);
//! # Ok::<(), semrank_embed::Error>(())
//! ```

mod corpus;
mod encoder;
mod tfidf;
mod tokens;

pub use corpus::Corpus;
pub use encoder::{HashEncoder, fit_tfidf};
pub use tfidf::{TfIdf, TfIdfCounts, buckets_of};
pub use tokens::{Grams, each_token, words};

use crate::spec::EncoderOption;
use crate::{Embedder, Error, ItemFeatures};
use semrank_core::{Catalog, settings::SettingError};

semrank_core::settings! {
    /// How item texts become vectors.
    pub struct FeatureSettings of "features" {
        /// Longest run of words that counts as a token: 1 = words, 2 = words and pairs, 0 = no words.
        word_grams: usize = 2, in 0..=16,
        /// Shortest character n-gram inside `<word>`; only with `char_max`.
        char_min: usize = 3, in 0..=32,
        /// Longest character n-gram; 0 = none, 5 for catalogues with many misspellings or compounds.
        char_max: usize = 0, in 0..=32,
        /// Tokens of fewer items than this are dropped.
        min_df: u32 = 2, in 0..=1_000_000_000,
        /// Hash buckets of the vocabulary, a power of two; four times the number of distinct tokens is plenty.
        buckets: usize = 1 << 20, in 1..=(1_u64 << 28),
        /// Width of an item's vector.
        dim: usize = 256, in 1..=16_384,
        /// Extra directions while the SVD is computed: more accuracy, more memory.
        oversample: usize = 16, in 0..=4096,
        /// Power iterations of the SVD: more accuracy, more time.
        iterations: usize = 5, in 0..=1000,
        /// Weight of SVD direction k is singular value k to this power: 1 = plain projection, 0 = all directions equal.
        singular_power: f32 = 1.0, in 0.0..=4.0,
    }
}

/// Options of `hash:`: settings by their names.
pub(crate) const OPTIONS: [EncoderOption; 6] = [
    EncoderOption::new("dim", "N", "width of a vector [256]"),
    EncoderOption::new("word_grams", "N", "longest run of words that counts as a token [2]"),
    EncoderOption::new("char_min", "N", "shortest character n-gram, with char_max [3]"),
    EncoderOption::new("char_max", "N", "longest character n-gram; 0 for none [0]"),
    EncoderOption::new("min_df", "N", "tokens of fewer items are dropped [2]"),
    EncoderOption::new("buckets", "N", "hash buckets, a power of two [1048576]"),
];

/// A setting out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// Neither words nor characters are counted.
    #[error(
        "features.word_grams and features.char_max are both 0: no token is left; set one of them above 0"
    )]
    NoTokens,
    /// An empty range of n-gram lengths.
    #[error("features.char_min is {min} and features.char_max {max}: 1 <= char_min <= char_max is needed")]
    CharacterRange {
        /// The shortest length given.
        min: usize,
        /// The longest length given.
        max: usize,
    },
    /// A number of buckets that is not a power of two.
    #[error("features.buckets is {got}: a power of two is needed, such as {nearest}")]
    Buckets {
        /// The number given.
        got: usize,
        /// A power of two near it.
        nearest: usize,
    },
    /// A number outside its range.
    #[error(transparent)]
    Range(#[from] SettingError),
}

impl FeatureSettings {
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self) -> Result<(), FeatureError> {
        self.check_ranges()?;
        let (min, max) = (self.char_min, self.char_max);
        if self.word_grams == 0 && max == 0 {
            return Err(FeatureError::NoTokens);
        }
        if max > 0 && (min == 0 || min > max) {
            return Err(FeatureError::CharacterRange { min, max });
        }
        if !self.buckets.is_power_of_two() {
            return Err(FeatureError::Buckets {
                got: self.buckets,
                nearest: self.buckets.next_power_of_two(),
            });
        }
        Ok(())
    }

    fn grams(&self) -> Grams {
        Grams { words: self.word_grams, char_min: self.char_min, char_max: self.char_max }
    }
}

/// Vectors of all items, fitted on the `known` ones (one entry per item): the text of any other item is only read.
///
/// # Errors
/// Invalid settings, see [`FeatureSettings::check`].
pub fn build(
    catalog: &Catalog,
    known: &[bool],
    settings: &FeatureSettings,
    seed: u64,
) -> Result<ItemFeatures, Error> {
    let encoder = HashEncoder::fit(catalog, Some(known), settings, seed)?;
    ItemFeatures::encode(catalog, &mut Embedder::new(Box::new(encoder)))
}

fn unit_length(row: &mut [f32]) {
    let length = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    // A row outside the fitted space is rounding noise: it stays without direction.
    let scale = if length > 1e-6 { (1.0 / length) as f32 } else { 0.0 };
    row.iter_mut().for_each(|x| *x *= scale);
}

#[cfg(test)]
mod tests;
