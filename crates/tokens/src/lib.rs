//! A content vector in, a short list of semantic ids out.

mod ids;

pub use ids::SemanticIds;
