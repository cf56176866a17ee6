//! A content vector in, a short list of semantic ids out.

mod check;
mod error;
mod ids;
mod kmeans;
mod nearest;
mod residual;
mod settings;
mod tokenizer;
mod vectors;

pub use error::Error;
pub use ids::SemanticIds;
pub use residual::ResidualKmeans;
pub use settings::{Kind, TokenSettings};
pub use tokenizer::{Tokenizer, encode_all, fit};
pub use vectors::{Rows, VectorSource};
