//! Items to vectors, and what two rankers share of learning them: the tower of `sequence` and `response`.
//!
//! An item vector is `id row + content W + b + the rows of the prefixes of its semantic ids`; any part can be left out. A training
//! step leaves out rows at random ([`RowDropout`]), so that content stands on its own.

pub mod artefact;
mod check;
mod content_map;
mod gap;
mod gradients;
mod prefixes;
mod rounds;
mod rows;
mod settings;

pub use check::SettingError;
pub use content_map::ContentMap;
pub use gap::{GAP_BUCKETS, gap_bucket};
pub use gradients::{RowGrads, squared};
pub use prefixes::PrefixRows;
pub use rounds::Rounds;
pub use rows::{KnownItems, Prefixes, RowDropout, gather, id_row, id_rows, id_table};
pub use settings::{Auto, Delay, Loss, ModelSettings, Negatives, Stream, TrainSettings};
