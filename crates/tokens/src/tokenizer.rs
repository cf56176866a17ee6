//! What every tokenizer does: vectors in, ids out, and the vectors that ids stand for.
//!
//! ```
//! use semrank_tokens::{Rows, TokenSettings, Tokenizer, fit};
//! let vectors = [0.0, 0.1, 1.0, 1.1f32]; // four items of width 1
//! let settings = TokenSettings { levels: 1, codes: 2, ..TokenSettings::default() };
//! let tokenizer = fit(&settings, &Rows::new(&vectors, 1), 7)?;
//! let ids = tokenizer.encode(&vectors)?;
//! assert!(ids.of(0) == ids.of(1) && ids.of(2) == ids.of(3) && ids.of(0) != ids.of(2));
//! assert!((tokenizer.decode(&ids)?[3] - 1.05).abs() < 1e-6);
//! # Ok::<(), semrank_tokens::Error>(())
//! ```

use crate::residual::ResidualKmeans;
use crate::{Error, Kind, SemanticIds, TokenSettings, VectorSource};

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

/// Fits the tokenizer of the settings on (a sample of) `vectors`. The same seed gives the same one on any number of threads.
///
/// # Errors
/// [`Error::Setting`], [`Error::FewItems`], [`Error::NotFinite`], and those of the source.
pub fn fit(
    settings: &TokenSettings,
    vectors: &dyn VectorSource,
    seed: u64,
) -> Result<Box<dyn Tokenizer>, Error> {
    settings.check()?;
    match settings.tokenizer {
        Kind::ResidualKmeans => Ok(Box::new(ResidualKmeans::fit(settings, vectors, seed)?)),
        kind => {
            let (got, expected) =
                (format!("{kind:?}"), "residual-kmeans, the one kind there is so far".into());
            Err(Error::Setting { key: "tokens.tokenizer", got, expected })
        }
    }
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

/// Refuses ids of another shape than the tokenizer's.
pub(crate) fn check_ids(tokenizer: &dyn Tokenizer, ids: &SemanticIds) -> Result<(), Error> {
    let (got, expected) = ((ids.levels(), ids.codes()), (tokenizer.levels(), tokenizer.codes()));
    if got == expected {
        return Ok(());
    }
    let say = |(levels, codes)| format!("{levels} levels of {codes} codes");
    Err(Error::Ids { what: "ids to decode", got: say(got), expected: say(expected) })
}
