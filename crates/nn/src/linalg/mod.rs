//! Linear algebra beside networks: sparse matrices in, factors and weights out.
//!
//! [`SparseMatrix`] (compressed rows), [`Svd`] (truncated, randomised), [`tfidf`] weights, small dense solvers
//! ([`gram`], [`orthonormalise`], [`singular`]) and [`principal_components`].
//!
//! These run in parallel, unlike the rest of the crate; work is cut into fixed shards that are added in order, so the
//! same input gives the same bytes for any number of threads.

mod dense;
mod principal;
mod sparse;
mod svd;
pub mod tfidf;

pub use dense::{gram, orthonormalise, singular};
pub use principal::principal_components;
pub use sparse::SparseMatrix;
pub use svd::{Svd, SvdOptions};
