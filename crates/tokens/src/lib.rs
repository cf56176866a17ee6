//! A content vector in, a short list of semantic ids out.
//!
//! - A [`Tower`] turns content vectors into vectors in which items that users take together are near each other.
//! - [`fit`] makes a [`Tokenizer`] of the kind that [`TokenSettings`] name: [`ResidualKmeans`] (the default), [`RqVae`] or
//!   [`Product`]. Vectors come through a [`VectorSource`], a block at a time.
//! - A [`Codebook`] is a frozen tokenizer in a folder; a [`Generation`] is one with the ids that were published with it, which
//!   never move. [`align`] names the codes of the next one after those of the last.
//! - [`measures`] computes the quality of ids.
//!
//! An id depends on its item's vector only, and is that of a search over all codes in f32, on every machine and any number of
//! threads. A seed gives the same codes on any number of threads.

mod alignment;
mod check;
mod codebook;
mod error;
mod generation;
mod ids;
mod kmeans;
mod nearest;
mod product;
mod report;
mod residual;
mod rq_vae;
mod settings;
mod tokenizer;
mod vectors;

pub use alignment::{AlignSettings, Tower};
pub use codebook::Codebook;
pub use error::Error;
pub use generation::{Alignment, Appended, Generation, align};
pub use ids::SemanticIds;
pub use product::Product;
pub use report::{Bucket, LevelMeasures, Measures, Neighbours, measures};
pub use residual::ResidualKmeans;
pub use rq_vae::RqVae;
pub use settings::{Collisions, Kind, TokenSettings};
pub use tokenizer::{Fitted, Tokenizer, encode_all, fit};
pub use vectors::{Rows, VectorSource};
