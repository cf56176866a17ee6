//! Vectors by item, and the best of them by inner product: one trait, chosen by URL ([`open`]).
//!
//! | URL | file | search | vectors |
//! |---|---|---|---|
//! | `flat://` | `flat` | exact | this process |
//! | `hnsw://` | `hnsw` (feature of this name) | a graph, exact where it is small or few items are eligible | this process |
//! | `postgres://…` | `postgres` (feature) | exact; by the table's approximate index where it has one | a table of pgvector |
//! | `milvus://…` | `milvus` (feature) | exact; by the collection's approximate index where it has one | a collection |
//!
//! `tests/conformance.rs` runs the same promises on each. `url` reads the address, `remote` is what the engines outside the process share.

mod flat;
#[cfg(feature = "hnsw")]
mod hnsw;
#[cfg(feature = "milvus")]
mod milvus;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "milvus", feature = "postgres"))]
mod remote;
mod url;

pub use flat::Flat;
#[cfg(feature = "hnsw")]
pub use hnsw::{Hnsw, HnswSettings};
pub use url::{IndexUrl, open};

use crate::Error;
use semrank_nn::scan::{Bitmap, Hit};

/// Vectors of items. An item is found or gone in the next search after [`Index::put`] or [`Index::delete`] returns; searches wait for
/// the writing of rows, never for a rebuilding. Calls wait for a backend outside the process, so not from within an asynchronous runtime.
pub trait Index: Send + Sync {
    /// Its name in answers and reports.
    fn name(&self) -> &'static str;

    /// Width of a vector.
    fn width(&self) -> usize;

    /// Whether a search finds exactly the best items.
    fn is_exact(&self) -> bool;

    /// Gives an item a vector, or another one; its score is the inner product and `bias`.
    ///
    /// # Errors
    /// [`Error::Width`], [`Error::NotFinite`]; those of the backend.
    fn put(&self, item: u32, vector: &[f32], bias: f32) -> Result<(), Error>;

    /// Gives many items vectors, `[N x width]`: faster than one by one where the index is outside the process. After an error any of them
    /// may have theirs.
    ///
    /// # Errors
    /// Those of [`Index::put`].
    ///
    /// # Panics
    /// When there are not as many vectors and biases as items.
    fn put_all(&self, items: &[u32], vectors: &[f32], biases: &[f32]) -> Result<(), Error> {
        let width = self.width();
        assert!(
            items.len() * width == vectors.len() && items.len() == biases.len(),
            "a vector and a bias per item"
        );
        let rows = items.iter().zip(vectors.chunks_exact(width)).zip(biases);
        rows.into_iter().try_for_each(|((&item, vector), &bias)| self.put(item, vector, bias))
    }

    /// Deletes all items.
    ///
    /// # Errors
    /// Those of the backend.
    fn clear(&self) -> Result<(), Error>;

    /// The vector of an item; none where it has none.
    ///
    /// # Errors
    /// Those of the backend.
    fn vector(&self, item: u32) -> Result<Option<Vec<f32>>, Error>;

    /// Deletes an item; returns whether it was there.
    ///
    /// # Errors
    /// Those of the backend.
    fn delete(&self, item: u32) -> Result<bool, Error>;

    /// The best `k` eligible items (all where `None`), best first, of equal scores the lower number; with a `slack` all items at most
    /// that much below the k-th as well.
    ///
    /// # Errors
    /// [`Error::Width`]; those of the backend.
    fn search(
        &self,
        query: &[f32],
        k: usize,
        slack: Option<f32>,
        eligible: Option<&Bitmap>,
    ) -> Result<Vec<Hit>, Error>;
}

/// Whether an item may be put in.
fn check(item: u32, vector: &[f32], bias: f32, width: usize) -> Result<(), Error> {
    if vector.len() != width {
        return Err(Error::Width { got: vector.len(), expected: width });
    }
    if !bias.is_finite() || vector.iter().any(|value| !value.is_finite()) {
        return Err(Error::NotFinite(item));
    }
    Ok(())
}
