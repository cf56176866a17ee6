//! What every tokenizer does: vectors in, ids out, and the vectors that ids stand for.
//!
//! ```
//! use semrank_tokens::{Rows, TokenSettings, Tokenizer, fit};
//! let vectors = [0.0, 0.1, 1.0, 1.1f32]; // four items of width 1
//! let settings =
//!     TokenSettings { levels: 1, codes: 2, normalise_residuals: false, ..TokenSettings::default() };
//! let tokenizer = fit(&settings, &Rows::new(&vectors, 1), 7)?;
//! let ids = tokenizer.encode(&vectors)?;
//! assert!(ids.of(0) == ids.of(1) && ids.of(2) == ids.of(3) && ids.of(0) != ids.of(2));
//! assert!((tokenizer.decode(&ids)?[3] - 1.05).abs() < 1e-6);
//! # Ok::<(), semrank_tokens::Error>(())
//! ```

use crate::{Error, Kind, Product, ResidualKmeans, RqVae, SemanticIds, TokenSettings, VectorSource};
use semrank_core::counted;

/// Rows of a source that are read and encoded at once.
const STREAMED: usize = 1 << 14;

/// Vectors into ids and back.
pub trait Tokenizer: Sync {
    /// Codes of an item, L.
    fn levels(&self) -> usize;

    /// Codes of a level, K.
    fn codes(&self) -> usize;

    /// Width of the vectors, D.
    fn dim(&self) -> usize;

    /// The ids `[n x L]` of vectors `[n x D]`. An item's id depends on its own vector only.
    ///
    /// # Errors
    /// [`Error::NotFinite`] with the row, [`Error::Width`] where there is no whole number of rows.
    fn encode(&self, vectors: &[f32]) -> Result<SemanticIds, Error>;

    /// The vectors `[n x D]` that ids stand for.
    ///
    /// # Errors
    /// [`Error::Ids`] where they have another number of levels or codes.
    fn decode(&self, ids: &SemanticIds) -> Result<Vec<f32>, Error>;
}

/// A fitted tokenizer of one of the [`Kind`]s.
#[derive(Debug, Clone)]
pub enum Fitted {
    /// [`Kind::ResidualKmeans`].
    ResidualKmeans(ResidualKmeans),
    /// [`Kind::RqVae`].
    RqVae(Box<RqVae>),
    /// [`Kind::Product`].
    Product(Product),
}

/// Fits the tokenizer of the settings on (a sample of) `vectors`. The same seed gives the same one on any number of threads.
///
/// # Errors
/// [`Error::Setting`], [`Error::FewItems`], [`Error::NotFinite`], and those of the source.
pub fn fit(settings: &TokenSettings, vectors: &dyn VectorSource, seed: u64) -> Result<Fitted, Error> {
    Ok(match settings.tokenizer {
        Kind::ResidualKmeans => Fitted::ResidualKmeans(ResidualKmeans::fit(settings, vectors, seed)?),
        Kind::RqVae => Fitted::RqVae(Box::new(RqVae::fit(settings, vectors, seed)?)),
        Kind::Product => Fitted::Product(Product::fit(settings, vectors, seed)?),
    })
}

/// The ids of all vectors of a source, a block at a time.
///
/// # Errors
/// Those of [`Tokenizer::encode`], with the row in the source, and those of the source.
pub fn encode_all(tokenizer: &dyn Tokenizer, vectors: &dyn VectorSource) -> Result<SemanticIds, Error> {
    crate::vectors::check_width("a vector", vectors.dim(), tokenizer.dim())?;
    let mut codes = Vec::with_capacity(vectors.len() * tokenizer.levels());
    for first in (0..vectors.len()).step_by(STREAMED) {
        let rows = vectors.rows(first..vectors.len().min(first + STREAMED))?;
        let ids = tokenizer.encode(&rows).map_err(|error| error.of_block(first))?;
        codes.extend_from_slice(ids.values());
    }
    Ok(SemanticIds::new(tokenizer.levels(), tokenizer.codes(), codes))
}

impl Fitted {
    /// Which one it is.
    pub fn kind(&self) -> Kind {
        match self {
            Fitted::ResidualKmeans(_) => Kind::ResidualKmeans,
            Fitted::RqVae(_) => Kind::RqVae,
            Fitted::Product(_) => Kind::Product,
        }
    }

    /// The same codes under other labels: code `c` of level `l` is called `labels[l][c]`.
    pub(crate) fn relabelled(&self, labels: &[Vec<u16>]) -> Self {
        match self {
            Fitted::ResidualKmeans(tokenizer) => Fitted::ResidualKmeans(tokenizer.relabelled(labels)),
            Fitted::RqVae(tokenizer) => Fitted::RqVae(Box::new(tokenizer.relabelled(labels))),
            Fitted::Product(tokenizer) => Fitted::Product(tokenizer.relabelled(labels)),
        }
    }

    /// Squared distances of what the codes of `prefix` leave of a vector to each code of the next level.
    pub(crate) fn distances(&self, vector: &[f32], prefix: &[u16]) -> Vec<f32> {
        match self {
            Fitted::ResidualKmeans(tokenizer) => tokenizer.distances(vector, prefix),
            Fitted::RqVae(tokenizer) => tokenizer.distances(vector, prefix),
            Fitted::Product(tokenizer) => tokenizer.distances(vector, prefix.len()),
        }
    }

    fn inner(&self) -> &dyn Tokenizer {
        match self {
            Fitted::ResidualKmeans(tokenizer) => tokenizer,
            Fitted::RqVae(tokenizer) => tokenizer.as_ref(),
            Fitted::Product(tokenizer) => tokenizer,
        }
    }
}

impl Tokenizer for Fitted {
    fn levels(&self) -> usize {
        self.inner().levels()
    }

    fn codes(&self) -> usize {
        self.inner().codes()
    }

    fn dim(&self) -> usize {
        self.inner().dim()
    }

    fn encode(&self, vectors: &[f32]) -> Result<SemanticIds, Error> {
        self.inner().encode(vectors)
    }

    fn decode(&self, ids: &SemanticIds) -> Result<Vec<f32>, Error> {
        self.inner().decode(ids)
    }
}

/// Refuses ids of another shape than the tokenizer's.
pub(crate) fn check_ids(tokenizer: &dyn Tokenizer, ids: &SemanticIds) -> Result<(), Error> {
    let (got, expected) = ((ids.levels(), ids.codes()), (tokenizer.levels(), tokenizer.codes()));
    if got == expected {
        return Ok(());
    }
    let say = |(levels, codes)| format!("{} of {codes} codes", counted(levels, "level", "levels"));
    Err(Error::Ids { what: "ids to decode", got: say(got), expected: say(expected) })
}
