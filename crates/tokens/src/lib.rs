//! A content vector in, a short list of semantic ids out.

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
mod sealed;
mod settings;
mod tokenizer;
mod vectors;

pub use codebook::Codebook;
pub use error::Error;
pub use generation::{Alignment, Appended, Collisions, Generation, align};
pub use ids::SemanticIds;
pub use product::Product;
pub use report::{Bucket, LevelMeasures, Measures, Neighbours, measures};
pub use residual::ResidualKmeans;
pub use rq_vae::RqVae;
pub use settings::{Kind, TokenSettings};
pub use tokenizer::{Fitted, Tokenizer, encode_all, fit};
pub use vectors::{Rows, VectorSource};
