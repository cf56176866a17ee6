//! Semantic ids of a run: measures of them, and those that were published.
//!
//! | file | does |
//! |---|---|
//! | `measure` | [`TokenReport`]: how good ids are and what codes mean; `tree` finds its examples |
//! | `foreign` | ids that were made elsewhere |
//! | `append` | ids of new items |
//! | `published` | the generation of ids that a run has published |

mod append;
mod foreign;
mod measure;
mod published;
mod tree;

pub use append::{append_items, write_ids};
pub use foreign::Foreign;
pub use measure::{Bucket, HeldBack, Neighbourhoods, TokenReport, held_back, of_others, of_run};
pub use published::{open_last, publish, published};
pub use tree::Branch;
