//! Vectors by item, and the best of them by inner product: one trait, chosen by URL.

mod flat;

pub use flat::Flat;

use crate::Error;
use semrank_nn::scan::{Bitmap, Hit};

/// Vectors of items. An item is found or gone in the next search after [`Index::put`] or [`Index::delete`] returns; searches wait for
/// the writing of rows, never for a rebuilding.
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
