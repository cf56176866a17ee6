//! Semantic ids of a run: measures of them, and those that were published.
//!
//! | file | does |
//! |---|---|
//! | `measure` | [`TokenReport`]: how good ids are and what codes mean; `tree` finds its examples |
//! | `foreign` | ids that were made elsewhere |
//! | `published` | the generation of ids that a run has published |

mod foreign;
mod measure;
mod published;
mod tree;

pub use foreign::Foreign;
pub use measure::{Bucket, HeldBack, Neighbourhoods, TokenReport, held_back, of_others, of_run};
pub use published::{open, open_last, publish, published};
pub use tree::Branch;
